"""What holds for any two descriptions: equal ones have no findings, and swapping sides mirrors them."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.stages.contract.rules import RULES
from apigw_cli.stages.finding import Axis, Finding
from tests.stages.specs import answer, body, compare

NAMES = ("a", "b", "c")
COMPONENTS = ("One", "Two")

leaves = st.one_of(
    st.builds(
        dict,
        type=st.sampled_from(["string", ["string", "null"]]),
        maxLength=st.integers(3, 6),
        minLength=st.integers(0, 2),
    ),
    st.builds(dict, type=st.just("integer"), maximum=st.integers(3, 5), exclusiveMinimum=st.integers(0, 2)),
    st.builds(dict, type=st.just("number"), format=st.sampled_from(["float", "double"]), default=st.integers(0, 1)),
    st.builds(dict, enum=st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True)),
    st.builds(dict, type=st.just("string"), pattern=st.sampled_from(["^a", "^b"])),
    st.just({}),
    st.sampled_from(COMPONENTS).map(lambda name: {"$ref": f"#/components/schemas/{name}"}),
)


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            dict,
            type=st.just("object"),
            properties=st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            required=st.lists(st.sampled_from(NAMES), unique=True),
            additionalProperties=st.one_of(st.booleans(), inner),
        ),
        st.builds(dict, type=st.just("array"), items=inner, maxItems=st.integers(1, 3), uniqueItems=st.booleans()),
        several.map(lambda parts: {"oneOf": parts}),
        several.map(lambda parts: {"anyOf": [*parts, {"type": "null"}]}),
        several.map(lambda parts: {"allOf": parts}),
        inner.map(lambda part: {"not": part}),
    )


schemas = st.recursive(leaves, composed, max_leaves=6)
components = schemas.filter(
    lambda schema: "$ref" not in schema
)  # a component that is only a reference to itself is wrong
keys = st.lists(
    st.sampled_from(
        [{"key": []}, {"other": []}, {"key": [], "other": []}, {}, {"oauth": ["r"]}, {"oauth": ["r", "w"]}]
    ),
    max_size=2,
    unique_by=str,
)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    schemes = {name: {"type": "apiKey", "in": "header", "name": name} for name in ("key", "other", "oauth")}
    paths: dict[str, Any] = {}
    for path in draw(st.sampled_from([["/p"], ["/p"], ["/p", "/q/{id}"]])):
        media = {"application/json": {"schema": draw(schemas)}}
        paths[path] = {
            "post": {
                "operationId": draw(st.sampled_from(["one", "two"])),
                "security": draw(keys),
                "parameters": [
                    {"name": name, "in": "query", "required": draw(st.booleans()), "schema": draw(leaves)}
                    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=2))
                ],
                "requestBody": {"required": draw(st.booleans()), "content": media},
                "responses": {
                    status: {"description": "", "content": {"application/json": {"schema": draw(schemas)}}}
                    for status in draw(st.lists(st.sampled_from(["200", "201", "404"]), unique=True, max_size=2))
                },
            }
        }
    parts = {"securitySchemes": schemes, "schemas": {name: draw(components) for name in COMPONENTS}}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, "components": parts}


def shuffled(data: Any, chance: random.Random) -> Any:
    """The same data, keys in another order."""
    if isinstance(data, dict):
        items = [(key, shuffled(value, chance)) for key, value in data.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(value, chance) for value in data] if isinstance(data, list) else data


@settings(max_examples=60, deadline=None)
@given(specs())
def test_a_description_against_itself_is_empty(one: dict[str, Any]) -> None:
    assert compare(one, copy.deepcopy(one)) == []


@settings(max_examples=60, deadline=None)
@given(specs(), st.integers())
def test_the_order_of_keys_does_not_count(one: dict[str, Any], seed: int) -> None:
    other = shuffled(one, random.Random(seed))
    other["info"]["description"] = "so that the quick look at equal text does not end it"
    other["components"]["schemas"]["Three"] = {}
    assert compare(one, other) == []


@settings(max_examples=60, deadline=None)
@given(specs())
def test_no_finding_also_where_every_schema_is_looked_at(one: dict[str, Any]) -> None:
    other = json.loads(json.dumps(one))  # not deepcopy, which would keep equal parts one and the same
    for schema in other["components"]["schemas"].values():
        schema["description"] = "another text"
    for item in other["paths"].values():
        item["post"]["description"] = "another text"
    assert compare(one, other) == []


@settings(max_examples=60, deadline=None)
@given(specs(), specs())
def test_swapping_sides_mirrors_the_findings(one: dict[str, Any], other: dict[str, Any]) -> None:
    mirrored(one, other)


@settings(max_examples=120, deadline=None)
@given(schemas, schemas, components)
def test_swapping_schemas_mirrors_the_findings(one: Any, other: Any, component: Any) -> None:
    parts = {"components": {"schemas": dict.fromkeys(COMPONENTS, component)}}
    mirrored(body(one, **parts), body(other, **parts))
    mirrored(answer(one, **parts), answer(other, **parts))


def mirrored(one: dict[str, Any], other: dict[str, Any]) -> None:
    there, back = contract_only(compare(one, other)), contract_only(compare(other, one))
    for finding in there:
        twins = [twin for twin in back if twin.operation == finding.operation and twin.id in RULES[finding.id].mirrors]
        assert twins, f"nothing mirrors {finding.id}: {finding.message}"
    assert bool(there) == bool(back)


def contract_only(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.axis is Axis.CONTRACT]
