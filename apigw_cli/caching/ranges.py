"""Parts of a stored answer (RFC 9110, section 14; RFC 9111, section 3.3)."""

from __future__ import annotations

import re

from apigw_cli.caching import fields
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields

_RANGE = re.compile(rb"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)
_CONTENT = re.compile(rb"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")

WHOLE, UNSATISFIABLE = "whole", "unsatisfiable"
Part = tuple[int, int]


def content_range(value: bytes) -> tuple[int, int, int] | None:
    """First and last byte and the whole length; None where it does not say all three, or they contradict."""
    match = _CONTENT.fullmatch(value)
    if match is None:
        return None
    first, last, length = map(int, match.groups())
    return (first, last, length) if first <= last < length else None


def wanted(request: Fields, entry: Entry) -> Part | str:
    """What a request with `Range` gets of a stored 200 or 206: first and last byte, `WHOLE` or `UNSATISFIABLE`.

    Several ranges, other units and what cannot be read are as no Range (RFC 9110, section 14.2). `If-Range` that does
    not fit: the whole answer (section 13.1.5).
    """
    values = request.get(b"range", [])
    match = _RANGE.fullmatch(values[0]) if len(values) == 1 else None
    if match is None or not (match[1] or match[2]) or not if_range(request, entry):
        return WHOLE
    length = entry.part[2] if entry.part is not None else len(entry.body)
    if match[1]:
        first, last = int(match[1]), min(int(match[2] or length - 1), length - 1)
        if match[2] and int(match[2]) < first:
            return WHOLE
    else:
        if not int(match[2]):
            return UNSATISFIABLE
        first, last = max(length - int(match[2]), 0), length - 1
    return (first, last) if first <= last else UNSATISFIABLE


def has(entry: Entry, part: Part) -> bool:
    """Whether all of it is stored."""
    if entry.part is None:
        return True
    return entry.part[0] <= part[0] and part[1] <= entry.part[1]


def cut(entry: Entry, part: Part) -> tuple[bytes, bytes]:
    """The bytes, and the value of their Content-Range."""
    offset = entry.part[0] if entry.part is not None else 0
    length = entry.part[2] if entry.part is not None else len(entry.body)
    return entry.body[part[0] - offset : part[1] - offset + 1], b"bytes %d-%d/%d" % (*part, length)


def if_range(request: Fields, entry: Entry) -> bool:
    """Whether `Range` counts: the client's part is of this very representation (strong comparison)."""
    value = fields.joined(request, b"if-range")
    if value is None:
        return True
    if value[:1] == b'"':
        return value == entry.etag
    when = fields.date(value)
    # A date is a strong validator only where it is a second or more before the answer's (section 8.8.2.2).
    return when is not None and when == fields.date(entry.modified) and entry.date > when
