"""Descriptions that are large, deep, circular or wrong: an answer or a clear error, in bounded time."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.stages.finding import Level
from tests.stages.specs import answer, body, compare, found, spec

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def ref(name: object) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/S{name}"}


def get(schema: Any) -> dict[str, Any]:
    return {"get": {"responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}}}


def test_many_operations_over_a_ring_of_components() -> None:
    ring = {f"S{i}": {"type": "object", "properties": {"a": STRING, "n": ref((i + 1) % 200)}} for i in range(200)}
    one = spec({f"/p{i}": get(ref(i % 200)) for i in range(1000)}, components={"schemas": ring})
    other = copy.deepcopy(one)
    other["components"]["schemas"]["S3"]["properties"]["a"] = INTEGER
    findings = compare(one, other)
    assert len(findings) == 1000
    assert {finding.id for finding in findings} == {"response-property-type-changed"}


def test_a_long_chain_of_components() -> None:
    def chain(end: Any) -> dict[str, Any]:
        schemas = {f"S{i}": {"type": "object", "properties": {"n": ref(i + 1)}} for i in range(1000)} | {"S1000": end}
        return answer(ref(0), components={"schemas": schemas})

    (finding,) = compare(chain(STRING), chain(INTEGER))
    assert finding.path.count(".n") == 1000


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_a_web_of_alternatives(keyword: str) -> None:
    def web(leaf: Any) -> dict[str, Any]:
        parts = [{keyword: [ref(i * 3 % 40), STRING, ref((i + 1) % 40)]} for i in range(40)]
        schemas = {f"S{i}": {"type": "object", "properties": {"x": part}} for i, part in enumerate(parts)}
        schemas["S7"]["properties"]["y"] = leaf
        return body(ref(0), components={"schemas": schemas})

    assert any(finding.level is not Level.INFO for finding in compare(web(STRING), web(INTEGER)))


def test_deep_nesting() -> None:
    def deep(leaf: Any) -> dict[str, Any]:
        for _ in range(110):
            leaf = {"type": "array", "items": leaf}
        return answer(leaf)

    assert found(deep(STRING), deep(INTEGER)) == {f"response-property-type-changed 200.body{'[]' * 110}"}


def test_all_of_in_a_circle() -> None:
    def circle(kind: str) -> dict[str, Any]:
        schemas = {"S0": {"allOf": [ref(1)]}, "S1": {"allOf": [ref(0), {"type": kind}]}}
        return body(ref(0), components={"schemas": schemas})

    assert found(circle("string"), circle("integer")) == {"request-body-type-changed body"}


def test_keywords_that_are_no_such_thing() -> None:
    wrong = {
        "properties": "x", "required": 5, "items": 3, "enum": "a", "anyOf": {}, "allOf": [3, None], "type": 7,
        "dependentRequired": {"a": 3}, "patternProperties": [], "if": 3, "then": 4, "prefixItems": ["a"],
        "x-extensible-enum": 5, "discriminator": 4, "deprecated": "yes", "x-sunset": 3, "const": 10**30,
        "multipleOf": 1e-300, "maximum": float("inf"),
    }  # fmt: skip
    assert isinstance(compare(body(wrong), body({"type": "object"})), list)
    assert isinstance(compare(body({"type": "object"}), body(wrong)), list)


def test_a_reference_to_nowhere_is_an_error_with_its_place() -> None:
    with pytest.raises(InputError, match="leads to nowhere"):
        compare(answer(ref("x")), answer(ref("x"), tags=[]) | {"components": {"schemas": {"Sy": {}}}})
