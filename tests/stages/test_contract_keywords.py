"""JSON Schema's other keywords, read-only and write-only properties, open enums: exact ids and levels."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.stages.finding import Level
from tests.stages.specs import answer, body, compare, found, operation, spec

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
OBJECT, ARRAY = {"type": "object"}, {"type": "array"}
ERR, WARN, INFO = Level.ERR, Level.WARN, Level.INFO
IF = {"if": {"required": ["a"]}, "then": {"required": ["b"]}}
CLOSED = {"type": "object", "additionalProperties": False}

CASES: list[tuple[Any, Any, str, Level, Level]] = [
    # old, new, facet, level in a request, level in a response
    (STRING, {**STRING, "not": {"enum": ["x"]}}, "not-added", ERR, INFO),
    ({"not": {"type": "integer", "maximum": 3}}, {"not": {"type": "integer", "maximum": 5}}, "not-changed", ERR, INFO),
    (OBJECT, {**OBJECT, **IF}, "if-added", ERR, INFO),
    ({**OBJECT, **IF}, {**OBJECT, **IF, "else": {"required": ["c"]}}, "else-added", ERR, INFO),
    ({**OBJECT, **IF}, {**OBJECT, **IF, "if": {"required": ["z"]}}, "if-changed", WARN, WARN),
    (ARRAY, {**ARRAY, "contains": STRING}, "contains-added", ERR, INFO),
    ({**ARRAY, "contains": STRING}, {**ARRAY, "contains": STRING, "minContains": 2},
     "min-contains-increased", ERR, INFO),
    ({**ARRAY, "contains": STRING}, {**ARRAY, "contains": STRING, "minContains": 0},
     "min-contains-decreased", INFO, ERR),
    (OBJECT, {**OBJECT, "dependentRequired": {"a": ["b"]}}, "dependent-required-added", ERR, INFO),
    ({**OBJECT, "dependentRequired": {"a": ["b", "c"]}}, {**OBJECT, "dependentRequired": {"a": ["b"]}},
     "dependent-required-changed", INFO, ERR),
    (OBJECT, {**OBJECT, "dependentSchemas": {"a": {"maxProperties": 2}}}, "dependent-schema-added", ERR, INFO),
    (OBJECT, {**OBJECT, "propertyNames": {"maxLength": 3}}, "property-names-added", ERR, INFO),
    (OBJECT, {**OBJECT, "patternProperties": {"^x-": STRING}}, "pattern-property-added", ERR, INFO),
    (CLOSED, {**CLOSED, "patternProperties": {"^x-": STRING}}, "pattern-property-added", INFO, ERR),
    (OBJECT, {**OBJECT, "unevaluatedProperties": False}, "unevaluated-properties-added", ERR, INFO),
    (ARRAY, {**ARRAY, "unevaluatedItems": False}, "unevaluated-items-added", ERR, INFO),
    ({"multipleOf": 2}, {"multipleOf": 6}, "multiple-of-specialized", ERR, INFO),
    ({**STRING, "contentEncoding": "base32"}, {**STRING, "contentEncoding": "hex"},
     "content-encoding-changed", ERR, ERR),
    ({**STRING, "x-extensible-enum": ["a"]}, {**STRING, "x-extensible-enum": ["a", "b"]},
     "x-extensible-enum-value-added", INFO, INFO),
    ({**STRING, "enum": ["a", "b"], "x-extensible-enum": True}, {**STRING, "enum": ["a"], "x-extensible-enum": True},
     "x-extensible-enum-value-removed", ERR, INFO),
    ({**STRING, "enum": ["a"]}, {**STRING, "x-extensible-enum": ["a"]}, "became-not-enum", INFO, ERR),
    ({**OBJECT, "discriminator": {"propertyName": "a"}}, {**OBJECT, "discriminator": {"propertyName": "b"}},
     "discriminator-property-name-changed", ERR, ERR),
    ({**OBJECT, "discriminator": {"propertyName": "a", "mapping": {"x": "X", "y": "Y"}}},
     {**OBJECT, "discriminator": {"propertyName": "a", "mapping": {"x": "X"}}},
     "discriminator-mapping-deleted", ERR, INFO),
    (OBJECT, {**OBJECT, "discriminator": {"propertyName": "a"}}, "discriminator-added", WARN, WARN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "facet", "sent", "received"), CASES, ids=[f"{i}-{c[2]}" for i, c in enumerate(CASES)]
)
def test_a_keyword_in_both_directions(old: Any, new: Any, facet: str, sent: Level, received: Level) -> None:
    def levels(place: Any) -> dict[str, Level]:
        return {f.id: f.level for f in compare(place(old), place(new))}

    assert levels(body)[f"request-body-{facet}"] is sent
    assert levels(answer)[f"response-body-{facet}"] is received


def test_items_with_a_place_of_their_own() -> None:
    def row(*prefix: Any, **rest: Any) -> dict[str, Any]:
        return body({"type": "array", "prefixItems": list(prefix), **rest})

    assert found(row(STRING), row(INTEGER)) == {"request-property-type-changed body[0]"}
    assert found(row(STRING), row(STRING, STRING)) == {"request-property-type-specialized body[1]"}
    assert found(row(STRING, items=STRING), row(STRING, STRING, items=STRING)) == set()


def test_constants_to_choose_from_are_an_enum() -> None:
    choice = {"oneOf": [{"const": "a", "title": "A"}, {"const": "b", "description": "B"}]}
    assert found(body({"type": "string", "enum": ["a", "b"]}), body(choice)) == set()


def test_all_of_with_a_closed_part_refuses_the_others_properties() -> None:
    old = {"allOf": [{"properties": {"a": STRING}}, {"properties": {"b": STRING}}]}
    new = {"allOf": [{"properties": {"a": STRING}, "additionalProperties": False}, {"properties": {"b": STRING}}]}
    assert any(finding.level is ERR for finding in compare(body(old), body(new)))


@pytest.mark.parametrize(
    ("needed", "word"), [(["a"], "required"), ([], "optional")]
)  # fmt: skip
def test_what_becomes_read_only_or_write_only(needed: list[str], word: str) -> None:
    def pet(**flags: Any) -> dict[str, Any]:
        return {"type": "object", "required": needed, "properties": {"a": {**STRING, **flags}}}

    for place, key, direction, at in (
        (body, "readOnly", "request", "body.a"),
        (answer, "writeOnly", "response", "200.body.a"),
    ):
        name = "read-only" if key == "readOnly" else "write-only"
        hidden = place(pet(**{key: True}))
        assert found(place(pet()), hidden) == {f"{direction}-{word}-property-became-{name} {at}"}
        assert found(hidden, place(pet())) == {f"{direction}-{word}-property-became-not-{name} {at}"}


def test_reserved_characters_and_empty_values() -> None:
    def parameter(**rest: Any) -> dict[str, Any]:
        return spec(operation(parameters=[{"name": "q", "in": "query", "schema": STRING, **rest}]))

    plain = parameter()
    for key, name in (("allowReserved", "allow-reserved"), ("allowEmptyValue", "allow-empty")):
        assert found(plain, parameter(**{key: True})) == {f"request-parameter-{name}-set query.q"}
        assert found(parameter(**{key: True}), plain) == {f"request-parameter-{name}-unset query.q"}
