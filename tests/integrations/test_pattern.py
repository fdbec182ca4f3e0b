from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.pattern import example


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "abc",
        "^[0-2][0-9]:[0-5][0-9]$",
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        r"^\d{3}-\d{4}$",
        r"^(\w+)\.(?:json|yaml)$",
        "^[^abc]+$",
        r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$",
        r"^(?P<year>\d{4})-(\d\d)$",
        "^a{2,5}b{3}c*d+?e?$",
        r"^\x41\u0042\/\.\-\\$",
        "^.+$",
        "(a|b)|c",
        r"^[\d\-_]{8}$",
        r"^#[0-9A-Fa-f]{6}$",
        r"^v\d+(\.\d+){1,2}$",
        r"\bword\b",
        r"^\S+\D\W$",
        "^[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}$",
        "^[-a]$",
    ],
)
def test_a_text_that_matches(pattern: str) -> None:
    text = example(pattern)
    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "shortest", "longest"), [("^a*$", 5, 9), ("^a*$", 0, 0), ("^[ab]+$", 40, 40), ("x", 1, 1)]
)
def test_a_length_is_kept(pattern: str, shortest: int, longest: int) -> None:
    text = example(pattern, shortest, longest)
    assert text is not None
    assert re.search(pattern, text) and shortest <= len(text) <= longest


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)b",
        "(?<!a)b",
        r"(a)\1",
        r"\p{L}",
        "(",
        "[",
        "a)",
        "*a",
        "[]",
        "a{99999}{99999}",
        "(" * 5000,
        "^a$b",
        r"\u12",
    ],
)
def test_what_is_too_hard_gives_nothing(pattern: str) -> None:
    assert example(pattern) is None


def test_no_pattern_takes_long_or_fills_the_memory() -> None:
    assert example("(a{9999}){9999}") is None
    assert example("((((a{99}){99}){99}){99})") is None
    assert example("^(a+)+$", 3, 300) is not None
    assert example("^(a|a)+$b", 200, 300) is not None


@given(st.text(alphabet="ab01[]{}()|*+?^$\\.-,dwsu", max_size=25))
def test_any_text_is_read_without_a_crash(pattern: str) -> None:
    text = example(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(pattern)
    except re.error:
        return
    assert text is None or compiled.search(text)
