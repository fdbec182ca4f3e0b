"""What the cache tells requests apart by, also behind a proxy whose word counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apigw_cli.gateway import cache_keys
from apigw_cli.policies import cache
from apigw_cli.policies.interface import Rewrite


def request(**fields: Any) -> Any:
    connection = SimpleNamespace(scheme=b"http", certificate=None, **fields.pop("connection", {}))
    given = {"authority": b"h", "path": "/a", "query": b"", "headers": [], "fields": {}, "principal": None}
    return SimpleNamespace(connection=connection, **{**given, "forwarded": b"", "rewrite": None, **fields})


def overriding(name: bytes, value: bytes) -> dict[str, Any]:
    return {"headers": [(name, value)], "fields": {name: value}}


KEY = cache_keys.reader(b"route", cache.chosen(cache.Cache()), False)
TOLD = b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: api.test\r\n"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"authority": b"API.test"}, {"authority": b"api.test"}, True),
        ({"authority": b"h:1"}, {"authority": b"h:2"}, False),
        ({"query": b"a=1&b=2"}, {"query": b"b=2&a=1"}, False),
        ({"forwarded": TOLD}, {"forwarded": TOLD.replace(b"1.2.3.4", b"5.6.7.8")}, True),
        ({"forwarded": TOLD}, {"forwarded": TOLD.replace(b"api.test", b"evil.test")}, False),
        ({"forwarded": TOLD}, {"forwarded": TOLD.replace(b"https", b"http")}, False),
        (
            {"forwarded": b"Forwarded: for=1;host=a;proto=http\r\n"},
            {"forwarded": b"Forwarded: for=2;host=a;proto=http\r\n"},
            True,
        ),
        ({"forwarded": b"Forwarded: for=1;host=a\r\n"}, {"forwarded": b'Forwarded: for=1;host="evil.test"\r\n'}, False),
        ({"path": "/a", "query": b"\0x"}, {"path": "/a\0", "query": b"x"}, False),
        ({"rewrite": Rewrite(path="/b")}, {"rewrite": Rewrite(path="/c")}, False),
        ({"rewrite": Rewrite(told=b"X: 1\r\n")}, {"rewrite": Rewrite(told=b"X: 2\r\n")}, False),
        ({"rewrite": Rewrite(path="/b")}, {"rewrite": Rewrite(query=b"/b")}, False),
        ({"rewrite": Rewrite(method=b"POST")}, {"rewrite": Rewrite(method=b"POST")}, True),
        (overriding(b"x-original-url", b"/admin"), {}, False),
        (overriding(b"x_rewrite-url", b"/admin"), {}, False),
        (overriding(b"x-http-method-override", b"DELETE"), {}, False),
        (overriding(b"x-forwarded-prefix", b"/a"), overriding(b"x-forwarded-prefix", b"/b"), False),
        (overriding(b"x-forwarded-prefix", b"/a"), overriding(b"x-forwarded-prefix", b"/a"), True),
        (overriding(b"x-unknown", b"/a"), {}, True),
    ],
)
def test_which_requests_meet(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert (KEY(request(**one)) == KEY(request(**other))) == same


def test_secrets_do_not_stand_in_keys() -> None:
    key = cache_keys.reader(b"route", cache.chosen(cache.Cache()), True)
    alice, bob = (request(headers=[(b"authorization", who), (b"cookie", b"c")]) for who in (b"alice", b"bob"))
    assert key(alice) != key(bob)
    assert b"alice" not in key(alice)
    assert key(request(principal="alice")) != key(request(principal="bob")) != key(request())


@pytest.mark.parametrize(
    ("parameters", "one", "other", "same"),
    [
        (["query:a"], b"a=1&b=2", b"a=1&b=3", True),
        (["query:a"], b"a=1&a=2", b"a=2&a=1", False),
        (["query:a"], b"a", b"a=", False),
        (["query:a", "query:b"], b"a=1", b"b=1", False),
        (["query:a", "query:b"], b"b=1&a=2", b"a=2&b=1", True),
        ([], b"a=1", b"", True),
    ],
)
def test_chosen_parameters(parameters: list[str], one: bytes, other: bytes, same: bool) -> None:
    chosen = cache.chosen(cache.Cache(mode="ttl", key_parameters=parameters))
    assert (chosen(request(query=one)) == chosen(request(query=other))) == same


def test_chosen_headers_and_cookies() -> None:
    chosen = cache.chosen(cache.Cache(mode="ttl", key_parameters=["header:Accept", "cookie:lang"]))
    plain = request(headers=[(b"accept", b"a"), (b"cookie", b"lang=de; other=1")])
    assert chosen(plain) == chosen(request(headers=[(b"accept", b"a"), (b"cookie", b"x=1; lang=de")]))
    assert chosen(plain) != chosen(request(headers=[(b"accept", b"a"), (b"cookie", b"lang=en")]))
    assert chosen(plain) != chosen(request(headers=[(b"accept", b"b"), (b"cookie", b"lang=de")]))


@pytest.mark.parametrize(
    ("location", "count"),
    [
        (b"/other", 1),
        (b"http://h/x", 1),
        (b"https://H:443/x", 1),
        (b"//evil.test/x", 0),
        (b"http://h:1/x", 0),
        (b"\xff", 0),
    ],
)
def test_only_what_is_of_the_same_host_is_invalidated(location: bytes, count: int) -> None:
    assert len(list(cache_keys.named(request(), {b"location": [location]}))) == count
