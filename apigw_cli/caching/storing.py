"""Whether an answer may be stored, and as what (RFC 9111, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate

from apigw_cli.caching import fields, freshness, ranges, tags, vary
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields
from apigw_cli.caching.freshness import Said
from apigw_cli.caching.rules import GRACE, Rules

THEIRS = "authorization"  # why an answer is not stored that is for who asked alone

# Statuses whose rules for caches are kept here (`must-understand`, section 5.2.2.3).
UNDERSTOOD = frozenset((200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501))
_OF_RANGES = frozenset((200, 206))
_TTL = frozenset((200, 203, 204, 300, 301, 308, 404, 410))

# Of one connection or one hop, not of the answer (section 3.1); framing and the request's id are ours.
_NEVER_STORED = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization"),
        *(b"age", b"content-length", b"x-request-id", b"surrogate-control"),
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a cache has to know of a request whose answer may be stored."""

    fields: Fields
    identified: bool  # it says who asks: its answer may be theirs alone
    at: float  # seconds since 1970
    since: int  # time.monotonic_ns()
    mark: int = 0  # a hash of its URL
    has_cookie: bool = False
    host: bytes = b""  # whose groups its answer may be in


def storable(asked: Asked, status: int, found: Fields, rules: Rules) -> str:
    """Why an answer must not be stored, in a word or two; '' for one that may be."""
    said = Said(found)
    if status < 200 or status == 304:
        return "status"
    if b"range" in asked.fields and status not in _OF_RANGES:  # an error that who asks for the whole would not see
        return "range"
    if _is_withheld(said, status):
        return "no-store"
    if said.has(b"private") and not said.directives[b"private"]:
        return "private"
    if b"no-store" in freshness.directives_of(asked.fields):
        return "no-store"
    why_not = _of_one_client(asked, found, said, rules)
    if why_not:
        return why_not
    if vary.names(found) is None:
        return "vary"
    if any(value[:17].lower() == b"text/event-stream" for value in found.get(b"content-type", ())):
        return "stream"
    if tags.of(found, asked.host) is None:
        return "tags"
    return "" if status in _TTL or rules.ttl is None else "status"


def mergeable(asked: Asked, status: int, lines: Sequence[bytes], came: Sequence[bytes], rules: Rules) -> str:
    """Why an answer must not be stored whose `lines` are those stored and those of a later answer, which `came`.

    What the first one said, `public` say, does not make everybody's what the later one says to one client alone: a
    304 repeats the Cache-Control that the whole answer would have now (RFC 9110, section 15.4.5).
    """
    own = fields.of_lines(came)
    if _of_one_client(asked, own, Said(own), rules):
        return THEIRS  # what is stored stays as it was
    return storable(asked, status, fields.of_lines(lines), rules)


def _of_one_client(asked: Asked, found: Fields, said: Said, rules: Rules) -> str:
    """Why an answer is for who asked alone; '' for one that says nothing of the kind."""
    if asked.identified and not rules.per_caller and not _is_shared(said, rules):
        return THEIRS
    if b"set-cookie" in found and not _is_for_all(said) and b"set-cookie" not in _named(said):
        return "set-cookie"
    return ""


def _is_withheld(said: Said, status: int) -> bool:
    """`no-store`, unless `must-understand` stands beside it and the status is understood (section 5.2.2.3)."""
    if said.has(b"must-understand"):
        return status not in UNDERSTOOD
    return said.has(b"no-store")


def _is_shared(said: Said, rules: Rules) -> bool:
    """Section 3.5: an answer to a request that said who asks, which all may have."""
    return rules.ttl is None and any(said.has(one) for one in (b"public", b"s-maxage", b"must-revalidate"))


def _is_for_all(said: Said) -> bool:
    """An answer that hands out a cookie is taken for one client's, whatever else it says, unless it says `public`."""
    return said.has(b"public") or said.has(b"s-maxage")


@dataclass(frozen=True, slots=True)
class Came:
    """An answer's head. `at`: when it came; `now`: the same by the clock that entries age by, which a test may move."""

    status: int
    reason: bytes
    lines: Sequence[bytes]
    at: float
    now: float


