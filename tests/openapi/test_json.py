"""JSON: what is refused and where, and the places of values held against a naive reader of the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.openapi import json as json_format
from apigw_cli.openapi.places import Spot, Steps

KEYS = st.one_of(
    st.sampled_from(["a", "200", "", 'q"x', "back\\slash", "é😀", "{", "]", ",", "\n"]), st.text(max_size=4)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), KEYS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=15,
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    return json.dumps(
        draw(VALUES.filter(encodable)),
        indent=draw(st.sampled_from([None, 0, 2, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
        ensure_ascii=draw(st.booleans()),
    )


def encodable(value: Any) -> bool:
    return "\\ud" not in json.dumps(value) or not any(
        0xD800 <= ord(c) < 0xE000 for c in json.dumps(value, ensure_ascii=False)
    )


# --- the naive reader: a recursive descent that notes every place


def naive_spots(text: str) -> dict[Steps, Spot]:
    found: dict[Steps, Spot] = {}
    _value(text, _skip(text, 0), (), (-1, -1), found)
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _string(text: str, at: int) -> int:
    at += 1
    while text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _value(text: str, at: int, path: Steps, key: tuple[int, int], found: dict[Steps, Spot]) -> int:
    start = at
    if text[at] == '"':
        at = _string(text, at)
    elif text[at] in "{[":
        close, index = ("}" if text[at] == "{" else "]"), 0
        at = _skip(text, at + 1)
        while text[at] != close:
            step: str | int = index
            inner_key = (-1, -1)
            if close == "}":
                inner_key = (at, _string(text, at))
                step = json.loads(text[inner_key[0] : inner_key[1]])
                at = _skip(text, _skip(text, inner_key[1]) + 1)
            at = _skip(text, _value(text, at, (*path, step), inner_key, found))
            at = _skip(text, at + 1) if text[at] == "," else at
            index += 1
        at += 1
    else:
        while at < len(text) and text[at] not in " \t\r\n,]}":
            at += 1
    found[path] = Spot(start, at, *key)
    return at


@settings(max_examples=300, deadline=None)
@given(texts(), st.data())
def test_places_are_those_of_the_naive_reader(text: str, data: st.DataObject) -> None:
    expected = naive_spots(text)
    wanted = set(data.draw(st.lists(st.sampled_from(sorted(expected, key=repr)), max_size=5)))
    located = json_format.locate(text, wanted)
    assert all(located[path] == expected[path] for path in wanted)
    ancestors = {path[:length] for path in wanted for length in range(len(path) + 1)} | {()}
    assert set(located) == ancestors
    assert all(located[path] == expected[path] for path in ancestors)


@settings(max_examples=200, deadline=None)
@given(texts())
def test_data_is_that_of_the_standard_library(text: str) -> None:
    assert json_format.parse(text, "f") == json.loads(text)


@settings(max_examples=100, deadline=None)
@given(st.text('{}[]:,"\\ 1a', max_size=20))
def test_what_is_not_json_is_an_error_with_a_place(text: str) -> None:
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(InputError) as caught:
            json_format.parse(text, "f.json")
        assert caught.value.place is not None
        try:
            json_format.locate(text, {("a", 1, "b")})
        except ValueError:
            pass  # and nothing else
    else:
        try:
            assert json_format.parse(text, "f") == expected
        except InputError as error:
            assert "duplicate key" in error.message


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ('{"a": 1,}', "not valid JSON: Expecting property name", "f.json:1:9"),
        ('{"a": 1,\n "b": [1 2]}', "not valid JSON: Expecting ',' delimiter", "f.json:2:10"),
        ('{"a": 1} x', "not valid JSON: Extra data", "f.json:1:10"),
        ('{\n"a": NaN}', "not valid JSON: NaN is not a value in JSON", "f.json:2:6"),
        ('{"a": 1, "b": {"c": 1,\n "c": 2}}', "duplicate key 'c'", "f.json:2:2"),
        ('{"a": "\\ud800"}', "not valid JSON: half of a surrogate pair", "f.json:1:8"),
        ("[" * 300 + "]" * 300, "nested deeper than 254 levels", "f.json:1:1"),
        ("[" * 10_000 + "]" * 10_000, "nested deeper than 254 levels", "f.json:1:1"),
        ("", "not valid JSON", "f.json:1:1"),
    ],
)
def test_what_is_wrong_has_its_place(text: str, message: str, place: str) -> None:
    with pytest.raises(InputError) as caught:
        json_format.parse(text, "f.json")
    assert caught.value.message.startswith(message)
    assert str(caught.value.place) == place


def test_duplicate_keys_are_all_found_and_the_rest_is_read() -> None:
    data, problems = json_format.read('{"a": 1, "a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": 2}]}', "f")
    assert data == {"a": {"b": 2}, "c": [{"d": 2}]}
    assert [problem.message for problem in problems] == ["duplicate key 'a'", "duplicate key 'b'", "duplicate key 'd'"]


def test_integers_beyond_64_bits_are_the_nearest_float() -> None:
    assert json_format.parse(f'{{"a": {2**64}, "b": {2**64 - 1}, "c": -{10**30}}}', "f") == {
        "a": float(2**64),
        "b": 2**64 - 1,
        "c": -1e30,
    }


def test_the_corpus_is_located_right(corpus: Path) -> None:
    text = (corpus / "petstorev3.json").read_text("utf-8")
    assert json_format.locate(text, set(naive_spots(text))) == naive_spots(text)


def test_an_integer_of_more_digits_than_python_converts_is_a_float() -> None:
    assert json_format.parse(f'{{"a": {"9" * 5000}, "b": {2**70}}}', "f.json") == {"a": float("inf"), "b": float(2**70)}
