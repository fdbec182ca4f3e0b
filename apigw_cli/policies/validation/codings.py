"""Bodies without their content coding (RFC 9110, section 8.4.1), never more of them than is asked for.

gzip and deflate are always here, br and zstd with the extra `compression`. One coding, and one member of it: who
compresses twice, or appends something, wants two readers to see two things.
"""

from __future__ import annotations

import functools
import io
import zlib
from collections.abc import Callable

from apigw_cli.policies.compression.codings import installed

_WINDOW = 8 << 20  # of zstd over HTTP (RFC 9659)
_CUT = "it is cut off, or followed by something else"


class TooLarge(ValueError):
    """What is compressed is more than may be looked at."""


def named(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """What all of a request's Content-Encoding says, in one; None where there is none."""
    found = [value for name, value in headers if name == b"content-encoding"]
    return b",".join(found) if found else None


def known() -> str:
    """The codings, for people."""
    *first, last = accepted().split(", ")
    return f"{', '.join(first)} or {last}"


@functools.cache
def accepted() -> str:
    """The codings, for clients: what an `Accept-Encoding` says."""
    return ", ".join(coding for coding in ("gzip", "deflate", "br", "zstd") if installed(coding))


def inflated(data: bytes, coding: bytes, maximum: int) -> bytes | None:
    """`data` without its content coding, at most so many bytes; None for a coding that is not known here.

    Raises TooLarge, and ValueError for what is damaged.
    """
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return data
    read = _READERS.get(coding)
    if read is None or not installed(coding.decode()):
        return None
    return read(data, maximum)


def _gzip(data: bytes, maximum: int) -> bytes:
    return _inflated(zlib.decompressobj(31), data, maximum)


def _deflate(data: bytes, maximum: int) -> bytes:
    return _inflated(zlib.decompressobj(15), data, maximum)


def _inflated(machine: zlib._Decompress, data: bytes, maximum: int) -> bytes:
    try:
        found = machine.decompress(data, maximum + 1)
    except zlib.error:
        raise ValueError("it is damaged") from None
    if len(found) > maximum:
        raise TooLarge
    if not machine.eof or machine.unused_data:
        raise ValueError(_CUT)
    return found


def _brotli(data: bytes, maximum: int) -> bytes:
    import brotli

    machine = brotli.Decompressor()
    found = bytearray()
    try:
        found += machine.process(data, output_buffer_limit=maximum + 1)
        while not machine.can_accept_more_data() and not machine.is_finished() and len(found) <= maximum:
            found += machine.process(b"", output_buffer_limit=maximum + 1)
    except brotli.error:
        raise ValueError("it is damaged, or followed by something else") from None
    if len(found) > maximum:
        raise TooLarge
    if not machine.is_finished():
        raise ValueError(_CUT)
    return bytes(found)


def _zstd(data: bytes, maximum: int) -> bytes:
    import zstandard

    machine = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    try:
        found: bytes = machine.stream_reader(io.BytesIO(data)).read(maximum + 1)
        if len(found) > maximum:
            raise TooLarge
        again = machine.decompressobj()  # says where it ends; how much that is, is known now
        again.decompress(data)
    except zstandard.ZstdError:
        raise ValueError("it is damaged") from None
    if not again.eof or again.unused_data:
        raise ValueError(_CUT)
    return found


_READERS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
