from __future__ import annotations

from typing import Any

import msgspec
import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Change
from apigw_cli.policies.limit_layer import RateLimit
from apigw_cli.policies.rate_limit import POLICY
from tests.policies.exchange import SECOND, Clock, Exchange, model, route, runtime, step_of

LIMIT = {"rate": "5/s", "burst": 2}


def test_the_answers_say_what_is_left_and_the_refusal_when_to_come_back() -> None:
    clock = Clock()
    step = step_of("rate_limit", LIMIT, runtime(clock=clock))
    seen = []
    for _ in range(3):
        exchange = Exchange()
        refusal = step(exchange)
        seen.append((refusal.status if refusal else 200, exchange.answered))
    policy = '"default";q=2;w=1'
    assert seen == [
        (200, {"RateLimit-Policy": policy, "RateLimit": '"default";r=1;t=1'}),
        (200, {"RateLimit-Policy": policy, "RateLimit": '"default";r=0;t=1'}),
        (429, {"RateLimit-Policy": policy, "RateLimit": '"default";r=0;t=1'}),
    ]
    refusal = step(Exchange())
    assert refusal is not None
    assert (refusal.message, refusal.reason) == ("Too Many Requests", "rate_limited")
    assert refusal.headers == (b"Retry-After: 1\r\n",)
    clock.now += SECOND // 5
    assert step(Exchange()) is None


@pytest.mark.parametrize(
    ("value", "policy", "rest", "retry_after"),
    [
        ({"rate": "1/m", "burst": 1}, '"default";q=1;w=60', '"default";r=0;t=60', (b"Retry-After: 60\r\n",)),
        ({"rate": "10/d", "burst": 1}, '"default";q=1;w=8640', '"default";r=0;t=8640', (b"Retry-After: 8640\r\n",)),
        ({"rate": "7/s", "burst": 1}, '"default";q=1;w=1', '"default";r=0;t=1', (b"Retry-After: 1\r\n",)),
        # What never comes back is not promised.
        ({"rate": "0/s", "burst": 1}, '"default";q=1', '"default";r=0', ()),
        ({"rate": "0/s"}, '"default";q=0', '"default";r=0', ()),
        ({"rate": "5/s", "burst": 0}, '"default";q=0', '"default";r=0', ()),
    ],
)
def test_headers(value: dict[str, Any], policy: str, rest: str, retry_after: tuple[bytes, ...]) -> None:
    step = step_of("rate_limit", value, runtime())
    step(Exchange())
    exchange = Exchange()
    refusal = step(exchange)
    assert refusal is not None and refusal.headers == retry_after
    assert exchange.answered == {"RateLimit-Policy": policy, "RateLimit": rest}


def admits(value: dict[str, Any], *exchanges: Exchange) -> list[bool]:
    step = step_of("rate_limit", value, runtime())
    return [step(exchange) is None for exchange in exchanges]


def one(key: str) -> dict[str, Any]:
    return {"rate": "1/m", "burst": 1, "key": key}


def test_by_address() -> None:
    a, b = Exchange(client_ip="192.0.2.1"), Exchange(client_ip="2001:db8::1")
    assert admits(one("ip"), a, b, a, b) == [True, True, False, False]


def test_by_api_key_and_by_address_without_one() -> None:
    alice, bob = Exchange(principal="alice"), Exchange(principal="bob")
    assert admits(one("api_key"), alice, bob, alice, Exchange(), Exchange()) == [True, True, False, True, False]
    assert admits(one("api_key"), Exchange(client_ip="192.0.2.1"), Exchange(client_ip="192.0.2.2")) == [True, True]


def test_all_together() -> None:
    assert admits(one("route"), Exchange(principal="a"), Exchange(principal="b", client_ip="::1")) == [True, False]


def test_by_header_and_never_one_bucket_for_those_without() -> None:
    def tenant(*values: bytes, ip: str = "192.0.2.1") -> Exchange:
        return Exchange(headers=[(b"x-tenant", value) for value in values], client_ip=ip)

    key = one("header:X-Tenant")
    assert admits(key, tenant(b"a"), tenant(b"b"), tenant(b"a"), tenant(b"a", b"c")) == [True, True, False, False]
    assert admits(key, tenant(), tenant(ip="192.0.2.2"), tenant(), tenant(b"")) == [True, True, False, False]
    # Nobody gets at another's bucket by sending its name where a header is counted.
    assert admits(key, tenant(), tenant(b"192.0.2.1"), tenant(b"i192.0.2.1")) == [True, True, True]
    huge, strange = b"x" * 1_000_000, "ключ\U0001f511".encode()
    assert admits(key, tenant(huge), tenant(huge + b"y"), tenant(huge), tenant(strange), tenant(strange)) == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_each_route_has_buckets_of_its_own() -> None:
    shared = runtime()
    first = step_of("rate_limit", one("ip"), shared, "first")
    second = step_of("rate_limit", one("ip"), shared, "second")
    assert [first(Exchange()), second(Exchange())] == [None, None]
    assert first(Exchange()) is not None


