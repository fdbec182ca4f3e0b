"""`concurrency`: so many requests of each key in flight, over all workers; those beyond get 429."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct

from apigw_cli.limits.slots import FULL, OVER
from apigw_cli.policies import limit_answers
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step
from apigw_cli.policies.limit_keys import IPV6_PREFIX, KEY, address, reader
from apigw_cli.snapshot.model import Route

_TOO_MANY = Refusal(429, "Too many requests at once", (b"Retry-After: 1\r\n",), "concurrency_limited")
_MISSING = ("reject", "anonymous", "skip")
_SCOPES = ("gateway", "api", "route")


class Concurrency(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `limit` requests in flight at once, for each key."""

    limit: Annotated[int, Meta(ge=0, le=1_000_000, description="Requests in flight at once.")]
    key: Annotated[
        str,
        Meta(pattern=KEY, description="What is counted apart, as in rate_limit: ip, api_key, header:NAME, claim:NAME."),
    ] = "ip"
    missing: Annotated[
        Literal["anonymous", "reject", "skip"],
        Meta(description="A caller without the key: is counted by address, is refused, or is not counted."),
    ] = "anonymous"
    scope: Annotated[
        Literal["route", "api", "gateway"],
        Meta(description="Whether each route counts by itself, or routes of the API, or of the gateway, together."),
    ] = "route"

    def __post_init__(self) -> None:
        if not re.fullmatch(KEY.removesuffix("$"), self.key):
            raise ValueError(f"{self.key!r} is not of the form {KEY}")


class _Policy:
    name = "concurrency"
    order = 44
    model: type[Struct] = Concurrency
    derived = False

    def compile(self, value: Concurrency, route: Route, runtime: Runtime) -> Step:
        owner = {"route": route.id, "api": f"API {route.api}", "gateway": "gateway"}[value.scope]
        return _step(value, f"{owner} {value.key.lower()} ".encode(), runtime)

    def compare(self, old: Concurrency | None, new: Concurrency | None) -> Change:
        """Stricter only where limit, missing key and scope say so and the key stays; else it weakens."""
        if old is None or new is None:
            return Change.NEUTRAL if old is new else Change.STRENGTHEN if old is None else Change.WEAKEN
        was, now = ((v.limit, _MISSING.index(v.missing), _SCOPES.index(v.scope)) for v in (old, new))
        if old.key.lower() != new.key.lower() or any(b > a for a, b in zip(was, now, strict=True)):
            return Change.WEAKEN
        return Change.NEUTRAL if was == now else Change.STRENGTHEN

    def reasons(self, old: Concurrency | None, new: Concurrency | None) -> Iterator[Reason]:
        change = self.compare(old, new)
        if old is None or new is None:
            words = "any number of requests may be in flight" if new is None else "some requests at once are refused"
        else:
            words = f"{new.limit:,} at once per {new.key}, in place of {old.limit:,} per {old.key}"
        yield Reason(change, words)

    def describe(self, value: Concurrency) -> str:
        words = [f"{value.limit} at once per {value.key}"]
        words += [f"over the {value.scope}"] if value.scope != "route" else []
        words += [{"reject": "or refused", "skip": "if there"}[value.missing]] if value.missing != "anonymous" else []
        return " ".join(words)


def _step(value: Concurrency, owner: bytes, runtime: Runtime) -> Step:
    slots, maximum = runtime.slots, value.limit
    find, otherwise = reader(value.key, IPV6_PREFIX), address(IPV6_PREFIX)
    missing = limit_answers.key_missing(value.key) if value.missing == "reject" else None

    def step(exchange: Exchange) -> Refusal | None:
        key = find(exchange)
        if key is None:
            if value.missing != "anonymous":
                return missing
            key = otherwise(exchange)
        assert slots is not None  # only a configuration that is being checked has none
        slot = slots.enter(owner + key, maximum)
        if slot == OVER:
            return _TOO_MANY
        if slot == FULL:
            return limit_answers.TABLE_FULL
        exchange.at_end(partial(slots.leave, slot))
        return None

    return step


POLICY = _Policy()
