"""How values are written: the table of styles in the OpenAPI Specification (3.1.1, 4.8.12.6), and bodies."""

from __future__ import annotations

import email
import json
import urllib.parse
from typing import Any

import pytest

from apigw_cli.bench import serialise
from apigw_cli.bench.serialise import Style

ARRAY, OBJECT = ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}


def written(place: str, style: str | None, explode: bool | None, value: Any, **more: Any) -> str:
    data = {"name": "color", "in": place, "schema": {}, "style": style, "explode": explode, **more}
    one = Style({key: part for key, part in data.items() if part is not None})
    if place in ("path", "header"):
        return one.in_path(value) if place == "path" else one.in_header(value)
    return "&".join(f"{name}={part}" for name, part in one.pairs(value))


@pytest.mark.parametrize(
    ("place", "style", "explode", "single", "array", "fields"),
    [
        ("path", "matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("path", "matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("path", "label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("path", "label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("path", "simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("path", "simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("path", None, None, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("header", None, None, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("query", "form", False, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("query", "form", True, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("query", None, None, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        (
            "query",
            "spaceDelimited",
            False,
            "color=blue",
            "color=blue%20black%20brown",
            "color=R%20100%20G%20200%20B%20150",
        ),
        (
            "query",
            "pipeDelimited",
            False,
            "color=blue",
            "color=blue%7Cblack%7Cbrown",
            "color=R%7C100%7CG%7C200%7CB%7C150",
        ),
    ],
)
def test_the_table_of_styles(
    place: str, style: str | None, explode: bool | None, single: str, array: str, fields: str
) -> None:
    found = [written(place, style, explode, value) for value in ("blue", ARRAY, OBJECT)]
    assert found == [single, array, fields]


def test_deep_objects() -> None:
    found = written("query", "deepObject", True, OBJECT | {"in": {"x": [True, None]}})
    assert (
        urllib.parse.unquote(found)
        == "color[R]=100&color[G]=200&color[B]=150&color[in][x][0]=true&color[in][x][1]=null"
    )


def test_delimiters_within_values_are_escaped_unless_reserved_characters_are_allowed() -> None:
    assert written("query", "form", False, ["a,b", "c&d/é"]) == "color=a%2Cb,c%26d%2F%C3%A9"
    assert written("query", "form", True, "a/b?c&d#e%", allowReserved=True) == "color=a/b?c%26d%23e%25"


def test_a_parameter_of_content_is_json() -> None:
    assert written("query", None, None, {"a": [1]}, schema=None, content={"application/json": {}}) == (
        "color=%7B%22a%22%3A%5B1%5D%7D"
    )


@pytest.mark.parametrize(
    ("collection", "found"),
    [
        ("csv", "c=1,2"),
        ("ssv", "c=1%202"),
        ("tsv", "c=1%092"),
        ("pipes", "c=1%7C2"),
        ("multi", "c=1&c=2"),
        (None, "c=1,2"),
    ],
)
def test_collections_of_openapi_2(collection: str | None, found: str) -> None:
    style = Style({"name": "c", "in": "query", "type": "array", "collectionFormat": collection})
    assert "&".join("=".join(pair) for pair in style.pairs([1, 2])) == found


def test_forms() -> None:
    value = {"a b": "x&y", "tags": ["p", "q"], "address": {"city": "Köln", "lines": ["1"]}}
    body = serialise.form(value, {"address": {"style": "deepObject", "explode": True}, "tags": {"explode": False}})
    assert urllib.parse.parse_qsl(body.decode()) == [
        ("a b", "x&y"), ("tags", "p,q"), ("address[city]", "Köln"), ("address[lines][0]", "1"),
    ]  # fmt: skip


def test_parts() -> None:
    body = serialise.multipart({"name": "é", "meta": {"a": 1}, "n": [1, 2]}, "XX")
    read = email.message_from_bytes(b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n" + body)
    parts = [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in read.get_payload()
    ]  # type: ignore[union-attr]
    assert parts == [("name", "é".encode()), ("meta", json.dumps({"a": 1}, separators=(",", ":")).encode()),
                     ("n", b"1"), ("n", b"2")]  # fmt: skip
