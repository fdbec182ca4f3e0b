"""Findings of unchanged files, kept between runs.

An entry belongs to one file as it was named, from one folder, with one ruleset and one version of apigw. It holds the
digest of every file that took part, of those that were missing too; it counts only while all of them are as they were.
Entries are JSON with a digest of themselves in front, written in one step: whatever else lies there is passed over and
written anew. Nothing about the cache is ever an error: where it cannot be used, lint does the work.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

import apigw_cli
from apigw_cli.errors import ApigwError, InputError
from apigw_cli.lint.files import replace
from apigw_cli.lint.ignores import Mark
from apigw_cli.lint.model import Finding
from apigw_cli.lint.work import Linted
from apigw_cli.openapi.reading import MISSING, digest, read_text

FORMAT = 1
MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 2_000
_DIGEST = 64  # hexadecimal digits in front of an entry


class _Entry(msgspec.Struct):
    depends: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    marks: tuple[Mark, ...]


def default_folder() -> Path:
    """APIGW_CACHE_DIR, else the platform's folder for caches (XDG Base Directory on Linux)."""
    chosen = os.environ.get("APIGW_CACHE_DIR")
    if chosen:
        return Path(chosen) / "lint"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "apigw" / "Cache" / "lint"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "apigw" / "lint"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "apigw" / "lint"


class Cache:
    """The cache in one folder, for one set of settings (by their digest)."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.settings = settings

    def get(self, name: str, root: Path) -> Linted | None:
        """What was found in a file, if nothing that took part has changed since."""
        path = self._path(name, root)
        try:
            data = path.read_bytes()
            if hashlib.sha256(data[_DIGEST:]).hexdigest().encode() != data[:_DIGEST]:
                return None
            entry = msgspec.json.decode(data[_DIGEST:], type=_Entry)
            if not all(_is_as_it_was(file, known) for file, known in entry.depends):
                return None
            os.utime(path)  # used last
        except (OSError, msgspec.MsgspecError, ValueError):
            return None
        return Linted(entry.findings, entry.files, entry.marks, depends=entry.depends)

    def put(self, name: str, root: Path, linted: Linted) -> None:
        """Keep what was found, if it can be known later whether it still holds."""
        if not linted.depends:
            return
        try:
            body = msgspec.json.encode(_Entry(linted.depends, linted.findings, linted.files, linted.marks))
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace(self._path(name, root), hashlib.sha256(body).hexdigest().encode() + body)
            self._evict()
        except (ApigwError, OSError, ValueError, TypeError):
            return

    def _path(self, name: str, root: Path) -> Path:
        parts = (FORMAT, apigw_cli.__version__, _program(), self.settings, str(Path.cwd()), str(root.absolute()), name)
        return self.folder / (hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest() + ".json")

    def _evict(self) -> None:
        """Drop what was used longest ago until the rest fits. Other runs may do the same at the same time."""
        entries = sorted(self._entries())
        size = sum(entry[1] for entry in entries)
        count = len(entries)
        for _, bytes_, path in entries:
            if count <= MAX_ENTRIES and size <= MAX_BYTES:
                return
            path.unlink(missing_ok=True)
            count, size = count - 1, size - bytes_

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        with os.scandir(self.folder) as listed:
            for item in listed:
                try:
                    status = item.stat()
                except OSError:
                    continue  # another run has dropped it
                yield status.st_mtime, status.st_size, Path(item.path)


def _is_as_it_was(file: str, known: str) -> bool:
    path = Path(file)
    if known == MISSING:
        return not path.exists()
    try:
        return digest(read_text(path, file)) == known
    except InputError:
        return False


@cache
def _program() -> str:
    """Sizes and times of the modules that findings come from: an edited checkout has the same version."""
    base = Path(apigw_cli.__file__).parent
    listed = []
    for path in sorted([*base.glob("lint/**/*.py"), *base.glob("openapi/*.py")]):
        status = path.stat()
        listed.append((path.name, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(listed).encode()).hexdigest()
