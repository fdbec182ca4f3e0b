"""A folder of files that a site shows: which file a path means, safely, and what is said of it.

No path leads out of the folder: segments that could (`..`, an encoded slash or NUL) are refused before the file system
sees them, and a file is served only where it really is inside, whatever symbolic links lead to it; that is asked of the
open descriptor, so that nobody can exchange a link in between. Files and folders whose names begin with a dot are not
shown, but for `.well-known` (RFC 8615).
"""

from __future__ import annotations

import errno
import fnmatch
import mimetypes
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote_to_bytes

from apigw_cli.errors import InputError
from apigw_cli.integrations.preconditions import Representation
from apigw_cli.snapshot.model import StaticIntegration

_TYPES = mimetypes.MimeTypes(filenames=())
for _kind, _ending in (
    ("text/javascript", ".js"), ("text/javascript", ".mjs"), ("application/wasm", ".wasm"), ("font/woff", ".woff"),
    ("font/woff2", ".woff2"), ("font/ttf", ".ttf"), ("font/otf", ".otf"), ("image/webp", ".webp"),
    ("image/avif", ".avif"), ("image/svg+xml", ".svg"), ("image/x-icon", ".ico"), ("text/markdown", ".md"),
    ("application/manifest+json", ".webmanifest"), ("application/json", ".map"), ("application/yaml", ".yaml"),
    ("application/yaml", ".yml"), ("application/toml", ".toml"), ("text/vtt", ".vtt"), ("application/xml", ".xml"),
):  # fmt: skip
    _TYPES.add_type(_kind, _ending)
_TEXTUAL = ("application/json", "application/manifest+json", "application/xml", "application/yaml", "image/svg+xml")
_DESCRIPTORS = Path("/proc/self/fd")
_MISSING = frozenset((
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EISDIR,
    errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP,  # a socket, a device that nothing drives
))  # fmt: skip
# A pipe must not be waited for, and no terminal become ours.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
_GETPATH = 50  # fcntl.F_GETPATH of macOS
_FRESH = 2 * 10**9  # nanoseconds: the clocks of file systems tick every 4 ms to 2 s
_DEVICE = re.compile(r"CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|COM[0-9\xb9\xb2\xb3]|LPT[0-9\xb9\xb2\xb3]")
REVALIDATE = "no-cache"  # keep it, ask each time whether it still is the one: ETag answers that


class NotThere(LookupError):
    """No file is shown under this path."""


class IsFolder(LookupError):
    """The path means a folder and does not end in a slash."""


