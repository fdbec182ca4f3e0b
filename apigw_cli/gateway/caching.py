"""A route's answers, looked for in the cache before its upstream is asked (docs/caching.md).

start ─▶ not for the cache ─▶ the upstream, as without one; what changes things there invalidates here
    └──▶ look up ─▶ HIT ─▶ give
                ├─▶ STALE ─▶ give, and fetch behind its back
                ├─▶ ABSENT ─▶ 504
                └─▶ MISS · VALIDATE ─▶ somebody is fetching it? follow : fetch (`fetch.py`)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from apigw_cli.caching import answer, completing, conditions, fields, leases, lookup, status, storing, targeted
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Directives, Fields
from apigw_cli.caching.leases import LEADS_ALONE, Lease, Taken
from apigw_cli.caching.lookup import Outcome
from apigw_cli.caching.storing import Asked, Came
from apigw_cli.gateway import cache_keys
from apigw_cli.gateway.fetch import Fetch, Reason
from apigw_cli.gateway.following import Following
from apigw_cli.gateway.invalidating import SAFE, Invalidating, Posted
from apigw_cli.gateway.worker_cache import BACKGROUND
from apigw_cli.policies import cache as policy

if TYPE_CHECKING:
    from apigw_cli.gateway.handlers import Handler
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site
    from apigw_cli.policies.answer_filter import Head

_TELLING = frozenset((b"cache-control", b"pragma"))
_NOTHING: Directives = {}
_NOT_CACHED = "it is not in the cache, and only-if-cached forbids to ask for it"


class CachedRoute:
    """The handler of a route that has a cache: around the one that asks its upstream."""

    def __init__(self, inner: Handler, value: policy.Cache, namespace: bytes, site: Site) -> None:
        """`namespace`: routes whose answers must not meet have different ones."""
        self.inner = inner
        self.site = site
        self.cache = site.cache
        self.store = site.cache.store
        self.rules = policy.rules(value)
        self.now = site.cache.now
        self.wall = time.time
        self.capability = (targeted.CAPABILITY,) if self.rules.ttl is None else ()
        self._value = value
        self._ttl = self.rules.ttl
        self._obeys = self.rules.client
        self.key = cache_keys.reader(namespace, policy.chosen(value), self.rules.per_caller)
        self._refreshes = self.rules.ttl is not None and value.invalidation is not None

    # --- handler

    def start(self, request: Request) -> None:
        if lookup.why_around(request.method, request.has_body, request.fields.keys()) or request.websocket:
            self._around(request)
            return
        directives = _NOTHING
        if self._obeys and not _TELLING.isdisjoint(request.fields):
            directives = self.directives(request)
            if b"no-store" in directives:
                self._around(request)
                return
        key = self.key(request)
        entry = self.store.find(key, lambda: cache_keys.told(request))
        if entry is not None and self._refreshes and self._is_refresh(request):
            directives = {b"no-cache": None}
        now = self.now()
        outcome = lookup.decide(entry, directives, now, self.rules)
        if entry is not None and outcome is Outcome.HIT:
            self._hit(request, key, entry, now)
        else:
            self._not_a_hit(request, key, entry, outcome, directives)

    def ended(self, request: Request) -> None:
        """The body of a request that has gone around the cache."""
        self.inner.ended(request)

    def directives(self, request: Request) -> Directives:
        """Those of the request, where they count."""
        if not self.rules.client or _TELLING.isdisjoint(request.fields):
            return _NOTHING
        return lookup.directives_of(fields.of_pairs(request.headers))

    def _is_refresh(self, request: Request) -> bool:
        return policy.wants_anew(request) and policy.may_invalidate(self._value, request)

    def _around(self, request: Request) -> None:
        """The cache has no part in it, but for what it changes at the origin."""
        request.cache = "bypass"
        if request.method in SAFE:
            request.answer_extra.append(status.forward(b"bypass"))
            self.cache.count("bypasses")
        else:
            request.answer_extra.append(status.forward(b"method"))
            keeps = request.method == b"POST" and self._ttl is None
            request.taker = Posted(self, request) if keeps else Invalidating(request)
        self.inner.start(request)

    def _hit(self, request: Request, key: bytes, entry: Entry, now: float) -> None:
        age = entry.current_age(now)
        freshness = entry.lifetime - age
        request.cache = "hit" if freshness > 0 else "stale"
        if self._give(request, entry, status.hit(freshness), age):
            self.cache.count("hits" if freshness > 0 else "stale")
        else:
            self._fetch_rest(request, key, entry)

    def _not_a_hit(
        self, request: Request, key: bytes, entry: Entry | None, outcome: Outcome, directives: Directives
    ) -> None:
        if outcome is Outcome.STALE and entry is not None:
            self._fetch_behind(request, key, entry)
            self._hit(request, key, entry, self.now())
        elif outcome is Outcome.ABSENT:
            request.cache = "miss"
            request.answer_extra.append(status.detail("only-if-cached"))
            request.connection.answer(request, 504, _NOT_CACHED, (), "not_cached")
        elif entry is None:
            why = b"vary-miss" if self.store.has(key) else b"uri-miss"
            self._fetch(request, key, Reason(why), b"no-cache" not in directives)
        elif entry.part is not None:  # a part is not validated, but fetched anew
            self._fetch_rest(request, key, entry)
        else:
            fresh = entry.freshness(self.now()) > 0 and not entry.no_cache
            why = b"request" if fresh else b"stale"
            self._fetch(request, key, Reason(why, entry), not directives)

    def _fetch_rest(self, request: Request, key: bytes, entry: Entry) -> None:
        """A part is stored, and more is asked for: all of it, where that is wanted and fits, or just what is asked."""
        whole = b"range" not in request.fields and request.method == b"GET" and self._ttl is None
        small = entry.part is not None and entry.part[2] <= self.rules.max_object
        completes = whole and small and not cache_keys.is_identified(request)
        part = completing.missing(entry) if completes else None
        self._fetch(request, key, Reason(b"partial", rest=(entry, part) if part is not None else None), False)

    # --- asking the upstream

    def _fetch(self, request: Request, key: bytes, reason: Reason, together: bool) -> None:
        """`together`: others that ask the same may be waited for, or may wait."""
        request.cache = "miss"
        self.cache.count("misses" if reason.entry is None else "validations")
        where = self.flight(key, request)
        if not together or not self.rules.collapse or b"range" in request.fields or self.cache.passes(where):
            self._send(key, request, reason)
        elif self._together(request, key, reason, self.site.now + int(self.rules.collapse * 1e9)):
            self.cache.count("collapsed")

    def _together(self, request: Request, key: bytes, reason: Reason, deadline: int) -> bool:
        """Fetch for all who ask the same, or wait for who does, here or in another worker. Says whether it waits."""
        where = self.flight(key, request)
        flight = self.cache.flights.get(where)
        if flight is not None and flight.route.rules is self.rules:
            flight.join(request, deadline)
            return True
        taken = self._take(request, where)
        if taken.passes:
            self.cache.let_pass(where)
            self._send(key, request, reason)
        elif not taken.leads and taken.lease is not None:
            following = Following(self, where, taken.lease)
            self.cache.follow(following)
            following.join(request, deadline)
            return True
        elif not self._came_meanwhile(request, key, taken.lease):
            self._lead(key, request, reason, taken.lease)
        return False

    def _take(self, request: Request, where: bytes) -> Taken:
        """Ask the other workers whether one of them fetches it already."""
        shared = self.cache.leases
        return shared.take(where) if shared is not None and request.method == b"GET" else LEADS_ALONE

    def _came_meanwhile(self, request: Request, key: bytes, lease: Lease | None) -> bool:
        """Whether another worker has stored it between our look into the store and our turn to fetch it."""
        if lease is None or self.cache.leases is None or not self._has_come(request, key):
            return False
        self.cache.leases.end(lease, leases.Outcome.STORED)
        return True

    def _lead(self, key: bytes, request: Request, reason: Reason, lease: Lease | None) -> None:
        fetch = Fetch(self, key, request, reason, lease=lease)
        if request.method == b"GET":
            self.cache.flights[fetch.flight] = fetch
        self._begin(fetch)

    @staticmethod
    def _begin(fetch: Fetch) -> None:
        try:
            fetch.begin()
        except BaseException:  # a bug: nobody elsewhere shall wait for what does not come
            fetch.land(leases.Outcome.LEFT)
            raise

    def flight(self, key: bytes, request: Request) -> bytes:
        """Who may wait for whom: those that say who asks, and those that do not, each among themselves.

        So that nobody, by saying something, keeps the others from being answered together.
        """
        return key + b"*" if cache_keys.is_identified(request) else key

    def _send(self, key: bytes, request: Request, reason: Reason) -> None:
        Fetch(self, key, request, reason).begin()

    def _fetch_behind(self, request: Request, key: bytes, entry: Entry) -> None:
        """RFC 5861, section 3."""
        where = self.flight(key, request)
        if where in self.cache.flights or self.cache.background >= BACKGROUND or request.method != b"GET":
            return
        taken = self._take(request, where)
        if not taken.leads:
            return
        fetch = Fetch(self, key, request, Reason(b"stale", entry), leads=False, lease=taken.lease)
        self.cache.flights[where] = fetch
        self._begin(fetch)

    def alone(self, request: Request) -> None:
        """Fetch for this request only."""
        key = self.key(request)
        request.cache = "miss"
        passes = self.cache.passes(self.flight(key, request))
        self._send(key, request, Reason(b"bypass" if passes else b"uri-miss"))

    def resume(self, request: Request) -> None:
        """What a request has waited for may be here now."""
        if not self._has_come(request, self.key(request)):
            self.alone(request)

    def _has_come(self, request: Request, key: bytes) -> bool:
        """Answer with what has been stored since the request came, where that fits it."""
        entry = self.store.find(key, lambda: cache_keys.told(request))
        now = self.now()
        if entry is None or lookup.decide(entry, _NOTHING, now, self.rules) is not Outcome.HIT:
            return False
        request.cache = "hit"
        if self._give(request, entry, status.forward(b"uri-miss", True, collapsed=True), entry.current_age(now)):
            return True
        request.cache = "miss"
        return False

    def follow_on(self, request: Request, deadline: int) -> None:
        """Who led in another worker is gone: wait for another, or lead, still until `deadline` at most."""
        key = self.key(request)
        if self._has_come(request, key):
            return
        if deadline <= self.site.now or self.cache.passes(self.flight(key, request)):
            self.alone(request)
            return
        entry = self.store.find(key, lambda: cache_keys.told(request))
        whole = entry is not None and entry.part is None
        self._together(request, key, Reason(b"stale", entry) if whole else Reason(b"uri-miss"), deadline)

    def fail(self, request: Request, code: int, message: str, headers: tuple[bytes, ...], reason: str) -> None:
        """No answer came: each gets a stale one where that is allowed, their own, or the error."""
        stale = self.stale_for(request)
        if stale is not None:
            self.give(request, stale, status.forward(b"stale", detail="stale-if-error"), "stale")
        else:
            request.connection.answer(request, code, message, headers, reason)

    def stale_for(self, request: Request) -> Entry | None:
        """What is stored for a request and may be given in place of an error."""
        entry = self.store.find(self.key(request), lambda: cache_keys.told(request))
        if entry is None or not self.may_replace_error(entry, request):
            return None
        has_it = entry.part is None or answer.of(entry, _asked_with(request), 0) is not None
        return entry if has_it else None  # else the same would be asked for, and fail, again and again

    def may_replace_error(self, entry: Entry, request: Request) -> bool:
        return lookup.may_replace_error(entry, self.directives(request), self.now())

    # --- what a fetch needs

    def asked(self, request: Request) -> Asked:
        found = cache_keys.told(request)
        return Asked(
            found,
            cache_keys.is_identified(request),
            time.time(),
            time.monotonic_ns(),
            cache_keys.mark(request.authority, request.path),
            b"cookie" in found,
            cache_keys.host(request.authority),
        )

    def put(self, key: bytes, entry: Entry) -> None:
        if self.store.purges.spares(entry):
            self.store.put(key, entry)

    def freshened(self, asked: Asked, entry: Entry, came: Came, key: bytes) -> Entry:
        """An entry with the lines of a later answer; stored where it still may be."""
        lines = conditions.updated(entry.lines, came.lines)
        later = Came(entry.status, entry.reason, lines, came.at, came.now)
        why_not = storing.mergeable(asked, entry.status, lines, came.lines, self.rules)
        fresh = storing.entry(asked, later, self.rules) if not why_not else None
        if fresh is None:
            if why_not != storing.THEIRS:
                self.store.drop(key, entry)
            fresh = storing.passing(asked, entry, later)
        fresh.body, fresh.part = entry.body, entry.part
        if not why_not:
            self.put(key, fresh)
        return fresh

    def heed_head(self, key: bytes, asked: Asked, head: Head, found: Fields) -> None:
        """What an answer to HEAD says of the stored one (RFC 9111, section 4.3.5)."""
        entry = self.store.find(key, lambda: asked.fields)
        if entry is None or entry.part is not None or head.status != 200 or entry.status != 200:
            return
        if conditions.is_of(entry, found) and head.length in (None, len(entry.body)):
            self.freshened(asked, entry, Came(200, head.reason, head.lines, time.time(), self.now()), key)
        else:
            self.store.drop(key, entry)

    def give(self, request: Request, entry: Entry, line: bytes, how: str) -> None:
        """Answer with a stored answer. `how` (the log's `cache`): validated, stale in place of an error, or a miss."""
        request.cache = how
        if not self._give(request, entry, line, entry.current_age(self.now())):
            self.alone(request)

    def is_not_modified(self, request: Request, entry: Entry) -> bool:
        """Whether `give` answers with 304, of which the body need not be there."""
        return self._ttl is None and conditions.not_modified(_asked_with(request), entry)

    def _give(self, request: Request, entry: Entry, line: bytes, age: float) -> bool:
        asks = self._ttl is None and answer.is_conditional(request.fields_passed())
        found = answer.of(entry, _asked_with(request) if asks else None, age)
        if found is None:
            return False
        if not request.connection.respond_stored(request, found, line):
            self.store.drop(self.key(request), entry)
        return True


def _asked_with(request: Request) -> fields.Fields:
    """The request's fields, less those that a step keeps from the upstream: then the cache is not asked with them."""
    return fields.of_pairs(pair for pair in request.headers if pair[0] not in request.remove)
