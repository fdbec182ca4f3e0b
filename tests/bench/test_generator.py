"""Values drawn from schemas: whatever the schema, what comes out is valid by the schema as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apigw_cli.bench.bundle import Bundle
from apigw_cli.bench.generator import Generator
from apigw_cli.bench.operation_request import Recipe
from apigw_cli.bench.schema_merge import Impossible
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Library

small = st.integers(0, 6)
words = st.sampled_from(["a", "b", "c"])


def _ranged(low: str, high: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(small, small).map(lambda pair: {low: min(pair), high: max(pair)}) | st.just({})


strings = st.builds(
    lambda size, more: {"type": "string", **size, **more},
    _ranged("minLength", "maxLength"),
    st.sampled_from([{}, {"pattern": "^[a-c]+$"}, {"format": "date-time"}, {"enum": ["x", "yy"]}]),
)
numbers = st.builds(
    lambda kind, bounds, more: {"type": kind, **bounds, **more},
    st.sampled_from(["integer", "number"]),
    _ranged("minimum", "maximum") | _ranged("exclusiveMinimum", "exclusiveMaximum"),
    st.sampled_from([{}, {"multipleOf": 2}, {"multipleOf": 0.5}, {"not": {"const": 1}}]),
)
scalars = (
    strings | numbers | st.sampled_from([{"type": "boolean"}, {"type": ["null", "integer"]}, {"const": [1]}, True])
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.builds(
        lambda properties, required, more, size: {
            "type": "object",
            "properties": properties,
            "required": sorted(required),
            **more,
            **size,
        },
        st.dictionaries(words, inner, max_size=3),
        st.sets(words, max_size=2),
        st.sampled_from([{}, {"additionalProperties": {"type": "integer"}}, {"dependentRequired": {"a": ["b"]}}]),
        st.sampled_from([{}, {"minProperties": 2}]),
    )
    arrays = st.builds(
        lambda items, size, more: {"type": "array", "items": items, **size, **more},
        inner,
        _ranged("minItems", "maxItems"),
        st.sampled_from([{}, {"contains": {"type": "integer"}}]),
    )
    choices = st.builds(lambda word, parts: {word: parts}, st.sampled_from(["oneOf", "anyOf", "allOf"]),
                        st.lists(inner, min_size=1, max_size=3))  # fmt: skip
    return objects | arrays | choices


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(scalars, _larger, max_leaves=6), st.integers(0, 3))
def test_what_is_drawn_is_valid_and_the_same_for_the_same_seed(schema: Any, seed: int) -> None:
    bundle = Bundle(library := Library.of({"d": {"openapi": "3.1.0", "components": {"schemas": {"It": schema}}}}))
    number = bundle.add(library.read("d"), {"$ref": "#/components/schemas/It"})
    try:
        value = Generator(bundle, str(seed)).value(number)
    except Impossible:
        return  # how often that happens is what the specifications of the corpus show
    assert jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)
    assert Generator(bundle, str(seed)).value(number) == value


def drawn(schema: Any, version: str = "3.1.0", **schemas: Any) -> Any:
    bundle = Bundle(library := Library.of({"d": {"openapi": version, "components": {"schemas": schemas}}}))
    return Generator(bundle, "0").value(bundle.add(library.read("d"), schema))


def test_circles_end_and_what_cannot_be_is_said() -> None:
    tree = {"type": "object", "required": ["kids"],
            "properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}}  # fmt: skip
    assert "kids" in drawn({"$ref": "#/components/schemas/Tree"}, Tree=tree)
    endless = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Endless"}}}
    with pytest.raises(Impossible, match="circle"):
        drawn({"$ref": "#/components/schemas/Endless"}, Endless=endless)
    with pytest.raises(Impossible, match="at once"):
        drawn({"allOf": [{"type": "string"}, {"type": "integer"}]})
    with pytest.raises(Impossible, match="bounds"):
        drawn({"type": "integer", "minimum": 5, "maximum": 4})


def test_words_of_openapi_3_0_mean_what_they_mean_there() -> None:
    parts = {"type": "object", "required": ["id", "n", "flag"], "additionalProperties": False, "properties": {
        "id": {"type": "integer", "readOnly": True},
        "n": {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 4},
        "flag": {"type": "string", "nullable": True, "enum": ["a", None]},
    }}  # fmt: skip
    value = drawn(parts, "3.0.3")
    assert set(value) == {"n", "flag"} and value["n"] == 4 and value["flag"] in ("a", None)


def test_what_the_author_wrote_is_preferred() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "example": "Rex"}}, "required": ["name"]}
    bundle = Bundle(library := Library.of({"d": {"openapi": "3.1.0"}}))
    generator, number = Generator(bundle, "0"), bundle.add(library.read("d"), schema)
    names = [generator.value(number)["name"] for _ in range(40)]
    assert names.count("Rex") > 20
    assert len(set(names)) > 3


@pytest.mark.parametrize(
    "name", ["asana.yaml", "github-3.5MB.yaml", "k8s-swagger2.json", "petstorev3.json", "stripe-3.1MB.yaml"]
)
def test_every_operation_of_the_corpus_has_valid_requests(name: str, corpus: Path) -> None:
    library = Library(corpus)
    document = library.read(name, tolerant=True)
    bundle = Bundle(library)
    recipes = [Recipe(operation, library, bundle) for operation in openapi.operations(document, library)]
    registry = jsonschema_rs.Registry([("urn:d", document.data)], draft=jsonschema_rs.Draft4)
    for recipe in recipes[:: 1 + len(recipes) // 200]:
        samples = recipe.samples(recipe.operation.path, 7, 2)
        assert samples == recipe.samples(recipe.operation.path, 7, 2)
        assert "{" not in samples[0].path
        reference = _json_schema(recipe, library)
        for sample in samples if reference else ():
            validator = jsonschema_rs.Draft4Validator(reference, registry=registry, offline=True)
            found = [str(error) for error in validator.iter_errors(json.loads(sample.body))]
            # Draft 4 knows neither `nullable` nor that what is read-only is not sent.
            assert [one for one in found if "null" not in one and "required property" not in one] == []


def _json_schema(recipe: Recipe, library: Library) -> dict[str, Any] | None:
    """Where the schema of the JSON body stands in the document."""
    operation = recipe.operation
    for node in openapi.parameters(operation, library):
        if node.data.get("in") == "body":
            return (
                {"$ref": node.data["schema"]["$ref"].replace("#", "urn:d#")} if "$ref" in node.data["schema"] else None
            )
    if "requestBody" not in operation.node.data:
        return None
    node = library.follow(operation.node.child("requestBody"))
    schema = node.data["content"].get("application/json", {}).get("schema", {})
    return {"$ref": schema["$ref"].replace("#", "urn:d#")} if "$ref" in schema else None
