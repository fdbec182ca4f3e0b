"""`--explain`: every rule has its text, a fault and its cure, and both are what they are said to be."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.lint.faults import EXAMPLES, SHOWN
from apigw_cli.lint.registry import BY_ID
from apigw_cli.openapi import yaml
from tests.lint.support import paths

Captured = pytest.CaptureFixture[str]
# What an example would be too long for: the size of a file, the number of routes, another program's word.
WITHOUT = {
    "openapi-spec-validator", "stale-baseline", "gateway-upstream-unreachable", "aws-rest-file-size",
    "aws-http-file-size", "azure-file-size", "aws-rest-resources", "aws-http-routes",
}  # fmt: skip


def whole(text: str) -> str:
    data: Any = yaml.parse(text, "example")
    return text if {"openapi", "swagger"} & data.keys() else f"openapi: 3.0.3\n{text}"


@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_fault_is_found_and_the_cure_is_fine(rule: str) -> None:
    bad, good = EXAMPLES[rule]
    assert paths(whole(bad), rule) and not paths(whole(good), rule)


def test_every_rule_has_an_example() -> None:
    assert {*EXAMPLES, *SHOWN, *WITHOUT} >= set(BY_ID)
    assert {*EXAMPLES, *SHOWN} <= set(BY_ID) and not {*EXAMPLES} & {*SHOWN}
    for bad, good in SHOWN.values():
        yaml.parse(good, "example")
        assert bad != good


@pytest.mark.parametrize("rule", ["typed-enum", "parser", "kong-servers", "oas3-server-trailing-slash"])
def test_what_is_shown(rule: str, capsys: Captured) -> None:
    assert run(["lint", "--explain", rule]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{rule}  (")
    labels = [line[2:10].strip() for line in lines[1:] if line[2:10].strip()]
    mend = ["mend"] if rule in ("parser", "oas3-server-trailing-slash") else []
    assert labels == ["checks", "why", "fix", "bad", "good", *mend, "off"]


def test_rules_of_owasp_and_of_ones_own(tmp_path: Any, capsys: Captured) -> None:
    assert run(["lint", "--explain", "owasp:api1:2023-no-numeric-ids"]) == Exit.OK
    assert capsys.readouterr().out.startswith("owasp:api1:2023-no-numeric-ids  (error")
    file = tmp_path / "r.yaml"
    file.write_text("rules: {mine: {description: Says who., given: $.info, then: {field: x-a, function: truthy}}}\n")
    assert run(["lint", "--explain", "mine", "--ruleset", str(file)]) == Exit.OK
    assert "Says who." in capsys.readouterr().out
    assert run(["lint", "--explain", "none-such"]) == Exit.USAGE
