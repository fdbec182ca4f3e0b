from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from apigw_cli.errors import InputError
from apigw_cli.integrations.sample import Sampler
from apigw_cli.openapi.document import Document, Library


def sampled(schema: Any, **schemas: Any) -> Any:
    library = Library.of({"spec": {"components": {"schemas": schemas}}})
    document = library.read("spec")
    first = Sampler(library).sample(document, schema)
    assert Sampler(library).sample(document, schema) == first
    return first


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, 0),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 0),
        ({"type": ["null"]}, None),
        ({"type": "array"}, []),
        ({"type": "object"}, {}),
        ({}, {}),
        (True, {}),
        (False, None),
        (None, {}),
        # what the author wrote
        ({"type": "string", "example": "Rex", "default": "Tom"}, "Rex"),
        ({"type": "string", "examples": ["Rex", "Tom"], "enum": ["x"]}, "Rex"),
        ({"type": "string", "examples": []}, "string"),
        ({"type": "string", "default": "Tom", "enum": ["x"]}, "Tom"),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "string", "example": None}, None),
        ({"type": "array", "enum": []}, []),
        # types that are only implied
        ({"properties": {"a": {"minLength": 1}}}, {"a": "string"}),
        ({"items": {"minimum": 3}}, [3]),
        # text
        ({"type": "string", "format": "date-time"}, "2024-01-01T12:00:00Z"),
        ({"type": "string", "format": "uuid"}, "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        ({"type": "string", "format": "unheard-of"}, "string"),
        ({"type": "string", "maxLength": 3}, "str"),
        ({"type": "string", "minLength": 9}, "stringstr"),
        ({"type": "string", "maxLength": 0}, ""),
        ({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}, "00:00"),
        ({"type": "string", "pattern": "(?=a)b", "minLength": 2}, "string"),
        ({"type": "string", "minLength": "x", "maxLength": -1, "pattern": 7}, "string"),
        # objects
        ({"type": "object", "properties": {"a": {"type": "integer"}, "b": False}}, {"a": 0}),
        ({"type": "object", "properties": {"a": {"writeOnly": True}, "b": {"readOnly": True}}}, {"b": {}}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"property": 0}),
        ({"type": "object", "additionalProperties": True}, {}),
        # arrays
        ({"type": "array", "items": {"type": "string"}}, ["string"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [0, 0, 0]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [0, 1, 2]),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True}, ["a", "b"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}, [0, "string"]),
        # composition
        ({"allOf": [{"type": "string"}, {"minLength": 8}]}, "stringst"),
        ({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {}}}]}, {"a": 0, "b": {}}),
        ({"description": "x", "oneOf": [{"type": "null"}, {"type": "integer"}]}, 0),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string"),
        (
            {"properties": {"a": {"type": "integer"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": 0},
        ),
        ({"oneOf": []}, {}),
        ({"allOf": "x", "anyOf": [7]}, {}),
    ],
)
def test_a_value_for_a_schema(schema: Any, expected: Any) -> None:
    assert sampled(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 5},
        {"type": "integer", "minimum": 5, "exclusiveMinimum": True},
        {"type": "integer", "exclusiveMinimum": 5},
        {"type": "integer", "minimum": 5.5},
        {"type": "integer", "maximum": -3},
        {"type": "integer", "exclusiveMaximum": -3},
        {"type": "integer", "exclusiveMinimum": 0},
        {"type": "integer", "minimum": 10, "multipleOf": 7},
        {"type": "integer", "exclusiveMinimum": 7, "multipleOf": 7},
        {"type": "integer", "maximum": -10, "multipleOf": 7},
        {"type": "number", "minimum": 0.5, "maximum": 0.75},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "exclusiveMinimum": -2, "exclusiveMaximum": -1},
        {"type": "number", "multipleOf": 0.25, "minimum": 1.1},
        {"type": "number", "maximum": -1e300},
        {"type": "integer", "minimum": 2**53},
    ],
)
def test_a_number_within_its_bounds(schema: dict[str, Any]) -> None:
    value = sampled(schema)
    if schema.get("exclusiveMinimum") is True:
        schema = {"type": "integer", "exclusiveMinimum": schema["minimum"]}
    assert jsonschema_rs.is_valid(schema, value), value


