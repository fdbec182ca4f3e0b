"""A validator as the judge: what the old request schema accepts and the new one refuses is never called safe.

And the other way round: the same schema written differently is no finding at all.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from apigw_cli.stages.finding import Level
from tests.stages.specs import answer, body, compare

NAMES = ("a", "b", "c")
WORDS = ("", "x", "y", "xy", "xyz")

scalars = st.one_of(
    st.builds(dict, type=st.just("string"), maxLength=st.integers(0, 3), minLength=st.integers(0, 2)),
    st.builds(dict, type=st.just("string"), pattern=st.sampled_from(["^x", "y$", "^x.*z$"])),
    st.builds(dict, type=st.just("integer"), maximum=st.integers(0, 3), minimum=st.integers(-1, 2)),
    st.builds(dict, type=st.just("number"), exclusiveMaximum=st.integers(0, 3)),
    st.builds(dict, type=st.sampled_from(["integer", "number"]), multipleOf=st.sampled_from([1, 2, 3, 0.5])),
    st.builds(dict, enum=st.lists(st.sampled_from(["x", "y", 1, 2, None, True]), min_size=1, unique_by=str)),
    st.sampled_from(["x", 1, None]).map(lambda value: {"const": value}),
    st.lists(st.sampled_from(["string", "integer", "null", "boolean", "object"]), min_size=1, unique=True).map(
        lambda types: {"type": types}
    ),
    st.sampled_from([{}, {"maximum": 1}, {"minLength": 2}, {"type": "boolean"}]),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Closed or with a schema: what an open object takes beside its properties is not described, so nothing to judge.
    return st.builds(
        lambda properties, required, additional, more: {
            "type": "object",
            "properties": properties,
            "required": [name for name in required if name in properties or additional],
            "additionalProperties": additional,
            **more,
        },
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
        st.one_of(st.just(False), scalars.filter(bool)),
        st.sampled_from(
            [
                {},
                {},
                {"minProperties": 1},
                {"maxProperties": 1},
                {"dependentRequired": {"a": ["b"]}},
                {"propertyNames": {"pattern": "a"}},
                {"dependentSchemas": {"a": {"required": ["c"]}}},
                {"patternProperties": {"a|b": {"type": "string"}}},
            ]
        ),
    )


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects(inner),
        objects(inner),
        st.builds(dict, type=st.just("array"), items=inner, maxItems=st.integers(0, 2), uniqueItems=st.booleans()),
        st.builds(dict, type=st.just("array"), prefixItems=several, items=st.one_of(st.just(False), inner)),
        st.builds(dict, type=st.just("array"), contains=inner, minContains=st.integers(0, 2)),
        several.map(lambda parts: {"oneOf": parts}),
        several.map(lambda parts: {"anyOf": parts}),
        several.map(lambda parts: {"allOf": parts}),
        st.builds(lambda one, part: {**one, "anyOf": [part, {"type": "null"}]}, scalars, inner),
        st.builds(lambda one, part: {**one, "not": part}, scalars, inner),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
    )


schemas = st.recursive(scalars, composed, max_leaves=5)

plain = st.one_of(st.sampled_from([None, True, False, 0, 1, 2, 3, -1, 0.5, 2.5, *WORDS]))
values = st.one_of(
    plain,
    st.lists(plain, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), st.one_of(plain, st.lists(plain, max_size=2)), max_size=3),
)
LIKELY: list[Any] = [
    *(None, True, 0, 1, 2, 3, -1, 0.5, *WORDS, [], ["x"], [1, 1], [1, "x"], [None], [2, 3, "xyz"], {}),
    *({"a": value} for value in ("x", "xyz", 1, 2, None, True, [], {})),
    *({"b": "x"}, {"c": 1}, {"a": "x", "b": "x"}, {"a": 1, "c": 2}, {"a": "x", "b": 1, "c": None}),
]


def safe(one: Any, other: Any) -> bool:
    """Whether the diff finds nothing that could break a client that sends this."""
    return all(finding.level is Level.INFO for finding in compare(body(one), body(other)))


def accepts(schema: Any) -> Any:
    return jsonschema_rs.Draft202012Validator(schema).is_valid


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two schemas: unrelated, or the second the first with one thing put in another's place."""
    one = draw(schemas)
    if draw(st.booleans()):
        return one, draw(schemas)
    text = json.dumps(one)
    places = [i for i in range(len(text)) if text[i] == "{"]
    start = draw(st.sampled_from(places))
    end = start + len(json.dumps(json.JSONDecoder().raw_decode(text[start:])[0]))
    changed = json.loads(text[:start] + json.dumps(draw(scalars)) + text[end:])
    try:
        jsonschema_rs.Draft202012Validator(changed)
    except ValueError:
        assume(False)
    return one, changed


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(pairs(), st.lists(values, max_size=20))
def test_what_is_refused_now_is_found(pair: tuple[Any, Any], more: list[Any]) -> None:
    one, other = pair
    before, after = accepts(one), accepts(other)
    refused = next((value for value in [*LIKELY, *more] if before(value) and not after(value)), "nothing")
    if refused != "nothing":
        assert not safe(one, other), f"{refused!r} is refused now"


def rewritten(schema: Any, how: int) -> Any:
    """The same schema in other words."""
    if how == 0:
        return {"allOf": [schema]}
    if how == 1:
        return {"anyOf": [schema]}
    if how == 2:
        return {"allOf": [{key: value} for key, value in schema.items()] or [True]} if _splits(schema) else schema
    if how == 3:
        return {**schema, "description": "another text", "x-note": 1}
    if how == 4 and schema.keys() == {"enum"}:
        return {"oneOf": [{"const": value, "title": str(value)} for value in schema["enum"]]}
    if how == 5 and schema.get("type") == "string":
        return {**schema, "maximum": 5, "required": ["a"], "items": {"type": "string"}}
    return {"$ref": "#/components/schemas/Same"}


def _splits(schema: dict[str, Any]) -> bool:
    """Whether the keywords mean the same apart."""
    together = {"if", "then", "else", "properties", "patternProperties", "additionalProperties", "prefixItems", "items"}
    return not together & schema.keys() and not {"contains", "minContains"} & schema.keys()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas, st.integers(0, 6))
def test_the_same_in_other_words_is_no_finding(schema: Any, how: int) -> None:
    other = rewritten(schema, how)
    parts = {"components": {"schemas": {"Same": schema, "Unused": {"type": "string"}}}}
    for place in (body, answer):
        assert compare(place(schema, **parts), place(other, **parts)) == []
        assert compare(place(other, **parts), place(schema, **parts)) == []
