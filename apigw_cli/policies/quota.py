"""`quota`: so many requests per calendar day, week or month for each key, kept over restarts.

A quota comes after `rate_limit`, so that a request which that refuses costs no quota. Routes of an API share it unless
`scope` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from apigw_cli.config.values import DURATION, parse_duration
from apigw_cli.errors import InputError
from apigw_cli.limits.quota import LIMIT_MAXIMUM, moment
from apigw_cli.limits.quota import Quota as Counter
from apigw_cli.limits.store import FULL
from apigw_cli.limits.table import Charge
from apigw_cli.policies import limit_answers
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step
from apigw_cli.policies.judging import judged
from apigw_cli.policies.limit_keys import IPV6_PREFIX, KEY, KeyOf, address, reader
from apigw_cli.policies.limit_layer import NAME
from apigw_cli.snapshot.model import Route

_SECONDS = {"day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}


class Quota(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `limit` requests per calendar day, week or month, for each key."""

    limit: Annotated[int, Meta(ge=0, le=LIMIT_MAXIMUM, description="Requests in a period.")]
    per: Annotated[Literal["day", "week", "month"], Meta(description="The period; a week begins on Monday.")]
    key: Annotated[
        str,
        Meta(pattern=KEY, description="What is counted apart, as in rate_limit: api_key, ip, header:NAME, claim:NAME."),
    ] = "api_key"
    missing: Annotated[
        Literal["anonymous", "reject", "skip"],
        Meta(description="A caller without the key: is counted by address, is refused, or is not counted."),
    ] = "anonymous"
    timezone: Annotated[str, Meta(description="Where midnight is: UTC, or a name such as Europe/Berlin.")] = "UTC"
    offset: Annotated[
        str, Meta(pattern=DURATION, description="How long after midnight, Monday or the first a period begins.")
    ] = "0s"
    cost: Annotated[int, Meta(ge=0, le=1_000_000, description="What a request counts for.")] = 1
    scope: Annotated[
        Literal["route", "api", "gateway"],
        Meta(description="Whether routes of the API, or of the gateway, count together, or each by itself."),
    ] = "api"
    headers: Annotated[Literal["ietf", "legacy", "none"], Meta(description="What answers say, as in rate_limit.")] = (
        "ietf"
    )
    name: Annotated[str, Meta(pattern=f"^$|{NAME}", description="What it is known by; default: period and key.")] = ""

    def __post_init__(self) -> None:
        for pattern, text in ((KEY, self.key), (f"^$|{NAME}", self.name), (DURATION, self.offset)):
            if not re.fullmatch(pattern.removesuffix("$"), text):
                raise ValueError(f"{text!r} is not of the form {pattern}")
        counter_of("", self)

    @property
    def title(self) -> str:
        return self.name or self.per


def counter_of(name: str, quota: Quota) -> Counter:
    """The limiter's form. Raises ValueError for a time zone or an offset that cannot be."""
    try:
        offset = timedelta(seconds=float(parse_duration(quota.offset)))
    except OverflowError:
        raise ValueError(f"offset {quota.offset} is longer than any period") from None
    return Counter(name, quota.limit, quota.per, quota.timezone, offset)


Quotas = Quota | list[Quota]


class _Policy:
    name = "quota"
    order = 42
    model: Any = Quotas
    derived = False
    neutral: ClassVar = {
        "headers": "what answers say of a quota does not change it",
        "name": "what a quota is called: another name starts anew, once",
    }

    def compile(self, value: Quotas, route: Route, runtime: Runtime) -> Step | None:
        """Raises InputError where two routes share a quota and declare it differently."""
        return step_of(as_quotas(value), route, runtime, self.name)

    def compare(self, old: Quotas | None, new: Quotas | None) -> Change:
        return judged(self.reasons(old, new))

    def reasons(self, old: Quotas | None, new: Quotas | None) -> Iterator[Reason]:
        before, after = as_quotas(old), as_quotas(new)
        gone, come = [q for q in before if q not in after], [q for q in after if q not in before]
        for was, now in zip_longest(gone, come):
            yield Reason(_compare(was, now), _told(was, now))

    def describe(self, value: Quotas) -> str:
        return " and ".join(map(describe, as_quotas(value))) or "none"


def as_quotas(value: Quotas | None) -> list[Quota]:
    return [] if value is None else value if isinstance(value, list) else [value]


