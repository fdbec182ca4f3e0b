"""YAML that every reader reads alike."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml as pyyaml
from hypothesis import example, given
from hypothesis import strategies as st

from apigw_cli.generate.text import dump
from apigw_cli.openapi import yaml

TRICKY = [
    "off",
    "no",
    "1e3",
    "0o17",
    "012",
    "12:30",
    "~",
    "",
    " a",
    "2020-01-01",
    "a: b",
    "#",
    "1_000",
    "=",
    "<<",
    ".5",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from(TRICKY)
    | st.text("abé\n:#'\"{", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TRICKY), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
@example({"a": TRICKY})
def test_it_is_read_back_as_it_was(data: Any) -> None:
    written = dump({"data": data}, "yaml")
    assert yaml.parse(written, "x") == {"data": data}
    assert pyyaml.safe_load(written) == {"data": data}  # noqa: TID251  what a YAML 1.1 reader makes of it
    assert orjson.loads(dump(data, "json")) == data


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_the_order_is_kept_and_it_ends_in_a_newline(form: str) -> None:
    written = dump({"b": 1.0, "a": [1, {"x": "y" * 300}]}, form)
    assert written.index("b") < written.index("a")
    assert written.endswith("\n")
    assert "y" * 300 in written


def test_equal_values_are_written_twice_not_aliased() -> None:
    shared = {"x": 1}
    assert dump([shared, shared], "yaml") == "- x: 1\n- x: 1\n"
