"""What may be written of the policies for answers, and what their filters make of a head."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.answer_filter import Head
from apigw_cli.policies.compression import policy as compression
from apigw_cli.policies.interface import Change
from apigw_cli.policies.plan import filters
from apigw_cli.policies.registry import BY_NAME
from tests.policies.exchange import Exchange, model, route, runtime


def passed(policies: dict[str, Any], exchange: Exchange, *lines: bytes) -> list[bytes]:
    """The header lines of an answer behind a route's filters."""
    head = Head(200, b"OK", [line + b"\r\n" for line in lines], 0)
    for one in filters(route(policies), runtime()):
        outcome = one(exchange, head)
        assert isinstance(outcome, Head)
        head = outcome
    return [line.rstrip() for line in head.lines]


def test_strict_transport_security_is_said_over_tls_alone() -> None:
    line = b"Strict-Transport-Security: max-age=60; includeSubDomains"
    policies = {"security_headers": {"hsts": 60, "hsts_subdomains": True}}
    assert line in passed(policies, Exchange(secure=True))
    assert passed(policies, Exchange(secure=True), b"strict-transport-security: max-age=1")[0].endswith(b"=1")
    for lines in ((), (line,)):
        assert line not in passed(policies, Exchange(), *lines)


def test_what_is_taken_away_first_is_said_anew() -> None:
    policies = {"security_headers": {"frame": "sameorigin"}, "response": {"headers": {"remove": ["x-frame-options"]}}}
    lines = passed(policies, Exchange(), b"X-Frame-Options: ALLOWALL")
    assert [line for line in lines if b"Frame" in line] == [b"X-Frame-Options: SAMEORIGIN"]


def test_no_value_ends_its_line() -> None:
    exchange = Exchange([(b"x-a", b"a\xc3\xa9\r\nEvil: 1")])
    lines = passed({"response": {"headers": {"set": {"X-B": "${request.header.x-a}"}}}}, exchange)
    assert lines == [b"Vary: x-a", b"X-B: a%C3%A9%0D%0AEvil: 1"]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("response", {"headers": {"set": {"X-Request-Id": "a"}}}, "gateway's own"),
        ("response", {"headers": {"set": {"Content-Length": "1"}}}, "gateway's own"),
        ("response", {"headers": {"set": {"X-A": "1"}, "remove": ["x-a"]}}, "named twice"),
        ("response", {"headers": {"set": {"X-A": "é"}}}, "printable ASCII"),
        ("response", {"headers": {"set": {"X-A": "${request.body/a}"}}}, "gone by then"),
        ("security_headers", {"hsts": 0, "hsts_subdomains": True}, "needs hsts"),
        ("security_headers", {"csp": "a\nEvil: 1"}, "matching regex|one line"),
        ("compress", {"codings": ["gzip", "gzip"]}, "each coding once"),
        ("compress", {"types": ["text"]}, "matching regex"),
        ("response_limit", {}, "max_body"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        model(name, value)


def test_a_coding_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "installed", lambda coding: coding == "gzip")
    assert filters(route({"compress": {}}), runtime())
    with pytest.raises(InputError, match="the coding br is not installed"):
        filters(route({"compress": {"codings": ["br"]}}), runtime())


@pytest.mark.parametrize(
    ("name", "old", "new", "change"),
    [
        ("security_headers", None, {}, Change.STRENGTHEN),
        ("security_headers", {}, {"frame": "off"}, Change.WEAKEN),
        ("response_limit", None, {"max_body": 1}, Change.STRENGTHEN),
        ("response_limit", {"max_body": 1}, {"max_body": 2}, Change.WEAKEN),
        ("response", {"headers": {"set": {"X-A": "1"}}}, {"headers": {"set": {"x-a": "1"}}}, Change.NEUTRAL),
        ("response", None, {"headers": {"remove": ["X-A"]}}, Change.WEAKEN),
        ("compress", None, {}, Change.NEUTRAL),
    ],
)
def test_what_a_change_does(name: str, old: Any, new: Any, change: Change) -> None:
    before, after = (None if one is None else model(name, one) for one in (old, new))
    assert BY_NAME[name].compare(before, after) is change
