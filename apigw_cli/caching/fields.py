"""Header fields as a cache reads them: lines, lists, dates, delta-seconds, directives. Nothing here raises."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

Fields = dict[bytes, list[bytes]]  # values by name in lower case, in order of arrival
Directives = Mapping[bytes, bytes | None]  # by name in lower case; None: without a value

FOREVER = 1 << 31  # RFC 9111, section 1.2.2: greater values are this one
INVALID = -1

_DIRECTIVE = re.compile(rb'([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)(?:=("(?:[^"\\]|\\.)*"|[^ \t,";]*))?')
_TO_COMMA = re.compile(rb'(?:"(?:[^"\\]|\\.)*"|[^,])*')
_DAYS = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAYS = rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_TIME = rb"(\d\d):(\d\d):(\d\d)"
# RFC 9110, section 5.6.7: IMF-fixdate, and the two that are obsolete.
_IMF = re.compile(_DAYS + rb", (\d\d) ([A-Za-z]{3}) (\d{4}) " + _TIME + rb" GMT", re.IGNORECASE)
_RFC850 = re.compile(_LONG_DAYS + rb", (\d\d)-([A-Za-z]{3})-(\d\d) " + _TIME + rb" GMT", re.IGNORECASE)
_ASCTIME = re.compile(_DAYS + rb" ([A-Za-z]{3}) ([ \d]\d) " + _TIME + rb" (\d{4})", re.IGNORECASE)


def of_lines(lines: Iterable[bytes]) -> Fields:
    """The fields of header lines, each `Name: value\\r\\n`."""
    fields: Fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields.setdefault(name.lower(), []).append(value.strip())
    return fields


def name_of(line: bytes) -> bytes:
    """The name, in lower case, that a header line begins with."""
    return line.partition(b":")[0].lower()


def of_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> Fields:
    """The fields of a request: names are in lower case already."""
    fields: Fields = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def joined(fields: Fields, name: bytes) -> bytes | None:
    """The value of a list field that may stand in several lines (RFC 9110, section 5.3)."""
    values = fields.get(name)
    if values is None:
        return None
    return values[0] if len(values) == 1 else b", ".join(values)


def members(value: bytes | None) -> list[bytes]:
    """The members of a simple list of tokens; empty ones do not count (RFC 9110, section 5.6.1.2)."""
    return [one for part in (value or b"").split(b",") if (one := part.strip())]


@lru_cache(maxsize=512)
def directives(value: bytes) -> Directives:
    """The directives of a Cache-Control (RFC 9111, section 5.2). The first of two that say different counts.

    What is no directive is skipped up to the next comma that is not quoted.
    """
    found: dict[bytes, bytes | None] = {}
    at = 0
    while at < len(value):
        if value[at : at + 1] in b", \t":
            at += 1
            continue
        match = _DIRECTIVE.match(value, at)
        end = _end_of(value, at)
        if match is not None:
            whole = not value[match.end() : end].strip()
            found.setdefault(match[1].lower(), _unquoted(match[2]) if whole else b"?")
        at = end + 1
    return found


def _end_of(value: bytes, at: int) -> int:
    match = _TO_COMMA.match(value, at)
    return max(match.end() if match is not None else at, at)


def _unquoted(text: bytes | None) -> bytes | None:
    if text is None or text[:1] != b'"':
        return text
    return re.sub(rb"\\(.)", rb"\1", text[1:-1])


def seconds(text: bytes | None) -> int:
    """Delta-seconds (RFC 9111, section 1.2.2); `INVALID` for anything else."""
    if text is None or not text.isdigit():
        return INVALID
    return min(int(text), FOREVER) if len(text) < 12 else FOREVER


def of_directive(found: Directives, name: bytes) -> int | None:
    """The seconds that a directive says: None where it is not there, 0 where they make no sense.

    Section 4.2.1: a response with invalid freshness information is best taken for stale.
    """
    if name not in found:
        return None
    return max(seconds(found[name]), 0)


@lru_cache(maxsize=512)
def date(value: bytes | None) -> int | None:
    """Seconds since 1970 of an HTTP-date (RFC 9110, section 5.6.7); None for anything else."""
    if value is None:
        return None
    if match := _IMF.fullmatch(value):
        day, month, year, *time = match.groups()
    elif match := _RFC850.fullmatch(value):
        day, month, short, *time = match.groups()
        year = b"%d" % _century(int(short))
    elif match := _ASCTIME.fullmatch(value):
        month, day, *time, year = match.groups()
    else:
        return None
    return _stamp(int(year), month.lower(), int(day), *map(int, time))


def _century(short: int) -> int:
    """A two-digit year that would lie more than 50 years ahead lies in the past."""
    return 1900 + short if short >= 77 else 2000 + short


def _stamp(year: int, month: bytes, day: int, hour: int, minute: int, second: int) -> int | None:
    if month not in _MONTHS or not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60 or year < 1600:
        return None
    number = _MONTHS.index(month) + 1
    if day > calendar.monthrange(year, number)[1]:
        return None
    return calendar.timegm((year, number, day, hour, minute, second))
