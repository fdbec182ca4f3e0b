"""YAML has one meaning: the core schema of YAML 1.2 with keys that are text. Held against a naive second reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.openapi import yaml
from apigw_cli.openapi.places import Lines

# --- the second reader: PyYAML's nodes, walked recursively, with the table of YAML 1.2.2, section 10.3.2


def naive(text: str) -> Any:
    node = pyyaml.compose(text, Loader=pyyaml.Loader)
    return None if node is None else naive_value(node)


def naive_value(node: Any) -> Any:
    if isinstance(node, pyyaml.MappingNode):
        return {key.value: naive_value(value) for key, value in node.value}
    if isinstance(node, pyyaml.SequenceNode):
        return [naive_value(value) for value in node.value]
    return node.value if node.style else naive_scalar(node.value)


def naive_scalar(text: str) -> Any:
    if re.fullmatch("null|Null|NULL|~|", text):
        return None
    if re.fullmatch("true|True|TRUE|false|False|FALSE", text):
        return text.lower() == "true"
    if re.fullmatch("[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch("0o[0-7]+", text):
        return int(text[2:], 8)
    if re.fullmatch("0x[0-9a-fA-F]+", text):
        return int(text[2:], 16)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


WORDS = st.sampled_from(
    "NO no yes on off true True TRUE tRUE null Null ~ 012 0o17 0x1F 0b1 1_000 1:20:30 2020-01-01 12:30:45.5 .5 5. "  # noqa: SIM905
    "1e3 1E+3 +1 -1 -0 +.5 1.5e 0o8 0xg e3 . .. y n = 200 4XX a/b $ref x-y {id} #/a 08 00 -".split()
)
TEXT = st.one_of(WORDS, st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12))
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Block or flow style, with scalars plain where the emitter (of YAML 1.1) thinks that they may be."""
    dumped: str = pyyaml.dump(
        draw(VALUES),
        allow_unicode=True,
        default_flow_style=draw(st.sampled_from([True, False, None])),
        default_style=draw(st.sampled_from([None, None, '"', "'"])),
        width=draw(st.sampled_from([20, 1000])),
        sort_keys=False,
    )
    return re.sub(r"!!\w+ |&id\d+ ", "", dumped)


