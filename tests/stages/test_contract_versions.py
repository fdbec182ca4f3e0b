"""The same API written in another version of OpenAPI is no finding; 3.2's own parts are compared."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.stages.specs import answer, body, found, operation, spec

STRING = {"type": "string"}
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def two(parameters: list[Any], **rest: Any) -> dict[str, Any]:
    return spec({"/p": {"post": {"parameters": parameters, "responses": {"200": {"description": ""}}, **rest}}},
                version="2.0")  # fmt: skip


def three(content: Any, version: str = "3.0.3", **rest: Any) -> dict[str, Any]:
    request = {"content": content, **rest}
    return spec({"/p": {"post": {"requestBody": request, "responses": {"200": {"description": ""}}}}}, version=version)


def field(name: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "in": "formData", "type": "string", **rest}


def form(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": properties, "required": list(required)}}


def same(one: Any, other: Any) -> None:
    assert found(one, other) == set()
    assert found(other, one) == set()


class TestForms:
    def test_fields_are_properties_of_a_form(self) -> None:
        old = two([field("a", required=True), field("b", type="integer", maximum=5)])
        same(old, three({FORM: form(("a",), a=STRING, b={"type": "integer", "maximum": 5})}, required=True))

    def test_a_file_is_a_binary_string(self) -> None:
        old = two([field("a", type="file")], consumes=[MULTIPART])
        same(old, three({MULTIPART: form(a={"type": "string", "format": "binary"})}))
        new = {"type": "string", "contentMediaType": "application/octet-stream"}
        same(old, three({MULTIPART: form(a=new)}, version="3.1.0"))
        same(two([field("a", type="file")]), three({MULTIPART: form(a={"type": "string", "format": "binary"})}))

    def test_lists_in_a_form(self) -> None:
        strings = {"type": "array", "items": STRING}
        plain = three({FORM: form(a=strings)})
        same(two([field("a", **strings, collectionFormat="multi")]), plain)
        assert found(two([field("a", **strings)]), plain) == {"request-body-encoding-changed body.a"}
        pipes = {**form(a=strings), "encoding": {"a": {"style": "pipeDelimited", "explode": False}}}
        same(two([field("a", **strings, collectionFormat="pipes")]), three({FORM: pipes}))
        assert found(plain, three({FORM: pipes})) == {"request-body-encoding-changed body.a"}

    def test_a_field_that_becomes_needed(self) -> None:
        assert found(two([field("a")]), two([field("a", required=True)])) == {
            "request-property-became-required body.a",
            "request-body-became-required body",
        }


@pytest.mark.parametrize(
    ("listed", "style"),
    [
        ({}, {"explode": False}),
        ({"collectionFormat": "multi"}, {}),
        ({"collectionFormat": "ssv"}, {"style": "spaceDelimited", "explode": False}),
        ({"collectionFormat": "pipes"}, {"style": "pipeDelimited", "explode": False}),
    ],
)
def test_lists_in_a_query(listed: Any, style: Any) -> None:
    strings = {"type": "array", "items": STRING}
    old = spec(operation(parameters=[{"name": "q", "in": "query", **strings, **listed}]), version="2.0")
    same(old, spec(operation(parameters=[{"name": "q", "in": "query", "schema": strings, **style}]), version="3.0.0"))


def test_a_list_in_a_header() -> None:
    strings = {"type": "array", "items": STRING}
    old = spec(operation(parameters=[{"name": "X", "in": "header", **strings}]), version="2.0")
    same(old, spec(operation(parameters=[{"name": "X", "in": "header", "schema": strings}]), version="3.0.0"))


def test_hosts_and_schemes_are_servers() -> None:
    paths = operation()
    old = spec(paths, version="2.0", host="a.example", basePath="/v1", schemes=["https"])
    same(old, spec(paths, servers=[{"url": "https://a.example/v1"}]))
    same(
        spec(paths, version="2.0", host="a.example", basePath="/v1"),
        spec(paths, servers=[{"url": "https://a.example/v1"}]),
    )
    same(spec(paths, version="2.0", basePath="/v1"), spec(paths, servers=[{"url": "/v1"}]))


OAUTH2 = {"type": "oauth2", "authorizationUrl": "https://a/o", "tokenUrl": "https://a/t", "scopes": {"r": ""}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "basic"}, {"type": "http", "scheme": "basic"}),
        (
            {**OAUTH2, "flow": "accessCode"},
            {"type": "oauth2", "flows": {"authorizationCode": {
                "authorizationUrl": "https://a/o", "tokenUrl": "https://a/t", "scopes": {"r": ""}}}},
        ),
        (
            {"type": "oauth2", "flow": "application", "tokenUrl": "https://a/t", "scopes": {"r": ""}},
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a/t", "scopes": {"r": ""}}}},
        ),
    ],
)  # fmt: skip
def test_security_schemes(old: Any, new: Any) -> None:
    paths = operation(security=[{"k": ["r"] if old["type"] == "oauth2" else []}])
    same(
        spec(paths, version="2.0", securityDefinitions={"k": old}),
        spec(paths, version="3.0.0", components={"securitySchemes": {"k": new}}),
    )


def test_a_whole_api_from_2_to_3_2() -> None:
    pet = {"type": "object", "required": ["name"], "properties": {"name": STRING, "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}}  # fmt: skip # noqa: E501
    old = spec(
        {"/pets/{id}": {"put": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "type": "string"},
                {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}},
            ],
            "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Pet"},
                                  "headers": {"X-Rate": {"type": "integer"}}}},
        }}},
        version="2.0", definitions={"Pet": pet},
    )  # fmt: skip

    def newer(version: str, model: Any) -> dict[str, Any]:
        media = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
        put = {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": STRING}],
            "requestBody": {"required": True, "content": media},
            "responses": {
                "200": {
                    "description": "",
                    "content": media,
                    "headers": {"X-Rate": {"schema": {"type": "integer"}}},
                }
            },
        }
        return spec({"/pets/{id}": {"put": put}}, version=version, components={"schemas": {"Pet": model}})

    new = copy.deepcopy(pet)
    new["properties"]["age"] = {"type": "integer", "exclusiveMinimum": 0}
    versions = [old, newer("3.0.4", pet), newer("3.1.1", new), newer("3.2.0", new)]
    for one in versions:
        for other in versions:
            assert found(one, other) == set()


def test_nullable_means_nothing_from_3_1_on() -> None:
    old = answer({"type": "string", "nullable": True}, version="3.0.3")
    assert found(old, answer({"type": "string", "nullable": True})) == {"response-body-became-not-nullable 200.body"}


def test_base64_in_both_spellings() -> None:
    old = body({"type": "string", "format": "byte"}, version="3.0.3")
    same(old, body({"type": "string", "contentEncoding": "base64"}))


class TestOpenAPI32:
    def test_query_and_other_methods(self) -> None:
        ok = {"responses": {"200": {"description": ""}}}
        old = spec({"/p": {"query": ok, "additionalOperations": {"PURGE": ok}}}, version="3.2.0")
        assert found(old, spec({"/p": {"query": ok}}, version="3.2.0")) == {"api-removed-without-deprecation"}
        assert found(
            spec({"/p": {"get": ok}}, version="3.2.0"), spec({"/p": {"get": ok, "query": ok}}, version="3.2.0")
        ) == {"endpoint-added"}

    def test_the_whole_query_as_one_parameter(self) -> None:
        def whole(schema: Any, name: str = "q") -> dict[str, Any]:
            content = {"application/x-www-form-urlencoded": {"schema": schema}}
            parameter = {"in": "querystring", "name": name, "content": content}
            return spec(operation(parameters=[parameter]), version="3.2.0")

        one = {"type": "object", "properties": {"a": STRING}}
        assert found(whole(one), whole(one, "other")) == set()
        assert found(whole(one), whole({**one, "required": ["a"]})) == {
            "request-property-became-required querystring.q.a"
        }

    def test_items_of_a_stream(self) -> None:
        def stream(schema: Any) -> dict[str, Any]:
            content = {"application/jsonl": {"itemSchema": schema}}
            return spec(operation(responses={"200": {"description": "", "content": content}}), version="3.2.0")

        assert found(stream(STRING), stream({"type": "integer"})) == {"response-body-type-changed 200.body"}
