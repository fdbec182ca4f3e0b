"""What a change of a schema means, in a request and in a response: the exact set of findings, level included."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.stages.finding import Level
from tests.stages.specs import answer, body, compare, found

STRING = {"type": "string"}


def thing(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


FACETS: list[tuple[str, Any, Any, str, Level, Level]] = [
    # name, old and new schema of the property "x", facet, level in a request, level in a response
    ("type", {"type": "integer"}, STRING, "type-changed", Level.ERR, Level.ERR),
    ("wider type", {"type": "integer"}, {"type": "number"}, "type-generalized", Level.INFO, Level.ERR),
    ("narrower type", {"type": "number"}, {"type": "integer"}, "type-specialized", Level.ERR, Level.INFO),
    ("more types", STRING, {"type": ["string", "integer"]}, "type-generalized", Level.INFO, Level.ERR),
    ("any type", STRING, {}, "type-generalized", Level.INFO, Level.ERR),
    ("format", STRING, {"type": "string", "format": "uuid"}, "type-specialized", Level.ERR, Level.INFO),
    (
        "wider format",
        {"type": "integer", "format": "int32"},
        {"type": "integer", "format": "int64"},
        "type-generalized",
        Level.INFO,
        Level.ERR,
    ),
    ("null", STRING, {"type": ["string", "null"]}, "became-nullable", Level.INFO, Level.ERR),
    ("no null", {"type": ["string", "null"]}, STRING, "became-not-nullable", Level.ERR, Level.INFO),
    ("enum", STRING, {"type": "string", "enum": ["a"]}, "became-enum", Level.ERR, Level.INFO),
    ("no enum", {"enum": ["a"]}, {}, "became-not-enum", Level.INFO, Level.ERR),
    ("enum value less", {"enum": ["a", "b"]}, {"enum": ["a"]}, "enum-value-removed", Level.ERR, Level.INFO),
    ("enum value more", {"const": "a"}, {"enum": ["a", "b"]}, "enum-value-added", Level.INFO, Level.ERR),
    ("maximum", {"maximum": 10}, {"maximum": 5}, "max-decreased", Level.ERR, Level.INFO),
    ("maximum set", {}, {"maximum": 5}, "max-set", Level.ERR, Level.INFO),
    ("maximum gone", {"maximum": 5}, {}, "max-unset", Level.INFO, Level.ERR),
    ("minimum", {"minimum": 1}, {"minimum": 2}, "min-increased", Level.ERR, Level.INFO),
    ("exclusive", {"maximum": 5}, {"exclusiveMaximum": 5}, "exclusive-max-decreased", Level.ERR, Level.INFO),
    ("maxLength", {"maxLength": 5}, {"maxLength": 9}, "max-length-increased", Level.INFO, Level.ERR),
    ("minLength", {}, {"minLength": 1}, "min-length-set", Level.ERR, Level.INFO),
    ("maxItems", {"maxItems": 5}, {"maxItems": 4}, "max-items-decreased", Level.ERR, Level.INFO),
    ("minItems", {"minItems": 5}, {"minItems": 4}, "min-items-decreased", Level.INFO, Level.ERR),
    ("pattern", {}, {"pattern": "^a"}, "pattern-added", Level.ERR, Level.INFO),
    ("other pattern", {"pattern": "^a"}, {"pattern": "^b"}, "pattern-changed", Level.WARN, Level.WARN),
    ("unique", {"type": "array"}, {"type": "array", "uniqueItems": True}, "unique-items-set", Level.ERR, Level.INFO),
    ("multiple", {"multipleOf": 2}, {"multipleOf": 3}, "multiple-of-changed", Level.ERR, Level.ERR),
    ("default", {"default": 1}, {"default": 2}, "default-value-changed", Level.WARN, Level.INFO),
    ("not", {"not": STRING}, {"not": {"type": "integer"}}, "not-changed", Level.WARN, Level.WARN),
    (
        "unknown properties refused",
        {"type": "object"},
        {"type": "object", "additionalProperties": False},
        "additional-properties-refused",
        Level.ERR,
        Level.INFO,
    ),
    (
        "unknown properties accepted",
        {"type": "object", "additionalProperties": False},
        {"type": "object"},
        "additional-properties-accepted",
        Level.INFO,
        Level.INFO,
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "facet", "request_level", "response_level"), [f[1:] for f in FACETS], ids=[f[0] for f in FACETS]
)
def test_a_facet_in_both_directions(
    old: Any, new: Any, facet: str, request_level: Level, response_level: Level
) -> None:
    (sent,) = compare(body(thing(x=old)), body(thing(x=new)))
    assert (sent.id, sent.level, sent.path) == (f"request-property-{facet}", request_level, "body.x")
    (received,) = compare(answer(thing(x=old)), answer(thing(x=new)))
    assert (received.id, received.level, received.path) == (f"response-property-{facet}", response_level, "200.body.x")


def test_the_root_of_a_body_has_rules_of_its_own() -> None:
    assert found(body(STRING), body({"type": "integer"})) == {"request-body-type-changed body"}
    assert found(answer({"maxLength": 5}), answer({"maxLength": 9})) == {"response-body-max-length-increased 200.body"}


PROPERTIES = [
    (
        "required one",
        thing(a=STRING),
        thing(["b"], a=STRING, b=STRING),
        "new-required-request-property",
        "response-required-property-added",
    ),
    (
        "optional one",
        thing(a=STRING),
        thing(a=STRING, b=STRING),
        "new-optional-request-property",
        "response-optional-property-added",
    ),
    (
        "removed",
        thing(a=STRING, b=STRING),
        thing(a=STRING),
        "request-property-removed",
        "response-optional-property-removed",
    ),
    (
        "required removed",
        thing(["b"], b=STRING),
        thing(),
        "request-property-removed",
        "response-required-property-removed",
    ),
    (
        "became required",
        thing(b=STRING),
        thing(["b"], b=STRING),
        "request-property-became-required",
        "response-property-became-required",
    ),
    (
        "became optional",
        thing(["b"], b=STRING),
        thing(b=STRING),
        "request-property-became-optional",
        "response-property-became-optional",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "sent", "received"), [p[1:] for p in PROPERTIES], ids=[p[0] for p in PROPERTIES]
)
def test_properties(old: Any, new: Any, sent: str, received: str) -> None:
    assert found(body(old), body(new)) == {f"{sent} body.b"}
    assert found(answer(old), answer(new)) == {f"{received} 200.body.b"}


def test_levels_of_properties() -> None:
    levels = {f.id: f.level for f in compare(answer(thing(["a"], a=STRING, b=STRING)), answer(thing()))}
    assert levels == {
        "response-required-property-removed": Level.ERR,
        "response-optional-property-removed": Level.WARN,
    }


def test_a_removed_property_that_is_refused_breaks() -> None:
    old, new = thing(a=STRING, b=STRING), {**thing(a=STRING), "additionalProperties": False}
    assert found(body(old), body(new)) == {
        "request-property-refused body.b",
        "request-body-additional-properties-refused body",
    }


def test_what_is_read_only_takes_no_part_in_a_request() -> None:
    old, new = thing(id={"type": "integer", "readOnly": True}), thing()
    assert found(body(old), body(new)) == set()
    assert found(answer(old), answer(new)) == {"response-optional-property-removed 200.body.id"}
    secret = thing(key={"type": "string", "writeOnly": True})
    assert found(answer(secret), answer(new)) == set()


def test_nested_paths() -> None:
    def nested(leaf: Any) -> dict[str, Any]:
        return {"type": "array", "items": thing(owner=thing(names={"type": "array", "items": leaf}))}

    assert found(answer(nested(STRING)), answer(nested({"type": "integer"}))) == {
        "response-property-type-changed 200.body[].owner.names[]"
    }
    table = {"type": "object", "additionalProperties": STRING}
    other = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert found(answer(table), answer(other)) == {"response-property-type-changed 200.body{*}"}


def test_recursion_ends() -> None:
    def tree(value: Any) -> dict[str, Any]:
        node = thing(
            value=value, left={"$ref": "#/components/schemas/Tree"}, right={"$ref": "#/components/schemas/Tree"}
        )
        return answer({"$ref": "#/components/schemas/Tree"}, components={"schemas": {"Tree": node}})

    assert found(tree(STRING), tree(STRING)) == set()
    assert found(tree(STRING), tree({"type": "integer"})) == {"response-property-type-changed 200.body.value"}


def test_all_of_is_merged() -> None:
    flat = thing(["a"], a=STRING, b={"type": "string", "maxLength": 5})
    split = {
        "allOf": [
            thing(["a"], a=STRING),
            {"properties": {"b": {"type": "string"}}},
            {"properties": {"b": {"maxLength": 5}}},
        ]
    }
    assert found(body(flat), body(split)) == set()
    assert found(body(split), body(flat)) == set()
    tighter = {"allOf": [flat, {"properties": {"b": {"maxLength": 3}}}]}
    assert found(body(flat), body(tighter)) == {"request-property-max-length-decreased body.b"}


CAT = {"$ref": "#/components/schemas/Cat"}
DOG = {"$ref": "#/components/schemas/Dog"}
SCHEMAS = {"schemas": {"Cat": thing(["claws"], claws={"type": "integer"}), "Dog": thing(["tail"], tail=STRING)}}


class TestAlternatives:
    def pair(self, old: Any, new: Any) -> tuple[set[str], set[str]]:
        parts = {"components": SCHEMAS}
        sent = found(body(old, **parts), body(new, **parts))
        return sent, found(answer(old, **parts), answer(new, **parts))

    def test_one_more(self) -> None:
        sent, received = self.pair({"oneOf": [CAT]}, {"oneOf": [CAT, DOG]})
        assert sent == {"request-body-one-of-added body"}
        assert received == {"response-body-one-of-added 200.body"}

    def test_order_does_not_count(self) -> None:
        assert self.pair({"oneOf": [CAT, DOG]}, {"oneOf": [DOG, CAT]}) == (set(), set())

    def test_one_less(self) -> None:
        sent, _ = self.pair({"anyOf": [CAT, DOG, STRING]}, {"anyOf": [DOG, STRING]})
        assert sent == {"request-body-any-of-removed body"}

    def test_a_plain_schema_becomes_one_of_several(self) -> None:
        sent, received = self.pair(CAT, {"oneOf": [CAT, DOG]})
        assert sent == {"request-body-one-of-added body"}
        assert received == {"response-body-one-of-added 200.body"}

    def test_null_as_an_alternative_is_nullable(self) -> None:
        sent, received = self.pair(CAT, {"anyOf": [CAT, {"type": "null"}]})
        assert sent == {"request-body-became-nullable body"}
        assert received == {"response-body-became-nullable 200.body"}

    def test_what_cannot_be_decided_is_a_warning(self) -> None:
        old, new = thing(a=STRING), {"oneOf": [thing(b=STRING), thing(c=STRING)]}
        (finding,) = compare(body(old), body(new))
        assert (finding.id, finding.level) == ("request-body-composition-changed", Level.WARN)

    def test_a_change_inside_one(self) -> None:
        new = {"schemas": {**SCHEMAS["schemas"], "Cat": thing(["claws"], claws=STRING)}}
        choice = {"oneOf": [CAT, DOG]}
        old_spec, new_spec = answer(choice, components=SCHEMAS), answer(choice, components=new)
        assert found(old_spec, new_spec) == {"response-property-type-changed 200.body<Cat>.claws"}

    def test_unnamed_alternatives_are_matched_by_what_they_look_like(self) -> None:
        one, two = thing(["a"], a=STRING, b=STRING), thing(["x"], x=STRING, y=STRING)
        changed = thing(["x"], x=STRING, y={"type": "integer"})
        assert found(answer({"oneOf": [one, two]}), answer({"oneOf": [changed, one]})) == {
            "response-property-type-changed 200.body.y"
        }