def test_references_are_followed() -> None:
    assert sampled(ref("A"), A=ref("B"), B={"type": "integer", "example": 7}) == 7
    assert sampled({**ref("A"), "examples": ["own"]}, A={"type": "string"}) == "own"
    assert sampled({"allOf": [ref("A"), {"properties": {"id": {"type": "integer"}}}]}, A={"properties": {"n": {}}}) == {
        "n": {},
        "id": 0,
    }


def test_a_reference_into_another_document_and_back() -> None:
    library = Library.of(
        {
            "a/spec": {"x": {"$ref": "../b/more#/y"}, "z": {"type": "integer"}},
            "b/more": {"y": {"properties": {"z": {"$ref": "../a/spec#/z"}}}},
        }
    )
    document = library.read("a/spec")
    assert Sampler(library).sample(document, document.data["x"]) == {"z": 0}


def test_recursion_ends() -> None:
    node = {"properties": {"name": {"type": "string"}, "children": {"type": "array", "items": ref("Node")}}}
    assert sampled(ref("Node"), Node=node) == {"name": "string", "children": []}
    assert sampled(ref("L"), L={"properties": {"next": ref("L")}, "required": ["next"]}) == {}
    assert sampled(ref("L"), L={"type": "array", "items": ref("L"), "minItems": 1}) is None
    assert sampled(ref("L"), L={"allOf": [ref("L")]}) is None
    nullable = {"properties": {"up": {"nullable": True, "allOf": [ref("N")]}}}
    assert sampled(ref("N"), N=nullable) == {"up": None}


def test_a_circle_and_a_reference_to_nowhere_are_errors() -> None:
    with pytest.raises(InputError, match="circle"):
        sampled(ref("A"), A=ref("B"), B=ref("A"))
    with pytest.raises(InputError, match="nowhere"):
        sampled(ref("Missing"))


def test_a_schema_that_grows_without_end_is_cut() -> None:
    levels = {
        f"L{n}": {"properties": {name: ref(f"L{n + 1}") for name in "abcd"}, "required": list("abcd")}
        for n in range(30)
    }
    value = sampled(ref("L0"), **levels, L30={"type": "string"})
    assert isinstance(value, dict)


def test_the_discriminator_names_the_choice() -> None:
    cat = {"type": "object", "properties": {"kind": {"type": "string"}}}
    choice: dict[str, Any] = {"oneOf": [ref("Cat")], "discriminator": {"propertyName": "kind"}}
    assert sampled(choice, Cat=cat) == {"kind": "Cat"}
    choice["discriminator"]["mapping"] = {"meow": ref("Cat")["$ref"]}
    assert sampled(choice, Cat=cat) == {"kind": "meow"}


@pytest.mark.parametrize(
    ("file", "share"),
    [("asana.yaml", 0.97), ("k8s-swagger2.json", 1.0), ("petstorev3.json", 1.0), ("stripe-3.1MB.yaml", 0.9)],
)
def test_samples_of_public_schemas_are_valid(corpus: Path, file: str, share: float) -> None:
    """Not all: some published examples contradict their own schemas, and some recursion has no finite value."""
    library = Library(corpus)
    document = library.read(file)
    path = ("definitions",) if "definitions" in document.data else ("components", "schemas")
    schemas: dict[str, Any] = document.get(path)
    root: dict[str, Any] = {path[0]: _as_draft_7({"schemas": schemas} if len(path) == 2 else schemas)}
    names = list(schemas)[:: max(1, len(schemas) // 40)]
    valid = [_is_valid(root, path, name, Sampler(library).sample(document, schemas[name])) for name in names]
    assert sum(valid) >= share * len(valid)


def _is_valid(root: dict[str, Any], path: tuple[str, ...], name: str, value: Any) -> bool:
    return jsonschema_rs.Draft7Validator(root | {"allOf": [{"$ref": f"#/{'/'.join(path)}/{name}"}]}).is_valid(value)


def _as_draft_7(node: Any) -> Any:
    if isinstance(node, list):
        return [_as_draft_7(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _as_draft_7(value) for key, value in node.items() if key not in ("example", "format")}
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        made["type"] = [node["type"], "null"]
    return {key: value for key, value in made.items() if not (key.startswith("exclusive") and isinstance(value, bool))}


def test_documents_need_no_root_of_their_own() -> None:
    document = Document("part", "part", None, {"type": "integer"})
    assert Sampler(Library.of({})).sample(document, document.data) == 0
