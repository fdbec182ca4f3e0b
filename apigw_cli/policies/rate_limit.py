"""`rate_limit`: at most `rate` requests on average and `burst` at once, counted for each key, over all workers.

Every route has buckets of its own, also where the limit comes from a default: as AWS's throttling by method does,
and so that a busy route cannot use up a quiet one's share. Rename the operation and its buckets start anew; change
rate or burst and every key keeps the share of its tokens that it has used (`limits.bucket.rescale`).

A key that is missing (no API key, no such header) is counted by the client's address, never in one bucket that
strangers share. Every answer of the route that came this far says what is left, refused or not
(draft-ietf-httpapi-ratelimit-headers):

    RateLimit-Policy: "default";q=5;w=1
    RateLimit: "default";r=3;t=1
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct

from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import BURST_MAXIMUM, NEVER, Decision, Limit
from apigw_cli.policies.interface import Change, Exchange, Refusal, Runtime, Step
from apigw_cli.snapshot.model import Route

KEY = r"^(api_key|ip|route|header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100})$"


class RateLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """At most `rate` requests on average and `burst` at once, for each key."""

    rate: Annotated[
        str,
        Meta(
            pattern=rates.PATTERN,
            description="Requests per second, minute, hour or day: 5/s, 2.5/s, 100/m, 1000/h, 10/d. "
            "0/s: nothing is ever given back once the burst is used up.",
            examples=["5/s", "100/m"],
        ),
    ]
    burst: Annotated[
        Annotated[int, Meta(ge=0, le=BURST_MAXIMUM)] | None,
        Meta(description="Requests admitted at once. Default: as many as the rate gives in a second, at least 1."),
    ] = None
    key: Annotated[
        str,
        Meta(
            pattern=KEY,
            description="What is counted apart: api_key, ip, header:NAME, or route (all callers together). "
            "A caller without it is counted by address.",
            examples=["api_key", "header:X-Tenant"],
        ),
    ] = "ip"

    def __post_init__(self) -> None:
        if not re.fullmatch(KEY.removesuffix("$"), self.key):
            raise ValueError(f"{self.key!r} is none of api_key, ip, route, header:NAME")
        limit_of("", self)

    @property
    def size(self) -> int:
        """The burst that holds: what was written, or its default. A rate of 0 alone admits nothing."""
        if self.burst is not None:
            return self.burst
        return math.ceil(rates.parse(self.rate).per_second)


def limit_of(name: str, value: RateLimit) -> Limit:
    """The limiter's form of `value` for the route called `name`. Raises ValueError where it cannot be kept."""
    return Limit(name, rates.parse(value.rate), value.size)


class _Policy:
    name = "rate_limit"
    order = 40
    model: type[Struct] = RateLimit
    derived = False

    def compile(self, value: RateLimit, route: Route, runtime: Runtime) -> Step:
        limit = limit_of(f"{self.name} {route.id}", value)
        return _step(limit, _key_of(value.key), runtime)

    def compare(self, old: RateLimit | None, new: RateLimit | None) -> Change:
        """More in total or by one key weakens; where one bound rises and another falls, that weakens too."""
        if old is None or new is None:
            return _presence(old, new)
        before, after = (rates.parse(value.rate) for value in (old, new))
        if after > before or new.size > old.size or _widened(old.key, new.key):
            return Change.WEAKEN
        if after < before or new.size < old.size or old.key.lower() != new.key.lower():
            return Change.STRENGTHEN
        return Change.NEUTRAL

    def describe(self, value: RateLimit) -> str:
        return f"{rates.parse(value.rate)} burst {value.size} per {value.key}"


def _presence(old: RateLimit | None, new: RateLimit | None) -> Change:
    if old is None and new is None:
        return Change.NEUTRAL
    return Change.STRENGTHEN if old is None else Change.WEAKEN


def _widened(old: str, new: str) -> bool:
    """Whether a changed key may give callers more buckets. Only one bucket for all of them surely does not."""
    return old.lower() != new.lower() and new != "route"


def _step(limit: Limit, key_of: Callable[[Exchange], bytes], runtime: Runtime) -> Step:
    take, clock = runtime.store.take, runtime.clock
    policy_line = _policy_line(limit)
    line = policy_line + b'RateLimit: "default";r=%d;t=%d\r\n'
    line_without_reset = policy_line + b'RateLimit: "default";r=%d\r\n'

    def step(exchange: Exchange) -> Refusal | None:
        decision = take(key_of(exchange), limit, clock())
        if decision.reset != NEVER:
            exchange.answer_extra.append(line % (decision.remaining, decision.reset))
        else:
            exchange.answer_extra.append(line_without_reset % decision.remaining)
        return None if decision.allowed else _refusal(decision)

    return step


def _policy_line(limit: Limit) -> bytes:
    """q is the burst, w the seconds in which it refills; no w where it never does."""
    if not limit.origin and limit.burst:
        window = max(1, math.ceil(limit.burst / limit.rate.per_second))
        return b'RateLimit-Policy: "default";q=%d;w=%d\r\n' % (limit.burst, window)
    return b'RateLimit-Policy: "default";q=%d\r\n' % limit.burst


def _refusal(decision: Decision) -> Refusal:
    known = _REFUSALS.get(decision.retry_after)
    return known or _make_refusal(decision.retry_after)


def _make_refusal(retry_after: int) -> Refusal:
    # A limit that never refills has no time to come back at, so none is promised.
    headers = (b"Retry-After: %d\r\n" % retry_after,) if retry_after != NEVER else ()
    return Refusal(429, "Too Many Requests", headers, "rate_limited")


_REFUSALS = {seconds: _make_refusal(seconds) for seconds in (*range(1, 65), NEVER)}


# The first byte of a key says what it is, so that an address never meets a header with the same text.
def _address(exchange: Exchange) -> bytes:
    return b"i" + exchange.client_ip.encode()


def _api_key(exchange: Exchange) -> bytes:
    principal = exchange.principal
    return b"k" + principal.encode() if principal is not None else _address(exchange)


def _route(exchange: Exchange) -> bytes:
    return b"r"


def _header(name: bytes) -> Callable[[Exchange], bytes]:
    def key_of(exchange: Exchange) -> bytes:
        value = exchange.header(name)
        return b"h" + value if value else _address(exchange)

    return key_of


def _key_of(key: str) -> Callable[[Any], bytes]:
    if key.startswith("header:"):
        return _header(key.removeprefix("header:").lower().encode("ascii"))
    return {"api_key": _api_key, "ip": _address, "route": _route}[key]


POLICY = _Policy()