@dataclass(slots=True)
class Opened:
    """An open file; whoever has it closes `descriptor`. `lines` are the header lines that describe it."""

    descriptor: int
    representation: Representation
    lines: bytes

    def close(self) -> None:
        os.close(self.descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`. Raises OSError."""
        return os.pread(self.descriptor, size, offset)


class Folder:
    """One site's files."""

    def __init__(
        self, site: str, integration: StaticIntegration, root: Path, now: Callable[[], int] = time.time_ns
    ) -> None:
        """Raises InputError where there is no such folder. `now`: nanoseconds since 1970."""
        self._now = now
        self._folder = os.path.realpath(root / integration.folder)
        if not os.path.isdir(self._folder):  # noqa: PTH112
            message = f"site {site}: there is no folder {root / integration.folder}"
            raise InputError(message, hint=f"make it, or change sites.{site}.folder")
        self._index = integration.index
        self._strip = len(integration.strip)
        self._caching = tuple(integration.cache_control)
        self._has_descriptors = sys.platform == "linux" and _DESCRIPTORS.is_dir()

    def find(self, path: str) -> Opened:
        """The file that a request's path means; of a folder its index. Raises NotThere and IsFolder."""
        relative = self._relative(path)
        opened = self._open(relative)
        if opened is None:
            if relative and not path.endswith("/"):
                raise IsFolder(path)
            opened = self._open("/".join(part for part in (relative, self._index) if part))
        elif path.endswith("/"):
            opened.close()
            raise NotThere(path)
        if opened is None:
            raise NotThere(path)
        return opened

    def named(self, name: str) -> Opened:
        """The file of this name in the folder. Raises NotThere."""
        opened = self._open(name.strip("/"))
        if opened is None:
            raise NotThere(name)
        return opened

    def _relative(self, path: str) -> str:
        """The name of the file in the folder. Raises NotThere for what no file may be called."""
        parts = [part for part in path[self._strip :].split("/") if part]
        return "/".join([_segment(part) for part in parts])

    def _open(self, name: str) -> Opened | None:
        """None: it is a folder. Raises NotThere."""
        path = os.path.join(self._folder, *name.split("/"))  # noqa: PTH118
        try:
            descriptor = os.open(path, _FLAGS)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _MISSING:
                raise
            raise NotThere(name) from None
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                os.close(descriptor)
                return None
            if not stat.S_ISREG(found.st_mode) or not self._is_inside(path, descriptor, found):
                raise NotThere(name)
        except BaseException:
            os.close(descriptor)
            raise
        it = representation(found, self._now())
        return Opened(descriptor, it, self._lines(name, it))

    def _is_inside(self, path: str, descriptor: int, found: os.stat_result) -> bool:
        if self._has_descriptors:
            real = os.readlink(_DESCRIPTORS / str(descriptor))  # noqa: PTH115
        elif sys.platform == "darwin":
            import fcntl

            real = os.fsdecode(fcntl.fcntl(descriptor, _GETPATH, bytes(1024)).rstrip(b"\0"))
        else:
            real = os.path.realpath(path)
            if not os.path.samestat(os.stat(real), found):  # noqa: PTH116
                return False
        return real.startswith(self._folder + os.sep) or self._folder == os.sep

    def _lines(self, name: str, it: Representation) -> bytes:
        fitting = (value for pattern, value in self._caching if fnmatch.fnmatchcase("/" + name, pattern))
        caching = next(fitting, REVALIDATE)
        modified = f"Last-Modified: {formatdate(it.modified, usegmt=True)}\r\n" if it.modified is not None else ""
        lines = (
            f"Content-Type: {content_type(name)}\r\n{modified}"
            f"Accept-Ranges: bytes\r\nCache-Control: {caching}\r\nX-Content-Type-Options: nosniff\r\n"
        )
        return lines.encode("latin-1") + b"ETag: %b\r\n" % it.etag


def representation(found: os.stat_result, now: int) -> Representation:
    """What tells this content of the file from any other: its time, to the nanosecond, and its size.

    A file that was written just now (`now` in nanoseconds since 1970) may be written again within the same tick of its
    file system's clock: it gets a tag that no other answer has, and no time: nobody takes the first for the second.
    """
    if abs(now - found.st_mtime_ns) < _FRESH:
        return Representation(b'"%x-%x-%x"' % (found.st_mtime_ns, found.st_size, now), None, found.st_size)
    return Representation(b'"%x-%x"' % (found.st_mtime_ns, found.st_size), int(found.st_mtime), found.st_size)


def content_type(name: str) -> str:
    """By the ending of its name; text is UTF-8."""
    kind, coding = _TYPES.guess_type("/" + name.rpartition("/")[2])  # a path: no scheme is looked for
    if kind is None or coding is not None:
        return {"gzip": "application/gzip"}.get(coding or "", "application/octet-stream")
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in _TEXTUAL else kind


def types() -> dict[str, str]:
    """The content type of each ending (without its dot) that there is one for; lower case."""
    known, packed = _TYPES.types_map[True], (*_TYPES.encodings_map, *_TYPES.suffix_map)
    return {ending[1:].lower(): content_type(f"x{ending}") for ending in (*known, *packed)}


def _segment(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise NotThere(text) from None
    hidden = decoded.startswith(".") and decoded != ".well-known"
    if hidden or any(sign in decoded for sign in "/\\\0") or (os.name == "nt" and is_strange(decoded)):
        raise NotThere(text)
    return decoded


def is_strange(name: str) -> bool:
    """Whether Windows takes this name for another one: a stream, a device, a short name (`GIT~1`), `index.html.`."""
    base = name.partition(".")[0].rstrip(" ").upper()
    return bool(
        set(name) & set(':*?"<>|') or name[-1:] in (".", " ") or re.search(r"~\d", name) or _DEVICE.fullmatch(base)
    )
