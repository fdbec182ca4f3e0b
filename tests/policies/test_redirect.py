"""`redirect`: clients are sent where the configuration says, whatever they ask with."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Change, Checking, Refusal
from apigw_cli.policies.plan import steps
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import MockIntegration, Route
from tests.policies.exchange import Exchange, model, runtime

POLICY = BY_NAME["redirect"]


def route(value: Any, *hosts: str) -> Route:
    return Route("shop", "getPet", "GET", "/pets/{id}", hosts, MockIntegration("spec", ()), {"redirect": value})


def answer(value: Any, **given: Any) -> Refusal:
    (step,) = steps(route(value), runtime())
    found = step(Exchange(**{"path": "/pets/1", **given}))
    assert isinstance(found, Refusal)
    return found


def location(value: Any, **given: Any) -> str:
    found = answer(value, **given)
    assert found.status == value.get("status", 308)
    assert found.body == b""
    assert found.reason == ""
    (line,) = found.headers
    return line.decode("ascii").removeprefix("Location: ").removesuffix("\r\n")


@pytest.mark.parametrize(
    ("to", "query", "found"),
    [
        ("/new", b"", "/new"),
        ("/new", b"a=1", "/new?a=1"),
        ("/new?b=2", b"a=1", "/new?b=2&a=1"),
        ("/new#part", b"a=1", "/new?a=1#part"),
        ("/v2${request.path}", b"", "/v2/pets/1"),
        ("/v2/${request.path.id}?who=${request.header.X:-no one}", b"", "/v2/1?who=no%20one"),
        ("https://new.example", b"", "https://new.example"),
        ("https://new.example:8443${request.path}", b"", "https://new.example:8443/pets/1"),
        ("https://www.${request.host}${request.path}", b"x", "https://www.localhost/pets/1?x"),
        ("/new", b'a="<\xff', "/new?a=%22%3C%FF"),
    ],
)
def test_where_to(to: str, query: bytes, found: str) -> None:
    assert location({"to": to}, query=query) == found


def test_status_and_query() -> None:
    assert location({"to": "/new", "status": 302, "keep_query": False}, query=b"a=1") == "/new"


@given(
    st.text(max_size=20),
    st.sampled_from(["/${auth.principal}", "/a?next=${auth.principal}", "https://a.example/${auth.principal}/x"]),
)
def test_no_value_leads_elsewhere(principal: str, to: str) -> None:
    found = answer({"to": to}, principal=principal)
    if found.status == 400:
        return
    line = found.headers[0]
    assert line.count(b"\r") == line.count(b"\n") == 1
    address = line[10:-2].decode("ascii")
    there = urlsplit(urljoin("https://us.example/pets/1", address))
    assert there.netloc == ("a.example" if "a.example" in to else "us.example")


@pytest.mark.parametrize("principal", ["..", "/evil.example", "\\evil.example", None])
def test_odd_values(principal: str | None) -> None:
    found = answer({"to": "/${auth.principal}"}, principal=principal)
    assert found.status == 400 or found.headers[0].startswith((b"Location: /%2F", b"Location: /%5C"))


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("//evil.example", "no empty"),
        ("new", "must begin"),
        ("${request.path}", "must begin"),
        ("/${request.path}", "no empty"),
        ("ftp://a.example/", "must begin"),
        ("https://", "no host"),
        ("https://${request.header.Host}/", "which host"),
        ("https://a.example${request.path.id}", "which host"),
        ("https://a.example@evil.example/", "must begin"),
        ("https://${request.host:-a}/", "which host"),
        ("/a/../b", "dot segments"),
        ("/a#${request.path.id}", "fragment"),
        ("/a?b=c d", "no URL has"),
        ("/${request.body/a}", "not read"),
    ],
)
def test_what_may_lead_anywhere_is_refused_at_load(to: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        model("redirect", {"to": to})
    assert why in caught.value.message


def test_the_host_may_be_said_by_clients_only_where_there_are_hosts() -> None:
    assert isinstance(POLICY, Checking)
    value = {"to": "https://${request.host}/a"}
    (problem,) = POLICY.problems(model("redirect", value), route(value))
    assert "any host" in problem.message
    assert not list(POLICY.problems(model("redirect", value), route(value, "a.example")))
    value = {"to": "/${request.path.no}"}
    assert len(list(POLICY.problems(model("redirect", value), route(value)))) == 1


def test_what_a_change_does() -> None:
    one, other = model("redirect", {"to": "/a", "keep_query": False}), model("redirect", {"to": "/a"})
    assert POLICY.compare(one, other) is Change.WEAKEN
    assert POLICY.compare(other, one) is Change.STRENGTHEN
    assert POLICY.describe(one) == "308 to /a without the query"
