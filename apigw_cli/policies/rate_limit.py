"""`rate_limit`: at most `rate` requests on average and `burst` at once, counted for each key, over all workers.

Every route has buckets of its own, also where the limit comes from a default: as AWS's throttling by method does,
and so that a busy route cannot use up a quiet one's share (`scope: api` and `gateway` share on purpose). Rename the
operation and its buckets start anew; change rate or burst and every key keeps the share of its tokens that it has
used (`limits.bucket.rescale`).

Several layers are a list. All are asked, then all are charged, or none: a layer pays for no request that another
refused. A key that is missing (no API key, no such header) is counted by the client's address, never in one bucket
that strangers share. Every answer of the route that came this far says what is left, refused or not:

    RateLimit-Policy: "default";q=5;w=1
    RateLimit: "default";r=3;t=1
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, ClassVar

from apigw_cli.errors import InputError
from apigw_cli.limits.algorithms import Algorithm, Delayed
from apigw_cli.limits.bucket import NEVER, Decision, Limit
from apigw_cli.limits.remote import Remote, Unavailable
from apigw_cli.limits.store import FULL
from apigw_cli.limits.table import Charge
from apigw_cli.policies import limit_answers, limit_layer
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step, Waiting
from apigw_cli.policies.judging import judged
from apigw_cli.policies.limit_keys import KeyOf, address, reader
from apigw_cli.policies.limit_layer import COST_MAXIMUM, RateLimit, limit_of
from apigw_cli.policies.limit_stores import remote_store
from apigw_cli.snapshot.model import Route

RateLimits = RateLimit | list[RateLimit]
Asked = list[tuple[int, Charge]]  # what each layer that applies is asked, with its number


class _Policy:
    name = "rate_limit"
    order = 40
    model: Any = RateLimits
    derived = False
    neutral: ClassVar = {
        "headers": "what answers say of a limit does not change it",
        "delay": "whether the burst waits for its turn: as many get through",
        "RateLimit.name": "what a layer is called; another name starts anew, and is compared as another layer",
    }

    def compile(self, value: RateLimits, route: Route, runtime: Runtime) -> Step | None:
        """Raises InputError where two routes share a limit and declare it differently."""
        return step_of(as_layers(value), route, runtime, self.name)

    def compare(self, old: RateLimits | None, new: RateLimits | None) -> Change:
        """Layers that stayed as they are do not count; the others are compared in their order, or by name."""
        return judged(self.reasons(old, new))

    def reasons(self, old: RateLimits | None, new: RateLimits | None) -> Iterator[Reason]:
        before, after = as_layers(old), as_layers(new)
        same = [layer for layer in before if layer in after]
        for was, now in _pairs([x for x in before if x not in same], [x for x in after if x not in same]):
            if was is not None and now is not None:
                yield from limit_layer.reasons(was, now)
            elif was is not None:
                yield Reason(Change.WEAKEN, f"nothing holds callers to {limit_layer.describe(was)} any more")
            elif now is not None:
                yield Reason(Change.STRENGTHEN, f"callers are held to {limit_layer.describe(now)}")

    def describe(self, value: RateLimits) -> str:
        return " and ".join(map(limit_layer.describe, as_layers(value))) or "none"


def as_layers(value: RateLimits | None) -> list[RateLimit]:
    """The layers of what was written."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _pairs(old: list[RateLimit], new: list[RateLimit]) -> list[tuple[RateLimit | None, RateLimit | None]]:
    """Those of the same name, then the others in their order: whichever side is the older."""
    by_name = {layer.name: layer for layer in new if layer.name}
    same = [(layer, by_name[layer.name]) for layer in old if layer.name in by_name]
    names = {layer.name for layer, _ in same}
    left, right = ([layer for layer in side if layer.name not in names] for side in (old, new))
    return [*same, *zip_longest(left, right)]


# --- steps


