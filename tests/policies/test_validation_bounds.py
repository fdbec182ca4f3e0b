"""That checking a body is bounded, whatever is in it, and that what is listed then is still true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from apigw_cli.policies.interface import Refusal
from apigw_cli.policies.validation import bounds, listing, strict_json
from apigw_cli.policies.validation.listing import Listing
from apigw_cli.policies.validation.problem import LISTED_MAXIMUM
from apigw_cli.policies.validation.schema import _compiled
from tests.policies.test_validation import ask, errors, spec, step_of

MIB = 1 << 20


def body_step(schema: dict[str, Any], kind: str = "application/json", **more: Any) -> Any:
    return step_of(spec({"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}, **more))


def repeated(item: bytes, size: int = MIB - 100) -> bytes:
    """A list of as many of them as there is room for."""
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


# Each took from seconds to minutes, or all of the memory, when the engine listed what is wrong.
FLOODS: dict[str, tuple[dict[str, Any], bytes, tuple[str, str]]] = {
    "every item is of the wrong type": (
        {"type": "array", "items": {"type": "integer"}}, repeated(b'""'), ("/0", "type"),
    ),
    "every item lacks every property": (
        {"type": "array", "items": {"type": "object", "required": [f"p{i}" for i in range(20)]}},
        repeated(b"{}"),
        ("/0", "required"),
    ),
    "every item is of none of a hundred forms": (
        {"type": "array", "items": {"oneOf": [{"type": "object", "required": [f"k{i}"]} for i in range(100)]}},
        repeated(b"{}"),
        ("/0", "oneOf"),
    ),
    "a large object lacks many properties": (
        {"type": "object", "required": [f"p{i}" for i in range(500)]},
        json.dumps({str(i): 1 for i in range(80_000)}).encode(),
        ("", "required"),
    ),
    "much is there that nobody describes, and what is described is not": (
        {"type": "object", "required": [f"p{i}" for i in range(30)]},
        b'{"more":' + repeated(b'{"x":1}', MIB - 200) + b"}",
        ("", "required"),
    ),
    "a list is of none of the forms, each of which has all items wrong": (
        {"anyOf": [{"items": {"type": "integer"}}, {"items": {"type": "object"}}, {"maxItems": 1}]},
        repeated(b'""'),
        ("", "anyOf"),
    ),
    "a fraction divides numbers of 308 digits": (
        {"type": "array", "items": {"multipleOf": 0.01}}, repeated(b"1e308"), ("/0", "maximum"),
    ),
    "a pattern looks ahead from each character of a long text": (
        {"pattern": "(?=.*x)(?=.*y).*z"}, b'"' + b"a" * (MIB - 100) + b'"', ("", "maxLength"),
    ),
    "a pattern backtracks over each of many texts": (
        {"type": "array", "contains": {"pattern": r"^(?:(a|aa)+)\1$"}},
        repeated(b'"' + b"a" * 30 + b'b"', MIB // 4),
        ("", "contains"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_what_is_wrong_everywhere_is_listed_in_part(name: str) -> None:
    schema, body, first = FLOODS[name]
    outcome = ask(body_step(schema), body=body, kind="application/json")
    listed = errors(outcome)
    assert listed[0] == ("body", *first)
    assert len(listed) <= LISTED_MAXIMUM
    assert len(outcome.body) < 20_000


@pytest.mark.parametrize("depth", [12, 90])
def test_forms_within_forms_do_not_multiply(depth: int) -> None:
    """Two alternatives that lead back to the whole: two to the power of the depth, where each is listed."""
    ref = {"$ref": "#/components/schemas/N"}
    forms = [{"type": "object", "properties": {"c": ref}, "required": [one]} for one in ("x", "y")]
    step = body_step(ref, components={"schemas": {"N": {"anyOf": [*forms, {"type": "integer"}]}}})
    body = b'{"c":' * depth + b'"s"' + b"}" * depth
    assert errors(ask(step, body=body, kind="application/json")) == [("body", "", "anyOf")]


def test_one_wrong_item_among_many_is_found() -> None:
    item = {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"tags": {"items": {"type": "string"}}}}]}
    pet = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    step = body_step(
        {"type": "object", "properties": {"pets": {"type": "array", "items": item}}, "required": ["pets", "who"]},
        components={"schemas": {"Pet": pet}},
    )
    pets: list[dict[str, Any]] = [{"name": "rex", "tags": ["a"]} for _ in range(20_000)]
    pets[12_345] = {"name": 5, "tags": ["a", 6]}
    listed = errors(ask(step, body=json.dumps({"pets": pets}).encode(), kind="application/json"))
    assert sorted(listed) == [
        ("body", "", "required"), ("body", "/pets/12345/name", "type"), ("body", "/pets/12345/tags/1", "type"),
    ]  # fmt: skip


def test_what_a_client_wrote_is_not_in_the_answer() -> None:
    secret = "canary-5f2c"
    step = body_step({"type": "array", "maxItems": 3, "uniqueItems": True, "items": {"enum": ["a", "b"]}})
    for count in (4, 5_000):
        outcome = ask(step, body=json.dumps([secret] * count).encode(), kind="application/json")
        assert isinstance(outcome, Refusal) and secret.encode() not in (outcome.body or b"")


# --- what is listed in part is part of what is listed in whole

_SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "bb"])
VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
_TYPES = st.sampled_from(["object", "array", "string", "integer"]).map(lambda kind: {"type": kind})
_ENUMS = st.lists(_SCALARS, min_size=1, max_size=2, unique_by=repr).map(lambda values: {"enum": values})
_SIZES = st.sampled_from(
    [{"maxItems": 1}, {"minItems": 2}, {"uniqueItems": True}, {"maxProperties": 1}, {"minimum": 1}]
)
_FLAT = (
    _TYPES | _ENUMS | _SIZES | st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(lambda n: {"required": n})
)


def _composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "items": inner, "contains": inner, "allOf": lists, "anyOf": lists, "oneOf": lists, "not": inner,
            "prefixItems": lists, "additionalProperties": inner,
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "$ref": st.just("#/$defs/s0"),
        },
    )  # fmt: skip


SCHEMAS = st.recursive(_FLAT, _composed, max_leaves=8)


def _is_sound(ref: Any, schema: Any) -> bool:
    """A `$ref` that leads to itself, without going into the value, is no schema."""
    return "$ref" not in json.dumps(ref)


@given(SCHEMAS, SCHEMAS.filter(lambda one: _is_sound(one, one)), VALUES, st.integers(1, 12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much], deadline=None)
def test_in_part_and_in_whole(schema: dict[str, Any], definition: dict[str, Any], value: Any, most: int) -> None:
    whole = {**schema, "$defs": {"s0": definition}}
    validator = _compiled(whole)
    assume(not validator.is_valid(value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "MOST", most)
        found = list(Listing(whole, _compiled).violations(value, "body", ""))
    assert found
    pointers = {"".join(f"/{step}" for step in error.instance_path) for error in validator.iter_errors(value)}
    for one in found:  # in part, a place is named above one that is wrong, or below one whose form is
        assert any(at.startswith(one.pointer) or one.pointer.startswith(at) for at in pointers)


# --- the guards accept what the schema accepts


PATTERNS = ["^a+$", "(a+)+$", "^(?=.*b).{2,}$", r"(a|b)\1", "^(?!bad)", "^[ab]{1,3}$"]


@given(st.sampled_from(PATTERNS), st.text("ab", max_size=8))
def test_guarded_patterns_mean_the_same(pattern: str, text: str) -> None:
    for schema, value in (
        ({"pattern": pattern}, text),
        ({"patternProperties": {pattern: {"type": "integer"}}, "additionalProperties": False}, {text: 1}),
        ({"patternProperties": {pattern: {"type": "integer"}}}, {text: ""}),
        ({"type": "string", "allOf": [{"minLength": 1}], "pattern": pattern}, text),
    ):
        assert _compiled(bounds.bounded(schema)).is_valid(value) == _compiled(schema).is_valid(value)


@given(st.sampled_from([0.01, 0.5, 2.5, 5, 1e-9]), st.integers(-1000, 1000) | st.floats(-1e12, 1e12))
def test_guarded_fractions_mean_the_same(step: float, value: float) -> None:
    assert _compiled(bounds.bounded({"multipleOf": step})).is_valid(value) == _compiled({"multipleOf": step}).is_valid(
        value
    )


def test_only_what_backtracks_is_guarded() -> None:
    assert [bounds.backtracks(one) for one in PATTERNS] == [False, False, True, True, True, False]
    assert bounds.bounded({"pattern": "^a+$", "multipleOf": 5}) == {"pattern": "^a+$", "multipleOf": 5}
    long = {"pattern": "^(?!b)", "type": "string"}
    assert _compiled(bounds.bounded(long)).is_valid("a" * bounds.LONGEST)
    assert not _compiled(bounds.bounded(long)).is_valid("a" * (bounds.LONGEST + 1))


# --- depth


@given(VALUES, st.integers(0, 130), st.booleans())
def test_depth(value: Any, levels: int, objects: bool) -> None:
    opened, closed = (b'{"[{":', b"}") if objects else (b'["}\\"]",', b"]")
    inner = json.dumps(value).encode()
    text = opened * levels + inner + closed * levels
    deep = levels + _depth(value) > strict_json.DEPTH
    if deep:
        with pytest.raises(strict_json.NotJson):
            strict_json.loads(text)
    else:
        strict_json.loads(text)


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0) if isinstance(value, dict | list) else 0
