"""How long an answer is fresh, and how old it is when it comes (RFC 9111, section 4.2)."""

from __future__ import annotations

from apigw_cli.caching import fields, targeted
from apigw_cli.caching.fields import Directives, Fields

# RFC 9110, section 15.1: those that a cache may keep although nothing says for how long.
HEURISTIC = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))
_HEURISTIC_SHARE = 0.1  # of the time since the last change (section 4.2.2)
_HEURISTIC_MAXIMUM = 86_400


class Said:
    """The directives of an answer that this cache goes by: targeted ones, else Cache-Control."""

    __slots__ = ("directives", "targeted")

    def __init__(self, found: Fields) -> None:
        own = targeted.of(found)
        self.targeted = own is not None
        self.directives: Directives = own if own is not None else directives_of(found)

    def has(self, name: bytes) -> bool:
        return name in self.directives

    def seconds(self, name: bytes) -> int | None:
        return fields.of_directive(self.directives, name)


def directives_of(found: Fields) -> Directives:
    """Cache-Control's."""
    value = fields.joined(found, b"cache-control")
    return fields.directives(value) if value else {}


def explicit(said: Said, found: Fields, date: int) -> float | None:
    """The freshness lifetime that an answer states (section 4.2.1), in seconds; None where it states none."""
    for name in (b"s-maxage", b"max-age"):
        stated = said.seconds(name)
        if stated is not None:
            return stated
    expires = found.get(b"expires")
    if expires is None or said.targeted:  # RFC 9213, section 2.2: a targeted field replaces Expires too
        return None
    until = fields.date(expires[0]) if len(set(expires)) == 1 else None
    return max(until - date, 0) if until is not None else 0  # section 5.3: what is no date lies in the past


def heuristic(said: Said, found: Fields, status: int, date: int) -> float:
    """The lifetime of an answer that states none: a tenth of the time since it was changed last."""
    if status not in HEURISTIC and not said.has(b"public"):
        return 0
    if b"no-cache" in fields.members((fields.joined(found, b"pragma") or b"").lower()):
        return 0
    modified = fields.date(found.get(b"last-modified", [b""])[0])
    if modified is None or modified >= date:
        return 0
    return min((date - modified) * _HEURISTIC_SHARE, _HEURISTIC_MAXIMUM)


def initial_age(found: Fields, date: int, asked: float, received: float) -> float:
    """`corrected_initial_age` (section 4.2.3): of an answer that was asked for and came at these times."""
    apparent = max(int(received) - date, 0)
    return max(apparent, age_of(found) + (received - asked))


def age_of(found: Fields) -> int:
    """Age: the first member counts, without parameters, and what is no number is not there (section 5.1)."""
    value = fields.joined(found, b"age")
    first = (value or b"").partition(b",")[0].partition(b";")[0].strip()
    return max(fields.seconds(first), 0)
