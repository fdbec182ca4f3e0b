"""The grammar of `${…}`: variables filled in at load, values left for later, and nothing read twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.config import template
from apigw_cli.config.template import Open, Value

LITTLE = st.text(alphabet="$${}{}ab", max_size=12)


def fill(text: str, **variables: Any) -> tuple[object, list[str]]:
    missing: list[str] = []
    return template.filled(text, variables, missing), missing


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("${a}", "1"),
        ("x${a}y", "x1y"),
        ("$${a}", "${a}"),
        ("${$}", "$"),
        ("${b:-none}", "none"),
        ("${b:-}", ""),
        ("${a:-none}", "1"),
        ("$a {b} $", "$a {b} $"),
    ],
)
def test_without_values_text_is_plain(written: str, found: str) -> None:
    made, missing = fill(written, a="1")
    assert (made, missing, type(made)) == (found, [], str)


def test_what_nothing_defines_is_told() -> None:
    assert fill("${b} ${request.id} ${c}")[1] == ["b", "c"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("${request.id}", (Value("request.id"),)),
        ("a${request.id}b", ("a", Value("request.id"), "b")),
        ("${a}${request.query.x:-y z}${a}", ("1", Value("request.query.x", "y z"), "1")),
        ("${auth.claim.https://x.example/role:-none}", (Value("auth.claim.https://x.example/role", "none"),)),
        ("$${request.id}${request.id}", ("${request.id}", Value("request.id"))),
        ("${$}${request.id}", ("$", Value("request.id"))),
    ],
)
def test_values_are_left(written: str, found: tuple[Any, ...]) -> None:
    made, _ = fill(written, a="1")
    assert isinstance(made, Open)
    assert template.parts(template.closed(made)) == found


@given(LITTLE)
def test_text_without_values_is_a_template_of_itself(text: str) -> None:
    assert "".join(map(str, template.parts(template.closed(text)))) == text


@given(LITTLE, LITTLE)
def test_no_variable_is_read_as_an_expression(before: str, after: str) -> None:
    """Whatever the texts around a value are, they come out as they are."""
    made, missing = fill("${before}${request.id}${after}", before=before, after=after)
    assert not missing
    found = template.parts(template.closed(made))
    assert "".join(one if isinstance(one, str) else "\0" for one in found) == f"{before}\0{after}"


@given(st.text(alphabet="$${}{}a.:-", max_size=15))
def test_any_text_is_handled(text: str) -> None:
    made, _ = fill(text, a="1")
    template.parts(template.closed(made))


@pytest.mark.parametrize(
    "name",
    [
        *("request.header.X-A", "request.path.id", "request.body/a/0", "request.body/~0~1", "request.body"),
        *("auth.claim.https://x.example/y", "auth.principal", "request.query.a[b]"),
    ],
)
def test_known_names(name: str) -> None:
    assert template.problem(Value(name), ("request", "auth")) is None


@pytest.mark.parametrize(
    "name", ["request.header.X A", "request.headers.X", "request.body/~2", "request.", "auth.claim.", "response.status"]
)
def test_unknown_names(name: str) -> None:
    wrong = template.problem(Value(name), ("request", "auth"))
    assert wrong is not None
    assert name in wrong[0]
