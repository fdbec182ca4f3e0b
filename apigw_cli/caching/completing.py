"""A stored part of an answer made whole by asking for what is missing (RFC 9111, section 3.4; RFC 9110, section 14.4).

Only where both parts have the same strong ETag, and one ends where the other begins: else bytes of two versions would
stand in one answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from apigw_cli.caching import conditions, fields, ranges
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields
from apigw_cli.caching.ranges import Part


def missing(entry: Entry) -> Part | None:
    """First and last byte of what a stored part lacks; None where it cannot be completed by one other part."""
    if entry.part is None or entry.etag is None or entry.etag[:1] != b'"':
        return None
    first, last, length = entry.part
    if first == 0 and last < length - 1:
        return last + 1, length - 1
    return (0, first - 1) if first and last == length - 1 else None


def asking(entry: Entry, part: Part) -> bytes:
    """The header lines by which to ask for it: the whole answer comes where another version is there by now."""
    return b"Range: bytes=%d-%d\r\nIf-Range: %b\r\n" % (*part, entry.etag or b"")


def fits(entry: Entry, part: Part, answer: Fields) -> bool:
    """Whether a 206 is what was asked for, of the same version."""
    assert entry.part is not None
    content = ranges.content_range(answer.get(b"content-range", [b""])[0])
    return content == (*part, entry.part[2]) and answer.get(b"etag") == [entry.etag]


def lines(entry: Entry, came: Sequence[bytes]) -> tuple[bytes, ...]:
    """The header lines of the whole: those stored, with those that came now in place of theirs."""
    merged = conditions.updated(entry.lines, came)
    return tuple(line for line in merged if fields.name_of(line) != b"content-range")


def body(entry: Entry, came: bytes) -> bytes | None:
    """The whole body; None where something is missing or too much."""
    assert entry.part is not None
    first, _, length = entry.part
    whole = came + entry.body if first else entry.body + came
    return whole if len(whole) == length else None
