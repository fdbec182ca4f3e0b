"""Nothing but meaning counts: the same contract written differently has no finding."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.stages.specs import answer, body, found, operation, spec

STRING = {"type": "string"}
PET = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 9}}}
REF = {"$ref": "#/components/schemas/Pet"}
PETS = {"schemas": {"Pet": PET}}

SAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a $ref put in", answer(REF, components=PETS), answer(PET)),
    (
        "a component renamed",
        answer(REF, components=PETS),
        answer({"$ref": "#/components/schemas/P"}, components={"schemas": {"P": PET}}),
    ),
    (
        "a chain of $refs",
        answer(REF, components=PETS),
        answer(REF, components={"schemas": {"Pet": {"$ref": "#/components/schemas/Q"}, "Q": PET}}),
    ),
    ("allOf of one", answer(PET), answer({"allOf": [PET]})),
    ("anyOf of one", answer(PET), answer({"anyOf": [PET]})),
    (
        "anyOf with null is nullable",
        answer({"anyOf": [STRING, {"type": "null"}]}),
        answer({"type": ["string", "null"]}),
    ),
    ("type in a list", answer(STRING), answer({"type": ["string"]})),
    ("const is an enum of one", answer({"const": "a"}), answer({"enum": ["a"]})),
    ("enum in another order", answer({"enum": ["a", "b"]}), answer({"enum": ["b", "a"]})),
    ("equal numbers", body({"maximum": 1, "multipleOf": 2}), body({"maximum": 1.0, "multipleOf": 2.0})),
    ("equal enum numbers", body({"enum": [1]}), body({"enum": [1.0]})),
    ("bounds that say nothing", body({"type": "string"}), body({"type": "string", "minLength": 0})),
    (
        "additional properties as by default",
        body({"type": "object"}),
        body({"type": "object", "additionalProperties": {}}),
    ),
    (
        "descriptions and examples",
        answer(PET),
        answer({**PET, "title": "A pet", "description": "x", "example": {"name": "Rex"}}),
    ),
    ("extensions", answer(PET), answer({**PET, "x-internal": True})),
    (
        "a renamed path parameter",
        spec(
            {
                "/pets/{id}": {
                    "get": {
                        "parameters": [{"name": "id", "in": "path", "required": True, "schema": STRING}],
                        "responses": {},
                    }
                }
            }
        ),
        spec(
            {
                "/pets/{petId}": {
                    "get": {
                        "parameters": [{"name": "petId", "in": "path", "required": True, "schema": STRING}],
                        "responses": {},
                    }
                }
            }
        ),
    ),
    (
        "a parameter moved to the path item",
        spec({"/p": {"get": {"parameters": [{"name": "q", "in": "query", "schema": STRING}], "responses": {}}}}),
        spec({"/p": {"parameters": [{"name": "q", "in": "query", "schema": STRING}], "get": {"responses": {}}}}),
    ),
    (
        "a parameter made a component",
        spec(operation(parameters=[{"name": "q", "in": "query", "schema": STRING}])),
        spec(
            operation(parameters=[{"$ref": "#/components/parameters/Q"}]),
            components={"parameters": {"Q": {"name": "q", "in": "query", "schema": STRING}}},
        ),
    ),
    (
        "styles as by default",
        spec(operation(parameters=[{"name": "q", "in": "query", "schema": {"type": "array"}}])),
        spec(
            operation(
                parameters=[{"name": "q", "in": "query", "schema": {"type": "array"}, "style": "form", "explode": True}]
            )
        ),
    ),
    (
        "header names in other letters",
        spec(operation(parameters=[{"name": "X-Q", "in": "header", "schema": STRING}])),
        spec(operation(parameters=[{"name": "x-q", "in": "header", "schema": STRING}])),
    ),
    (
        "a media type in another spelling",
        spec(operation(responses={"200": {"content": {"application/json; charset=utf-8": {"schema": STRING}}}})),
        spec(operation(responses={"200": {"content": {"Application/JSON;charset=UTF-8": {"schema": STRING}}}})),
    ),
    (
        "security repeated at the operation",
        spec(
            operation(),
            security=[{"k": []}],
            components={"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "K"}}},
        ),
        spec(
            operation(security=[{"k": []}]),
            security=[{"k": []}],
            components={"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "K"}}},
        ),
    ),
    (
        "a security scheme renamed",
        spec(
            operation(security=[{"k": []}]),
            components={"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "K"}}},
        ),
        spec(
            operation(security=[{"key": []}]),
            components={"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "k"}}},
        ),
    ),
    (
        "paths moved between server and template",
        spec({"/pets": {"get": {"responses": {}}}}, servers=[{"url": "https://a/v1"}]),
        spec({"/v1/pets": {"get": {"responses": {}}}}, servers=[{"url": "https://a"}]),
    ),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_the_same_contract(one: dict[str, Any], other: dict[str, Any]) -> None:
    ignored = {"api-server-removed servers", "api-server-added servers"}
    assert found(one, other) - ignored == set()
    assert found(other, one) - ignored == set()


def test_nullable_of_3_0_is_null_of_3_1() -> None:
    old = answer({"type": "string", "nullable": True}, version="3.0.3")
    new = answer({"type": ["string", "null"]}, version="3.1.0")
    assert found(old, new) == set()
    wrapped = answer({"nullable": True, "allOf": [{"type": "string"}]}, version="3.0.3")
    assert found(wrapped, new) == set()


def test_exclusive_bounds_of_3_0_are_those_of_3_1() -> None:
    old = body({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, version="3.0.3")
    assert found(old, body({"type": "integer", "exclusiveMinimum": 1})) == set()


def test_what_stands_beside_a_ref_counts_from_3_1_on() -> None:
    beside = {**REF, "maxProperties": 1}
    old, new = answer(REF, components=PETS, version="3.0.3"), answer(beside, components=PETS, version="3.0.3")
    assert found(old, new) == set()
    old, new = answer(REF, components=PETS), answer(beside, components=PETS)
    assert found(old, new) == {"response-body-max-properties-set 200.body"}


def test_true_is_not_one() -> None:
    assert found(body({"enum": [True]}), body({"enum": [1]})) == {
        "request-body-enum-value-removed body",
        "request-body-enum-value-added body",
    }


def test_a_changed_component_is_found_behind_an_unchanged_operation() -> None:
    old = answer(REF, components=PETS)
    new = copy.deepcopy(old)
    new["components"]["schemas"]["Pet"]["properties"]["name"]["maxLength"] = 10
    assert found(old, new) == {"response-property-max-length-increased 200.body.name"}