def step_of(layers: Sequence[RateLimit], route: Route, runtime: Runtime, what: str) -> Step | None:
    """The step that keeps these layers; `what` tells their state from that of other policies."""
    if not layers:
        return None
    made = _made(list(layers), route, runtime, what)
    stores = {layer.store for layer in layers}
    if len(stores) > 1:
        raise InputError(f"the layers of {route.id} are kept in different stores", hint="give them one store")
    if stores != {"machine"}:
        return _elsewhere(made, remote_store(runtime, stores.pop()), runtime)
    if len(made) == 1 and made[0].layer.plain and made[0].missing is None and made[0].layer.headers == "ietf":
        return _single(made[0], runtime)
    return _several(made, runtime)


class _Made:
    """A layer, ready to be asked."""

    __slots__ = ("cost_of", "key_of", "layer", "limit", "missing", "title")

    def __init__(self, layer: RateLimit, title: str, limit: Algorithm) -> None:
        self.layer = layer
        self.title = title
        self.limit = limit
        self.key_of = _or_address(layer) if layer.missing == "anonymous" else reader(layer.key, layer.ipv6_prefix)
        # What becomes of a request without the key; None: every request has one.
        self.missing = {"reject": limit_answers.key_missing(layer.key), "skip": _SKIP}.get(layer.missing)
        self.cost_of = _cost_in(layer.cost) if isinstance(layer.cost, str) else None

    @property
    def said(self) -> limit_answers.Said:
        return self.layer.headers, self.title, self.layer.size, self.layer.seconds


_SKIP = Refusal(0, "")


def _made(layers: list[RateLimit], route: Route, runtime: Runtime, what: str) -> list[_Made]:
    found = []
    for layer, title in zip(layers, limit_layer.titles(layers), strict=True):
        name = f"{what} {limit_layer.owner(layer, route)} {title}"
        before = layer if layer.scope == "route" else runtime.memo.setdefault(("limit", name), layer)
        if (before.rate, before.size, before.algorithm) != (layer.rate, layer.size, layer.algorithm):
            raise InputError(
                f"{route.id} shares the limit {title} of the {layer.scope} and declares it differently: "
                f"{limit_layer.describe(layer)}, elsewhere {limit_layer.describe(before)}",
                hint="give one of them another name",
            )
        alone = len(layers) == 1 and not layer.name
        found.append(_Made(layer, "default" if alone else title, limit_of(name, layer)))
    return found


def _or_address(layer: RateLimit) -> KeyOf:
    """The key, or the client's address where there is none."""
    find, otherwise = reader(layer.key, layer.ipv6_prefix), address(layer.ipv6_prefix)
    if layer.key in ("ip", "route"):
        return find
    if layer.key == "api_key":  # what most routes have: without a call of its own

        def caller(exchange: Exchange) -> bytes | None:
            principal = exchange.principal
            return b"k" + principal.encode() if principal else otherwise(exchange)

        return caller
    return lambda exchange: find(exchange) or otherwise(exchange)


def _cost_in(cost: str) -> Callable[[Exchange], int | None]:
    """What a header says; 1 where it is not there, None where that is no number."""
    name = cost.removeprefix("header:").lower().encode("ascii")

    def cost_of(exchange: Exchange) -> int | None:
        value = exchange.header(name)
        if value is None:
            return 1
        if not value.isdigit() or len(value) > 9:
            return None
        return min(max(int(value), 1), COST_MAXIMUM)

    return cost_of


def _single(made: _Made, runtime: Runtime) -> Step:
    """One bucket that every request takes one from: what most routes have, as fast as can be."""
    assert isinstance(made.limit, Limit)
    limit, key_of = made.limit, made.key_of
    take, clock = runtime.store.take, runtime.clock
    policy_line = b"RateLimit-Policy: %b\r\n" % limit_answers.policy_item(*made.said[1:])
    line = policy_line + b'RateLimit: "%b";r=%%d;t=%%d\r\n' % made.title.encode()
    line_without_reset = policy_line + b'RateLimit: "%b";r=%%d\r\n' % made.title.encode()

    def step(exchange: Exchange) -> Refusal | None:
        key = key_of(exchange)
        assert key is not None
        decision = take(key, limit, clock())
        if decision.reset != NEVER:
            exchange.answer_extra.append(line % (decision.remaining, decision.reset))
        else:
            exchange.answer_extra.append(line_without_reset % decision.remaining)
        return None if decision.allowed else _refusal((decision,))

    return step


