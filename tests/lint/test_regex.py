"""JavaScript's regular expressions in Python."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.lint.regex import Pattern, PatternError, PatternTimeout, compiled

CASES = [
    ("^a$", "", "a\n", False), ("^a$", "m", "b\na", True), (r"\d", "", "\u0663", False), ("[]", "", "a", False),
    (r"(?<y>\d{4})-\k<y>", "", "2020-2020", True), ("[^]", "", "\n", True), (".", "", "\u2028", False),
    (".", "s", "\n", True), (r"^\u{3}$", "", "uuu", True), (r"\u{61}", "u", "a", True), (r"\u0041", "", "A", True),
    ("a{,3}", "", "a{,3}", True), ("a{", "", "a{", True), (r"[\w-]+$", "", "a-b", True), (r"[\d-z]", "", "-", True),
    (r"(a)?b\1c", "", "bc", True), (r"\bfoo\b", "", "\xe9foo", True), ("[[a]", "", "[", True), (r"\/x", "", "/x", True),
    ("A", "i", "a", True), (r"(?<!a)b", "", "cb", True), (r"(?<=a+)b", "", "aab", True), (r"\p{Lu}", "u", "\xc9", True),
    (r"[\p{L}]", "u", "\xe9", True), (r"[\b]", "", "\b", True), (r"\cJ", "", "\n", True), ("]", "", "]", True),
    (r"[a\-z]", "", "b", False), (r"\s", "", "\ufeff", True), (r"[\S]", "", "\u00a0", False), (r"[^\W]", "", "a", True),
    ("x*?y", "", "xxy", True), ("a", "y", "ba", False), (r"\0", "", "\0", True), (r"\x41", "", "A", True),
    (r"\8", "", "8", True), (r"\12", "", "\n", True), (r"\B", "", "", True), (r"a\$b", "", "a$b", True),
    # Without the flag u a character beyond 16 bits is two.
    ("^.$", "", "😀", False), ("^..$", "", "😀", True), ("^.$", "u", "😀", True), ("^.$", "v", "😀", True),
    ("😀", "", "a😀b", True), ("^[😀]$", "", "😀", False), ("^[^a]$", "", "😀", False), ("^[^a]$", "u", "😀", True),
    (r"\ud83d", "", "😀", True), (r"\ud83d\ude00", "", "😀", True), (r"^\S$", "", "😀", False),
    ("(?<π>a)\\k<π>", "", "aa", True), (r"\07", "", "\x07", True), (r"[\07]", "", "\x07", True),
    ("^[A-Za-z0-9-._~:/?#\\[\\]@!\\$&'()*+,;=]*$", "", "a'b", True),
]  # fmt: skip


@pytest.mark.parametrize(("source", "flags", "text", "matches"), CASES)
def test_as_in_javascript(source: str, flags: str, text: str, matches: bool) -> None:
    """The expected results are V8's."""
    assert Pattern(source, flags).test(text) is matches


@pytest.mark.parametrize(
    ("source", "flags"),
    [("a**", ""), ("(", ""), (")", ""), ("[b-a]", ""), ("(?i)a", ""), ("*a", ""), ("[a", ""), ("a\\", ""), ("a", "x"),
     ("a", "ii"), (r"\u{110000}", "u"), (r"\p{Nope}", "u"), (r"\p", "u"), (r"(?<a>x)\k", ""), ("a" * 10_001, ""),
     ("(?<a>x)|(?<a>y)", ""), (r"\_", "u"), ("a", "uv"), ("[a--b]", "v"), (r"[\q{ab}]", "v"), (r"\p{RGI_Emoji}", "v")],
)  # fmt: skip
def test_what_is_no_pattern(source: str, flags: str) -> None:
    with pytest.raises(PatternError):
        Pattern(source, flags)


def test_slashes_and_flags() -> None:
    assert compiled("/^A/i").test("abc") and not compiled("^A").test("abc") and compiled("/a").test("/a")


def test_backtracking_ends() -> None:
    with pytest.raises(PatternTimeout):
        Pattern("^(a|aa)+$").test("a" * 60 + "b")


@given(st.text(max_size=20))
def test_an_escaped_text_matches_itself(text: str) -> None:
    source = re.sub(r"[\\^$.*+?()\[\]{}|/]", r"\\\g<0>", text)
    assert Pattern(f"^{source}$").test(text)


@given(st.text(alphabet="ab\\()[]{}?*+|^$.-,1dwsSbuk<>=!:", max_size=15), st.text(alphabet="ab1- ", max_size=8))
def test_any_text_is_a_pattern_or_an_error(source: str, text: str) -> None:
    try:
        pattern = Pattern(source)
    except PatternError:
        return
    pattern.test(text)
