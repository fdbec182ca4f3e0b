"""The structure check: what is wrong is said in words for people, at the deepest place that is meant."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lint.support import findings

GOOD: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/a/{id}": {
            "get": {
                "operationId": "x",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {}}}}},
            },
            "post": {"requestBody": {"content": {"a/b": {"schema": {}}}}, "responses": {"200": {"description": "ok"}}},
        }
    },
    "components": {
        "schemas": {"A": {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": {}}}}}},
        "securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "x"}},
    },
}
GET = "paths./a/{id}.get"


def get(data: Any) -> Any:
    return data["paths"]["/a/{id}"]["get"]


def parameter(data: Any) -> Any:
    return get(data)["parameters"][0]


def found(data: Any) -> list[tuple[str, str, str | None]]:
    hits = findings(data, "oas3-schema", "oas2-schema")
    return [(".".join(map(str, hit.path)), hit.message, hit.hint) for hit in hits]


def test_what_is_right_is_right() -> None:
    for version in ("3.0.3", "3.1.0", "3.2.0"):
        assert found(GOOD | {"openapi": version}) == []
    assert found({"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {}}) == []


IN = '"path", "query", "header", "cookie"'
TYPES = '"array", "boolean", "integer", "number", "object", "string"'
ALLOWED = "must be equal to one of the allowed values:"

MISTAKES: list[tuple[str, Callable[[Any], object], str, str, str | None]] = [
    ("no info", lambda d: d.pop("info"), "", 'Object must have required property "info".', None),
    ("version a number", lambda d: d["info"].update(version=1.0), "info.version",
     '"version" property must be string.', "write it in quotes"),
    ("key misspelt", lambda d: get(d).update(operationid="a"), f"{GET}.operationid",
     'Property "operationid" is not expected to be here.', 'did you mean "operationId"?'),
    ("method misspelt", lambda d: d["paths"]["/a/{id}"].update(gett={}), "paths./a/{id}.gett",
     'Property "gett" is not expected to be here.', 'did you mean "get"?'),
    ("path without slash", lambda d: d["paths"].update(foo={}), "paths.foo",
     'Property "foo" is not expected to be here.', 'a path begins with "/"'),
    ("status", lambda d: get(d)["responses"].update({"9999": {"description": "x"}}), f"{GET}.responses.9999",
     'Property "9999" is not expected to be here.', "a response has a status: '200', '2XX' or default"),
    ("responses a list", lambda d: get(d).update(responses=[]), f"{GET}.responses",
     '"responses" property must be object.', None),
    ("parameter without in", lambda d: parameter(d).pop("in"), f"{GET}.parameters.0",
     '"0" property must have required property "in".', None),
    ("parameter without schema", lambda d: parameter(d).pop("schema"), f"{GET}.parameters.0",
     '"schema" or "content" must be present.', None),
    ("schema null", lambda d: parameter(d).update(schema=None), f"{GET}.parameters.0.schema",
     '"schema" property must be object.', None),
    ("in misspelt", lambda d: parameter(d).update({"in": "pth"}), f"{GET}.parameters.0.in",
     f'"in" property {ALLOWED} {IN}. Did you mean "path"?.', None),
    ("type misspelt", lambda d: parameter(d).update(schema={"type": "strng"}), f"{GET}.parameters.0.schema.type",
     f'"type" property {ALLOWED} {TYPES}. Did you mean "string"?.', None),
    ("deep", lambda d: d["components"]["schemas"]["A"]["properties"]["b"]["properties"].update(c={"tpye": 1}),
     "components.schemas.A.properties.b.properties.c.tpye",
     'Property "tpye" is not expected to be here.', 'did you mean "type"?'),
    ("response without description", lambda d: get(d)["responses"]["200"].pop("description"), f"{GET}.responses.200",
     '"200" property must have required property "description".', None),
    ("body without content", lambda d: d["paths"]["/a/{id}"]["post"]["requestBody"].pop("content"),
     "paths./a/{id}.post.requestBody", '"requestBody" property must have required property "content".', None),
    ("scheme type", lambda d: d["components"]["securitySchemes"]["k"].update(type="apikey"),
     "components.securitySchemes.k.type",
     f'"type" property {ALLOWED} "apiKey", "http", "oauth2", "openIdConnect". Did you mean "apiKey"?.', None),
    ("scheme without name", lambda d: d["components"]["securitySchemes"]["k"].pop("name"),
     "components.securitySchemes.k", '"k" property must have required property "name".', None),
    ("reference a number", lambda d: d["components"]["schemas"].update(R={"$ref": 3}),
     "components.schemas.R.$ref", '"$ref" property must be string.', "write it in quotes"),
    ("no form at all", lambda d: d["components"]["schemas"]["A"].update(additionalProperties="no"),
     "components.schemas.A.additionalProperties",
     '"additionalProperties" property must be object or boolean.', None),
    ("example twice", lambda d: parameter(d).update(example=1, examples={}), f"{GET}.parameters.0",
     '"example" and "examples" must not stand together.', "keep one of them"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "mistake", "path", "message", "hint"), MISTAKES, ids=[case[0] for case in MISTAKES])
def test_mistake(name: str, mistake: Callable[[Any], object], path: str, message: str, hint: str | None) -> None:
    data = copy.deepcopy(GOOD)
    mistake(data)
    assert found(data) == [(path, message, hint)]


@pytest.mark.parametrize("version", ["3.1.0", "3.2.0"])
@pytest.mark.parametrize(
    ("mistake", "path"),
    [
        (lambda d: get(d).update(operationid="a"), f"{GET}.operationid"),
        (lambda d: parameter(d).update(required=False), f"{GET}.parameters.0.required"),
        (lambda d: parameter(d).update(schema={"type": "strng"}), f"{GET}.parameters.0.schema.type"),
        (lambda d: parameter(d).update(schema={"properties": {"a": {"minLength": -1}}}),
         f"{GET}.parameters.0.schema.properties.a.minLength"),
        (lambda d: d["components"]["schemas"].update({"a b": {}}), "components.schemas.a b"),
        (lambda d: d["components"]["securitySchemes"]["k"].update(type="apikey"), "components.securitySchemes.k.type"),
    ],
)  # fmt: skip
def test_mistakes_in_later_versions(version: str, mistake: Callable[[Any], object], path: str) -> None:
    data = copy.deepcopy(GOOD) | {"openapi": version}
    mistake(data)
    assert [hit[0] for hit in found(data)] == [path]


def test_a_path_item_of_3_1_may_have_a_reference_beside_its_other_keys() -> None:
    data = copy.deepcopy(GOOD) | {"openapi": "3.1.0"}
    data["paths"]["/b"] = {"$ref": "#/paths/~1a~1{id}", "summary": "s", "get": get(data)}
    assert found(data) == []


def test_what_openapi_adds_to_schemas_is_checked_in_later_versions() -> None:
    data = copy.deepcopy(GOOD) | {"openapi": "3.1.0"}
    parameter(data).update(schema={"discriminator": {"propertyName": "a", "mapping": {"x": 1}}, "xml": {"nme": "x"}})
    assert [path for path, _, _ in found(data)] == [
        f"{GET}.parameters.0.schema.discriminator.mapping.x",
        f"{GET}.parameters.0.schema.xml.nme",
    ]


def test_schemas_of_an_unusual_dialect_are_left_alone() -> None:
    data = copy.deepcopy(GOOD) | {"openapi": "3.1.0", "jsonSchemaDialect": "https://example.org/mine"}
    parameter(data).update(schema={"type": "strng"})
    assert found(data) == []


def test_3_2_knows_the_query_method() -> None:
    responses = {"responses": {"200": {"description": "x"}}}
    item = {"query": responses, "additionalOperations": {"COPY": responses}}
    assert found({**GOOD, "openapi": "3.2.0", "paths": {"/a": item}}) == []
    assert [path for path, _, _ in found({**GOOD, "openapi": "3.1.0", "paths": {"/a": item}})] == [
        "paths./a.query",
        "paths./a.additionalOperations",
    ]


WORDS = st.sampled_from(
    ["$ref", "type", "in", "name", "schema", "get", "parameters", "items", "enum", "allOf", "200", "responses"]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.sampled_from(["", "x", "string", "#/a"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(WORDS, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["2.0", "3.0.3", "3.1.0", "3.2.0"]), st.data())
def test_whatever_stands_anywhere_every_rule_ends_and_its_places_exist(version: str, data: st.DataObject) -> None:
    document = copy.deepcopy(GOOD)
    document.pop("openapi")
    document["swagger" if version == "2.0" else "openapi"] = version
    places = list(containers(document, ()))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places))
        if isinstance(container, dict):
            container[key] = data.draw(VALUES)
        else:
            container[0] = data.draw(VALUES)
    for finding in findings(document):
        assert finding.start.line == 1 and finding.start.column >= 1 and finding.end >= finding.start


def containers(node: Any, path: tuple[Any, ...]) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from containers(value, (*path, key))
