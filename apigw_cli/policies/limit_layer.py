"""One layer of `rate_limit`: what the user writes, its limit, its words, and what a change of it does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from apigw_cli.limits import rate as rates
from apigw_cli.limits.algorithms import Algorithm, Bucket, FixedWindow, Leaky, SlidingWindow
from apigw_cli.limits.bucket import BURST_MAXIMUM
from apigw_cli.limits.redis_store import check
from apigw_cli.policies.interface import Change, Reason
from apigw_cli.policies.limit_keys import IPV6_PREFIX, KEY
from apigw_cli.snapshot.model import Route

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"
COST = r"^header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
COST_MAXIMUM = 1_000_000


class RateLimit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
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
    # These two are written out also where they are the default (that is what the factories do), as they always were:
    # a Snapshot's digest stays what it was.
    burst: Annotated[
        Annotated[int, Meta(ge=0, le=BURST_MAXIMUM)] | None,
        Meta(description="Requests admitted at once. Default: as many as the rate gives in a second, at least 1."),
    ] = field(default_factory=lambda: None)
    key: Annotated[
        str,
        Meta(
            pattern=KEY,
            description="What is counted apart: api_key, ip, header:NAME, claim:NAME, or route (all callers together); "
            "several joined by +. Default: ip.",
            examples=["api_key", "header:X-Tenant", "api_key+ip"],
        ),
    ] = field(default_factory=lambda: "ip")
    name: Annotated[
        str, Meta(pattern=f"^$|{NAME}", description="What the layer is called in headers, and known by over reloads.")
    ] = ""
    algorithm: Annotated[
        Literal["gcra", "token_bucket", "leaky", "fixed_window", "sliding_window"],
        Meta(
            description="How it counts. gcra and token_bucket are the same; leaky is nginx's limit_req; windows hold "
            "as many as the rate says per second, minute, hour or day and have no burst."
        ),
    ] = "gcra"
    delay: Annotated[
        Annotated[int, Meta(ge=0, le=BURST_MAXIMUM)] | None,
        Meta(
            description="With leaky: of the burst so many go on at once, those beyond wait for their turn (nginx's "
            "delay=). Default: none waits (nginx's nodelay)."
        ),
    ] = None
    cost: Annotated[
        int | str,
        Meta(description="What a request counts for: a number, or header:NAME for the number there (at least 1)."),
    ] = 1
    missing: Annotated[
        Literal["anonymous", "reject", "skip"],
        Meta(description="A caller without the key: is counted by address, is refused, or is not counted here."),
    ] = "anonymous"
    scope: Annotated[
        Literal["route", "api", "gateway"],
        Meta(description="Whether each route counts by itself, or routes of the API, or of the gateway, together."),
    ] = "route"
    headers: Annotated[
        Literal["ietf", "legacy", "none"],
        Meta(description="What answers say: RateLimit and RateLimit-Policy, X-RateLimit-*, or nothing (as AWS does)."),
    ] = "ietf"
    store: Annotated[
        Literal["machine", "redis", "service"],
        Meta(
            description="Where it is counted: over the workers of this machine, in Redis, or by a service (`limits`)."
        ),
    ] = "machine"
    on_store_failure: Annotated[
        Literal["local", "open", "closed"],
        Meta(description="While that store does not answer: count on this machine alone, admit, or refuse with 503."),
    ] = "local"
    ipv6_prefix: Annotated[int, Meta(ge=1, le=128, description="Bits of an IPv6 address that tell clients apart.")] = (
        IPV6_PREFIX
    )

    def __post_init__(self) -> None:
        for pattern, text in ((KEY, self.key), (f"^$|{NAME}", self.name)):
            if not re.fullmatch(pattern.removesuffix("$"), text):
                raise ValueError(f"{text!r} is not of the form {pattern}")
        if isinstance(self.cost, str) and not re.fullmatch(COST.removesuffix("$"), self.cost):
            raise ValueError(f"cost is a number or header:NAME, not {self.cost!r}")
        if isinstance(self.cost, int) and not 0 <= self.cost <= COST_MAXIMUM:
            raise ValueError(f"cost lies between 0 and {COST_MAXIMUM:,}")
        if self.is_window and self.burst is not None:
            raise ValueError(f"{self.algorithm} has no burst: it holds as many requests as the rate says")
        if self.delay is not None and self.algorithm != "leaky":
            raise ValueError("delay needs algorithm: leaky")
        if self.store == "machine" and self.on_store_failure != "local":
            raise ValueError("on_store_failure has no effect without a store that can fail: store: redis or service")
        limit = limit_of("", self)
        if self.store == "redis":
            check(limit)

    @property
    def is_window(self) -> bool:
        return self.algorithm in ("fixed_window", "sliding_window")

    @property
    def size(self) -> int:
        """What is admitted at once from rest: the burst that was written, or its default. A rate of 0 has none."""
        rate = rates.parse(self.rate)
        if self.is_window:
            return int(rate.count)
        burst = self.burst if self.burst is not None else math.ceil(rate.per_second)
        return burst + 1 if self.algorithm == "leaky" else burst

    @property
    def seconds(self) -> int | None:
        """In which so many are given back: the header's `w`. None where that never is."""
        rate = rates.parse(self.rate)
        if self.is_window:
            return rates.SECONDS[rate.unit]
        return max(1, math.ceil(self.size / rate.per_second)) if rate.count and self.size else None

    @property
    def plain(self) -> bool:
        """Whether it is nothing but a bucket from which each request takes one."""
        return self.algorithm in ("gcra", "token_bucket") and self.cost == 1