def describe(quota: Quota) -> str:
    """`1,000 per day by api_key`, with what is not the default behind it."""
    words = [f"{quota.limit:,} per {quota.per} by {quota.key}"]
    words += [f"in {quota.timezone}"] if quota.timezone != "UTC" else []
    words += [f"from {quota.offset} on"] if quota.offset != "0s" else []
    words += [f"at {quota.cost} each"] if quota.cost != 1 else []
    words += [f"over the {quota.scope}"] if quota.scope != "api" else []
    words += [{"reject": "or refused", "skip": "if there"}[quota.missing]] if quota.missing != "anonymous" else []
    return " ".join(words)


def _told(old: Quota | None, new: Quota | None) -> str:
    if old is None or new is None:
        return f"nothing holds callers to {describe(old)} any more" if old else "callers are held to a quota"
    return f"each {new.key} may have {new.limit:,} per {new.per}, in place of {old.limit:,} per {old.per} by {old.key}"


def _compare(old: Quota | None, new: Quota | None) -> Change:
    """Stricter only where limit, cost, missing key and scope say so and nothing else changes: the rest weakens."""
    if old is None or new is None:
        return Change.STRENGTHEN if old is None else Change.WEAKEN
    orders = (("reject", "anonymous", "skip"), ("gateway", "api", "route"))
    was, now = ((q.limit, -q.cost, orders[0].index(q.missing), orders[1].index(q.scope)) for q in (old, new))
    other = (old.per, old.key.lower(), old.timezone, old.offset) != (new.per, new.key.lower(), new.timezone, new.offset)
    if other or any(b > a for a, b in zip(was, now, strict=True)):
        return Change.WEAKEN
    return Change.NEUTRAL if was == now else Change.STRENGTHEN


# --- steps


class _Made:
    __slots__ = ("counter", "key_of", "quota")

    def __init__(self, quota: Quota, counter: Counter) -> None:
        self.quota = quota
        self.counter = counter
        find, otherwise = reader(quota.key, IPV6_PREFIX), address(IPV6_PREFIX)
        self.key_of: KeyOf = find
        if quota.missing == "anonymous":
            self.key_of = lambda exchange: find(exchange) or otherwise(exchange)


def step_of(quotas: Sequence[Quota], route: Route, runtime: Runtime, what: str) -> Step | None:
    """The step that keeps these quotas; `what` tells their state from that of other policies."""
    if not quotas:
        return None
    made = [_made(quota, number, route, runtime, what) for number, quota in enumerate(quotas)]
    lines = limit_answers.writer([(q.headers, q.title, q.limit, _SECONDS[q.per]) for q in quotas])
    return _step(made, lines, runtime)


def _made(quota: Quota, number: int, route: Route, runtime: Runtime, what: str) -> _Made:
    owner = {"route": route.id, "api": f"API {route.api}", "gateway": "gateway"}[quota.scope]
    name = f"{what} {owner} {quota.name or f'{quota.per} {quota.key.lower()}'}"
    before = quota if quota.scope == "route" else runtime.memo.setdefault(("quota", name), quota)
    if (before.limit, before.per, before.timezone, before.offset) != (
        quota.limit, quota.per, quota.timezone, quota.offset,
    ):  # fmt: skip
        raise InputError(
            f"{route.id} shares a quota of the {quota.scope} and declares it differently: "
            f"{describe(quota)}, elsewhere {describe(before)}",
            hint="give one of them another name",
        )
    return _Made(quota, counter_of(name, quota))


def _step(made: list[_Made], lines: Callable[[limit_answers.Told], bytes], runtime: Runtime) -> Step:
    take_all, seconds = runtime.quotas.take_all, runtime.calendar

    def step(exchange: Exchange) -> Refusal | None:
        numbers, charges = [], []
        for number, one in enumerate(made):
            key = one.key_of(exchange)
            if key is None:
                if one.quota.missing == "skip":
                    continue
                return limit_answers.key_missing(one.quota.key)
            numbers.append(number)
            charges.append(Charge(key, one.counter, one.quota.cost))
        if not charges:
            return None
        decisions = take_all(charges, moment(seconds()))
        told = lines(list(zip(numbers, decisions, strict=True)))
        if told:
            exchange.answer_extra.append(told)
        if all(decision.allowed for decision in decisions):
            return None
        if decisions[0] is FULL:
            return limit_answers.TABLE_FULL
        return limit_answers.quota_exceeded(max(d.retry_after for d in decisions if not d.allowed))

    return step


POLICY = _Policy()
