from __future__ import annotations

from hashlib import sha256
from typing import get_args

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.plan import steps
from apigw_cli.policies.registry import BY_NAME, POLICIES
from apigw_cli.snapshot.schemes import ApiKeys
from tests.policies.exchange import Exchange, route, runtime

KEYS = f"alice: {{sha256: {sha256(b'demo-alice').hexdigest()}}}".encode()
ALL = {
    "request_headers": {"set": {"X-Gateway": "apigw"}},
    "rate_limit": {"rate": "1/m", "burst": 1, "key": "api_key"},
    "auth": {"alternatives": [["Key"]]},
}


def with_keys() -> Runtime:
    scheme = ApiKeys("Key", "header", "X-Api-Key", ("file:keys.yaml",))
    return runtime(scheme, files={"file:keys.yaml": KEYS})


def walk(exchange: Exchange, plan: tuple[object, ...]) -> tuple[int | None, int]:
    """The status of the refusal, if any, and how many steps were taken."""
    for taken, step in enumerate(plan, 1):
        refusal = step(exchange)  # type: ignore[operator]
        if refusal is not None:
            return refusal.status, taken
    return None, len(plan)


def test_first_who_then_how_often_then_what() -> None:
    plan = steps(route(ALL), with_keys())
    assert walk(Exchange(), plan) == (401, 1)
    first = Exchange(headers=[(b"x-api-key", b"demo-alice")])
    assert walk(first, plan) == (None, 3)
    assert (first.principal, first.extra) == ("alice", [b"X-Gateway: apigw\r\n"])
    assert walk(Exchange(headers=[(b"x-api-key", b"demo-alice")]), plan) == (429, 2)
    # Whoever is not let in uses up nothing.
    assert walk(Exchange(), plan) == (401, 1)


def test_a_route_without_policies_costs_nothing() -> None:
    assert steps(route({}), runtime()) == ()


def test_what_cannot_be_loaded() -> None:
    with pytest.raises(InputError, match='petstore:getPet has a policy "teleport"'):
        steps(route({"teleport": {}}), runtime())
    with pytest.raises(InputError, match=r"policy rate_limit: .*rate"):
        steps(route({"rate_limit": {}}), runtime())


def test_a_secret_that_cannot_be_read_is_an_error() -> None:
    base = with_keys()
    with pytest.raises(InputError, match=r"file:keys\.yaml"):
        steps(route(ALL), Runtime(base.snapshot, base.clock, base.store))


def test_the_registry() -> None:
    assert list(BY_NAME.values()) == list(POLICIES)
    assert len({policy.order for policy in POLICIES}) == len(POLICIES)
    assert [policy.name for policy in POLICIES if policy.derived] == ["auth"]
    for policy in POLICIES:  # a model is a struct, a union with one, or a number
        kind = next(iter(get_args(policy.model)), policy.model)
        assert kind is int or (kind.__struct_config__.forbid_unknown_fields and kind.__struct_config__.frozen)