@settings(max_examples=300, deadline=None)
@given(documents())
def test_generated_documents_are_read_as_the_naive_reader_reads_them(text: str) -> None:
    if "*id" in text:
        return  # the emitter shared an object by an alias
    assert same(yaml.parse(text, "f"), naive(text))


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type, all the way down: 1 is not true, nor 1.0."""
    return repr(left) == repr(right)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5, unique_by=lambda pair: pair[0]))
def test_plain_words_as_keys_and_values(pairs: list[tuple[str, str]]) -> None:
    usable = [(key, value) for key, value in pairs if key not in ("-", "=", "~") and not key.startswith("#")]
    text = "".join(f"{key}: {value if value not in ('-', '=') else 'x'}\n" for key, value in usable)
    text = re.sub(r"(?m)(: )[#{].*$", r"\1x", text)
    text = re.sub(r"(?m)^\{.*\n", "", text)
    assert same(yaml.parse(text, "f"), naive(text))


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_json_is_yaml(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert same(yaml.parse(text, "f"), json.loads(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: NO", "NO"),
        ("a: yes", "yes"),
        ("a: 012", 12),
        ("a: 0o17", 15),
        ("a: 0x1F", 31),
        ("a: 1_000", "1_000"),
        ("a: 0b11", "0b11"),
        ("a: 2020-01-01", "2020-01-01"),
        ("a: 1:20:30", "1:20:30"),
        ("a: .inf", float("inf")),
        ("a: 5.", 5.0),
        ("a: tRUE", "tRUE"),
        ("a:", None),
        ("a: ''", ""),
        ("a: 'NO'", "NO"),
        ('a: "1"', "1"),
        ("a: '1'", "1"),
        ("a: !!str 12", "12"),
        ("a: !!int '12'", 12),
        ("a: !!float 1", 1.0),
        ("a: ! 12", "12"),
        ("a: !!binary aGk=", "aGk="),
        ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: >-\n  x\n  y\n", "x y"),
        ("a: 18446744073709551616", 1.8446744073709552e19),
        ("a: b\r\nc: d\r\n", "b"),
        ("\ufeffa: b", "b"),
        ("%YAML 1.1\n---\na: yes", "yes"),
        ("a: &x {b: 1}\nc: *x", {"b": 1}),
    ],
)
def test_what_values_mean(text: str, value: Any) -> None:
    read = yaml.parse(text, "f")["a"]
    assert read == value and type(read) is type(value)


def test_keys_are_what_is_written() -> None:
    text = "200: a\n0x10: b\n1.0: c\ntrue: d\n~: e\n+1: f\n2020-01-01: g\n012: h\n"
    assert list(yaml.parse(text, "f")) == ["200", "0x10", "1.0", "true", "~", "+1", "2020-01-01", "012"]


def test_merge_keys_fill_in_what_is_missing() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 0}\nd: {<<: *b}\ne: {'<<': 1}\n"
    data = yaml.parse(text, "f")
    assert data["c"] == {"x": 0, "y": 2, "z": 4}
    assert data["d"] == {"y": 3, "z": 4}
    assert data["e"] == {"<<": 1}


def test_an_anchor_may_stand_at_a_key_and_an_alias_be_one() -> None:
    assert yaml.parse("&x 12: a\nb: *x", "f") == {"12": "a", "b": 12}
    assert yaml.parse("&x k: a\nb: *x\nm: {*x : c}", "f") == {"k": "a", "b": "k", "m": {"k": "c"}}


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate key 'a'", 3, 1),
        ("1: a\n'1': b\n", "duplicate key '1'", 2, 1),
        ("a: {b: 1, b: 2}", "duplicate key 'b'", 1, 11),
        ("a: [\n", "not valid YAML", 2, 1),
        ("a:\n\tb: 1\n", "not valid YAML", 2, 1),
        ("a: 'b\n", "not valid YAML", 2, 1),
        ("é😀: 'x\n", "not valid YAML", 2, 1),
        ("a: *b\n", "alias *b has no anchor before it", 1, 4),
        ("a: &a [1, *a]\n", "alias *a stands inside the value it names", 1, 11),
        ("? [a]\n: b\n", "a key must be plain text", 1, 3),
        ("? {a: b}\n: c\n", "a key must be plain text", 1, 3),
        ("a: 1\n---\nb: 2\n", "more than one YAML document", 2, 1),
        ("a: !foo b\n", "unknown tag !foo", 1, 4),
        ("a: !foo {b: c}\n", "unknown tag !foo", 1, 4),
        ("a: !!int x\n", "'x' is not what its tag !!int says", 1, 4),
        ("a: !!bool 1\n", "'1' is not what its tag !!bool says", 1, 4),
        ("a: {<<: 1}\n", "<< takes a mapping", 1, 9),
        ("a: b\x07\n", "not text: character U+0007 is not allowed", 1, 5),
        ("x: 1\na: 😀\x01\n", "not text: character U+0001 is not allowed", 2, 5),
        ("a: @b\n", "not valid YAML", 1, 4),
    ],
)
def test_what_is_wrong_has_its_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as caught:
        yaml.parse(text, "f.yaml")
    assert caught.value.message.startswith(message)
    assert str(caught.value.place) == f"f.yaml:{line}:{column}"


def test_duplicate_keys_are_all_found_and_the_rest_is_read() -> None:
    composed = yaml.compose("a: 1\na: 2\nb: {c: 1, c: 3}\n", "f")
    assert composed.data == {"a": 2, "b": {"c": 3}}
    assert [str(problem.place) for problem in composed.problems] == ["f:2:1", "f:3:11"]
    with pytest.raises(InputError) as caught:
        yaml.checked(composed)
    assert len(caught.value.others) == 1


def test_an_alias_bomb_is_stopped() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    with pytest.raises(InputError, match="aliases stand for more values"):
        yaml.parse("\n".join(lines), "f")


@pytest.mark.parametrize("text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "? " * 10_000])
def test_deep_nesting_is_stopped(text: str) -> None:
    with pytest.raises(InputError, match=r"nested deeper than|a key must be plain"):
        yaml.parse(text, "f")


def test_the_depth_that_is_allowed() -> None:
    deepest = "[" * yaml.MAX_DEPTH + "]" * yaml.MAX_DEPTH
    yaml.parse(deepest, "f")
    with pytest.raises(InputError, match="nested deeper"):
        yaml.parse(f"[{deepest}]", "f")


def test_yaml_too_large_to_read_in_good_time_is_refused() -> None:
    with pytest.raises(InputError, match="32 MiB of YAML"):
        yaml.parse("#" * (yaml.MAX_TEXT + 1), "f")


@settings(max_examples=200, deadline=None)
@given(documents())
def test_places_are_where_the_values_stand(text: str) -> None:
    if "*id" in text:
        return
    composed = yaml.compose(text, "f")
    position = Lines(text).position
    expected: dict[yaml.Steps, tuple[int, int]] = {}
    keys: dict[yaml.Steps, tuple[int, int]] = {}
    note_marks(pyyaml.compose(text, Loader=pyyaml.Loader), (), expected, keys, position)
    for path, place in expected.items():
        assert (composed.values[path].line, composed.values[path].column) == place
        spot = composed.spot(path)
        assert spot is not None and spot.start <= spot.end <= len(text)
    assert {path: (p.line, p.column) for path, p in composed.keys.items()} == keys


def note_marks(node: Any, path: yaml.Steps, values: Any, keys: Any, position: Any) -> None:
    values[path] = position(node.start_mark.index)
    if isinstance(node, pyyaml.MappingNode):
        for key, value in node.value:
            keys[(*path, key.value)] = position(key.start_mark.index)
            note_marks(value, (*path, key.value), values, keys, position)
    elif isinstance(node, pyyaml.SequenceNode):
        for index, value in enumerate(node.value):
            note_marks(value, (*path, index), values, keys, position)


def test_the_end_of_a_collection_is_that_of_its_last_content() -> None:
    text = "a:\n  b:\n    - x\n    - [y, zz]\n\n# comment\nc: {}\n"
    composed = yaml.compose(text, "f")
    spot = composed.spot(("a",))
    assert spot is not None and text[: spot.end].endswith("zz")
    empty = composed.spot(("c",))
    assert empty is not None and text[empty.start : empty.end] == "{}"


def test_a_place_through_an_alias_or_a_merge_is_where_the_text_stands() -> None:
    composed = yaml.compose("a: &a {x: 1}\nb: *a\nc: {<<: *a}\n", "f")
    for path in (("a", "x"), ("b", "x"), ("c", "x")):
        spot = composed.spot(path)
        assert spot is not None and spot.start == 10
    assert composed.spot(("c", "y")) is None and composed.spot(("a", "x", "z")) is None


def test_the_corpus_is_read_as_the_naive_reader_reads_it(corpus: Path) -> None:
    text = (corpus / "asana.yaml").read_text("utf-8")
    node = pyyaml.compose(text, Loader=getattr(pyyaml, "CLoader", pyyaml.Loader))
    assert same(yaml.parse(text, "f"), naive_value(node))
