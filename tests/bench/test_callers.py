"""Who else may ask: callers that no layer counts together, and no credential that was made up."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from apigw_cli.bench import running_gateway
from apigw_cli.bench.callers import CROWD, others_of
from apigw_cli.bench.limit import parse_all
from apigw_cli.bench.proving import NOBODY
from apigw_cli.bench.request import Request, parse_url

ME = Request("GET", parse_url("http://127.0.0.1:1/"), (("X-Tenant", "me"), ("X-Api-Key", "k")))
OWN = tuple(Request("GET", ME.target, (("X-Api-Key", f"k{number}"),)) for number in range(4))


def tenants(limits: str) -> set[str]:
    others = others_of(parse_all(limits), ME, (), ())
    asked = [*others.crowd, *([others.quiet] if others.quiet else [])]
    return {value for one in asked for name, value in one.headers if name.lower() == "x-tenant"}


def test_values_of_a_header_are_made_up_that_nobody_used() -> None:
    found = tenants("5/s key=header:X-Tenant")
    assert len(found) == CROWD + 1
    assert all(value.startswith("me-") for value in found)
    assert not found & tenants("5/s key=header:X-Tenant")


@pytest.mark.parametrize(
    "limits",
    [
        "5/s key=route",
        "5/s key=ip",
        "5/s key=header:X-Api-Key",
        "5/s key=header:Authorization",
        "5/s key=header:X-Tenant and 50/s key=route",
        "5/s key=header:X-Tenant and 50/s key=header:X-Other",
    ],
)
def test_where_a_layer_counts_all_together_there_is_nobody_else(limits: str) -> None:
    assert others_of(parse_all(limits), ME, (), ()) == NOBODY


def test_layers_that_share_a_header_are_told_apart_by_it() -> None:
    assert len(tenants("5/s key=header:X-Tenant+ip and 50/s key=header:x-tenant")) == CROWD + 1


def test_callers_of_a_gateway_of_our_own_and_those_that_were_given() -> None:
    own = others_of(parse_all("5/s key=api_key"), ME, (), OWN)
    assert (own.quiet, own.crowd, own.fresh) == (OWN[0], OWN[1:], True)
    given = others_of(parse_all("5/s key=header:X-Api-Key"), ME, (("X-Api-Key", "other"),), ())
    assert given.quiet is not None
    assert ("X-Api-Key", "other") in given.quiet.headers
    assert (given.crowd, given.fresh) == ((ME, given.quiet), False)
    assert others_of(parse_all("5/s"), ME, (("X-Api-Key", "other"),), ()) == NOBODY


def test_the_gateway_beside_a_configuration(tmp_path: Path) -> None:
    def said(pid: int, stage: str, admin: str) -> None:
        facts = {"pid": pid, "stage": stage, "admin": admin, "version": "1"}
        (tmp_path / ".apigw" / "run" / f"gateway-{pid}.json").write_text(json.dumps(facts))

    assert running_gateway.beside(tmp_path, "qa", None) is None
    (tmp_path / ".apigw" / "run").mkdir(parents=True)
    (tmp_path / ".apigw" / "run" / "gateway-1x.json").write_text("{")
    said(2**22 + 1, "qa", "http://127.0.0.1:1")  # no such process
    assert running_gateway.beside(tmp_path, "qa", None) is None
    said(os.getpid(), "qa", "http://127.0.0.1:2")
    found = running_gateway.beside(tmp_path, "qa", None)
    assert found is not None
    assert found.url == "http://127.0.0.1:2"
    assert running_gateway.beside(tmp_path, "prod", None) is None
    said(os.getppid(), "qa", "http://127.0.0.1:3")
    assert running_gateway.beside(tmp_path, "qa", None) is None  # which one is not known
