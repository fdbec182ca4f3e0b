"""Callbacks and webhooks (where the API calls the client), links and tags."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.stages.finding import Level
from tests.stages.specs import compare, found, operation, spec

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def event(sent: Any, answer: Any = None, **rest: Any) -> dict[str, Any]:
    """An operation that the client offers: it gets `sent` and answers with `answer`."""
    content = {"content": {"application/json": {"schema": answer}}} if answer else {}
    return {
        "post": {
            "requestBody": {"content": {"application/json": {"schema": sent}}},
            "responses": {"200": {"description": "seen", **content}},
            **rest,
        }
    }


def callback(item: Any) -> dict[str, Any]:
    return spec(operation(callbacks={"onData": {"{$request.body#/url}": item}}))


def webhook(item: Any) -> dict[str, Any]:
    return spec({}, webhooks={"newPet": item})


def pet(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


@pytest.mark.parametrize("place", [callback, webhook])
def test_what_the_api_sends_is_judged_as_a_response(place: Any) -> None:
    (finding,) = compare(place(event(pet("a", a=STRING))), place(event(pet(a=STRING))))
    assert (finding.id, finding.level) == ("response-property-became-optional", Level.ERR)
    (finding,) = compare(place(event(pet(a=STRING))), place(event(pet("a", a=STRING))))
    assert (finding.id, finding.level) == ("response-property-became-required", Level.INFO)


@pytest.mark.parametrize("place", [callback, webhook])
def test_what_the_client_answers_is_judged_as_a_request(place: Any) -> None:
    (finding,) = compare(place(event(STRING, pet(a=STRING))), place(event(STRING, pet("a", a=STRING))))
    assert (finding.id, finding.level) == ("request-property-became-required", Level.ERR)
    assert finding.message == 'response 200 property "a" became required'


def test_names_say_who_calls_whom() -> None:
    (finding,) = compare(callback(event(STRING)), callback(event(INTEGER)))
    assert finding.operation == "GET /pets calls onData {$request.body#/url} POST"
    (finding,) = compare(webhook(event(STRING)), webhook(event(INTEGER)))
    assert (finding.operation, finding.path) == ("webhook newPet POST", "body")


def test_calls_come_and_go() -> None:
    assert {(f.id, f.level) for f in compare(webhook(event(STRING)), spec({}))} == {("webhook-removed", Level.ERR)}
    assert found(spec({}), webhook(event(STRING))) == {"webhook-added"}
    assert found(callback(event(STRING)), spec(operation())) == {"callback-removed"}
    assert found(spec(operation()), callback(event(STRING))) == {"callback-added"}


def test_values_beside_the_body_are_headers() -> None:
    def with_header(**rest: Any) -> dict[str, Any]:
        return webhook(event(STRING, parameters=[{"name": "X-Sign", "in": "header", "schema": STRING, **rest}]))

    assert found(with_header(required=True), webhook(event(STRING))) == {
        "required-response-header-removed parameter.X-Sign"
    }
    assert found(with_header(), with_header(schema=INTEGER)) == {"response-header-type-changed parameter.X-Sign"}


def test_a_changed_component_reaches_a_callback() -> None:
    def api(kind: Any) -> dict[str, Any]:
        item = event({"$ref": "#/components/schemas/Event"})
        return {**callback(item), "components": {"schemas": {"Event": kind}}}

    assert found(api(STRING), api(INTEGER)) == {"response-body-type-changed body"}


def test_links() -> None:
    def linked(**links: Any) -> dict[str, Any]:
        return spec(operation(responses={"200": {"description": "ok", "links": links}}))

    one, other = {"operationId": "a"}, {"operationId": "b"}
    assert found(linked(next=one), linked()) == {"response-link-removed 200.links.next"}
    assert found(linked(), linked(next=one)) == {"response-link-added 200.links.next"}
    assert found(linked(next=one), linked(next=other)) == {"response-link-changed 200.links.next"}
    assert found(linked(next=one), linked(next={**one, "description": "x"})) == set()


def test_tags() -> None:
    assert found(spec(operation(tags=["a", "b"])), spec(operation(tags=["b", "c"]))) == {
        "api-tag-removed tags",
        "api-tag-added tags",
    }
    assert found(spec(operation(tags=["a", "b"])), spec(operation(tags=["b", "a"]))) == set()


def test_a_status_is_covered_by_its_range_and_an_error_by_default() -> None:
    def answers(**by_status: Any) -> dict[str, Any]:
        listed = {
            key.removeprefix("s"): {"content": {"application/json": {"schema": schema}}}
            for key, schema in by_status.items()
        }
        return spec(operation(responses=listed))

    assert found(answers(s200=STRING), answers(s2XX=STRING)) == {"response-success-status-added 2XX"}
    assert found(answers(s2XX=STRING), answers(s200=INTEGER)) == {"response-body-type-changed 200.body"}
    more = "response-non-success-status-added default"
    assert found(answers(s200=STRING, s404=STRING), answers(s200=STRING, default=STRING)) == {more}
    assert found(answers(s2XX=STRING), answers(s2XX=STRING, s201=STRING)) == set()
    assert found(answers(s404=STRING), answers(default=INTEGER)) == {more, "response-body-type-changed 404.body"}
