"""Which coding is chosen, and that what is coded is what came."""

from __future__ import annotations

import zlib
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.policies.compression.codings import maker
from apigw_cli.policies.compression.negotiation import choose
from apigw_cli.policies.compression.policy import TYPES, fitting

ALL = (b"zstd", b"br", b"gzip")


def decoded(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return zlib.decompress(data, 31)
    return brotli.decompress(data) if coding == "br" else zstandard.ZstdDecompressor().decompressobj().decompress(data)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, None),
        (b"", None),
        (b"identity", None),
        (b"gzip", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"gzip, deflate, br, zstd", b"zstd"),
        (b"gzip, br", b"br"),
        (b"gzip;q=1.0, br;q=0.5", b"gzip"),
        (b"gzip;q=0", None),
        (b"*", b"zstd"),
        (b"*;q=0", None),
        (b"zstd;q=0, *", b"br"),
        (b"gzip;q=0.5, identity", None),
        (b"gzip;q=0.5, identity;q=0.2", b"gzip"),
        (b"gzip;q=2", None),
        (b"gzip;q=0.1234", None),
        (b"gzip;level=9", None),
        (b" gzip ;\tq=0.001 ", b"gzip"),
        (b"gzip, gzip;q=0", b"gzip"),
        (b"gzip," * 1000, None),
    ],
)
def test_negotiation(accepted: bytes | None, expected: bytes | None) -> None:
    assert choose(accepted, ALL) == expected


@given(weights=st.dictionaries(st.sampled_from(["zstd", "br", "gzip", "identity", "*", "x"]), st.integers(0, 1000)))
def test_nothing_is_chosen_that_is_liked_less(weights: dict[str, int]) -> None:
    accepted = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in weights.items()).encode()
    found = choose(accepted, ALL)
    liked = {name: weights.get(name, weights.get("*", 0)) for name in ("zstd", "br", "gzip")}
    if found is None:
        assert max(liked.values()) <= max(weights.get("identity", 0), 0)
    else:
        assert liked[found.decode()] == max(liked.values()) > 0
        assert liked[found.decode()] >= weights.get("identity", 0)


@given(st.binary(max_size=2048))
def test_any_header_is_read(accepted: bytes) -> None:
    assert choose(accepted, ALL) in (None, *ALL)


@given(
    coding=st.sampled_from(["zstd", "br", "gzip"]),
    parts=st.lists(st.binary(max_size=5000), max_size=6),
    flushes=st.booleans(),
)
def test_what_is_coded_is_what_came(coding: str, parts: list[bytes], flushes: bool) -> None:
    body = maker(coding)(flushes)
    data = b"".join(body.part(part) + body.flush() for part in parts) + body.end()
    assert decoded(coding, data) == b"".join(parts)


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
def test_what_has_no_end_in_sight_is_readable_at_once(coding: str) -> None:
    body = maker(coding)(True)
    data = body.part(b"an event\n") + body.flush()
    reader: Any = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }[coding]()
    assert reader(data) == b"an event\n"
    assert body.flush() == b""


@pytest.mark.parametrize(
    ("content_type", "fits"),
    [
        (b"application/json", True),
        (b"application/problem+json; charset=utf-8", True),
        (b"Text/HTML", True),
        (b"text/event-stream", True),
        (b"image/png", False),
        (b"application/+json", False),
        (b"text/", False),
        (b"", False),
    ],
)
def test_types(content_type: bytes, fits: bool) -> None:
    assert fitting(TYPES)(content_type) is fits
