"""`request`: what goes to the upstream, whatever the values are."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Change, Refusal, Whole
from apigw_cli.policies.plan import steps
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.routing.path import normalise
from apigw_cli.snapshot.model import MockIntegration, Route
from tests.policies.exchange import Exchange, model, runtime

POLICY = BY_NAME["request"]
JSON = [(b"content-type", b"application/json")]


def route(value: Any, path: str = "/pets/{id}") -> Route:
    return Route("petstore", "getPet", "GET", path, (), MockIntegration("spec", ()), {"request": value})


def changed(value: Any, path: str = "/pets/{id}", **given: Any) -> Exchange:
    exchange = Exchange(**{"path": "/pets/1", **given})
    (step,) = steps(route(value, path), runtime())
    assert step(exchange) is None
    return exchange


def refused(value: Any, path: str = "/pets/{id}", **given: Any) -> Refusal:
    (step,) = steps(route(value, path), runtime())
    refusal = step(Exchange(**{"path": "/pets/1", **given}))
    assert isinstance(refusal, Refusal)
    return refusal


def lines(exchange: Exchange) -> list[str]:
    return b"".join(exchange.extra).decode("ascii").split("\r\n")[:-1]


class TestHeaders:
    @pytest.mark.parametrize(
        ("written", "line"),
        [
            ("${request.method} ${request.path} ${request.host}", "GET /pets/1 localhost"),
            ("${request.ip} ${request.id}", "192.0.2.1 1"),
            ("${request.path.id}${request.query.q}${request.query.a[b]}", "1x y&z"),
            ("${request.header.X-A}/${request.cookie.c}", "one/two"),
            ("${auth.principal} ${auth.plan} ${auth.claim.n}", "ann gold 5"),
            ("${auth.claim.list}", '["a"]'),
            ("${request.header.X-No:-none}", "none"),
            ("${auth.claim.empty:-none}", "none"),
            ("$${request.id}", "${request.id}"),
        ],
    )
    def test_values(self, written: str, line: str) -> None:
        found = changed(
            {"headers": {"set": {"X": written}}},
            headers=[(b"x-a", b"one"), (b"cookie", b"b=1; c=two")],
            query=b"a%5Bb%5D=%26z&q=x%20y",
            principal="ann",
            usage_plan="gold",
            claims={"n": 5, "list": ["a"], "empty": ""},
        )
        assert lines(found) == [f"X: {line}"]

    def test_a_value_that_is_not_there_leaves_the_header_out_and_the_clients_too(self) -> None:
        found = changed({"headers": {"set": {"X-User": "${auth.principal}"}}}, headers=[(b"x-user", b"root")])
        assert lines(found) == []
        assert found.remove == {b"x-user", b"x_user"}

    def test_rename(self) -> None:
        found = changed(
            {"headers": {"rename": {"X-Old": "X-New"}, "set": {"X-Old": "mine"}, "add": {"X-More": "1"}}},
            headers=[(b"x-old", b"a"), (b"x-new", b"forged"), (b"x-old", b"b")],
        )
        assert {b"x-old", b"x-new", b"x_new"} <= found.remove
        assert sorted(lines(found)) == ["X-More: 1", "X-New: a", "X-New: b", "X-Old: mine"]

    @given(st.text(max_size=40), st.binary(max_size=40))
    def test_no_value_ends_its_line(self, principal: str, raw: bytes) -> None:
        value = {"headers": {"set": {"X-A": "a${auth.principal}b${request.header.h}c"}}}
        found = changed(value, principal=principal, headers=[(b"h", raw)])
        data = b"".join(found.extra)
        assert data.startswith(b"X-A: a")
        assert data.endswith(b"c\r\n")
        assert not set(data[:-2]) - set(range(0x20, 0x7F))

    def test_a_value_that_is_too_long(self) -> None:
        assert refused({"headers": {"set": {"X": "${auth.principal}"}}}, principal="x" * 9000).status == 400

    def test_a_claim_that_is_no_text(self) -> None:
        """JSON lets half a surrogate pair stand in a token."""
        value = {"headers": {"set": {"A": "${auth.claim.a}", "B": "${auth.claim.b}"}}}
        assert lines(changed(value, claims={"a": ["\ud800"], "b": "\ud800"})) == ['A: ["\\ud800"]', "B: %3F"]
        refusal = refused({"body": {"json": ["${auth.claim.b}"]}}, claims={"b": "\ud800"})
        assert refusal.status == 400


class TestTarget:
    @given(st.text(max_size=20))
    def test_a_value_is_one_segment_or_refused(self, principal: str) -> None:
        value = {"path": "/v2/${auth.principal}/x"}
        (step,) = steps(route(value), runtime())
        exchange = Exchange(path="/pets/1", principal=principal)
        if isinstance(step(exchange), Refusal):
            assert principal in ("", ".", "..") or "\0" in principal or ".." in principal
            return
        assert exchange.rewrite is not None
        path = exchange.rewrite.path
        assert path is not None
        assert path.count("/") == 3
        assert normalise(path.encode()) == path
        assert unquote(path.split("/")[2]) == principal.encode("utf-8", "replace").decode()

    @pytest.mark.parametrize("principal", ["..", ".", "", "/../x", "a\\..\\b", "..;x"])
    def test_no_dots(self, principal: str) -> None:
        assert refused({"path": "/v2/${auth.principal}/x"}, principal=principal).status == 400

    def test_a_path_without_its_value(self) -> None:
        assert refused({"path": "/v2/${auth.principal}"}).status == 400

    @pytest.mark.parametrize(
        ("template", "path", "asked", "found"),
        [
            ("/v2/${request.path.id}", "/pets/{id}", "/pets/a%2Fb", "/v2/a%2Fb"),
            ("/v2${request.path}", "/pets/{id}", "/pets/a%20b", "/v2/pets/a%20b"),
            ("/v2/${request.path.rest}", "/pets/{rest+}", "/pets/a/b%20c", "/v2/a/b%20c"),
            ("/${request.path.head}/${request.path.base}", "/c/{base}...{head}", "/c/a...b", "/b/a"),
        ],
    )
    def test_path_variables(self, template: str, path: str, asked: str, found: str) -> None:
        exchange = Exchange(path=asked)
        (step,) = steps(route({"path": template}, path), runtime())
        assert step(exchange) is None
        rewrite = exchange.rewrite
        assert rewrite is not None
        assert rewrite.path == found

    @pytest.mark.parametrize(
        ("asked", "found"), [("/v1", "/"), ("/v1/a", "/a"), ("/v10/a", None), ("/x/v1", None), ("/v1/", "/")]
    )
    def test_prefix(self, asked: str, found: str | None) -> None:
        exchange = Exchange(path=asked)
        (step,) = steps(route({"prefix": {"from": "/v1", "to": "/"}}), runtime())
        assert step(exchange) is None
        assert (exchange.rewrite.path if exchange.rewrite is not None else None) == found

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            (b"", b"new=1&who=a%26b"),
            (b"a=1&b=2&c=3", b"z=2&c=3&new=1&who=a%26b"),
            (b"%61=1&who=forged&z=forged&c", b"c&new=1&who=a%26b"),
            (b"a+b=1&a&new=0", b"a+b=1&new=0&new=1&who=a%26b"),
        ],
    )
    def test_query(self, query: bytes, found: bytes) -> None:
        value = {
            "query": {"remove": ["a"], "rename": {"b": "z"}, "add": {"new": "1"}, "set": {"who": "${auth.principal}"}}
        }
        exchange = changed(value, query=query, principal="a&b")
        assert exchange.rewrite is not None
        assert exchange.rewrite.query is not None
        assert sorted(exchange.rewrite.query.split(b"&")) == sorted(found.split(b"&"))

    def test_method_but_not_of_head(self) -> None:
        exchange = changed({"method": "POST"})
        assert exchange.rewrite is not None
        assert exchange.rewrite.method == b"POST"
        head = changed({"method": "POST"}, method=b"HEAD")
        assert head.rewrite is None


@given(st.text(max_size=30))
def test_a_value_is_one_cookie(principal: str) -> None:
    value = {"cookies": {"set": {"user": "${auth.principal}"}, "remove": ["b"]}}
    found = changed(value, principal=principal, headers=[(b"cookie", b"a=1;b=2;user=root"), (b"cookie", b"b=3; d")])
    (line,) = lines(found)
    pairs = line.removeprefix("Cookie: ").split("; ")
    assert pairs[:2] == ["a=1", "d"]
    assert len(pairs) == 3
    assert pairs[2].startswith("user=")
    assert found.remove == {b"cookie"}


class TestBody:
    def body(self, value: Any, data: bytes, **given: Any) -> Any:
        return json.loads(changed({"body": value}, headers=JSON, body=data, **given).body)

    def test_members(self) -> None:
        edits = {
            "set": {"/who": "${auth.principal}", "/a/b": "${request.body/n}", "/l/-": "x", "/none": "${auth.plan}"},
            "remove": ["/secret", "/l/0"],
            "rename": {"/old": "/deep/new"},
        }
        data = b'{"n":[1,{"m":null}],"secret":1,"old":true,"l":[1,2],"none":"forged","who":{"x":1}}'
        assert self.body(edits, data, principal="ann") == {
            "n": [1, {"m": None}],
            "l": [2, "x"],
            "deep": {"new": True},
            "who": "ann",
            "a": {"b": [1, {"m": None}]},
        }

    def test_numbers_keep_their_digits(self) -> None:
        data = b'{"a":12345678901234567890123,"b":1.10,"c":-0.0,"d":0.1000000000000000055511151231257827}'
        found = changed({"body": {"remove": ["/x"]}}, headers=JSON, body=data)
        assert found.body == data

    def test_a_body_may_be_put_into_itself(self) -> None:
        assert self.body({"set": {"/all": "${request.body}"}}, b'{"a":1}') == {"a": 1, "all": {"a": 1}}

    @given(st.text(max_size=30))
    def test_a_value_is_one_text(self, principal: str) -> None:
        made = {"json": {"user": "${auth.principal}", "say": 'a"${auth.principal}', "list": [1, "${request.body/x}"]}}
        found = self.body(made, b'{"x":{"y":2}}', principal=principal)
        assert found == {"user": principal, "say": f'a"{principal}', "list": [1, {"y": 2}]}

    def test_a_body_where_there_was_none(self) -> None:
        found = changed({"method": "POST", "body": {"json": {"id": "${request.path.id}", "no": "${auth.plan}"}}})
        assert json.loads(found.body) == {"id": "1"}
        assert lines(found) == ["Content-Type: application/json"]

    @given(st.text(max_size=30))
    def test_a_value_is_one_field_of_a_form(self, principal: str) -> None:
        made = {"form": {"user": "${auth.principal}", "a b": "x&${request.path.id}", "no": "${auth.plan}"}}
        found = changed({"body": made}, body=b"{}", principal=principal)
        fields = parse_qsl(found.body.decode("ascii"), keep_blank_values=True)
        assert fields == [("user", principal), ("a b", "x&1")]
        assert lines(found) == ["Content-Type: application/x-www-form-urlencoded"]

    def test_its_type_may_be_another(self) -> None:
        value = {"headers": {"set": {"content-type": "application/vnd.pet+json"}}, "body": {"json": [1]}}
        assert lines(changed(value, body=b"{}", headers=JSON)) == ["content-type: application/vnd.pet+json"]

    def test_head_has_none(self) -> None:
        assert changed({"body": {"json": {"a": 1}}}, method=b"HEAD").body == b""

    def test_what_cannot_be_changed_is_refused(self) -> None:
        value = {"body": {"set": {"/a/b": "x"}}}
        assert refused(value, body=b"a=1", headers=[(b"content-type", b"text/plain")]).status == 415
        assert refused(value, body=b"{}").status == 415
        assert refused(value, body=b'{"a":1}', headers=JSON).status == 400
        assert refused(value, body=b"[]", headers=JSON).status == 400
        assert refused(value, body=b'"x"', headers=JSON).status == 400
        assert refused(value, body=b'{"a":{},"a":{}}', headers=JSON).status == 400
        assert refused(value, body=b"[" * 200 + b"]" * 200, headers=JSON).status == 400
        assert refused(value, body=b'{"a":1e999}', headers=JSON).status == 400
        assert refused(value, body=b'{"a":%b}' % (b"9" * 5000), headers=JSON).status == 400
        assert refused(value, body=b'{"a":1e-99999999999999999999}', headers=JSON).status == 400
        assert refused(value, body=b"x", headers=[*JSON, (b"content-encoding", b"compress")]).status == 415
        assert refused(value, body=b"x", headers=[*JSON, (b"content-encoding", b"gzip")]).status == 400

    def test_the_body_is_asked_for_only_where_it_is_used(self) -> None:
        value = {"headers": {"set": {"X": "${request.body/a:-none}"}}}
        (step,) = steps(route(value), runtime())
        assert isinstance(step(Exchange(path="/pets/1", headers=JSON, body=b"{}", complete=False)), Whole)
        plain = Exchange(path="/pets/1", body=b"{}", complete=False)
        assert step(plain) is None
        assert lines(plain) == ["X: none"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"path": "x"}, "must begin"),
        ({"path": "/a/../b"}, "no path"),
        ({"path": "/a?b"}, "no path"),
        ({"path": "/a", "prefix": {"from": "/a", "to": "/b"}}, "whole path"),
        ({"headers": {"set": {"Host": "x"}}}, "gateway's own"),
        ({"headers": {"set": {"X": "a\r\nb"}}}, "printable"),
        ({"headers": {"set": {"X": "${request.id:-é}"}}}, "printable"),
        ({"headers": {"set": {"X": "1"}, "remove": ["x"]}}, "twice"),
        ({"headers": {"rename": {"A": "X", "B": "x"}}}, "twice"),
        ({"headers": {"remove": ["Cookie"]}, "cookies": {"remove": ["a"]}}, "cookies already"),
        ({"cookies": {"set": {"a;b": "1"}}}, "cookie"),
        ({"body": {"json": {}, "remove": ["/a"]}}, "whole new body"),
        ({"body": {"remove": ["a"]}}, "pointer"),
        ({"body": {"json": {}, "form": {}}}, "two bodies"),
        ({"body": {"json": {}}, "headers": {"add": {"Content-Type": "a/b"}}}, "Content-Type"),
    ],
)
def test_what_cannot_be_meant(value: Any, why: str) -> None:
    with pytest.raises(InputError) as caught:
        model("request", value)
    assert why in caught.value.message or "match" in caught.value.message


def test_what_a_change_does_to_protection() -> None:
    def verdict(old: Any, new: Any) -> Change:
        return POLICY.compare(*(None if one is None else model("request", one) for one in (old, new)))

    user = {"headers": {"set": {"X-User": "${auth.principal}"}}}
    assert verdict(None, user) is Change.STRENGTHEN
    assert verdict(user, None) is Change.WEAKEN
    assert verdict(user, {"headers": {"set": {"X-User": "${request.header.X-User}"}}}) is Change.WEAKEN
    assert verdict(None, {"path": "/admin"}) is Change.WEAKEN
    assert verdict({"path": "/admin"}, None) is Change.WEAKEN
    assert verdict({"method": "GET", "max_body": 5}, {"method": "GET", "max_body": 6}) is Change.WEAKEN


@pytest.mark.parametrize("secret", ["Bearer abc", "Bearer abc${request.id}", "${request.id:-abc}"])
def test_secrets_are_not_shown(secret: str) -> None:
    members = {"/token": secret, "/a": {"password": secret, "b": "c"}}
    value = {"headers": {"set": {"Authorization": secret, "X": "1"}}, "body": {"set": members}}
    text = POLICY.describe(model("request", value))
    assert "abc" not in text
    assert "+ header X: 1" in text and '/a: {"password": "[secret]", "b": "c"}' in text
    shown = POLICY.describe(model("request", {"cookies": {"set": {"token": "${request.header.X}"}}}))
    assert shown == "+ cookie token: ${request.header.X}"


def test_the_value_goes_through_a_snapshot() -> None:
    value = {"prefix": {"from": "/a", "to": "/b"}, "body": {"set": {"/a": {"b": ["${request.id}", 1]}}}}
    assert msgspec.to_builtins(model("request", value)) == value


@pytest.mark.parametrize(
    ("written", "told"), [("${request.header.X}", b"X-A: 1\r\n"), ("${request.id}", b""), ("x", b"")]
)
def test_a_cache_is_told_of_what_is_the_requests_own(written: str, told: bytes) -> None:
    value = {"headers": {"set": {"X-A": written}}}
    one = Route("petstore", "getPet", "GET", "/", (), MockIntegration("spec", ()), {"request": value, "cache": {}})
    exchange = Exchange(headers=[(b"x", b"1")])
    for step in steps(one, runtime()):
        step(exchange)
    assert (exchange.rewrite.told if exchange.rewrite is not None else b"") == told
