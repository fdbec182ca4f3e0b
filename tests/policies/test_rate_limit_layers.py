"""`rate_limit` beyond one plain bucket: layers, keys, costs, missing keys, scopes, headers, changes."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import msgspec
import pytest

from apigw_cli.bench import declared
from apigw_cli.errors import InputError
from apigw_cli.generate.nginx.limits import Zones, gaps
from apigw_cli.policies.interface import Refusal
from apigw_cli.policies.limit_keys import network
from apigw_cli.policies.limit_layer import RateLimit
from apigw_cli.policies.plan import steps
from apigw_cli.policies.rate_limit import POLICY
from tests.policies.exchange import SECOND, Clock, Exchange, model, route, runtime, step_of


def limit(rate: str = "1/m", burst: int | None = 1, **more: Any) -> dict[str, Any]:
    return {"rate": rate, **({} if burst is None else {"burst": burst}), **more}


def status(outcome: Any) -> int:
    assert not inspect.iscoroutine(outcome)
    return 200 if outcome is None else outcome.status


def statuses(value: Any, *exchanges: Exchange) -> list[int]:
    step = step_of("rate_limit", value, runtime())
    return [status(step(exchange)) for exchange in exchanges]


# --- layers


def test_no_layer_pays_for_what_another_refuses() -> None:
    layers = [limit(burst=3, key="route", name="all"), limit(burst=1, key="header:X-Tenant", name="tenant")]
    step = step_of("rate_limit", layers, runtime())

    def ask(tenant: bytes) -> tuple[int, str]:
        exchange = Exchange(headers=[(b"x-tenant", tenant)])
        return status(step(exchange)), exchange.answered["RateLimit"]

    assert ask(b"a") == (200, '"all";r=2;t=60, "tenant";r=0;t=60')
    assert ask(b"a") == (429, '"all";r=2;t=60, "tenant";r=0;t=60')
    assert [ask(b"a")[0], ask(b"b")[0], ask(b"c")[0], ask(b"d")[0]] == [429, 200, 200, 429]


def test_the_refusal_says_when_all_layers_admit_again() -> None:
    step = step_of("rate_limit", [limit("1/s"), limit("1/m", key="route"), limit("1/h", 9)], runtime())
    assert step(Exchange()) is None
    refused = step(Exchange())
    assert isinstance(refused, Refusal) and refused.headers == (b"Retry-After: 60\r\n",)


@pytest.mark.parametrize(
    ("algorithm", "admitted"),
    [("gcra", 4), ("token_bucket", 4), ("leaky", 5), ("fixed_window", 4), ("sliding_window", 4)],
)
def test_every_algorithm(algorithm: str, admitted: int) -> None:
    clock = Clock()
    burst = None if algorithm.endswith("window") else 4
    step = step_of("rate_limit", limit("4/m", burst, algorithm=algorithm), runtime(clock=clock))
    assert sum(step(Exchange()) is None for _ in range(20)) == admitted
    clock.now += 3600 * SECOND
    assert step(Exchange()) is None


def test_a_leaky_queue_lets_requests_wait_for_their_turn() -> None:
    step = step_of("rate_limit", limit("100/s", 3, algorithm="leaky", delay=0), runtime())
    outcomes = [step(Exchange()) for _ in range(5)]
    assert outcomes[0] is None
    assert isinstance(outcomes[4], Refusal)

    async def wait() -> list[Refusal | None]:
        return [await outcome for outcome in outcomes[1:4]]  # type: ignore[misc]

    assert asyncio.run(wait()) == [None, None, None]


# --- keys


def test_several_things_make_one_key() -> None:
    def ask(principal: str, ip: str) -> Exchange:
        return Exchange(principal=principal, client_ip=ip)

    value = limit(key="api_key+ip")
    assert statuses(value, ask("a", "192.0.2.1"), ask("a", "192.0.2.2"), ask("a", "192.0.2.1")) == [200, 200, 429]
    # Parts do not run into each other.
    value = limit(key="header:A+header:B")
    one, other = [(b"a", b"xy"), (b"b", b"z")], [(b"a", b"x"), (b"b", b"yz")]
    assert statuses(value, Exchange(one), Exchange(other), Exchange(one)) == [200, 200, 429]


def test_an_ipv6_client_is_its_network() -> None:
    ips = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "::ffff:192.0.2.1", "192.0.2.1"]
    assert statuses(limit(), *(Exchange(client_ip=ip) for ip in ips)) == [200, 429, 200, 200, 429]
    assert statuses(limit(ipv6_prefix=128), *(Exchange(client_ip=ip) for ip in ips[:2])) == [200, 200]
    assert statuses(limit(ipv6_prefix=48), Exchange(client_ip=ips[0]), Exchange(client_ip=ips[2])) == [200, 429]
    assert network("fe80::1%eth0", 64) == network("fe80::2%eth1", 64)
    assert network("not:an:address", 64) == b"inot:an:address"


def test_claims_name_callers() -> None:
    def who(**claims: Any) -> Exchange:
        return Exchange(claims=claims)

    value = limit(key="claim:sub", missing="reject")
    assert statuses(value, who(sub="a"), who(sub="b"), who(sub="a"), who(sub=7), who(sub=7)) == [
        200,
        200,
        429,
        200,
        429,
    ]
    assert statuses(value, who(sub=""), who(sub=None), who(sub=["a"]), who(sub=True), who(), Exchange()) == [400] * 6


def test_what_becomes_of_a_request_without_the_key() -> None:
    without = [Exchange(), Exchange(), Exchange(client_ip="192.0.2.2")]
    assert statuses(limit(key="header:X"), *without) == [200, 429, 200]
    assert statuses(limit(key="header:X", missing="skip"), *without) == [200, 200, 200]
    step = step_of("rate_limit", limit(key="header:X", missing="reject"), runtime())
    refused = step(Exchange())
    assert isinstance(refused, Refusal) and (refused.status, refused.reason) == (400, "key_missing")
    # A layer that is skipped says nothing, and its neighbours are kept.
    layers = [limit(key="header:X", missing="skip", name="x"), limit(key="ip", name="ip")]
    step, exchange = step_of("rate_limit", layers, runtime()), Exchange()
    assert step(exchange) is None
    assert exchange.answered["RateLimit-Policy"] == '"ip";q=1;w=60'
    assert status(step(Exchange())) == 429


def test_strange_keys_are_keys_and_stay_apart() -> None:
    values = [b"x" * 100_000, b"x" * 100_001, b"\xc3\xa9", b"e\xcc\x81", b"\xff\xfe", b"a\0b", b"a", b"A", b" "]
    exchanges = [Exchange([(b"x", value)]) for value in values]
    assert statuses(limit(key="header:X"), *exchanges, *exchanges) == [200] * 9 + [429] * 9


# --- cost


def test_a_request_may_cost_more_than_one() -> None:
    assert statuses(limit(burst=5, cost=2), *(Exchange() for _ in range(4))) == [200, 200, 429, 429]
    assert statuses(limit(burst=1, cost=0), *(Exchange() for _ in range(4))) == [200] * 4
    step = step_of("rate_limit", limit(burst=1, cost=2), runtime())
    refused = step(Exchange())
    assert isinstance(refused, Refusal) and refused.headers == ()  # no waiting will ever help


def test_a_header_may_say_the_cost() -> None:
    def cost(text: bytes) -> Exchange:
        return Exchange([(b"x-cost", text)])

    value = limit(burst=10, cost="header:X-Cost")
    assert statuses(value, cost(b"4"), cost(b"0"), Exchange(), cost(b"5"), cost(b"4")) == [200, 200, 200, 429, 200]
    assert statuses(value, cost(b"-1"), cost(b"1.5"), cost(b""), cost(b"9" * 30), cost("٣".encode())) == [400] * 5


# --- scope


def test_routes_may_share_a_limit() -> None:
    shared = runtime()
    wide = limit(scope="api", key="route")
    first, second = step_of("rate_limit", wide, shared, "first"), step_of("rate_limit", wide, shared, "second")
    assert [status(first(Exchange())), status(second(Exchange()))] == [200, 429]


def test_a_shared_limit_is_declared_once() -> None:
    shared = runtime()
    step_of("rate_limit", limit(scope="gateway"), shared, "first")
    with pytest.raises(InputError, match="declares it differently"):
        step_of("rate_limit", limit(scope="gateway", burst=2), shared, "second")
    step_of("rate_limit", limit(scope="gateway", burst=2, name="other"), shared, "second")


# --- headers


def test_the_older_headers_and_none() -> None:
    step, exchange = step_of("rate_limit", limit(burst=2, headers="legacy"), runtime()), Exchange()
    assert step(exchange) is None
    assert exchange.answered == {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "60"}
    step, exchange = step_of("rate_limit", limit(headers="none"), runtime()), Exchange()
    assert step(exchange) is None and exchange.answered == {}
    layers = [limit(burst=9, headers="legacy"), limit(burst=2, key="route", headers="legacy")]
    step, exchange = step_of("rate_limit", layers, runtime()), Exchange()
    step(exchange)
    assert exchange.answered["X-RateLimit-Limit"] == "2"


# --- what is refused, compared, described


@pytest.mark.parametrize(
    "value",
    [
        limit(algorithm="fixed_window"),
        limit("2.5/s", None, algorithm="sliding_window"),
        limit("0/s", None, algorithm="fixed_window"),
        limit(delay=1),
        limit(cost=-1),
        limit(cost="x-cost"),
        limit(cost="header:a b"),
        limit(key="ip+"),
        limit(key="claim:"),
        limit(key="claim:a+b+c+d+e+f"),
        limit(missing="ignore"),
        limit(name='"'),
        limit(ipv6_prefix=0),
        limit(scope="stage"),
        [limit(), "off"],
    ],
)
def test_values_that_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="policy rate_limit"):
        model("rate_limit", value)


BASE = limit("5/s", 5, key="api_key")


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ([BASE], [BASE], "neutral"),
        (BASE, [BASE], "neutral"),
        (BASE, [BASE, limit()], "strengthen"),
        ([BASE, limit()], BASE, "weaken"),
        ([BASE, limit()], [limit(), BASE], "neutral"),
        ([limit(name="a"), limit("2/m", 1, name="b")], [limit("2/m", 1, name="a"), limit(name="b")], "weaken"),
        (BASE, BASE | {"algorithm": "token_bucket"}, "neutral"),
        (BASE, BASE | {"algorithm": "leaky"}, "weaken"),
        (BASE, BASE | {"algorithm": "leaky", "burst": 4}, "neutral"),
        (BASE, limit("5/s", None, key="api_key", algorithm="fixed_window"), "weaken"),
        (BASE, BASE | {"cost": 2}, "strengthen"),
        (BASE | {"cost": 2}, BASE, "weaken"),
        (BASE, BASE | {"cost": "header:X"}, "weaken"),
        (BASE, BASE | {"missing": "reject"}, "strengthen"),
        (BASE, BASE | {"missing": "skip"}, "weaken"),
        (BASE, BASE | {"scope": "api"}, "strengthen"),
        (BASE | {"scope": "gateway"}, BASE | {"scope": "api"}, "weaken"),
        (BASE, BASE | {"ipv6_prefix": 128}, "weaken"),
        (BASE, BASE | {"ipv6_prefix": 48}, "strengthen"),
        (BASE, BASE | {"headers": "none"}, "neutral"),
        (BASE, BASE | {"key": "api_key+ip"}, "weaken"),
        (BASE, [], "weaken"),
    ],
)
def test_what_a_change_does(old: Any, new: Any, verdict: str) -> None:
    assert POLICY.compare(model("rate_limit", old), model("rate_limit", new)) == verdict


def test_how_layers_are_described() -> None:
    layers = [
        limit("100/m", None, algorithm="fixed_window", key="claim:sub", missing="reject", scope="api"),
        limit("5/s", 4, algorithm="leaky", delay=2, cost=3),
    ]
    assert POLICY.describe(model("rate_limit", layers)) == (
        "100/m fixed_window per claim:sub over the api or refused and 5/s leaky burst 4 delay 2 per ip at 3 each"
    )


def test_defaults_are_left_out_of_the_canonical_bytes() -> None:
    written = msgspec.to_builtins(model("rate_limit", limit(algorithm="gcra", cost=1, missing="anonymous")))
    assert written == {"rate": "1/m", "burst": 1, "key": "ip"}


# --- others who read it


def test_what_bench_proves_of_it() -> None:
    def bound(**more: Any) -> tuple[str, int, bool]:
        (one,) = declared.layers_of(route({"rate_limit": {"rate": "6/s", **more}}), str)
        return str(one.rate), one.burst, bool(one.partly)

    assert bound(burst=4) == ("6/s", 4, False)
    assert bound(burst=4, cost=2) == ("3/s", 2, False)
    assert bound(burst=4, algorithm="leaky") == ("6/s", 5, False)
    assert bound(algorithm="fixed_window") == ("6/s", 6, False)
    assert bound(algorithm="fixed_window", cost=2) == ("3/s", 3, True)
    assert bound(algorithm="sliding_window") == ("6/s", 6, False)


def test_what_nginx_makes_of_it() -> None:
    layer = RateLimit("5/s", 4, "api_key+ip", algorithm="leaky", delay=2, scope="api")
    found = Zones().directives(layer, "$who")
    assert found.lines == ["limit_req zone=apigw_limit_5rs_api_key_ip burst=4 delay=2;"]
    said = " ".join(gaps(RateLimit("4/m", key="claim:sub", algorithm="fixed_window", cost=2, missing="skip")))
    assert all(word in said for word in ("fixed window", "claim sub", "as 2", "missing: skip"))


def test_a_policy_without_layers_is_no_step() -> None:
    assert steps(route({"rate_limit": []}), runtime()) == ()
