"""Forms as the specification wants them written, and fields that two servers would read in two ways."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apigw_cli.errors import InputError
from apigw_cli.limits.store import NoStore
from apigw_cli.policies.answer_filter import Flowing, Head, Held
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.validation import POLICY
from apigw_cli.policies.validation.policy import Validate
from apigw_cli.snapshot.model import Api, MockIntegration, Route, Snapshot
from tests.policies.exchange import Exchange
from tests.policies.test_validation import ask, errors, spec, step_of

FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data"
NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 2}
RGB = {"type": "object", "properties": {"R": {"type": "integer"}, "G": {"type": "integer"}}, "required": ["R"]}
SCHEMA = {"type": "object", "properties": {"n": NUMBERS, "rgb": RGB, "who": {"type": "string"}}}


def form_step(kind: str, schema: dict[str, Any], **encoding: Any) -> Any:
    media = {"schema": schema, "encoding": encoding}
    return step_of(spec({"requestBody": {"required": True, "content": {kind: media}}}))


@pytest.mark.parametrize(
    ("encoding", "fits", "not_so"),
    [
        ({}, "n=1&n=2", "n=1,2"),
        ({"n": {"style": "form"}}, "n=1&n=2", "n=1,2"),
        ({"n": {"explode": False}}, "n=1,2", "n=1&n=2"),
        ({"n": {"style": "spaceDelimited", "explode": False}}, "n=1%202", "n=1,2"),
        ({"n": {"style": "spaceDelimited", "explode": False}}, "n=1+2", "n=1|2"),
        ({"n": {"style": "pipeDelimited", "explode": False}}, "n=1%7C2", "n=1,2"),
        ({"n": {"contentType": "application/json"}}, "n=%5B1,2%5D", "n=%5B1"),
        ({"rgb": {"style": "deepObject", "explode": True}}, "rgb[R]=1&rgb[G]=2", "rgb[R]=x"),
        ({"rgb": {"style": "form", "explode": False}}, "rgb=R,1,G,2", "rgb=R,x"),
        ({"rgb": {"style": "form", "explode": True}}, "R=1&G=2&who=me", "R=x"),
        ({"rgb": {"contentType": "application/json"}}, "rgb=%7B%22R%22:1%7D", "rgb=%7B%22R%22:%22x%22%7D"),
        ({"rgb": {"contentType": "application/json"}}, "rgb={%22R%22:1}", "rgb=%7B"),
        ({"who": {"contentType": "application/xml"}}, "who=%3Ca/%3E", "who=a&who=b"),
    ],
)
def test_the_fields_of_a_form(encoding: dict[str, Any], fits: str, not_so: str) -> None:
    step = form_step(FORM, SCHEMA, **encoding)
    assert errors(ask(step, body=fits.encode(), kind=FORM)) == []
    assert errors(ask(step, body=not_so.encode(), kind=FORM)) != []


TWO_FORMS = ["n=1&n=2&n[]=9", "n[]=1&n[]=2&n=9", "rgb[R]=1&rgb=9", "rgb=%7B%22R%22:1%7D&rgb[R]=9"]


@pytest.mark.parametrize("body", TWO_FORMS)
def test_a_field_in_two_forms(body: str) -> None:
    """PHP takes the last, others the first, or the one without brackets."""
    assert errors(ask(form_step(FORM, SCHEMA), body=body.encode(), kind=FORM)) == [("body", "", "form")]


@pytest.mark.parametrize("query", ["n=1&n=2&n[]=9", "n[]=1&n[]=2&n=9", "rgb[R]=1&rgb=9", "rgb=9&rgb[R]=1"])
def test_a_query_parameter_in_two_forms(query: str) -> None:
    listed = [
        {"name": "n", "in": "query", "schema": NUMBERS},
        {"name": "rgb", "in": "query", "style": "deepObject", "schema": RGB},
    ]
    ((where, _, rule),) = errors(ask(step_of(spec({"parameters": listed})), query=query))
    assert (where, rule) == ("query", "style")


def parts(*all_of_them: tuple[str, str, str]) -> bytes:
    """Name, header lines and content of each."""
    made = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n{lines}\r\n{content}\r\n'
        for name, lines, content in all_of_them
    )
    return f"{made}--b--\r\n".encode()


def typed(kind: str) -> str:
    return f"Content-Type: {kind}\r\n"


KIND = f"{PARTS}; boundary=b"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (("meta", typed("application/json"), '{"a":1}'), []),
        (("meta", typed("application/json; charset=utf-8"), '{"a":1}'), []),
        (("meta", "", '{"a":1}'), []),
        (("meta", typed("text/plain"), '{"a":1}'), [("body", "", "contentType")]),
        (("meta", typed("application/json"), '{"a":"x"}'), [("body", "/meta/a", "type")]),
        (("meta", typed("application/json"), '{"a":1,"a":1}'), [("body", "", "json")]),
        (("image", typed("image/png") + "X-Width: 5\r\n", "x"), []),
        (("image", typed("image/jpeg") + "X-Width: 5\r\n", "x"), []),
        (("image", typed("text/html") + "X-Width: 5\r\n", "<script>"), [("body", "", "contentType")]),
        (("image", typed("image/png") + "X-Width: wide\r\n", "x"), [("body", "", "type")]),
        (("image", typed("image/png"), "x"), [("body", "", "required")]),
        (("other", typed("a/b"), "x"), []),
    ],
)
def test_the_parts_of_a_form(part: tuple[str, str, str], expected: list[tuple[str, str, str]]) -> None:
    schema = {"type": "object", "properties": {"meta": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
    width = {"X-Width": {"required": True, "schema": {"type": "integer"}}, "Content-Type": {"schema": False}}
    image = {"contentType": "image/png, image/*", "headers": width}
    step = form_step(PARTS, schema, meta={"contentType": "application/json"}, image=image)
    assert errors(ask(step, body=parts(part), kind=KIND)) == expected


def test_an_encoding_that_cannot_be_used_is_an_error_at_load() -> None:
    with pytest.raises(InputError, match="cannot be used to validate"):
        form_step(PARTS, SCHEMA, who={"headers": {"X-A": {"schema": {"type": "nothing"}}}})


# --- 2.0


@pytest.mark.parametrize(
    ("form", "fits"), [(None, "n=1,2"), ("csv", "n=1,2"), ("ssv", "n=1+2"), ("pipes", "n=1|2"), ("multi", "n=1&n=2")]
)
def test_the_lists_of_a_form_of_2_0(form: str | None, fits: str) -> None:
    field = {"name": "n", "in": "formData", "type": "array", "items": {"type": "integer"}, "minItems": 2}
    step = step_of(spec({"parameters": [field | ({"collectionFormat": form} if form else {})]}, "2.0"))
    assert errors(ask(step, body=fits.encode(), kind=FORM)) == []
    assert errors(ask(step, body=b"n=1", kind=FORM)) == [("body", "/n", "minItems")]
    assert errors(ask(step, body=b"n=x;y", kind=FORM)) != []


def answered(document: dict[str, Any], status: int, kind: str, body: bytes, *lines: str) -> str:
    """What is noticed of an answer."""
    route = Route("api", "do", "POST", "/things/{id}", (), MockIntegration("spec", ()), {})
    api = Api("api", "http", "spec", (), "", "Things")
    snapshot = Snapshot(1, "qa", (api,), (route,), {}, {}, {"spec": msgspec.Raw(json.dumps(document).encode())})
    look = POLICY.filter(Validate(), route, Runtime(snapshot, lambda: 0, NoStore()))
    assert look is not None
    exchange = Exchange(method=b"POST", path="/things/7")
    said = [f"Content-Type: {kind}\r\n".encode(), *(f"{line}\r\n".encode() for line in lines)]
    outcome = look(exchange, Head(status, b"OK", said, len(body)))
    assert not isinstance(outcome, Held)
    if isinstance(outcome, Flowing):
        assert outcome.body.part(body) + outcome.body.end() == body
    return "; ".join(detail for _, detail in exchange.noticed)


SWAGGER = spec(
    {
        "produces": ["application/json", "text/csv"],
        "responses": {
            "200": {
                "description": "ok",
                "schema": {"$ref": "#/definitions/Pet"},
                "headers": {
                    "X-Tags": {"type": "array", "collectionFormat": "pipes", "items": {"type": "integer"}},
                    "X-Left": {"type": "integer", "minimum": 0},
                },
            },
            "204": {"description": "nothing"},
        },
    },
    "2.0",
    definitions={"Pet": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
)


@pytest.mark.parametrize(
    ("status", "kind", "body", "lines", "noticed"),
    [
        (200, "application/json", b'{"id":1}', (), ""),
        (200, "application/json", b'{"id":1}', ("X-Tags: 1|2", "X-Left: 0"), ""),
        (200, "application/json", b'{"id":1}', ("X-Tags: 1,2",), "header X-Tags/0 type"),
        (200, "application/json", b'{"id":1}', ("X-Left: -1",), "header X-Left minimum"),
        (200, "application/json", b'{"id":"x"}', (), "body /id type"),
        (200, "application/json", b"{}", (), "body required"),
        (200, "text/html", b"<p>", (), "header Content-Type content"),
        (204, "text/html", b"", (), ""),
        (500, "application/json", b"{}", (), "status status"),
    ],
)
def test_answers_of_2_0(status: int, kind: str, body: bytes, lines: tuple[str, ...], noticed: str) -> None:
    assert answered(SWAGGER, status, kind, body, *lines) == noticed


# --- hostile values, in every style

STYLES = [
    ("query", "form", True), ("query", "form", False), ("query", "spaceDelimited", False),
    ("query", "pipeDelimited", False), ("query", "deepObject", True), ("path", "simple", False),
    ("path", "label", True), ("path", "matrix", True), ("header", "simple", False), ("cookie", "form", False),
]  # fmt: skip
SHAPES = [{"type": "integer"}, NUMBERS, RGB]
HOSTILE = [
    "", "%00", "%ff", "%c0%af", "%ED%A0%80", "1e999", "9" * 4000, "-", "NaN", "[", "[]", "]", "a[b", "%5B", ",", ",,,,",
    "|", "=", ";", ".", "..", "%2e%2e", "'", "%27;--", "%u0031", "%", "%4", "1%0d%0aX:1",
    "\u0661", "true", "null", "{}",
    "[1]",
]  # fmt: skip


@pytest.mark.parametrize(("where", "style", "explode"), STYLES)
@pytest.mark.parametrize("schema", SHAPES, ids=["number", "list", "object"])
def test_hostile_values_are_refused_in_every_style(
    where: str, style: str, explode: bool, schema: dict[str, Any]
) -> None:
    """Each is a violation, or no value of this parameter at all; none is an exception."""
    described = {"name": "id" if where == "path" else "p", "in": where, "style": style, "explode": explode}
    step = step_of(spec({"parameters": [{**described, "required": True, "schema": schema}]}))
    for text in HOSTILE:
        more: dict[str, Any] = {"query": f"p={text}&p[R]={text}" if style == "deepObject" else f"p={text}"}
        raw = text.encode()
        if where == "path":
            more = {"path": f"/things/{text}"}
        elif where in ("header", "cookie"):
            more = {"headers": [(b"p", raw) if where == "header" else (b"cookie", b"p=" + raw)]}
        for one in errors(ask(step, **more)) or [None]:
            assert one is not None and one[0] == where, (text, one)