def test_a_reload_keeps_what_was_used() -> None:
    shared = runtime()
    assert step_of("rate_limit", one("ip"), shared)(Exchange()) is None
    assert step_of("rate_limit", one("ip"), shared)(Exchange()) is not None
    assert step_of("rate_limit", {"rate": "100/s", "burst": 100}, shared)(Exchange()) is not None


@pytest.mark.parametrize(
    ("rate", "burst"), [("5/s", 5), ("2.5/s", 3), ("100/m", 2), ("10/d", 1), ("0.5/s", 1), ("0/s", 0)]
)
def test_the_burst_where_none_is_written(rate: str, burst: int) -> None:
    assert model("rate_limit", {"rate": rate}).size == burst


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"rate": 5},
        {"rate": "5"},
        {"rate": "5/s\n"},
        {"rate": "-5/s"},
        {"rate": "2000000000/s"},
        {"rate": "5/s", "burst": -1},
        {"rate": "5/s", "burst": 1.5},
        {"rate": "5/s", "burst": 10**10},
        {"rate": "1/d", "burst": 10**9},
        {"rate": "5/s", "key": "jwt"},
        {"rate": "5/s", "key": "header:"},
        {"rate": "5/s", "key": "header:a b"},
        {"rate": "5/s", "key": "route\n"},
        {"rate": "5/s", "key": "header:x\r\n"},
        {"rate": "5/s", "busrt": 1},
    ],
)
def test_values_that_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="policy rate_limit"):
        model("rate_limit", value)


BASE = {"rate": "5/s", "burst": 5, "key": "api_key"}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "neutral"),
        ({"rate": "300/m"}, "neutral"),
        ({"rate": "6/s"}, "weaken"),
        ({"rate": "4/s"}, "strengthen"),
        ({"burst": 6}, "weaken"),
        ({"burst": 4}, "strengthen"),
        ({"rate": "1/s", "burst": 6}, "weaken"),
        ({"rate": "6/s", "burst": 1}, "weaken"),
        ({"key": "ip"}, "weaken"),
        ({"key": "header:X"}, "weaken"),
        ({"key": "route"}, "strengthen"),
        ({"key": "route", "rate": "6/s"}, "weaken"),
    ],
)
def test_what_a_change_does(change: dict[str, Any], verdict: str) -> None:
    assert POLICY.compare(model("rate_limit", BASE), model("rate_limit", BASE | change)) == verdict


def test_what_adding_and_removing_do() -> None:
    value = model("rate_limit", BASE)
    assert POLICY.compare(None, value) is Change.STRENGTHEN
    assert POLICY.compare(value, None) is Change.WEAKEN
    assert POLICY.compare(None, None) is Change.NEUTRAL
    header = model("rate_limit", BASE | {"key": "header:X-Tenant"})
    assert POLICY.compare(header, model("rate_limit", BASE | {"key": "header:x-tenant"})) is Change.NEUTRAL
    assert POLICY.compare(model("rate_limit", BASE | {"key": "route"}), value) is Change.WEAKEN


def test_how_it_is_described() -> None:
    assert POLICY.describe(model("rate_limit", BASE)) == "5/s burst 5 per api_key"
    assert POLICY.describe(model("rate_limit", {"rate": "100/m"})) == "100/m burst 2 per ip"


def test_the_schema_has_words_for_every_field() -> None:
    (schema,) = msgspec.json.schema(POLICY.model)["$defs"].values()
    assert set(schema["properties"]) == set(RateLimit.__struct_fields__)
    assert all(field["description"] for field in schema["properties"].values())


def test_the_resolved_value_reads_back() -> None:
    value = model("rate_limit", {"rate": "100/m"})
    assert model("rate_limit", msgspec.to_builtins(value)) == value
    assert route({"rate_limit": msgspec.to_builtins(value)}).policies == {
        "rate_limit": {"rate": "100/m", "burst": None, "key": "ip"}
    }
