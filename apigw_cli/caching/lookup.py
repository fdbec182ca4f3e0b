"""What a request gets of a cache (RFC 9111, section 4).

nothing stored ──────────────────────────▶ MISS, or ABSENT with only-if-cached (504)
stored, fresh enough for this request ───▶ HIT
stored, stale, max-stale allows it ──────▶ HIT
stored, stale, within stale-while-… ─────▶ STALE: answered at once, fetched anew behind its back
all others ──────────────────────────────▶ VALIDATE: asked again, with its validators where it has any
"""

from __future__ import annotations

import enum
from collections.abc import Set

from apigw_cli.caching import conditions, fields
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import FOREVER, Directives, Fields, joined, members
from apigw_cli.caching.rules import Rules


class Outcome(enum.Enum):
    """See the module's docstring. BYPASS: the cache has no part in it."""

    HIT = "hit"
    STALE = "stale"
    VALIDATE = "validate"
    MISS = "miss"
    ABSENT = "absent"
    BYPASS = "bypass"


_NONE: Directives = {}


def directives_of(request: Fields) -> Directives:
    """A request's; `Pragma: no-cache` where it has no Cache-Control (section 5.4)."""
    value = joined(request, b"cache-control")
    if value is not None:
        return fields.directives(value)
    if b"pragma" in request and b"no-cache" in members((joined(request, b"pragma") or b"").lower()):
        return {b"no-cache": None}
    return _NONE


_LOOKED_UP = frozenset((b"GET", b"HEAD"))


def why_around(method: bytes, has_body: bool, names: Set[bytes]) -> str:
    """Why the cache has no part in a request, whatever its directives say; '' where it has. `names`: of its fields."""
    if method not in _LOOKED_UP:
        return "only GET and HEAD are looked up"
    if has_body:
        return "the request has a body"
    return "" if conditions.OTHERS.isdisjoint(names) else "its condition is the origin's to weigh"


def decide(entry: Entry | None, asked: Directives, now: float, rules: Rules) -> Outcome:
    """`asked`: the request's directives, {} where they do not count. `now`: seconds since 1970."""
    if entry is None:
        return Outcome.ABSENT if b"only-if-cached" in asked else Outcome.MISS
    freshness = entry.freshness(now)
    if not asked and freshness > 0 and not entry.no_cache:
        return Outcome.HIT
    outcome = _weigh(entry, asked, now, freshness, rules)
    return Outcome.ABSENT if outcome is Outcome.VALIDATE and b"only-if-cached" in asked else outcome


def _weigh(entry: Entry, asked: Directives, now: float, freshness: float, rules: Rules) -> Outcome:
    if entry.no_cache or b"no-cache" in asked:
        return Outcome.VALIDATE
    if not _suits(entry, asked, now):
        return Outcome.VALIDATE
    if freshness > (fields.of_directive(asked, b"min-fresh") or 0):
        return Outcome.HIT
    if entry.strict or b"min-fresh" in asked:
        return Outcome.VALIDATE
    if b"max-stale" in asked and -freshness <= _max_stale(asked):
        return Outcome.HIT
    return Outcome.STALE if freshness <= 0 and -freshness < entry.stale_revalidate else Outcome.VALIDATE


def _suits(entry: Entry, asked: Directives, now: float) -> bool:
    """Whether it is no older than the request's max-age (section 5.2.1.1)."""
    maximum = fields.of_directive(asked, b"max-age")
    return maximum is None or (entry.current_age(now) <= maximum and maximum > 0)


def _max_stale(asked: Directives) -> int:
    """Without a value any staleness will do (section 5.2.1.2)."""
    return FOREVER if asked[b"max-stale"] is None else max(fields.seconds(asked[b"max-stale"]), 0)


def may_replace_error(entry: Entry, asked: Directives, now: float) -> bool:
    """Whether a stored answer may be given in place of an error (RFC 5861, section 4)."""
    if entry.strict or entry.no_cache:
        return False
    allowed = max(entry.stale_error, fields.of_directive(asked, b"stale-if-error") or 0)
    return -entry.freshness(now) < allowed
