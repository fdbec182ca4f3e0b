from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from apigw_cli.integrations.mock import MockAnswer, MockAnswers
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import operations

PET = {"type": "object", "properties": {"id": {"type": "integer", "examples": [7]}, "name": {"type": "string"}}}


def document(responses: Any, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {"/": {"get": {"responses": responses}}}, **more}


def ask(data: dict[str, Any], accept: bytes | None = None, prefer: bytes | None = None) -> MockAnswer:
    return MockAnswers({"spec": orjson.dumps(data)}).answer("spec", ("paths", "/", "get"), accept, prefer)


def content(**described: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": described}}


def body(answer: MockAnswer) -> Any:
    assert answer.content_type == b"application/json"
    return json.loads(answer.body)


# --- which response


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (["404", "201", "200"], 200),
        (["default", "202"], 202),
        (["2XX", "default"], 200),
        (["404", "default"], 200),
        (["404", "302"], 302),
        (["5XX", "3xx"], 300),
        (["100", "204"], 204),
        (["x-note", "4XX"], 400),
        ([], 200),
    ],
)
def test_the_best_documented_response(codes: list[str], status: int) -> None:
    responses = {code: {"description": "x"} for code in codes}
    assert ask(document(responses)) == MockAnswer(status)


def test_no_body_where_none_may_be() -> None:
    assert ask(document({"204": content(example=1)})) == MockAnswer(204)


RESPONSES = {"200": content(example="fine"), "404": content(example="gone"), "5XX": content(example="broken")}


@pytest.mark.parametrize(
    ("prefer", "status", "answer"),
    [
        (b"code=404", 404, "gone"),
        (b'code="404"', 404, "gone"),
        (b"respond-async, code=404; wait=10", 404, "gone"),
        (b"code=404, code=200", 404, "gone"),
        (b"code=503", 503, "broken"),
        (b"CODE=200", 200, "fine"),
        (b"dynamic=true", 200, "fine"),
        (b"code=401", 400, {"message": "this operation documents no 401; it has 200, 404, 5XX"}),
        (b"code=99", 400, {"message": "Prefer: code=99 is no status from 200 to 599"}),
        (b"code=abc\xff", 400, {"message": "Prefer: code=abc\xff is no status from 200 to 599"}),
        (b"code=" + b"9" * 500, 400, {"message": f"Prefer: code={'9' * 20} is no status from 200 to 599"}),
    ],
)
def test_a_client_may_prefer_another(prefer: bytes, status: int, answer: Any) -> None:
    found = ask(document(RESPONSES), prefer=prefer)
    assert (found.status, body(found)) == (status, answer)


def test_the_default_response_stands_for_any_code() -> None:
    data = document({"200": content(example="fine"), "default": content(example="error")})
    assert ask(data, prefer=b"code=418") == MockAnswer(418, b"application/json", b'"error"')


# --- which value


def test_the_example_then_the_first_of_the_examples_then_the_schema() -> None:
    named = {"one": {"summary": "no value"}, "two": {"value": 2}, "three": {"value": 3}}
    assert body(ask(document({"200": content(example=1, examples=named, schema=PET)}))) == 1
    assert body(ask(document({"200": content(examples=named, schema=PET)}))) == 2
    assert body(ask(document({"200": content(schema=PET)}))) == {"id": 7, "name": "string"}
    assert ask(document({"200": content()})) == MockAnswer(200, b"application/json")


def test_a_client_may_name_the_example() -> None:
    named = {"rex": {"value": "Rex"}, "tom": {"$ref": "#/components/examples/Tom"}}
    data = document({"200": content(example=1, examples=named)}, components={"examples": {"Tom": {"value": "Tom"}}})
    assert body(ask(data, prefer=b"example=tom")) == "Tom"
    assert body(ask(data, prefer=b"code=200, example=rex")) == "Rex"
    refused = ask(data, prefer=b'example="no\r\nX: y"')
    assert refused.status == 400
    assert body(refused)["message"].startswith("this response has no example called")


def test_references_to_responses_and_schemas() -> None:
    data = document(
        {"200": {"$ref": "#/components/responses/Pet"}},
        components={
            "responses": {"Pet": content(schema={"$ref": "#/components/schemas/Pet"})},
            "schemas": {"Pet": PET},
        },
    )
    assert body(ask(data)) == {"id": 7, "name": "string"}


