"""Real descriptions: each against itself is empty, and hand-made edits of GitHub's are found, all of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from apigw_cli.openapi.document import Library
from apigw_cli.stages.contract import compare as contract
from apigw_cli.stages.contract.compare import Contract, Unchanged
from tests.stages.specs import contract_of

SPECS = [
    "petstorev3.json",
    "asana.yaml",
    "stripe-3.1MB.yaml",
    "github-3.5MB.yaml",
    "github-13MB.json",
    "k8s-swagger2.json",
]


def read(corpus: Path, name: str) -> Contract:
    library = Library(corpus)
    return Contract(library.read(name), library)


@pytest.mark.parametrize("name", SPECS)
def test_a_description_against_itself(corpus: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where every schema is compared, not only the text seen to be equal."""
    one, other = read(corpus, name), read(corpus, name)
    assert contract.compare(one, other) == []
    monkeypatch.setattr(Unchanged, "__call__", lambda self, old, new: False)
    assert contract.compare(one, other) == []


def edited(data: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Edit GitHub's description in place; what must be found."""
    paths, schemas = data["paths"], data["components"]["schemas"]
    del paths["/zen"]
    del paths["/repos/{owner}/{repo}"]["delete"]
    emojis = paths["/emojis"]["get"]
    emojis["parameters"] = [{"name": "size", "in": "query", "required": True, "schema": {"type": "string"}}]
    emojis["description"] = "another text"
    paths["/octocat"]["get"]["responses"].pop("200")
    paths["/meta"]["get"]["operationId"] = "meta/everything"
    schemas["license-simple"]["description"] = "another text"
    paths["/new"] = {"get": {"responses": {"200": {"description": "ok"}}}}
    ip = schemas["api-overview"]["properties"]
    ip["verifiable_password_authentication"] = {"type": "string"}
    return {
        ("api-path-removed-without-deprecation", "GET /zen", ""),
        ("api-removed-without-deprecation", "DELETE /repos/{owner}/{repo}", ""),
        ("new-required-request-parameter", "GET /emojis", "query.size"),
        ("response-success-status-removed", "GET /octocat", "200"),
        ("api-operation-id-removed", "GET /meta", "operationId"),
        ("endpoint-added", "GET /new", ""),
        ("response-property-type-changed", "GET /meta", "200.body.verifiable_password_authentication"),
    }


def test_edits_of_github(corpus: Path) -> None:
    base = read(corpus, "github-13MB.json")
    data = orjson.loads(orjson.dumps(base.document.data))
    expected = edited(data)
    findings = contract.compare(base, contract_of(data, "github-13MB.json"))
    assert {(finding.id, finding.operation, finding.path) for finding in findings} == expected
    assert len(findings) == len(expected)


def test_random_changes_of_github_are_found_and_no_other(corpus: Path) -> None:
    place = Path(__file__).parents[2] / "benchmarks" / "mutate_spec.py"
    spec = importlib.util.spec_from_file_location("mutate_spec", place)
    assert spec is not None and spec.loader is not None
    mutate_spec = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = mutate_spec  # where its dataclasses look for their module
    spec.loader.exec_module(mutate_spec)
    base = read(corpus, "github-13MB.json")
    data, changes = mutate_spec.mutate(base.document.data, seed=7, number=100)
    findings = contract.compare(base, contract_of(data, "github-13MB.json"))
    wanted = {(change.rule, change.operation) for change in changes if change.rule}
    assert {(finding.id, finding.operation) for finding in findings} == wanted
    assert len({change.kind for change in changes}) == len(mutate_spec.KINDS)


def test_a_change_of_a_component_reaches_every_operation_once(corpus: Path) -> None:
    base = read(corpus, "github-13MB.json")
    data = orjson.loads(orjson.dumps(base.document.data))
    data["components"]["schemas"]["simple-user"]["properties"]["login"] = {"type": "integer"}
    findings = contract.compare(base, contract_of(data, "github-13MB.json"))
    assert {finding.id for finding in findings} == {"response-property-type-changed"}
    places = [(finding.operation, finding.path) for finding in findings]
    assert len(places) == len(set(places)) > 100
    assert all(path.endswith("login") for _, path in places)
