"""The answer that a client gets of a stored one: 200, 304, 206 or 416, and its Age."""

from __future__ import annotations

import msgspec

from apigw_cli.caching import conditions, ranges
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields

_CONDITIONAL = frozenset((b"if-none-match", b"if-modified-since", b"range"))
# RFC 9110, section 15.4.5: what a 304 repeats; Cache-Status and the like are the connection's to add.
_IN_304 = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary", b"last-modified"))


class Answer(msgspec.Struct, frozen=True, gc=False):
    """`head` is status line and header lines, without framing and the empty line. `has_body` False: 204 and 304."""

    status: int
    head: bytes
    body: bytes
    has_body: bool = True


def of(entry: Entry, request: Fields | None, seconds: float) -> Answer | None:
    """`seconds`: its age. `request` None: it has neither conditions nor Range. None: what it asks for is not stored."""
    age = b"Age: %d\r\n" % seconds
    if request is None and entry.part is None:
        return Answer(entry.status, entry.head + age, entry.body, entry.status != 204)
    request = request or {}
    if entry.status in (200, 206) and conditions.not_modified(request, entry):
        kept = (line for line in entry.lines if line.partition(b":")[0].lower() in _IN_304)
        return Answer(304, b"HTTP/1.1 304 Not Modified\r\n%b%b" % (b"".join(kept), age), b"", False)
    return _ranged(entry, request, age)


def is_conditional(fields: dict[bytes, bytes]) -> bool:
    """Whether `of` has to look at a request's fields."""
    return not _CONDITIONAL.isdisjoint(fields)


def _ranged(entry: Entry, request: Fields, age: bytes) -> Answer | None:
    wanted = ranges.wanted(request, entry) if entry.status in (200, 206) else ranges.WHOLE
    if wanted == ranges.WHOLE:
        if entry.part is not None:
            return None
        return Answer(entry.status, entry.head + age, entry.body, entry.status != 204)
    lines = b"".join(line for line in entry.lines if not line.lower().startswith(b"content-range:"))
    if isinstance(wanted, str):
        length = entry.part[2] if entry.part is not None else len(entry.body)
        head = b"HTTP/1.1 416 Range Not Satisfiable\r\n%b%bContent-Range: bytes */%d\r\n" % (lines, age, length)
        return Answer(416, head, b"")
    if not ranges.has(entry, wanted):
        return None
    body, content = ranges.cut(entry, wanted)
    return Answer(206, b"HTTP/1.1 206 Partial Content\r\n%b%bContent-Range: %b\r\n" % (lines, age, content), body)
