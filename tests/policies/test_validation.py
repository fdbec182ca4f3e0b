"""`validate`: requests against the specification, as its step sees them."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote

import brotli
import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.limits.store import NoStore
from apigw_cli.policies.interface import Change, Refusal, Runtime, Whole
from apigw_cli.policies.validation import POLICY, strict_json
from apigw_cli.policies.validation.policy import Validate
from apigw_cli.snapshot.model import Api, MockIntegration, Route, Snapshot
from tests.policies.exchange import Exchange

JSON = "application/json"


def spec(operation: dict[str, Any], version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    named = {"swagger": "2.0"} if version == "2.0" else {"openapi": version}
    info = {"title": "Things", "version": "1"}
    return {**named, "info": info, "paths": {"/things/{id}": {"post": {"operationId": "do", **operation}}}, **more}


def step_of(document: dict[str, Any], path: str = "/things/{id}", **value: Any) -> Any:
    route = Route("api", "do", "POST", path, (), MockIntegration("spec", ()), {})
    api = Api("api", "http", "spec", (), "", "Things")
    encoded = {"spec": msgspec.Raw(json.dumps(document).encode())}
    runtime = Runtime(Snapshot(1, "qa", (api,), (route,), {}, {}, encoded), lambda: 0, NoStore())
    return POLICY.compile(Validate(**value), route, runtime)


def errors(outcome: Any) -> list[tuple[str, str, str]]:
    """Where, which and the rule of each violation; none where the request passes."""
    if outcome is None:
        return []
    assert isinstance(outcome, Refusal)
    body = json.loads(outcome.body or b"")
    assert body["status"] == outcome.status
    return [(one["in"], one.get("name", "") + one["pointer"], one["rule"]) for one in body["errors"]]


def ask(step: Any, query: str = "", body: bytes = b"", kind: str | None = None, **more: Any) -> Any:
    headers = [(b"content-type", kind.encode())] if kind is not None else []
    headers += more.pop("headers", [])
    exchange = Exchange(headers, query.encode(), method=b"POST", path=more.pop("path", "/things/7"), body=body, **more)
    return step(exchange)


# --- parameters


def parameter(where: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "color", "in": where, "schema": schema, **more}]}


TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3}
NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3}
RGB = {
    "type": "object",
    "properties": {"R": {"type": "integer"}, "G": {"type": "integer"}, "B": {"type": "integer"}},
    "required": ["R", "G", "B"],
    "additionalProperties": False,
}

# OpenAPI 3.1, 4.8.12.6: style, explode, schema, what comes and fits, what comes and does not.
QUERIES = [
    ("form", True, TEXTS, "color=blue&color=black&color=brown", "color=blue,black,brown"),
    ("form", False, TEXTS, "color=blue,black,brown", "color=blue&color=black&color=brown"),
    ("form", False, NUMBERS, "color=1,2,3", "color=1,2,x"),
    ("form", True, RGB, "R=100&G=200&B=150", "R=100&G=200"),
    ("form", False, RGB, "color=R,100,G,200,B,150", "color=R,100,G,200,B"),
    ("spaceDelimited", False, TEXTS, "color=blue%20black+brown", "color=blue"),
    ("pipeDelimited", False, TEXTS, "color=blue%7Cblack|brown", "color=blue,black,brown"),
    ("deepObject", True, RGB, "color[R]=100&color%5BG%5D=200&color[B]=150", "color[R]=100&color[G]=x&color[B]=1"),
    ("form", True, {"type": "string"}, "color=a%20b", "color=a&color=b"),
    ("form", True, {"type": "integer", "minimum": 5}, "color=5", "color=4"),
    ("form", True, {"type": "integer"}, "color=-12", "color=012"),
    ("form", True, {"type": "number"}, "color=1e3", "color=0x1"),
    ("form", True, {"type": "boolean"}, "color=true", "color=True"),
    ("form", True, {"anyOf": [{"type": "integer"}, {"enum": ["7x"]}]}, "color=7x", "color=7y"),
    ("form", True, {"type": ["integer", "string"], "maxLength": 2, "maximum": 5}, "color=12", "color=123"),
    ("form", True, {"type": "string", "pattern": "^[a-z]+$"}, "color=abc", "color=a1"),
    ("form", True, {"type": "string"}, "color=%C3%A4", "color=%E4"),
]


@pytest.mark.parametrize(("style", "explode", "schema", "fits", "not_so"), QUERIES)
def test_the_styles_of_a_query(style: str, explode: bool, schema: dict[str, Any], fits: str, not_so: str) -> None:
    step = step_of(spec(parameter("query", schema, style=style, explode=explode)))
    assert errors(ask(step, fits)) == []
    assert errors(ask(step, not_so)), not_so


PATHS = [
    ("simple", False, TEXTS, "blue,black,brown", "blue"),
    ("simple", True, RGB, "R=100,G=200,B=150", "R,100,G,200,B,150"),
    ("simple", False, RGB, "R,100,G,200,B,150", "R,100"),
    ("label", False, TEXTS, ".blue,black,brown", "blue,black,brown"),
    ("label", True, TEXTS, ".blue.black.brown", ".blue,black"),
    ("label", True, RGB, ".R=100.G=200.B=150", ".R=100"),
    ("matrix", False, TEXTS, ";id=blue,black,brown", ";x=blue,black,brown"),
    ("matrix", True, TEXTS, ";id=blue;id=black;id=brown", ";id=blue"),
    ("matrix", True, RGB, ";R=100;G=200;B=150", ";R=100;G=200;B=x"),
    ("matrix", False, {"type": "integer"}, ";id=5", ";id=x"),
    ("simple", False, {"type": "string", "maxLength": 3}, "a%2Fb", "a%2Fbc"),
    ("simple", False, {"type": "string", "format": "uuid"}, "3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64"),
]


@pytest.mark.parametrize(("style", "explode", "schema", "fits", "not_so"), PATHS)
def test_the_styles_of_a_path(style: str, explode: bool, schema: dict[str, Any], fits: str, not_so: str) -> None:
    one = {"name": "id", "in": "path", "required": True, "schema": schema, "style": style, "explode": explode}
    step = step_of(spec({"parameters": [one]}), "/v1/things/{id}")
    assert errors(ask(step, path=f"/v1/things/{fits}")) == []
    assert errors(ask(step, path=f"/v1/things/{not_so}"))


def test_variables_within_a_segment_and_at_the_end() -> None:
    integer = {"type": "integer"}
    listed = [{"name": name, "in": "path", "required": True, "schema": integer} for name in ("a", "b")]
    text = {"name": "rest", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 5}}
    document = spec({"parameters": [*listed, text]})
    step = step_of(document, "/x/{a}...{b}/{rest+}")
    assert errors(ask(step, path="/x/1...2/p/q/r")) == []
    assert errors(ask(step, path="/x/1...z/p/q/rst")) == [("path", "b", "type"), ("path", "rest", "maxLength")]


def test_headers_and_cookies() -> None:
    listed = [
        {"name": "X-Ids", "in": "header", "schema": NUMBERS, "required": True},
        {"name": "Accept", "in": "header", "schema": {"enum": ["nothing"]}},
        {"name": "session", "in": "cookie", "schema": {"type": "string", "minLength": 3}},
    ]
    step = step_of(spec({"parameters": listed}))
    fine = [(b"x-ids", b"1, 2"), (b"x-ids", b"3"), (b"accept", b"*/*"), (b"cookie", b'a=1; session="abc"')]
    assert errors(ask(step, headers=fine)) == []
    wrong = [(b"x-ids", b"1"), (b"cookie", b"session=ab")]
    assert errors(ask(step, headers=wrong)) == [("header", "X-Ids", "minItems"), ("cookie", "session", "minLength")]
    assert errors(ask(step)) == [("header", "X-Ids", "required")]


def test_a_parameter_that_is_a_document() -> None:
    content = {JSON: {"schema": {"type": "object", "required": ["a"]}}}
    step = step_of(spec({"parameters": [{"name": "filter", "in": "query", "content": content}]}))
    assert errors(ask(step, "filter=" + quote('{"a":1}'))) == []
    assert errors(ask(step, "filter=" + quote('{"b":1}'))) == [("query", "filter", "required")]
    assert errors(ask(step, "filter=" + quote('{"a":1,"a":2}'))) == [("query", "filter", "style")]


def test_query_parameters_that_nobody_declared() -> None:
    schemes = {"components": {"securitySchemes": {"Key": {"type": "apiKey", "in": "query", "name": "api_key"}}}}
    document = spec(parameter("query", {"type": "string"}), **schemes)
    assert errors(ask(step_of(document), "color=a&x=1")) == []
    strict = step_of(document, unknown_query="refuse")
    assert errors(ask(strict, "color=a&api_key=k")) == []
    assert errors(ask(strict, "color=a&x=1")) == [("query", "x", "unknown")]
    assert errors(ask(strict, "&".join("a=1" for _ in range(2000)))) == [("query", "", "maximum")]


def test_an_empty_value_may_be_allowed() -> None:
    integer = {"type": "integer"}
    assert errors(ask(step_of(spec(parameter("query", integer))), "color="))
    assert errors(ask(step_of(spec(parameter("query", integer, allowEmptyValue=True))), "color=")) == []


@pytest.mark.parametrize(
    ("form", "fits"), [("csv", "1,2,3"), ("ssv", "1%202%203"), ("pipes", "1|2|3"), ("tsv", "1%092%093")]
)
def test_the_collection_formats_of_2_0(form: str, fits: str) -> None:
    one = {"name": "color", "in": "query", "type": "array", "items": {"type": "integer"}, "minItems": 3}
    step = step_of(spec({"parameters": [{**one, "collectionFormat": form}]}, "2.0"))
    assert errors(ask(step, f"color={fits}")) == []
    assert errors(ask(step, "color=1")) == [("query", "color", "minItems")]
    several = step_of(spec({"parameters": [{**one, "collectionFormat": "multi"}]}, "2.0"))
    assert errors(ask(several, "color=1&color=2&color=3")) == []


_NAMES = st.text("abcXYZ-_.äß ", min_size=1, max_size=6)


@given(st.lists(_NAMES, min_size=1, max_size=5))
def test_what_a_client_encodes_is_what_is_checked(values: list[str]) -> None:
    """Any texts, sent by each style as OpenAPI says, are the ones that the schema sees: `const` holds them to it."""
    schema = {"type": "array", "items": {"type": "string"}, "const": values}
    encoded = [quote(value, safe="") for value in values]
    exploded = step_of(spec(parameter("query", schema)))
    assert errors(ask(exploded, "&".join(f"color={one}" for one in encoded))) == []
    joined = step_of(spec(parameter("query", schema, explode=False)))
    assert errors(ask(joined, "color=" + ",".join(encoded))) == []
    assert errors(ask(joined, "color=" + ",".join([*encoded, "more"]))) != []


# --- bodies

PET = {
    "type": "object",
    "required": ["name", "id"],
    "properties": {"name": {"type": "string"}, "id": {"type": "integer"}, "tags": TEXTS},
}


def body_of(schema: Any, kind: str = JSON, required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {kind: {"schema": schema}}}}


def test_every_violation_of_a_request_is_listed_without_its_values() -> None:
    step = step_of(spec({**parameter("query", {"type": "integer"}), **body_of(PET)}))
    outcome = ask(step, "color=hunter2", b'{"name": 5, "tags": ["secret"]}', JSON)
    assert errors(outcome) == [
        ("query", "color", "type"),
        ("body", "", "required"),
        ("body", "/name", "type"),
        ("body", "/tags", "minItems"),
    ]
    assert outcome.status == 400
    assert b"hunter2" not in outcome.body and b"secret" not in outcome.body
    assert outcome.headers == (b"Content-Type: application/problem+json\r\n",)


def test_so_many_violations_are_cut_off() -> None:
    step = step_of(spec(body_of({"type": "array", "items": {"type": "integer"}})))
    outcome = ask(step, body=json.dumps(["x"] * 1000).encode(), kind=JSON)
    assert len(errors(outcome)) == 50
    assert "the first 50" in json.loads(outcome.body)["detail"]


def test_a_body_is_read_when_it_is_whole() -> None:
    step = step_of(spec(body_of(PET)), max_body=100)
    assert ask(step, body=b"{", kind=JSON, complete=False) == Whole(100)
    reporting = step_of(spec(body_of(PET)), request="report", max_body=100)
    assert ask(reporting, body=b"{", kind=JSON, complete=False) == Whole(100, skip=True)
    assert errors(ask(step, body=b"{", kind="text/plain", complete=False)) == [("header", "Content-Type", "content")]


def test_a_body_that_is_required_and_one_that_is_not() -> None:
    assert errors(ask(step_of(spec(body_of(PET))))) == [("body", "", "required")]
    assert errors(ask(step_of(spec(body_of(PET, required=False))))) == []
    assert errors(ask(step_of(spec({})), body=b"x", kind="text/plain")) == [("body", "", "unknown")]


@pytest.mark.parametrize(
    ("declared", "sent", "status"),
    [
        (JSON, JSON, None),
        (JSON, "application/json; charset=UTF-8", None),
        (JSON, "APPLICATION/JSON", None),
        (JSON, "application/json; charset=utf-16", 415),
        (JSON, "application/xml", 415),
        (JSON, None, 415),
        ("application/*", JSON, None),
        ("*/*", JSON, None),
        ("application/vnd.pet+json", "application/vnd.pet+json", None),
        ("application/json; v=1", JSON, None),
    ],
)
def test_media_types(declared: str, sent: str | None, status: int | None) -> None:
    outcome = ask(step_of(spec(body_of({"type": "object"}, declared))), body=b"{}", kind=sent)
    assert (None if outcome is None else outcome.status) == status


HOSTILE = [
    b'{"id":1,"id":2,"name":"x"}',
    b'{"name":{"a":1,"a":1},"id":1}',
    b'{"id":1e999,"name":"x"}',
    b'{"id":NaN,"name":"x"}',
    b'{"id":1,"name":"\xff"}',
    b'{"id":1,"name":"\\ud800"}',
    b'{"id":1,"name":"x"} {}',
    b'\xef\xbb\xbf{"id":1,"name":"x"}',
    b'{"a":' * 101 + b"1" + b"}" * 101,
    b"[" * 100_000,
    b"",
]


@pytest.mark.parametrize("body", HOSTILE[:-1], ids=range(len(HOSTILE) - 1))
def test_bodies_that_two_readers_would_not_agree_on(body: bytes) -> None:
    assert [rule for _, _, rule in errors(ask(step_of(spec(body_of(PET))), body=body, kind=JSON))] == ["json"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('a:"\\{}[],\u00e4') | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a:"\\', max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES, st.booleans())
def test_json_that_is_fine_is_read_as_it_is(value: Any, spaced: bool) -> None:
    text = json.dumps(value, indent=1 if spaced else None, ensure_ascii=spaced).encode()
    assert strict_json.loads(text) == value


@given(st.dictionaries(st.text('a:"\\', max_size=3), _VALUES, min_size=1, max_size=3), st.data())
def test_a_name_that_comes_twice_is_never_overlooked(value: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value)
    twice = f"{text[:-1]}, {json.dumps(name)}: {json.dumps(data.draw(_VALUES))}}}"
    with pytest.raises(strict_json.NotJson, match="same name"):
        strict_json.loads(f"[{twice}]".encode())


@given(st.binary(max_size=40) | st.text('{}[]":,a1\\', max_size=40).map(str.encode))
def test_bytes_of_any_kind_are_json_or_not(data: bytes) -> None:
    try:
        expected = json.loads(data, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError, RecursionError):
        with pytest.raises(strict_json.NotJson):
            strict_json.loads(data)
        return
    try:
        assert strict_json.loads(data) == expected
    except strict_json.NotJson:
        pass  # stricter: names that come twice, a byte order mark, UTF-16


def test_compressed_bodies_and_bombs() -> None:
    step = step_of(spec(body_of(PET)), max_body=10_000)
    good = b'{"id":1,"name":"x"}'

    def send(body: bytes, coding: bytes) -> Any:
        return ask(step, body=body, kind=JSON, headers=[(b"content-encoding", coding)])

    assert send(gzip.compress(good), b"gzip") is None
    assert send(zlib.compress(good), b"deflate") is None
    assert send(good, b"identity") is None
    assert errors(send(gzip.compress(b'{"id":"x"}'), b"GZIP")) == [("body", "", "required"), ("body", "/id", "type")]
    bomb = send(gzip.compress(b" " * 100_000_000), b"gzip")
    assert (bomb.status, errors(bomb)) == (413, [("body", "", "size")])
    assert errors(send(gzip.compress(good)[:-4], b"gzip")) == [("body", "", "coding")]
    assert errors(send(gzip.compress(good) + b"x", b"gzip")) == [("body", "", "coding")]
    assert send(b"x", b"compress").status == 415


CODERS = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstandard.compress,
}


@pytest.mark.parametrize("coding", CODERS)
def test_every_coding_is_read_within_its_bound(coding: bytes) -> None:
    step = step_of(spec(body_of(PET)), max_body=10_000)
    good, coded = b'{"id":1,"name":"x"}', CODERS[coding](b'{"id":1,"name":"x"}')

    def send(body: bytes, *codings: bytes) -> Any:
        return ask(step, body=body, kind=JSON, headers=[(b"content-encoding", one) for one in codings])

    assert send(coded, coding) is None
    assert send(coded, coding.upper() + b" ") is None
    assert send(CODERS[coding](good.ljust(10_000)), coding) is None
    assert errors(send(CODERS[coding](b'{"id":"x"}'), coding)) == [("body", "", "required"), ("body", "/id", "type")]
    for bomb in (good.ljust(10_001), b" " * 50_000_000):
        outcome = send(CODERS[coding](bomb), coding)
        assert (outcome.status, errors(outcome)) == (413, [("body", "", "size")])
    for damaged in (coded[:-2], coded + b"x", coded + coded, b"", good):
        assert errors(send(damaged, coding)) == [("body", "", "coding")] or not damaged
    twice = CODERS[coding](coded)
    assert [send(twice, coding + b", " + coding).status, send(twice, coding, coding).status] == [415, 415]
    assert send(coded, b"identity", coding).status == 415  # the first line alone would not be all that is said


def test_a_window_that_nobody_needs() -> None:
    """What a decoder keeps is bounded too, not only what comes out (RFC 9659)."""
    step = step_of(spec(body_of({})))

    def framed(exponent: int) -> bytes:  # a frame of zstd with one raw block, `[]`
        return b"\x28\xb5\x2f\xfd\x00" + bytes([exponent - 10 << 3]) + b"\x11\x00\x00[]"

    outcomes = [
        errors(ask(step, body=framed(exponent), kind=JSON, headers=[(b"content-encoding", b"zstd")]))
        for exponent in (23, 27)
    ]
    assert outcomes == [[], [("body", "", "coding")]]


def test_forms() -> None:
    schema = {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            "where": {"type": "object", "properties": {"x": {"type": "integer"}}},
        },
    }
    kind = "application/x-www-form-urlencoded"
    step = step_of(spec(body_of(schema, kind)))
    assert errors(ask(step, body=b"id=5&tags=a&tags=b+c&where[x]=1", kind=kind)) == []
    assert errors(ask(step, body=b'id=5&tags=a&where=%7B"x":1%7D', kind=kind)) == []
    assert errors(ask(step, body=b"id=x&tags=a&tags=b&tags=c&where[x]=q", kind=kind)) == [
        ("body", "/id", "type"),
        ("body", "/tags", "maxItems"),
        ("body", "/where/x", "type"),
    ]
    assert errors(ask(step, body=b"id=5&x=%ff", kind=kind)) == [("body", "", "charset")]
    assert ask(step, body=b"a&" * 2000, kind=kind).status == 413


def test_forms_of_several_parts() -> None:
    schema = {
        "type": "object",
        "required": ["id", "file"],
        "properties": {"id": {"type": "integer"}, "file": {"type": "string"}, "meta": {"type": "object"}},
    }
    step = step_of(spec(body_of(schema, "multipart/form-data")))
    kind = 'multipart/form-data; boundary="x;y"'

    def part(name: str, content: str, kind: str = "") -> str:
        typed = f"Content-Type: {kind}\r\n" if kind else ""
        return f'--x;y\r\nContent-Disposition: form-data; name="{name}"\r\n{typed}\r\n{content}\r\n'

    good = part("id", "5") + part("file", "bytes") + part("meta", '{"a":1}', JSON) + "--x;y--\r\n"
    assert errors(ask(step, body=good.encode(), kind=kind)) == []
    bad = part("id", "five") + part("meta", "{}", JSON) + "--x;y--\r\n"
    assert errors(ask(step, body=bad.encode(), kind=kind)) == [("body", "", "required"), ("body", "/id", "type")]
    assert errors(ask(step, body=good[:-9].encode(), kind=kind)) == [("body", "", "form")]
    assert errors(ask(step, body=good.encode(), kind="multipart/form-data")) == [("body", "", "form")]
    many = part("a", "1") * 1001 + "--x;y--\r\n"
    assert ask(step, body=many.encode(), kind=kind).status == 413


def test_bodies_of_2_0() -> None:
    body = {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    document = spec({"parameters": [body], "consumes": [JSON]}, "2.0", definitions={"Pet": PET})
    assert errors(ask(step_of(document), body=b'{"id":1,"name":"x"}', kind=JSON)) == []
    assert errors(ask(step_of(document), body=b'{"id":1}', kind=JSON)) == [("body", "", "required")]
    fields = [
        {"name": "id", "in": "formData", "type": "integer", "required": True},
        {"name": "file", "in": "formData", "type": "file"},
    ]
    step = step_of(spec({"parameters": fields}, "2.0"))
    kind = "application/x-www-form-urlencoded"
    assert errors(ask(step, body=b"id=5", kind=kind)) == []
    assert errors(ask(step, body=b"id=x", kind=kind)) == [("body", "/id", "type")]


# --- what OpenAPI says in words of its own


@pytest.mark.parametrize(
    ("version", "schema", "fits", "not_so"),
    [
        ("3.0.3", {"type": "string", "nullable": True}, None, 5),
        ("3.0.3", {"nullable": True, "allOf": [{"type": "string"}]}, None, 5),
        ("3.1.0", {"type": ["string", "null"]}, None, 5),
        ("3.0.3", {"type": "number", "minimum": 5, "exclusiveMinimum": True}, 5.5, 5),
        ("3.0.3", {"type": "number", "minimum": 5, "exclusiveMinimum": False}, 5, 4),
        ("3.1.0", {"exclusiveMinimum": 5}, 6, 5),
        ("3.0.3", {"type": "integer", "format": "int32"}, 2147483647, 2147483648),
        ("3.0.3", {"type": "integer", "format": "int64"}, 2**63 - 1, 2**64),
        ("3.0.3", {"type": "string", "format": "byte"}, "YWJj", "!!"),
        ("3.0.3", {"type": "string", "format": "date"}, "2024-02-29", "2023-02-29"),
        ("3.0.3", {"type": "string", "format": "of-our-own"}, "anything", 1),
        ("3.1.0", {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1], ["a", "b"]),
        ("3.1.0", {"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ("3.1.0", {"properties": {"a": True}, "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
        ("3.1.0", {"$ref": "#/components/schemas/Tree", "required": ["v"]}, {"v": 1}, {"next": {}}),
        ("3.0.3", {"$ref": "#/components/schemas/Tree", "required": ["v"]}, {"next": {}}, {"next": 1}),
        ("3.1.0", {"$ref": "#tree"}, {"next": {"next": {}}}, {"next": {"next": 1}}),
        ("3.1.0", {"type": "string", "pattern": "^(a+)+$"}, "a" * 20, "a" * 5000 + "!"),
    ],
)
def test_schemas(version: str, schema: dict[str, Any], fits: Any, not_so: Any) -> None:
    tree = {"$anchor": "tree", "type": "object", "properties": {"next": {"$ref": "#/components/schemas/Tree"}}}
    step = step_of(spec(body_of(schema), version, components={"schemas": {"Tree": tree}}))
    assert errors(ask(step, body=json.dumps(fits).encode(), kind=JSON)) == []
    assert errors(ask(step, body=json.dumps(not_so).encode(), kind=JSON))


def test_what_is_only_read_need_not_be_sent() -> None:
    schema = {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "integer", "readOnly": True}}}
    step = step_of(spec(body_of(schema)))
    assert errors(ask(step, body=b'{"name":"x"}', kind=JSON)) == []
    assert errors(ask(step, body=b"{}", kind=JSON)) == [("body", "", "required")]


def test_a_schema_that_cannot_be_used_is_an_error_at_load() -> None:
    with pytest.raises(InputError, match="cannot be used to validate"):
        step_of(spec(body_of({"type": "strin"})))


# --- what the user writes


def test_a_request_that_is_only_reported_goes_on() -> None:
    step = step_of(spec(body_of(PET)), request="report")
    exchange = Exchange([(b"content-type", b"application/json")], method=b"POST", path="/things/7", body=b"{}")
    assert step(exchange) is None
    assert exchange.noticed == [("invalid_request", "body required; body required")]
    assert step_of(spec(body_of(PET)), request="off") is None


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, {"request": "enforce"}, Change.STRENGTHEN),
        ({"request": "enforce"}, None, Change.WEAKEN),
        ({"request": "enforce"}, {"request": "report"}, Change.WEAKEN),
        ({"request": "report"}, {"request": "enforce"}, Change.STRENGTHEN),
        ({"max_body": 10}, {"max_body": 20}, Change.WEAKEN),
        ({"max_body": 20, "unknown_query": "refuse"}, {"max_body": 10}, Change.WEAKEN),
        ({"unknown_query": "allow"}, {"unknown_query": "refuse"}, Change.STRENGTHEN),
        ({"request": "off", "response": "off"}, None, Change.NEUTRAL),
        ({"request": "off"}, None, Change.WEAKEN),
        ({"response": "enforce"}, {}, Change.WEAKEN),
        ({"response": "off"}, {}, Change.STRENGTHEN),
        ({}, {}, Change.NEUTRAL),
    ],
)
def test_what_a_change_does_to_the_protection(old: Any, new: Any, change: Change) -> None:
    before, after = (None if one is None else Validate(**one) for one in (old, new))
    assert POLICY.compare(before, after) is change


def test_it_describes_itself() -> None:
    assert POLICY.describe(Validate()) == "requests validated"
    assert POLICY.describe(Validate("report", max_body=100, unknown_query="refuse")) == (
        "faults of requests and answers reported, none refused, bodies to 100 bytes, no other query parameters"
    )
    assert POLICY.describe(Validate(response="enforce")) == "requests and answers validated"
    assert POLICY.describe(Validate("report", "off")) == "faults of requests reported, none refused"
    assert POLICY.describe(Validate(response="off")) == "requests validated, answers not looked at"
    assert POLICY.describe(Validate("off")) == "faults of answers reported, none refused"
    assert POLICY.describe(Validate("off", "off")) == "nothing validated"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({}, None, ["requests that do not fit the specification reach the upstream", "answers that do not fit"]),
        ({"request": "report"}, {"request": "off"}, ["requests that do not fit the specification are not even"]),
        ({}, {"response": "enforce"}, ["answers that do not fit the specification are held back"]),
        ({"max_body": 1024}, {"max_body": 2048}, ["bodies of up to 2 KiB are let in"]),
        ({"unknown_query": "refuse"}, {}, ["query parameters that are not declared reach the upstream"]),
        ({}, {"max_body": 1024, "unknown_query": "refuse"}, ["bodies of more than 1 KiB", "query parameters that are"]),
    ],
)
def test_a_reviewer_reads_what_a_change_does(
    old: dict[str, Any] | None, new: dict[str, Any] | None, said: list[str]
) -> None:
    was, now = (None if one is None else msgspec.convert(one, Validate) for one in (old, new))
    found = [reason.text for reason in POLICY.reasons(was, now)]
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True)), found
