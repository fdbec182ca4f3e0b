"""`quota`, `usage_plans` and `concurrency` as steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import MemoryStore
from apigw_cli.policies import concurrency, quota, usage_plans
from apigw_cli.policies.interface import Refusal
from tests.policies.exchange import Exchange, model, runtime, step_of

NOON = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp())


def made(now: list[int] | None = None) -> Any:
    return runtime(quotas=MemoryStore(1000), slots=Slots.create(1, 10), calendar=lambda: (now or [NOON])[0])


def status(outcome: Any) -> int:
    return 200 if outcome is None else outcome.status


def test_a_quota_tells_what_is_left_and_when_it_begins_anew() -> None:
    now = [NOON]
    step = step_of("quota", {"limit": 2, "per": "day", "key": "header:X"}, made(now))
    alice = [(b"x", b"alice")]
    first = Exchange(alice)
    assert step(first) is None
    assert first.answered == {"RateLimit-Policy": '"day";q=2;w=86400', "RateLimit": '"day";r=1;t=43200'}
    assert step(Exchange(alice)) is None
    refused = step(Exchange(alice))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.reason, refused.headers) == (429, "quota_exceeded", (b"Retry-After: 43200\r\n",))
    assert step(Exchange([(b"x", b"bob")])) is None
    now[0] += 43_200
    assert step(Exchange(alice)) is None


def test_several_quotas_are_charged_together_or_not_at_all() -> None:
    step = step_of("quota", [{"limit": 1, "per": "day"}, {"limit": 9, "per": "month"}], made())
    assert step(Exchange()) is None
    refused = Exchange()
    assert status(step(refused)) == 429
    assert refused.answered["RateLimit"].endswith('"month";r=8;t=734400')


def test_routes_share_a_quota_that_is_declared_once() -> None:
    shared = made()
    value = {"limit": 1, "per": "week"}
    first, second = step_of("quota", value, shared, "first"), step_of("quota", value, shared, "second")
    assert [status(first(Exchange())), status(second(Exchange()))] == [200, 429]
    with pytest.raises(InputError, match="declares it differently"):
        step_of("quota", value | {"limit": 2}, shared, "third")


def test_a_quota_without_the_key() -> None:
    reject = step_of("quota", {"limit": 1, "per": "day", "missing": "reject"}, made())
    skip = step_of("quota", {"limit": 1, "per": "day", "missing": "skip"}, made())
    assert [status(reject(Exchange())), status(skip(Exchange())), status(skip(Exchange()))] == [400, 200, 200]


@pytest.mark.parametrize(
    "value",
    [
        {"limit": -1, "per": "day"},
        {"limit": 2**31, "per": "day"},
        {"limit": 1, "per": "year"},
        {"limit": 1, "per": "day", "timezone": "Mars/Olympus"},
        {"limit": 1, "per": "day", "offset": "24h"},
        {"limit": 1, "per": "day", "offset": "tomorrow"},
        {"limit": 1, "per": "day", "key": "jwt"},
    ],
)
def test_quotas_that_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="policy quota"):
        model("quota", value)


QUOTA = {"limit": 10, "per": "day"}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (QUOTA, QUOTA, "neutral"),
        (QUOTA, QUOTA | {"headers": "none"}, "neutral"),
        (QUOTA, QUOTA | {"limit": 9}, "strengthen"),
        (QUOTA, QUOTA | {"limit": 11}, "weaken"),
        (QUOTA, QUOTA | {"cost": 2}, "strengthen"),
        (QUOTA, QUOTA | {"per": "month"}, "weaken"),
        (QUOTA, QUOTA | {"timezone": "Asia/Tokyo"}, "weaken"),
        (QUOTA, QUOTA | {"key": "ip"}, "weaken"),
        (QUOTA, QUOTA | {"scope": "route"}, "weaken"),
        (QUOTA, QUOTA | {"scope": "gateway", "missing": "reject"}, "strengthen"),
        (QUOTA, [QUOTA, {"limit": 100, "per": "month"}], "strengthen"),
        ([QUOTA, {"limit": 100, "per": "month"}], QUOTA, "weaken"),
    ],
)
def test_what_a_changed_quota_does(old: Any, new: Any, verdict: str) -> None:
    assert quota.POLICY.compare(model("quota", old), model("quota", new)) == verdict


def test_words() -> None:
    value = model("quota", QUOTA | {"limit": 1000, "timezone": "Asia/Tokyo", "offset": "6h", "scope": "gateway"})
    assert quota.POLICY.describe(value) == "1,000 per day by api_key in Asia/Tokyo from 6h on over the gateway"
    assert usage_plans.POLICY.describe(model("usage_plans", PLANS)) == (
        "gold 5/s burst 5, 100 per month; bronze 1/m burst 1; else reject"
    )
    assert concurrency.POLICY.describe(model("concurrency", {"limit": 3})) == "3 at once per ip"


# --- plans

PLANS: dict[str, Any] = {
    "plans": {
        "gold": {"keys": ["alice"], "rate_limit": {"rate": "5/s"}, "quota": {"limit": 100, "per": "month"}},
        "bronze": {"keys": ["bob"], "rate_limit": {"rate": "1/m"}},
    }
}


def test_callers_have_the_limits_of_their_plan() -> None:
    shared = made()
    step, other = (step_of("usage_plans", PLANS, shared, name) for name in ("one", "two"))

    def ask(name: str | None, plan: str | None = None, with_step: Any = step) -> int:
        return status(with_step(Exchange(principal=name, usage_plan=plan)))

    assert [ask("alice") for _ in range(6)] == [200] * 5 + [429]
    assert [ask("bob"), ask("bob", with_step=other), ask("bob")] == [200, 429, 429]  # over all routes
    assert ask("carol") == ask(None) == 403
    # What the credential says comes first; a plan that there is not says nothing.
    assert [ask("carol", "bronze"), ask("carol", "bronze")] == [200, 429]
    assert ask("bob", "platinum") == 429
    open_to_all = step_of("usage_plans", PLANS | {"otherwise": "skip"}, made())
    assert [ask("carol", with_step=open_to_all) for _ in range(9)] == [200] * 9
    by_default = step_of("usage_plans", PLANS | {"otherwise": "bronze"}, made())
    assert [ask("carol", with_step=by_default) for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "value",
    [
        {"plans": {"a": {"keys": ["x"]}, "b": {"keys": ["x"]}}},
        {"plans": {"a": {}}, "otherwise": "b"},
        {"plans": {"a b": {}}},
        {"plans": {"a": {"rate_limit": {"rate": "1/d", "burst": 10**9}}}},
        {"plans": {"a": {"quota": {"limit": 1, "per": "day", "timezone": "x"}}}},
        {"plans": {"a": {"concurrency": 1}}},
    ],
)
def test_plans_that_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="policy usage_plans"):
        model("usage_plans", value)


def test_what_changed_plans_do() -> None:
    def verdict(**gold: Any) -> str:
        plans = {"gold": PLANS["plans"]["gold"] | gold, "bronze": PLANS["plans"]["bronze"]}
        return usage_plans.POLICY.compare(model("usage_plans", PLANS), model("usage_plans", {"plans": plans}))

    assert verdict() == "neutral"
    assert verdict(rate_limit={"rate": "4/s"}) == "strengthen"
    assert verdict(rate_limit={"rate": "6/s"}) == "weaken"
    assert verdict(quota={"limit": 101, "per": "month"}) == "weaken"
    assert verdict(rate_limit={"rate": "4/s"}, quota={"limit": 101, "per": "month"}) == "weaken"
    assert verdict(keys=["alice", "carol"]) == "weaken"
    policy, value = usage_plans.POLICY, model("usage_plans", PLANS)
    assert (policy.compare(None, value), policy.compare(value, None)) == ("strengthen", "weaken")
    assert policy.compare(value, model("usage_plans", PLANS | {"otherwise": "skip"})) == "weaken"
    assert policy.compare(model("usage_plans", PLANS | {"otherwise": "skip"}), value) == "strengthen"


# --- concurrency


class Ending(Exchange):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.ends: list[Any] = []

    def at_end(self, call: Any) -> None:
        self.ends.append(call)


def test_so_many_at_once_for_each_key() -> None:
    step = step_of("concurrency", {"limit": 2, "key": "header:X", "missing": "reject"}, made())
    first, second, third = (Ending([(b"x", b"a")]) for _ in range(3))
    assert [status(step(one)) for one in (first, second, third)] == [200, 200, 429]
    assert status(step(Ending([(b"x", b"b")]))) == 200
    assert status(step(Ending())) == 400
    assert not third.ends
    first.ends[0]()
    assert status(step(third)) == 200
    assert status(step(Ending([(b"x", b"a")]))) == 429


def test_nobody_and_those_without_a_key() -> None:
    assert status(step_of("concurrency", {"limit": 0}, made())(Ending())) == 429
    skip = step_of("concurrency", {"limit": 0, "key": "api_key", "missing": "skip"}, made())
    assert status(skip(Ending())) == 200
    by_address = step_of("concurrency", {"limit": 1, "key": "api_key"}, made())
    exchanges = [Ending(), Ending(), Ending(client_ip="::9")]
    assert [status(by_address(one)) for one in exchanges] == [200, 429, 200]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [({}, "neutral"), ({"limit": 2}, "strengthen"), ({"limit": 4}, "weaken"), ({"key": "route"}, "weaken"),
     ({"scope": "api"}, "strengthen"), ({"limit": 4, "scope": "api"}, "weaken"), ({"missing": "skip"}, "weaken")],
)  # fmt: skip
def test_what_a_changed_concurrency_does(change: dict[str, Any], verdict: str) -> None:
    old = {"limit": 3}
    assert concurrency.POLICY.compare(model("concurrency", old), model("concurrency", old | change)) == verdict