def test_media_types() -> None:
    kinds = {"application/xml": {"schema": {**PET, "xml": {"name": "pet"}}}, "application/json": {"example": 1}}
    data = document({"200": {"content": kinds}})
    assert body(ask(data)) == 1
    xml = ask(data, accept=b"application/xml")
    assert xml.content_type == b"application/xml"
    assert xml.body.endswith(b"?><pet><id>7</id><name>string</name></pet>")
    refused = ask(data, accept=b"text/html")
    assert refused.status == 406
    assert body(refused) == {"message": "Not Acceptable: the answer comes as application/xml, application/json"}


def test_binary_content_is_empty() -> None:
    data = document({"200": {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}})
    assert ask(data) == MockAnswer(200, b"image/png")


# --- OpenAPI 2.0


def test_swagger_2() -> None:
    data = document({"200": {"schema": {"$ref": "#/definitions/Pet"}}}, definitions={"Pet": PET})
    assert body(ask(data)) == {"id": 7, "name": "string"}
    data["produces"] = ["application/xml", "text/csv", 7]
    assert ask(data).content_type == b"application/xml"
    data["paths"]["/"]["get"]["produces"] = ["application/json"]
    assert body(ask(data, accept=b"application/json")) == {"id": 7, "name": "string"}
    data["paths"]["/"]["get"]["responses"]["200"]["examples"] = {"application/json": {"id": 1}, "text/plain": "one"}
    assert body(ask(data)) == {"id": 1}
    assert ask(data, accept=b"text/plain") == MockAnswer(200, b"text/plain", b"one")
    assert ask(document({"200": {"description": "nothing"}})) == MockAnswer(200)


# --- what is wrong with a specification, and what clients try


@pytest.mark.parametrize(
    "responses",
    [
        {"200": {"$ref": "#/components/responses/None"}},
        {"200": content(schema={"$ref": "other.yaml#/x"})},
        {"200": content(schema={"$ref": "#/paths/~1/get/responses/200/content/application~1json/schema"})},
    ],
)
def test_a_specification_that_cannot_be_used_is_a_500_that_says_so(responses: Any) -> None:
    found = ask(document(responses))
    assert found.status == 500
    assert body(found)["message"].startswith("the specification gives no answer: ")


@pytest.mark.parametrize("responses", [None, [], "x", {"200": None}, {"200": {"content": {"application/json": None}}}])
def test_a_specification_of_the_wrong_shape(responses: Any) -> None:
    assert ask(document(responses)).status == 200


def test_an_operation_that_is_not_there() -> None:
    answers = MockAnswers({"spec": b"{}"})
    assert answers.answer("spec", ("paths", "/", "get")).status == 500
    assert answers.answer("other", ("paths", "/", "get")).status == 500


def test_many_different_questions_are_not_all_remembered() -> None:
    answers = MockAnswers({"spec": orjson.dumps(document(RESPONSES))})
    for number in range(5_000):
        found = answers.answer("spec", ("paths", "/", "get"), b"application/json;v=%d" % number, b"x" * (number % 400))
        assert found.status == 200
    assert len(answers._asked) <= 4_096
    assert len(answers._made) == 1


def test_the_same_question_gets_the_very_same_answer() -> None:
    answers = MockAnswers({"spec": msgspec.Raw(orjson.dumps(document(RESPONSES)))})
    first = answers.answer("spec", ("paths", "/", "get"), b"*/*")
    assert answers.answer("spec", ("paths", "/", "get"), b"*/*") is first


def test_documents_are_decoded_when_asked_for() -> None:
    answers = MockAnswers({"spec": orjson.dumps(document(RESPONSES)), "broken": b"not read"})
    assert answers.answer("spec", ("paths", "/", "get")).status == 200


@pytest.mark.parametrize(
    "file", ["github-13MB.json", "asana.yaml", "k8s-swagger2.json", "petstorev3.json", "stripe-3.1MB.yaml"]
)
def test_every_operation_of_public_specifications_gets_an_answer(corpus: Path, file: str) -> None:
    library = Library(corpus)
    source = library.read(file)
    answers = MockAnswers({file: orjson.dumps(source.data)})
    statuses = set()
    for operation in operations(source, library):
        found = answers.answer(file, operation.node.path, b"*/*")
        responses = operation.node.data["responses"]
        assert str(found.status) in responses or "default" in responses, operation.name
        if found.content_type == b"application/json":
            json.loads(found.body)
        statuses.add(found.status)
    assert 200 in statuses and 500 not in statuses
