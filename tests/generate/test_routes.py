"""The native route table and the table for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from apigw_cli.errors import UsageError
from apigw_cli.generate import table
from apigw_cli.generate.routes import table as native
from apigw_cli.generate.run import generate, load
from apigw_cli.generate.target import Options
from apigw_cli.openapi import yaml
from tests.generate.conftest import SPECS, Build

CONFIG = """\
version: 1
apis:
  shop: {spec: shop.yaml, upstream: up, base_path: /v1, strip_base_path: true, hosts: [shop.test],
         routes: {make: {mock: true, rate_limit: {rate: 5/s, burst: 2}}}}
upstreams: {up: {targets: ["http://127.0.0.1:1"]}}
auth: {Key: {keys: {env: KEYS}}}
"""
SHOP = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /a: {get: {responses: {}}, post: {operationId: make, security: [{Key: []}], responses: {}}}
components: {securitySchemes: {Key: {type: apiKey, in: query, name: key}}}
"""


def test_the_native_route_table(build: Build) -> None:
    snapshot = build(CONFIG, shop=SHOP).snapshot
    assert native(snapshot) == {
        "format": 1,
        "stage": "default",
        "snapshot": snapshot.digest,
        "apis": [
            {
                "name": "shop",
                "title": "Shop",
                "kind": "http",
                "specification": "shop.yaml",
                "hosts": ["shop.test"],
                "base_path": "/v1",
                "routes": [
                    {
                        "method": "GET",
                        "path": "/v1/a",
                        "operation": "GET /a",
                        "hosts": ["shop.test"],
                        "integration": {"type": "http", "upstream": "up", "strip": "/v1"},
                        "policies": {},
                    },
                    {
                        "method": "POST",
                        "path": "/v1/a",
                        "operation": "make",
                        "hosts": ["shop.test"],
                        "integration": {
                            "type": "mock",
                            "document": "shop.yaml",
                            "pointer": ["paths", "/a", "post"],
                        },
                        "policies": {
                            "rate_limit": {"rate": "5/s", "burst": 2, "key": "ip"},
                            "auth": {"alternatives": [["Key"]]},
                        },
                    },
                ],
            }
        ],
        "upstreams": {
            "up": {
                "targets": ["http://127.0.0.1:1"],
                "balance": "round_robin",
                "timeout": {"connect": 1.0, "first_byte": 15.0, "total": 60.0},
            }
        },
        "auth": {"Key": {"type": "api_key", "in": "query", "name": "key", "keys": ["env:KEYS"]}},
    }


def test_yaml_and_json_say_the_same() -> None:
    as_yaml, as_json = (generate(Options("routes", SPECS, format=form)).text for form in (None, "json"))
    assert as_yaml.startswith("format: 1\n")
    assert yaml.parse(as_yaml, "x") == yaml.parse(as_json, "x") == native(load(SPECS, None).snapshot)


def test_the_stage_decides(build: Build) -> None:
    rates = {}
    for stage in ("qa", "prod"):
        routes = native(load(SPECS, stage).snapshot)["apis"][0]["routes"]
        rates[stage] = routes[0]["policies"]["rate_limit"]["rate"]
    assert rates == {"qa": "50/s", "prod": "100/s"}


def test_rows_for_people() -> None:
    (api, rows), (site, files) = table.rows(table.compiled(table.Options(SPECS)))
    assert api.name == "petstore"
    assert rows[1] == table.Row(
        "POST",
        "/v1/pets",
        "createPet",
        "ApiKeyAuth, 5/s burst 5 per api_key, requests validated, + X-Gateway: apigw",
        "pets",
    )
    assert (site.name, site.kind) == ("shop", "site")
    assert files[0] == table.Row("GET", "/", "shop_home", "", "files of site")


def test_a_bare_specification_is_mocked() -> None:
    ((_, rows),) = table.rows(table.compiled(table.Options(spec=str(SPECS / "petstore.yaml"))))
    assert {row.integration for row in rows} == {"mock"}
    assert {row.policies for row in rows} == {""}


@pytest.mark.parametrize("more", [{"stage": "qa"}, {"config": Path("apigw.yaml")}])
def test_a_bare_specification_stands_alone(more: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--spec stands alone"):
        table.compiled(table.Options(spec="petstore.yaml", **more))
