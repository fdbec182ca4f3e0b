"""What a client's conditions and ranges ask of a representation that is here (RFC 9110, sections 13 and 14). Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_TAG = re.compile(rb'[ \t]*((?:W/)?"[!#-~\x80-\xff]*")[ \t]*(?:,|$)')
_RANGE = re.compile(rb"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)

Fields = Mapping[bytes, bytes]  # names in lower case


class Verdict(enum.Enum):
    """What to do with a GET or HEAD."""

    SEND = 200
    NOT_MODIFIED = 304
    FAILED = 412


@dataclass(frozen=True, slots=True)
class Representation:
    """`etag` with its quotes, strong; `modified` in seconds since 1970, None: too fresh to say; `length` in bytes."""

    etag: bytes
    modified: int | None
    length: int


def evaluate(fields: Fields, it: Representation) -> Verdict:
    """In the order of RFC 9110, section 13.2.2. What cannot be read is as if it was not there."""
    match, unmodified = fields.get(b"if-match"), fields.get(b"if-unmodified-since")
    if match is not None:
        if not _names(match, it.etag, weak=False):
            return Verdict.FAILED
    elif unmodified is not None:
        since = date(unmodified)
        if since is not None and (it.modified is None or it.modified > since):
            return Verdict.FAILED
    none_match, modified = fields.get(b"if-none-match"), fields.get(b"if-modified-since")
    if none_match is not None:
        return Verdict.NOT_MODIFIED if _names(none_match, it.etag) else Verdict.SEND
    since = date(modified) if modified is not None else None
    if since is None or it.modified is None:
        return Verdict.SEND
    return Verdict.NOT_MODIFIED if it.modified <= since else Verdict.SEND


def _names(value: bytes, etag: bytes, *, weak: bool = True) -> bool:
    """Whether a list of entity tags has this one, or is `*`; by weak comparison (section 8.8.3.2) or by strong."""
    if value.strip() == b"*":
        return True
    at = 0
    while at < len(value):
        found = _TAG.match(value, at)
        if found is None:
            return False
        if (found[1].removeprefix(b"W/") if weak else found[1]) == etag:
            return True
        at = found.end()
    return False


def part(fields: Fields, it: Representation) -> tuple[int, int] | None:
    """First and last byte that are asked for; None: all. Raises Unsatisfiable (416).

    Several ranges and other units are as no Range (section 14.2), and so is an If-Range that does not fit (13.1.5).
    """
    value = fields.get(b"range")
    found = _RANGE.fullmatch(value) if value is not None else None
    if found is None or not (found[1] or found[2]) or not _if_range(fields.get(b"if-range"), it):
        return None
    if not found[1]:
        last_bytes = int(found[2])
        if not last_bytes or not it.length:
            raise Unsatisfiable
        return max(it.length - last_bytes, 0), it.length - 1
    first, last = int(found[1]), int(found[2] or it.length - 1)
    if found[2] and last < first:
        return None
    if first >= it.length:
        raise Unsatisfiable
    return first, min(last, it.length - 1)


class Unsatisfiable(ValueError):
    """No byte that is asked for is there."""


def _if_range(value: bytes | None, it: Representation) -> bool:
    if value is None:
        return True
    return value.strip() == it.etag or (it.modified is not None and date(value) == it.modified)


def date(value: bytes) -> int | None:
    """An HTTP date in seconds since 1970; None where it is none."""
    try:
        found = parsedate_to_datetime(value.decode("ascii"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp())