def _several(layers: list[_Made], runtime: Runtime) -> Step:
    take_all, clock = runtime.store.take_all, runtime.clock
    lines = limit_answers.writer([made.said for made in layers])

    def step(exchange: Exchange) -> Refusal | Waiting | None:
        asked = _charges(layers, exchange)
        if isinstance(asked, Refusal):
            return asked
        decisions = take_all([charge for _, charge in asked], clock()) if asked else []
        wait = _say(exchange, lines, asked, decisions)
        return _waited(wait) if isinstance(wait, int) and wait else wait or None

    return step


def _elsewhere(layers: list[_Made], store: Remote, runtime: Runtime) -> Step:
    """As `_several`, in a store that has to be waited for, and that may fail."""
    here, clock = runtime.store.take_all, runtime.clock
    lines = limit_answers.writer([made.said for made in layers])

    async def decide(exchange: Exchange, asked: Asked) -> Refusal | None:
        try:
            decisions = await store.take_all([charge for _, charge in asked])
        except Unavailable:
            failing = {layers[number].layer.on_store_failure for number, _ in asked}
            if "closed" in failing:
                return limit_answers.UNAVAILABLE
            asked = [one for one in asked if layers[one[0]].layer.on_store_failure == "local"]
            decisions = here([charge for _, charge in asked], clock()) if asked else []
        wait = _say(exchange, lines, asked, decisions)
        return await _waited(wait) if isinstance(wait, int) else wait

    def step(exchange: Exchange) -> Refusal | Waiting | None:
        asked = _charges(layers, exchange)
        if isinstance(asked, Refusal):
            return asked
        return decide(exchange, asked) if asked else None

    return step


def _say(
    exchange: Exchange, lines: Callable[[limit_answers.Told], bytes], asked: Asked, decisions: Sequence[Decision]
) -> Refusal | int:
    """Tell the client what was decided. Returns the refusal, or the nanoseconds that it has to wait."""
    told = lines([(number, decision) for (number, _), decision in zip(asked, decisions, strict=True)])
    if told:
        exchange.answer_extra.append(told)
    if not all(decision.allowed for decision in decisions):
        return _refusal(decisions)
    return max((decision.wait for decision in decisions if isinstance(decision, Delayed)), default=0)


def _charges(layers: list[_Made], exchange: Exchange) -> Asked | Refusal:
    """What each layer that applies is asked, with its number; or why the request cannot be counted."""
    found = []
    for number, made in enumerate(layers):
        key = made.key_of(exchange)
        if key is None:
            if made.missing is _SKIP:
                continue
            assert made.missing is not None
            return made.missing
        cost = made.layer.cost if made.cost_of is None else made.cost_of(exchange)
        if cost is None:
            return limit_answers.BAD_COST
        assert isinstance(cost, int)
        found.append((number, Charge(key, made.limit, cost)))
    return found


async def _waited(nanoseconds: int) -> Refusal | None:
    """A leaky bucket's queue: the request has its turn, and waits for it."""
    if nanoseconds:
        await asyncio.sleep(nanoseconds / 1e9)
    return None


def _refusal(decisions: Sequence[Decision]) -> Refusal:
    """Why a request is refused: by the limit that will admit it last."""
    if decisions[0] is FULL:
        return limit_answers.TABLE_FULL
    return limit_answers.refusal(max(decision.retry_after for decision in decisions if not decision.allowed))


POLICY = _Policy()
