"""The path and the host of a request, brought once and safely into the form that routes are compared with.

Two spellings that a server behind us may take for the same resource must take the same route here, or a client
picks the route whose policies suit it. So the result of `normalise` is what is routed on and what is forwarded.
"""

from __future__ import annotations

import re
import string

_UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()
# pchar and "/" without "%" (RFC 3986, section 3.3)
_PLAIN = _UNRESERVED + b"!$&'()*+,;=:@/"
# Not allowed in a URI, but sent by clients in good faith: they are encoded, which changes no meaning.
_SLOPPY = bytes(range(0x80, 0x100)) + b'"<>[]^`{|}'
_SLOPPY_BYTE = re.compile(b"[" + re.escape(_SLOPPY) + b"]")
# A path with nothing to do: no escape, no empty segment, none that begins with a dot. Possessive: never backtracks.
_PLAIN_PATH = re.compile(rb"/(?:[A-Za-z0-9\-_~!$&'()*+,;=:@][A-Za-z0-9\-._~!$&'()*+,;=:@]*/?)*+")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
# ".." for a server that decodes %2F or %5C before it splits, or that cuts path parameters ("..;x") off first.
_HIDDEN_DOTS = re.compile(rb"(?:/|%2F|%5C)\.\.(?:$|[/;]|%2F|%5C|%3B)")
_MERGED = re.compile(rb"/{2,}")

_HOST = re.compile(rb"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


def normalise(raw_path: bytes) -> str | None:
    """The path to route on and to forward, or None where the request deserves a 400.

    `raw_path` is the target's path as it came, without the query. Escapes of unreserved characters are decoded
    and the others spelled in upper case, dot-segments removed (RFC 3986, section 6.2.2), repeated slashes merged.
    `%2F` stays what it is: part of a segment. Refused: no leading slash, an escape that is none, control
    characters, a backslash, `%00`, and `..` that shows only to a server which decodes `%2F` or `%5C`, or cuts `;…` off.
    """
    if _PLAIN_PATH.fullmatch(raw_path):
        return raw_path.decode("ascii")
    return _normalise_slowly(raw_path)


def _normalise_slowly(raw: bytes) -> str | None:
    if raw[:1] != b"/" or raw.translate(None, _PLAIN + _SLOPPY + b"%"):
        return None
    try:
        path = _ESCAPE.sub(_respell, raw)
    except ValueError:
        return None
    path = _SLOPPY_BYTE.sub(lambda match: b"%%%02X" % match[0][0], path)
    path = _remove_dot_segments(_MERGED.sub(b"/", path))
    if _HIDDEN_DOTS.search(path):
        return None
    return path.decode("ascii")


def _respell(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        raise ValueError("an escape without two hexadecimal digits")
    byte = int(match[1], 16)
    if byte == 0:
        raise ValueError("a NUL ends the path for some servers behind us")
    return bytes((byte,)) if byte in _UNRESERVED else match[0].upper()


def _remove_dot_segments(path: bytes) -> bytes:
    """RFC 3986, section 5.2.4, for a path whose slashes are merged."""
    if b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def normalise_host(raw: bytes) -> str | None:
    """The host of a `Host` header or of an absolute target: lower case, without port and last dot.

    Empty for an empty header (RFC 9110, section 7.2); None where it is not a host (answer 400).
    """
    if not raw:
        return ""
    match = _HOST.fullmatch(raw)
    if match is None:
        return None
    return match[1].decode("ascii").lower().removesuffix(".") or None