def entry(asked: Asked, came: Came, rules: Rules) -> Entry | None:
    """The entry, without its body, for an answer that is `storable`; None for one that would be of no use."""
    status, lines, received = came.status, came.lines, came.at
    found = fields.of_lines(lines)
    said = Said(found)
    stated = fields.date(found.get(b"date", [b""])[0])
    date = stated if stated is not None else int(received)
    lifetime = _lifetime(asked, said, found, status, date, rules)
    etag, modified = (found.get(name, [None])[0] for name in (b"etag", b"last-modified"))
    part = ranges.content_range(found.get(b"content-range", [b""])[0]) if status == 206 else None
    if status == 206 and part is None:
        return None
    age = freshness.initial_age(found, date, asked.at, received) if rules.ttl is None else 0
    if lifetime <= age and not etag and fields.date(modified) is None and not said.has(b"stale-if-error"):
        return None
    names = vary.names(found) or ()
    kept = kept_lines(lines, said)
    if stated is None:  # RFC 9110, section 6.6.1: who stores it says when it came
        kept = (*kept, b"Date: %b\r\n" % formatdate(date, usegmt=True).encode())
    return Entry(
        status,
        came.reason,
        kept,
        b"",
        age,
        came.now,
        lifetime,
        asked.since,
        asked.mark,
        stale_revalidate=max(_extension(said, b"stale-while-revalidate", rules), rules.stale_revalidate),
        stale_error=max(_extension(said, b"stale-if-error", rules), _grace(rules, lifetime)),
        strict=_is_strict(said),
        no_cache=said.has(b"no-cache") and not said.directives[b"no-cache"] and rules.ttl is None,
        date=date,
        etag=etag,
        modified=modified,
        vary=names,
        variant=vary.values(names, asked.fields),
        part=part,
        tags=tags.of(found, asked.host) or (),
    )


def passing(asked: Asked, entry: Entry, came: Came) -> Entry:
    """What answers one client and is not stored: a validated answer that must not be kept any longer."""
    return Entry(
        entry.status,
        entry.reason,
        kept_lines(came.lines, Said({})),
        b"",
        entry.age,
        came.now,
        0,
        asked.since,
        asked.mark,
        date=entry.date,
        etag=entry.etag,
        modified=entry.modified,
    )


def _lifetime(asked: Asked, said: Said, found: Fields, status: int, date: int, rules: Rules) -> float:
    if rules.ttl is not None:
        return rules.ttl
    stated = freshness.explicit(said, found, date)
    if stated is not None:
        return stated
    # A guess is no reason to hand one client's answer to another: cookies and credentials may have made it.
    if not rules.heuristic or asked.has_cookie or asked.identified:
        return 0
    return freshness.heuristic(said, found, status, date)


def _extension(said: Said, name: bytes, rules: Rules) -> int:
    """Seconds that an answer itself may be used for after its freshness (RFC 5861); with a time of ours it is that."""
    return (said.seconds(name) or 0) if rules.ttl is None else 0


def _grace(rules: Rules, lifetime: float) -> float:
    """Nobody asked for it: what was never fresh is not used in place of an error."""
    if rules.stale_error is not None:
        return rules.stale_error
    return GRACE if lifetime > 0 else 0


def _is_strict(said: Said) -> bool:
    """Section 4.2.4: what forbids to use it stale. `s-maxage` means proxy-revalidate too (section 5.2.2.10)."""
    names = (b"must-revalidate", b"proxy-revalidate", b"s-maxage", b"no-cache")
    return any(said.has(name) for name in names)


def kept_lines(lines: Sequence[bytes], said: Said) -> tuple[bytes, ...]:
    """The lines to store: without those of one hop, and those that `private` and `no-cache` name (section 5.2.2)."""
    dropped = _NEVER_STORED | _named(said)
    return tuple(line for line in lines if line.partition(b":")[0].lower() not in dropped)


def _named(said: Said) -> set[bytes]:
    """The fields that `private` and `no-cache` name."""
    named = (fields.members(said.directives.get(name) or b"") for name in (b"private", b"no-cache"))
    return {one.lower() for names in named for one in names}


def without_surrogate(lines: Sequence[bytes]) -> list[bytes]:
    """Surrogate-Control goes no further than the cache that it was for."""
    return [line for line in lines if line.partition(b":")[0].lower() != b"surrogate-control"]