def limit_of(name: str, layer: RateLimit) -> Algorithm:
    """The limiter's form of a layer. Raises ValueError where it cannot be kept."""
    rate = rates.parse(layer.rate)
    if layer.algorithm == "fixed_window":
        return FixedWindow(name, rate)
    if layer.algorithm == "sliding_window":
        return SlidingWindow(name, rate)
    if layer.algorithm == "leaky":
        return Leaky(name, rate, layer.size - 1, layer.delay)
    return Bucket(name, rate, layer.size)


def titles(layers: list[RateLimit]) -> list[str]:
    """What the layers are called: by name, else by key; the second of a kind is `ip-2`."""
    seen: dict[str, int] = {}
    found = []
    for layer in layers:
        title = layer.name or layer.key.lower()
        seen[title] = seen.get(title, 0) + 1
        found.append(title if seen[title] == 1 else f"{title}-{seen[title]}")
    return found


def owner(layer: RateLimit, route: Route) -> str:
    """Whose bucket it is: routes with the same owner and title share one."""
    return {"route": route.id, "api": f"API {route.api}", "gateway": "gateway"}[layer.scope]


def describe(layer: RateLimit) -> str:
    """`5/s burst 5 per api_key`, with what is not the default behind it."""
    rate = rates.parse(layer.rate)
    words = [f"{rate} {layer.algorithm}" if layer.is_window else f"{rate} burst {layer.size}"]
    if layer.algorithm == "leaky":
        words = [f"{rate} leaky burst {layer.size - 1}" + (f" delay {layer.delay}" if layer.delay is not None else "")]
    words.append(f"per {layer.key}")
    words += [f"over the {layer.scope}"] if layer.scope != "route" else []
    words += [f"at {layer.cost} each"] if layer.cost != 1 else []
    words += [f"in {layer.store}, else {layer.on_store_failure}"] if layer.store != "machine" else []
    words += [{"reject": "or refused", "skip": "if there"}[layer.missing]] if layer.missing != "anonymous" else []
    return " ".join(words)


# --- what a change does

_MISSING = ("reject", "anonymous", "skip")  # strictest first, as below
_SCOPES = ("gateway", "api", "route")
_FAILURES = ("closed", "local", "open")


def reasons(old: RateLimit, new: RateLimit) -> Iterator[Reason]:
    """More in total or by one key weakens; where one bound rises and another falls, that weakens too."""
    who = {"route": "all callers together"}.get(new.key, f"each {new.key}")
    before, after = rates.parse(old.rate), rates.parse(new.rate)
    if after != before:
        yield _toward(after < before, f"{who} may do {'less' if after < before else _times(before, after)}")
    if new.size != old.size:
        yield _toward(new.size < old.size, f"{who} may send {new.size:,} at once in place of {old.size:,}")
    if old.key.lower() != new.key.lower():
        # Only one bucket for all of them surely gives nobody more.
        yield _toward(
            new.key == "route",
            f"counted by {new.key} in place of {old.key}: who has several of them has several buckets",
            "all callers share one bucket",
        )
    if _counts_otherwise(old, new):
        yield _toward(
            False, f"counted otherwise: {new.algorithm}, {new.cost} each, as against {old.algorithm}, {old.cost}"
        )
    elif old.cost != new.cost:
        yield _toward(True, f"each request counts for {new.cost}")
    if old.ipv6_prefix != new.ipv6_prefix:
        text = f"a client that has more than a /{new.ipv6_prefix} of IPv6 has several buckets"
        yield _toward(new.ipv6_prefix < old.ipv6_prefix, text)
    yield from _context(old, new)


def _context(old: RateLimit, new: RateLimit) -> Iterator[Reason]:
    if old.missing != new.missing:
        stricter = _MISSING.index(new.missing) < _MISSING.index(old.missing)
        words = {"reject": "refused", "anonymous": "counted by address", "skip": "not counted here"}[new.missing]
        yield _toward(stricter, f"callers without the key are {words}")
    if old.scope != new.scope:
        stricter = _SCOPES.index(new.scope) < _SCOPES.index(old.scope)
        yield _toward(stricter, f"counted over the {new.scope} in place of the {old.scope}")
    if old.store != new.store:
        yield _toward(False, f"counted in {new.store} in place of {old.store}: everybody starts anew")
    if old.on_store_failure != new.on_store_failure:
        stricter = _FAILURES.index(new.on_store_failure) < _FAILURES.index(old.on_store_failure)
        yield _toward(stricter, f"{new.on_store_failure} while the store does not answer")


def _toward(stricter: bool, text: str, otherwise: str = "") -> Reason:
    return Reason(Change.STRENGTHEN, otherwise or text) if stricter else Reason(Change.WEAKEN, text)


def _times(before: rates.Rate, after: rates.Rate) -> str:
    if not before.count:
        return "more than nothing in the long run"
    return f"{float(after.per_second / before.per_second):.3g} times as much"


def _counts_otherwise(old: RateLimit, new: RateLimit) -> bool:
    """Whether requests may count for less. The bounds of buckets compare, those of windows only among themselves."""
    families = [layer.algorithm if layer.is_window else "bucket" for layer in (old, new)]
    if families[0] != families[1] or (new.is_window and _unit(old) != _unit(new)):
        return True
    if old.cost == new.cost:
        return False
    return isinstance(old.cost, str) or isinstance(new.cost, str) or new.cost < old.cost


def _unit(layer: RateLimit) -> str:
    return rates.parse(layer.rate).unit
