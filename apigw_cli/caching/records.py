"""A stored answer as bytes: what is known of it as MessagePack, its body as it is."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any, get_type_hints

import msgspec

from apigw_cli.caching.entry import Entry

_MADE = frozenset(("body", "head", "at"))  # what a record holds elsewhere, or is made anew
_NAMES = tuple(one.name for one in fields(Entry) if one.name not in _MADE)
_HINTS = get_type_hints(Entry)
_values = attrgetter(*_NAMES)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    tuple[tuple(_HINTS[name] for name in _NAMES)]  # type: ignore[misc]
)


def meta(entry: Entry) -> bytes | None:
    """All but the body; None where a number in it is beyond all measure (a Content-Range says what it likes)."""
    try:
        return _encoder.encode(_values(entry))
    except OverflowError:
        return None


def entry(data: bytes, position: int) -> Entry | None:
    """The entry, without its body; None for bytes that are none."""
    try:
        known = dict(zip(_NAMES, _decoder.decode(data), strict=True))
    except msgspec.MsgspecError:
        return None
    return Entry(body=b"", at=position, **known)
