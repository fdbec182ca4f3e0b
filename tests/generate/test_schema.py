"""The JSON Schema accepts what apigw accepts and refuses what it refuses."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest

from apigw_cli.config.decode import decode
from apigw_cli.config.model import Config
from apigw_cli.errors import InputError, Place, UsageError
from apigw_cli.generate.schema import schema
from apigw_cli.openapi import yaml
from apigw_cli.policies.registry import POLICIES
from tests.generate.conftest import SPECS

CONFIG = yaml.parse((SPECS / "apigw.yaml").read_text(), "apigw.yaml")


def changed(*path: Any, to: Any) -> Any:
    data = copy.deepcopy(CONFIG)
    node = data
    for step in path[:-1]:
        node = node.setdefault(step, {})
    node[path[-1]] = to
    return data


ROUTE = ("apis", "petstore", "routes", "getPet")
GOOD = [
    CONFIG,
    changed(*ROUTE, "rate_limit", to="off"),
    changed(*ROUTE, "rate_limit", to=False),
    changed(*ROUTE, "rate_limit", to={"rate": "${rate}", "burst": "${burst}"}),
    changed(*ROUTE, "rate_limit", to={"rate": "2.5/s"}),
    changed(*ROUTE, "mock", to=True),
    changed(*ROUTE, "max_body", to="64KiB"),
    changed("listen", "max_body", to="1.5MB"),
    changed("defaults", "request_headers", to={"remove": ["X-A"]}),
    changed("upstreams", "pets", "timeout", to={"connect": "${connect}", "total": "1.5s"}),
    changed("apis", "petstore", "strip_base_path", to="${strip}"),
]
BAD = [
    changed("apis", "petstore", "ratelimit", to={}),
    changed("apis", "petstore", "defaults", "ratelimit", to={"rate": "5/s"}),
    changed(*ROUTE, "rate_limit", to={"rate": "5/s", "bursts": 5}),
    changed(*ROUTE, "rate_limit", to={"rate": "5 per second"}),
    changed(*ROUTE, "rate_limit", to={"rate": "5/s", "burst": -1}),
    changed(*ROUTE, "rate_limit", to="on"),
    changed(*ROUTE, "auth", to={"alternatives": [["ApiKeyAuth"]]}),
    changed(*ROUTE, "policies", to={}),
    changed("upstreams", "pets", "targets", to=[]),
    changed("upstreams", "pets", "balance", to="random"),
    changed("upstreams", "pets", "timeout", to={"connect": "1 second"}),
    changed("upstreams", "a b", to={"targets": ["http://x"]}),
    changed("version", to=2),
    changed("apis", "petstore", "spec", to=7),
    {"apis": {}},
    {"version": 1, "sites": {"www": {}}},
    {"version": 1, "sites": {"www": {"folder": "web", "base_path": "web"}}},
]


def read(data: Any) -> None:
    """As the compiler does, once the variables are in."""
    values = {"${rate}": "5/s", "${burst}": 5, "${connect}": "1s", "${strip}": True}

    def put_in(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: put_in(value) for key, value in node.items()}
        return values.get(node, node) if isinstance(node, str) else node

    decode(put_in(data), Config, lambda steps, key=False: Place("apigw.yaml"), POLICIES)


@pytest.mark.parametrize("data", GOOD, ids=range(len(GOOD)))
def test_what_apigw_accepts_is_valid(data: Any) -> None:
    jsonschema_rs.validator_for(schema("config")).validate(data)
    read(data)


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_what_apigw_refuses_is_not(data: Any) -> None:
    assert not jsonschema_rs.validator_for(schema("config")).is_valid(data)
    with pytest.raises(InputError):
        read(data)


@pytest.mark.parametrize("name", ["qa", "staging", "prod"])
def test_the_samples_stage_files_are_valid(name: str) -> None:
    data = yaml.parse((SPECS / f"stages/{name}.yaml").read_text(), name)
    validator = jsonschema_rs.validator_for(schema("stage"))
    validator.validate(data)
    assert not validator.is_valid({**data, "variable": {}})
    assert not validator.is_valid({**data, "variables": {"a": [1]}})


def test_every_policy_that_a_person_writes_is_known_at_each_level() -> None:
    definitions = schema("config")["$defs"]
    written = {policy.name for policy in POLICIES if not policy.derived}
    assert written
    assert definitions["Policies"]["properties"].keys() == written | {"upstream", "mock"}
    assert "auth" not in definitions["Policies"]["properties"]


def test_texts_and_defaults_help_in_an_editor() -> None:
    definitions = schema("config")["$defs"]
    balance = definitions["UpstreamConfig"]["properties"]["balance"]
    assert (balance["description"], balance["default"]) == ("How a target is picked.", "round_robin")
    assert definitions["TimeoutConfig"]["properties"]["connect"]["default"] == "1s"
    assert schema("config")["title"] == "apigw.yaml"


def test_models_of_one_name_stay_apart() -> None:
    class Limit(msgspec.Struct):
        inner: Annotated[int, msgspec.Meta(ge=1)]

    def policy(name: str, model: type[msgspec.Struct]) -> Any:
        return type("Policy", (), {"name": name, "model": model, "derived": False})()

    first, second = Limit, msgspec.defstruct("Limit", [("other", str)])
    found = schema("config", [policy("one", first), policy("two", second)])
    validator = jsonschema_rs.validator_for(found)
    assert validator.is_valid(changed("apis", to={"a": {"spec": "s", "defaults": {"one": {"inner": 1}}}}))
    assert validator.is_valid({"version": 1, "apis": {"a": {"spec": "s", "defaults": {"two": {"other": "x"}}}}})
    assert not validator.is_valid({"version": 1, "apis": {"a": {"spec": "s", "defaults": {"two": {"inner": 1}}}}})


def test_there_is_no_other_schema() -> None:
    with pytest.raises(UsageError, match='no schema of "keys"'):
        schema("keys")
