"""What may be written of `cors`, and what a change of it does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.policies import cors
from apigw_cli.policies.interface import Change
from tests.policies.exchange import model

LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"origins": []}, "length >= 1|must not be empty"),
        ({"origins": ["app.example"]}, "is not an origin"),
        ({"origins": ["https://app.example/path"]}, "an origin has no path"),
        ({"origins": ["https://app.example/"]}, "an origin has no path"),
        ({"origins": ["https://a*.example"]}, "is not an origin"),
        ({"origins": ["https://app.example:70000"]}, "no port 70000"),
        ({"origins": ["*", "https://app.example"]}, "stands alone"),
        ({"origins": ["*"], "credentials": True}, "by name"),
        ({"origins": ["https://a.example"], "credentials": True, "expose": ["*"]}, "expose"),
        ({"origins": ["*"], "headers": ["*"]}, "leave it out"),
        ({"origins": ["*"], "max_age": "25h"}, "24h"),
        ({"origins": ["*"], "methods": ["GET\n"]}, "no method or header name"),
        ({"origins": ["*"], "methods": ["put"]}, "PUT is"),
    ],
)
def test_what_cannot_be_meant_is_refused(value: dict[str, Any], why: str) -> None:
    with pytest.raises((msgspec.ValidationError, Exception), match=why.replace("*", r"\*")):
        model("cors", value)


@given(labels=st.lists(LABEL, min_size=1, max_size=3), port=st.integers(1, 65535))
def test_a_pattern_takes_what_is_below_it_and_nothing_else(labels: list[str], port: int) -> None:
    allowed = cors.allows(["https://*.Example.com", "http://localhost:*"])
    below = ".".join(labels)
    assert allowed(f"https://{below}.example.com".encode())
    assert allowed(f"http://localhost:{port}".encode())
    for other in (
        f"https://{below}.example.com:{port}",
        f"https://{below}example.com",
        f"http://{below}.example.com",
        f"https://{below}.example.com.{below}",
        f"https://{below}.example.com\n",
        f"http://{below}.localhost:{port}",
        "https://example.com",
    ):
        assert not allowed(other.encode()), other


def test_the_schemes_own_port_is_none() -> None:
    assert cors.allows(["https://a.example:443"])(b"https://a.example")


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, {"origins": ["*"]}, Change.WEAKEN),
        ({"origins": ["https://a.example"]}, {"origins": ["*"]}, Change.WEAKEN),
        ({"origins": ["https://*.example"]}, {"origins": ["https://a.example"]}, Change.STRENGTHEN),
        ({"origins": ["https://a.example"]}, {"origins": ["https://A.example:443"]}, Change.NEUTRAL),
        ({"origins": ["https://a.example"]}, {"origins": ["https://b.example"]}, Change.WEAKEN),
        ({"origins": ["*"], "headers": []}, {"origins": ["*"]}, Change.WEAKEN),
        ({"origins": ["*"], "headers": ["A"]}, {"origins": ["*"], "headers": []}, Change.STRENGTHEN),
        ({"origins": ["*"], "methods": ["GET"]}, {"origins": ["*"], "methods": ["GET", "PUT"]}, Change.WEAKEN),
    ],
)
def test_what_a_change_does(old: Any, new: Any, change: Change) -> None:
    before, after = (None if one is None else model("cors", one) for one in (old, new))
    assert cors.POLICY.compare(before, after) is change
    if change is not Change.NEUTRAL:
        assert next(iter(cors.POLICY.reasons(before, after))).text
