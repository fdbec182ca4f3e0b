"""Operations, parameters, bodies, responses, headers and servers: the exact findings."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.stages.finding import Level
from tests.stages.specs import compare, found, operation, spec

STRING = {"type": "string"}
OK = {"responses": {"200": {"description": "ok"}}}


def query(name: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": STRING, **rest}


def parameters(*listed: dict[str, Any]) -> dict[str, Any]:
    return spec(operation(parameters=list(listed)))


def responses(**by_status: Any) -> dict[str, Any]:
    return spec(operation(responses={status.removeprefix("s"): value for status, value in by_status.items()}))


def json_body(schema: Any = None, media: str = "application/json", **rest: Any) -> dict[str, Any]:
    content = {media: {} if schema is None else {"schema": schema}}
    return spec({"/pets": {"post": {**OK, "requestBody": {"content": content, **rest}}}})


NO_BODY = spec({"/pets": {"post": OK}})

CASES: list[tuple[str, Any, Any, set[str]]] = [
    ("operation added", spec({"/a": {"get": OK}}), spec({"/a": {"get": OK, "put": OK}}), {"endpoint-added"}),
    (
        "operation removed",
        spec({"/a": {"get": OK, "put": OK}}),
        spec({"/a": {"get": OK}}),
        {"api-removed-without-deprecation"},
    ),
    (
        "path removed",
        spec({"/a": {"get": OK}, "/b": {"get": OK}}),
        spec({"/a": {"get": OK}}),
        {"api-path-removed-without-deprecation"},
    ),
    (
        "deprecated one removed",
        spec({"/a": {"get": {**OK, "deprecated": True}}}),
        spec({}),
        {"api-path-removed-with-deprecation"},
    ),
    ("deprecated", spec(operation()), spec(operation(deprecated=True)), {"endpoint-deprecated deprecated"}),
    (
        "operationId changed",
        spec(operation(operationId="a")),
        spec(operation(operationId="b")),
        {"api-operation-id-removed operationId"},
    ),
    ("operationId added", spec(operation()), spec(operation(operationId="b")), {"api-operation-id-added operationId"}),
    ("parameter removed", parameters(query("q")), parameters(), {"request-parameter-removed query.q"}),
    ("optional parameter added", parameters(), parameters(query("q")), {"new-optional-request-parameter query.q"}),
    (
        "required parameter added",
        parameters(),
        parameters(query("q", required=True)),
        {"new-required-request-parameter query.q"},
    ),
    (
        "parameter became required",
        parameters(query("q")),
        parameters(query("q", required=True)),
        {"request-parameter-became-required query.q"},
    ),
    (
        "parameter became optional",
        parameters(query("q", required=True)),
        parameters(query("q")),
        {"request-parameter-became-optional query.q"},
    ),
    (
        "parameter's type",
        parameters(query("q")),
        parameters(query("q", schema={"type": "integer"})),
        {"request-parameter-type-changed query.q"},
    ),
    (
        "parameter in content",
        parameters(
            {
                "name": "q",
                "in": "query",
                "content": {"application/json": {"schema": {"type": "object", "properties": {"a": STRING}}}},
            }
        ),
        parameters(
            {
                "name": "q",
                "in": "query",
                "content": {
                    "application/json": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
                },
            }
        ),
        {"request-parameter-property-type-changed query.q.a"},
    ),
    (
        "parameter written differently",
        parameters(query("q", schema={"type": "array"})),
        parameters(query("q", schema={"type": "array"}, explode=False)),
        {"request-parameter-style-changed query.q"},
    ),
    (
        "parameter moved",
        parameters(query("q")),
        parameters({"name": "q", "in": "header", "schema": STRING}),
        {"request-parameter-removed query.q", "new-optional-request-parameter header.q"},
    ),
    ("required body added", NO_BODY, json_body(STRING, required=True), {"request-body-added-required body"}),
    ("optional body added", NO_BODY, json_body(STRING), {"request-body-added-optional body"}),
    ("body removed", json_body(STRING), NO_BODY, {"request-body-removed body"}),
    (
        "body became required",
        json_body(STRING),
        json_body(STRING, required=True),
        {"request-body-became-required body"},
    ),
    (
        "body became optional",
        json_body(STRING, required=True),
        json_body(STRING),
        {"request-body-became-optional body"},
    ),
    (
        "body's media type",
        json_body(STRING),
        json_body(STRING, "text/plain"),
        {"request-body-media-type-removed body", "request-body-media-type-added body"},
    ),
    ("body got a schema", json_body(), json_body(STRING), {"request-body-type-specialized body"}),
    ("success removed", responses(s200={}, s201={}), responses(s200={}), {"response-success-status-removed 201"}),
    ("success added", responses(s200={}), responses(s200={}, s202={}), {"response-success-status-added 202"}),
    ("error removed", responses(s200={}, s404={}), responses(s200={}), {"response-non-success-status-removed 404"}),
    ("error added", responses(s200={}), responses(s200={}, default={}), {"response-non-success-status-added default"}),
    (
        "response's media type",
        responses(s200={"content": {"application/json": {}}}),
        responses(s200={"content": {"text/plain": {}}}),
        {"response-media-type-removed 200", "response-media-type-added 200"},
    ),
    (
        "response body gone",
        responses(s200={"content": {"application/json": {}}}),
        responses(s200={}),
        {"response-media-type-removed 200"},
    ),
    (
        "header removed",
        responses(s200={"headers": {"X-A": {"schema": STRING}}}),
        responses(s200={}),
        {"optional-response-header-removed 200.header.X-A"},
    ),
    (
        "required header removed",
        responses(s200={"headers": {"X-A": {"required": True, "schema": STRING}}}),
        responses(s200={}),
        {"required-response-header-removed 200.header.X-A"},
    ),
    (
        "header added",
        responses(s200={}),
        responses(s200={"headers": {"X-A": {"schema": STRING}}}),
        {"response-header-added 200.header.X-A"},
    ),
    (
        "header became optional, of another type",
        responses(s200={"headers": {"X-A": {"required": True, "schema": STRING}}}),
        responses(s200={"headers": {"x-a": {"schema": {"type": "integer"}}}}),
        {"response-header-became-optional 200.header.x-a", "response-header-type-changed 200.header.x-a"},
    ),
    (
        "servers",
        spec({}, servers=[{"url": "https://a/v1"}, {"url": "https://b/v1"}]),
        spec({}, servers=[{"url": "https://a/v1"}, {"url": "https://c/v1"}]),
        {"api-server-removed servers", "api-server-added servers"},
    ),
    (
        "base path",
        spec({}, servers=[{"url": "https://a/v1"}]),
        spec({}, servers=[{"url": "https://a/v2"}]),
        {"api-base-path-changed servers"},
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_findings(old: Any, new: Any, expected: set[str]) -> None:
    assert found(old, new) == expected


def test_one_change_in_several_media_types_is_one_finding() -> None:
    def both(schema: Any) -> dict[str, Any]:
        return responses(s200={"content": {"application/json": {"schema": schema}, "text/json": {"schema": schema}}})

    (finding,) = compare(both(STRING), both({"type": "integer"}))
    assert finding.message == "response 200 body type string → integer"


def test_messages_name_the_operation_the_value_and_both_sides() -> None:
    (finding,) = compare(
        parameters(query("limit", schema={"type": "integer", "maximum": 100})),
        parameters(query("limit", schema={"type": "integer", "maximum": 50})),
    )
    assert finding.operation == "GET /pets"
    assert finding.message == 'query parameter "limit" maximum 100 → 50'
    assert (finding.old, finding.new, finding.level) == (100, 50, Level.ERR)
    assert finding.why == "a number allowed before is not now"


def test_the_fingerprint_says_what_changed_and_nothing_else() -> None:
    def at(maximum: int, **rest: Any) -> dict[str, Any]:
        return spec(operation(parameters=[query("limit", schema={"maximum": maximum})], **rest))

    (one,) = compare(at(100), at(50))
    (again,) = compare(at(100, summary="a"), at(50, description="b"))
    (other,) = compare(at(100), at(40))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 12


class TestSwagger2:
    def test_body_and_response(self) -> None:
        def old(schema: Any, answer: Any) -> dict[str, Any]:
            parameter = {"name": "pet", "in": "body", "required": True, "schema": schema}
            return spec(
                {"/pets": {"post": {"parameters": [parameter], "responses": {"200": {"schema": answer}}}}},
                version="2.0",
            )

        assert found(old(STRING, STRING), old({"type": "integer"}, {"type": "integer"})) == {
            "request-body-type-changed body",
            "response-body-type-changed 200.body",
        }

    def test_parameters_are_their_own_schemas(self) -> None:
        def old(**rest: Any) -> dict[str, Any]:
            return spec(operation(parameters=[{"name": "q", "in": "query", **rest}]), version="2.0")

        assert found(old(type="integer", maximum=5), old(type="integer", maximum=4)) == {
            "request-parameter-max-decreased query.q"
        }
        assert found(old(type="array"), old(type="array", collectionFormat="multi")) == {
            "request-parameter-style-changed query.q"
        }

    def test_media_types_of_the_document(self) -> None:
        def old(media: str) -> dict[str, Any]:
            return spec(operation(responses={"200": {"schema": STRING}}), version="2.0", produces=[media])

        assert found(old("application/json"), old("text/xml")) == {
            "response-media-type-removed 200",
            "response-media-type-added 200",
        }

    def test_the_same_api_in_both_versions(self) -> None:
        two = spec(
            operation(
                parameters=[{"name": "q", "in": "query", "type": "string", "maxLength": 3}],
                responses={"200": {"description": "ok", "schema": {"type": "array", "items": STRING}}},
            ),
            version="2.0",
        )
        three = spec(
            operation(
                parameters=[query("q", schema={"type": "string", "maxLength": 3})],
                responses={"200": {"content": {"application/json": {"schema": {"type": "array", "items": STRING}}}}},
            ),
            version="3.0.3",
        )
        assert found(two, three) == set()
        assert found(three, two) == set()
