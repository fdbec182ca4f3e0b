"""Values of answers, and members of JSON: what both sides of the gateway read and change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.policies.templates import members, writing
from apigw_cli.policies.templates.reading import Subject
from tests.policies.exchange import Exchange


class Head:
    status = 201

    def first(self, name: bytes) -> bytes | None:
        return b"one" if name == b"x-a" else None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("${response.status}", "201"),
        ("${response.header.X-A}", "one"),
        ("${response.header.X-B:-none}", "none"),
        ("${response.body/a/0} ${request.body/a}", "1 2"),
        ("${response.body/a/1}", None),
    ],
)
def test_values_of_answers(written: str, found: str | None) -> None:
    made = writing.text(written, "/", writing.as_header)
    assert made.make(Subject(Exchange(), {"a": 2}, Head(), {"a": [1]})) == found


@pytest.mark.parametrize("name", ["status", "header.X-A", "body", "body/a"])
def test_before_there_is_an_answer_there_is_nothing(name: str) -> None:
    written = "${response." + name + ":-none}"
    assert writing.text(written, "/", writing.as_header).make(Subject(Exchange())) == "none"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab01-"), inner, max_size=3),
    max_leaves=8,
)
pointers = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "01"]), min_size=1, max_size=3).map(
    lambda steps: "/" + "/".join(steps)
)


@given(json, st.dictionaries(pointers, json, max_size=3), st.lists(pointers, max_size=3), pointers, pointers)
def test_any_edit_of_any_value_ends(root: Any, set_: Any, remove: list[str], old: str, new: str) -> None:
    """It changes the value, or says that it cannot; what comes out is JSON."""
    try:
        members.edits(set_, remove, {old: new}, "/")(Subject(Exchange(), root), root)
    except members.SomethingElse:
        return
    writing.loads(writing.dumps(root))


@given(json.filter(lambda value: value is not None), st.lists(st.sampled_from("ab"), min_size=1, max_size=3))
def test_what_is_put_is_there(value: Any, steps: list[str]) -> None:
    root: dict[str, Any] = {}
    members.put(root, tuple(steps), value)
    assert members.take(root, tuple(steps)) == value


def _without(node: Any, steps: list[str]) -> Any:
    """As `remove` has it, without changing anything."""
    step, rest = steps[0], steps[1:]
    if isinstance(node, dict):
        kept = node if rest else {key: value for key, value in node.items() if key != step}
        return {key: _without(value, rest) if rest and key == step else value for key, value in kept.items()}
    if not isinstance(node, list):
        return node
    chosen = [step == "*" or step == str(index) for index in range(len(node))]
    if rest:
        return [_without(one, rest) if is_it else one for one, is_it in zip(node, chosen, strict=True)]
    return [one for one, is_it in zip(node, chosen, strict=True) if not is_it]


@given(
    st.recursive(
        st.integers(0, 3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("a0*"), inner, max_size=3),
        max_leaves=10,
    ),
    st.lists(st.sampled_from(["a", "0", "1", "*"]), min_size=1, max_size=3),
)
def test_a_star_is_every_item_of_a_list(root: Any, steps: list[str]) -> None:
    expected = _without(root, steps)
    members.edits({}, ["/" + "/".join(steps)], {}, "/")(Subject(Exchange(), root), root)
    assert root == expected
