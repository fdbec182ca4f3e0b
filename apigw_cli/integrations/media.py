"""Media types of mock answers: which of those on offer a client takes, and a value's bytes in it (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

import orjson

_TYPE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)/([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(;.*)?", re.DOTALL)
_QUALITY = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_RANGES = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}


def concrete(offer: str) -> str:
    """The Content-Type for a key of `content`: a range becomes a type in it; what is no media type, plain bytes."""
    match = _TYPE.fullmatch(offer)
    if match is None or not offer.isascii() or not offer.isprintable():
        return "application/octet-stream"
    essence = f"{match[1]}/{match[2]}".lower()
    return _RANGES.get(essence, "application/octet-stream" if "*" in essence else offer.strip())


def choose(offers: Sequence[str], accept: str) -> str | None:
    """The offer that `accept` likes best, None where it takes none. Without preference: JSON, then the first."""
    ordered = sorted(offers, key=lambda offer: not is_json(concrete(offer)))
    if not accept.strip():
        return ordered[0]
    ranges = [_range(part) for part in accept.split(",")]
    liked = [(_liking(concrete(offer), ranges), offer) for offer in ordered]
    (quality, _), best = max(liked, key=lambda pair: pair[0])
    return best if quality > 0 else None


_Range = tuple[str, str, float]


def _range(part: str) -> _Range:
    match = _TYPE.fullmatch(part)
    if match is None:
        return "", "", 0.0
    quality = _QUALITY.search(match[3] or "")
    return match[1].lower(), match[2].lower(), float(quality[1]) if quality else 1.0


def _liking(offer: str, ranges: Sequence[_Range]) -> tuple[float, int]:
    """Quality and rank of the most specific range that `offer` is in; zeros where it is in none.

    A client that asks for one JSON type (`application/vnd.github+json`) takes another, as nearly all of them do.
    """
    kind, _, rest = offer.lower().partition("/")
    subtype = rest.partition(";")[0].strip()
    best = (0, 0.0)
    for range_kind, range_subtype, quality in ranges:
        if (range_kind, range_subtype) == (kind, subtype):
            rank = 4
        elif is_json(offer) and is_json(f"{range_kind}/{range_subtype}"):
            rank = 3
        elif range_kind == kind and range_subtype == "*":
            rank = 2
        elif range_kind == range_subtype == "*":
            rank = 1
        else:
            continue
        best = max(best, (rank, quality))
    return best[1], best[0]


def is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json") or essence == "text/json"


def encode(media_type: str, value: Any, name: str = "root") -> bytes:
    """`value` in the given media type; `name` is the root element's, for XML. Text stands as it is outside JSON."""
    if is_json(media_type):
        return orjson.dumps(value)
    if isinstance(value, str):
        return value.encode()
    essence = media_type.partition(";")[0].strip().lower()
    if essence.endswith(("/xml", "+xml")):
        return ('<?xml version="1.0" encoding="UTF-8"?>' + _xml(name, value)).encode()
    return orjson.dumps(value)


def _xml(name: str, value: Any) -> str:
    tag = name if _XML_NAME.fullmatch(name) else "item"
    if isinstance(value, list):
        return f"<{tag}>{''.join(_xml('item', one) for one in value)}</{tag}>"
    if isinstance(value, dict):
        return f"<{tag}>{''.join(_xml(key, one) for key, one in value.items())}</{tag}>"
    text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"<{tag}>{escape(text)}</{tag}>"
