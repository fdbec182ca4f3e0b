"""Whoever writes what users of other gateways write is told what to write here."""

from __future__ import annotations

from pathlib import Path

import pytest

from apigw_cli.config import decode, located, secrecy
from apigw_cli.config.model import Config
from apigw_cli.errors import InputError, Place
from apigw_cli.policies.registry import POLICIES


def hint(tmp_path: Path, policy: str) -> tuple[str, str | None]:
    path = tmp_path / "apigw.yaml"
    path.write_text(f"version: 1\napis: {{}}\ndefaults:\n  {policy}\n")
    with pytest.raises(InputError) as caught:
        tree = located.read(path, "apigw.yaml")
        decode.decode(tree.data, Config, tree.place, POLICIES)
    assert caught.value.place is not None and caught.value.place.line == 4
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("written", "try_"),
    [
        ('cors: "*"', 'did you mean {origins: ["*"]}?'),
        ("cors: true", 'write {origins: [https://app.example.com, "https://*.example.com"]}, or off'),
        ('cors: {origins: "https://a.example"}', "write a list: [https://a.example]"),
        ('cors: {origins: ["*"], max_age: 3600}', "did you mean 3600s?"),
        ("rate_limit: 5/s", "did you mean {rate: 5/s}?"),
        ("rate_limit: {rate: 5}", "did you mean 5/s?"),
        ("quota: 1000/day", "write {limit: NUMBER, per: day}, or off"),
        ("concurrency: 5", "did you mean {limit: 5}?"),
        ("validate: enforce", "did you mean {request: enforce}?"),
        ("compress: gzip", "did you mean {codings: [gzip]}?"),
        ("compress: true", "write {} for its defaults, or off; known here: codings, min_size, types"),
        ("redirect: https://new.example", "did you mean {to: https://new.example}?"),
        ("max_body: 10m", "in bytes: 10485760"),
        ("max_body: 64kib", "in bytes: 65536"),
        ('max_body: "100"', "without quotes: 100"),
        ("security_headers: {hsts: 1y}", "in seconds: 31536000"),
        ("ip: [10.0.0.0/8]", "did you mean {allow: [10.0.0.0/8]}?"),
        ("request: {method: post}", 'did you mean "POST"?'),
        ("request: {body: {set: {name: x}}}", "did you mean /name?"),
        ("request: {headers: {set: {X-A: 1}}}", 'write it as text: "1"'),
        ("request: {path: /v2/${request.id}}", 'text with ${…} inside { } or [ ] needs quotes: "${…}"'),
    ],
)
def test_what_to_write_instead(tmp_path: Path, written: str, try_: str) -> None:
    assert hint(tmp_path, written)[1] == try_


def test_a_value_of_another_form_is_met_with_the_keys_own_words(tmp_path: Path) -> None:
    message, try_ = hint(tmp_path, "rate_limit: {rate: 5 per second}")
    assert message == "\"rate\" cannot be '5 per second'"
    assert try_ is not None and try_.startswith("Requests per second, minute, hour or day: 5/s")
    message, try_ = hint(tmp_path, "cache: {mode: ttl, key_parameters: [year]}")
    assert message.startswith("\"key_parameters\" cannot be 'year'") and try_ is not None and "query:NAME" in try_


def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    _, try_ = hint(tmp_path, "redirect: https://me:swordfish@a.example")
    assert try_ is not None and "swordfish" not in try_


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("header.X-A", "request.header.X-A"),
        ("headers.X-A", "request.header.X-A"),
        ("jwt.sub", "auth.claim.sub"),
        ("stageVariables.url", "url"),
    ],
)
def test_names_of_other_gateways(name: str, meant: str) -> None:
    found = located.filled({"a": f"${{{name}}}"}, {"url": "x"}, lambda _: Place("x"))[1]
    assert [one.hint for one in found] == [f'did you mean "{meant}"?']


@pytest.mark.parametrize(("line", "hidden"), [("credentials: true", False), ("password: swordfish", True)])
def test_a_switch_is_no_secret(line: str, hidden: bool) -> None:
    assert secrecy.in_line(line) is hidden
