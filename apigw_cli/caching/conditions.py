"""Conditions of requests: those that this cache answers, and those by which it asks (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apigw_cli.caching import fields
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields

_TAG = re.compile(rb'[ \t]*((?:[Ww]/)?"[!#-~\x80-\xff]*"|[^",\s]+)[ \t]*(?:,|$)')
CONDITIONS = frozenset((b"if-none-match", b"if-modified-since"))
# Conditions on the origin's own state are its to weigh (RFC 9111, section 4.3.2).
OTHERS = frozenset((b"if-match", b"if-unmodified-since"))

# Of a 304 these describe what was not sent, so the stored ones stay (RFC 9111, section 3.2).
_OF_THE_BODY = frozenset(
    (b"content-encoding", b"content-length", b"content-range", b"content-md5", b"content-digest", b"etag")
)


def not_modified(request: Fields, entry: Entry) -> bool:
    """Whether a client has what is stored (RFC 9111, section 4.3.2; weak comparison)."""
    value = fields.joined(request, b"if-none-match")
    if value is not None:
        return value.strip() == b"*" or (entry.etag is not None and _opaque(entry.etag) in _tags(value))
    dates = request.get(b"if-modified-since", [])
    since = fields.date(dates[0]) if len(dates) == 1 else None
    if since is None:
        return False
    modified = fields.date(entry.modified)
    return (modified if modified is not None else entry.date) <= since


def _tags(value: bytes) -> set[bytes]:
    found, at = set(), 0
    while at < len(value):
        match = _TAG.match(value, at)
        if match is None:
            break
        found.add(_opaque(match[1]))
        at = match.end()
    return found


def _opaque(tag: bytes) -> bytes:
    """What weak comparison goes by."""
    return tag[2:] if tag[:2] in (b"W/", b"w/") else tag


def asking(entry: Entry) -> bytes:
    """The header lines by which to ask whether an entry still holds; empty where it has no validator."""
    lines = b"If-None-Match: %b\r\n" % entry.etag if entry.etag is not None else b""
    if entry.modified is not None and fields.date(entry.modified) is not None:
        lines += b"If-Modified-Since: %b\r\n" % entry.modified
    return lines


def is_of(entry: Entry, answer: Fields) -> bool:
    """Whether a 304 speaks of this entry (RFC 9111, section 4.3.4): its validators, where it has any, are the same."""
    etags = answer.get(b"etag")
    if etags is not None:
        return entry.etag is None or _opaque(etags[0]) == _opaque(entry.etag)
    modified = answer.get(b"last-modified")
    return modified is None or entry.modified is None or modified[0] == entry.modified


def updated(stored: Sequence[bytes], lines: Sequence[bytes]) -> tuple[bytes, ...]:
    """Stored header lines with those of a later answer in place of theirs (RFC 9111, section 3.2)."""
    fresh = [line for line in lines if line.partition(b":")[0].lower() not in _OF_THE_BODY]
    named = {line.partition(b":")[0].lower() for line in fresh}
    return (*(line for line in stored if line.partition(b":")[0].lower() not in named), *fresh)
