"""The content codings that there are here, each a maker of something that takes a body's parts.

Each keeps a bounded window, whatever the body's size: gzip 32 KiB, brotli and zstd 256 KiB.
"""

from __future__ import annotations

import functools
import importlib.util
import zlib
from collections.abc import Callable
from typing import Any

from apigw_cli.policies.answer_filter import Body

PREFERRED = ("zstd", "br", "gzip")  # where a client likes several alike
_MODULES = {"zstd": "zstandard", "br": "brotli"}


class Coder:
    """`flushes`: what has been taken goes out whenever nothing more has come; for bodies without a known end."""

    __slots__ = ("_end", "_flush", "_flushes", "_fresh", "_part")

    def __init__(
        self, part: Callable[[bytes], bytes], flush: Callable[[], bytes], end: Callable[[], bytes], flushes: bool
    ) -> None:
        self._part = part
        self._flush = flush
        self._end = end
        self._flushes = flushes
        self._fresh = False  # something has been taken since the last flush

    def part(self, data: bytes) -> bytes:
        self._fresh = True
        return self._part(data)

    def flush(self) -> bytes:
        if not (self._flushes and self._fresh):
            return b""
        self._fresh = False
        return self._flush()

    def end(self) -> bytes:
        return self._end()


def installed(coding: str) -> bool:
    module = _MODULES.get(coding)
    return module is None or importlib.util.find_spec(module) is not None


def maker(coding: str) -> Callable[[bool], Body]:
    """`flushes` → what codes one body."""
    return {"gzip": _gzip, "br": _brotli, "zstd": _zstd}[coding]


def _gzip(flushes: bool) -> Body:
    one = zlib.compressobj(6, zlib.DEFLATED, 31)
    return Coder(one.compress, lambda: one.flush(zlib.Z_SYNC_FLUSH), one.flush, flushes)


def _brotli(flushes: bool) -> Body:
    import brotli

    one = brotli.Compressor(quality=4, lgwin=18)
    return Coder(one.process, one.flush, one.finish, flushes)


@functools.cache
def _zstd_settings() -> Any:
    import zstandard

    # RFC 9659: no window above 8 MiB over HTTP; 256 KiB are plenty here.
    return zstandard.ZstdCompressionParameters.from_level(3, window_log=18, write_content_size=False)


def _zstd(flushes: bool) -> Body:
    import zstandard

    one = zstandard.ZstdCompressor(compression_params=_zstd_settings()).compressobj()
    return Coder(one.compress, lambda: one.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), one.flush, flushes)
