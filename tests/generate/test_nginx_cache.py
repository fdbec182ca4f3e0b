"""The cache in nginx: nobody gets from it what our cache would not give, and it is one for the rest."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apigw_cli.generate.nginx.caches import above
from apigw_cli.generate.nginx.config import Configuration
from tests.generate import beside, engine
from tests.generate.beside import Pair
from tests.generate.conftest import Build, Upstream
from tests.generate.engine import needs_nginx

CONFIG = """\
version: 1
apis:
  api:
    spec: api.yaml
    upstream: up
    base_path: ""
    routes:
      http: {cache: {}}
      deaf: {cache: {client_directives: ignore, collapse: 0s}}
      ttl: {cache: {mode: ttl, ttl: 1m}}
      anew: {cache: {mode: ttl, ttl: 1m, invalidation: {allow: anyone}}}
      keyed: {cache: {mode: ttl, key_parameters: ["query:a", "header:X-Tenant", "cookie:lang"]}}
      caller: {cache: {per_caller: true}}
      key: {cache: {}}
      small: {cache: {max_object: 10}}
upstreams: {up: {targets: ["URL"]}}
auth: {Key: {keys: {file: keys.yaml}}}
"""
ROUTES = ("http", "deaf", "ttl", "anew", "keyed", "caller", "key", "small")
# `demo-alice`, as in the sample's list of keys
KEYS = "alice: {sha256: 1d0e4df1ba2e2f0c8a6ad3f6b4b7c4a2f4a3d2a8d8c0e5f8a43c1c7f1b2e8f60}\n"


def spec() -> str:
    paths = "".join(
        f"  /{name}/{{id}}: {{get: {{operationId: {name}, responses: {{}}"
        + (", security: [{Key: []}, {}]" if name == "key" else "")
        + "}}\n"
        for name in ROUTES
    )
    schemes = "components: {securitySchemes: {Key: {type: apiKey, in: query, name: k}}}\n"
    return f'openapi: 3.1.0\ninfo: {{title: A, version: "1"}}\npaths:\n{paths}{schemes}'


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "apigw.yaml").write_text(CONFIG.replace("URL", upstream.url))
    (folder / "api.yaml").write_text(spec())
    (folder / "keys.yaml").write_text(KEYS)
    with beside.running(folder, {"Key": '"~^0\\z" "0";\n'}) as found:
        yield found


_numbers = itertools.count(1)


def fresh() -> int:
    return next(_numbers)


def shared(port: int, path: str, say: str, first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether the second request gets the answer that was made for the first."""
    for mark, request in (("1", first), ("2", second)):
        headers = dict(request)
        query, body = headers.pop("query", ""), headers.pop("body", None)
        status = headers.pop("X_Status", "200")
        answer = engine.ask(
            port,
            headers.pop("method", "GET"),
            path + query,
            headers.pop("host", "localhost"),
            body=body,
            X_Say=f"X-Mark: {mark}|{say}",
            X_Status=status,
            **headers,
        )
    return answer.headers.get("x-mark") == "1"


FRESH = "Cache-Control: max-age=60"
SAID = st.sampled_from(
    [
        *("", FRESH, "Cache-Control: public, max-age=60", "Cache-Control: s-maxage=60", "Cache-Control: no-store"),
        *("Cache-Control: private, max-age=60", "Cache-Control: max-age=60|Cache-Control: private", "Age: 30|" + FRESH),
        *("Cache-Control: max-age=0, s-maxage=60", "Cache-Control: no-cache, max-age=60", "Set-Cookie: a=b|" + FRESH),
        *("Cache-Control: public, max-age=60|Set-Cookie: a=b", "Vary: X-Tenant|" + FRESH, "Vary: *|" + FRESH),
        *("Vary: Accept-Language, Cookie|" + FRESH, "CDN-Cache-Control: no-store|" + FRESH),
        *("Surrogate-Control: no-store|" + FRESH, "Surrogate-Control: private|Cache-Control: public, max-age=60"),
        *("Expires: Fri, 01 Jan 2100 00:00:00 GMT", 'Cache-Control: private="set-cookie", max-age=60'),
        *("X-Accel-Expires: 60", "Content-Type: text/event-stream|" + FRESH),
        "Cache-Control: max-age=60, must-revalidate",
        "Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT",
    ]
)  # fmt: skip
REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(
            [
                "?a=1",
                "?a=2",
                "?a=1&a=2",
                "?b=1",
                "?b=2",
                "?A=1",
                "?a",
                "?%61=2",
                "?k=0",
                "?k=x",
                "?a=1&b=2",
                "?a[]=1",
                "?b=1;a=2",
                "?a.b=1",
            ]
        ),
        "host": st.sampled_from(["localhost", "other.test", "localhost:80"]),
        "body": st.sampled_from([b"one", b"two", b""]),
        "method": st.sampled_from(["GET", "HEAD"]),
        "Authorization": st.sampled_from(["0", "Bearer a"]),  # an empty header is none, for nginx
        "X_Auth_Token": st.sampled_from(["0", "a"]),
        "Cookie": st.sampled_from(["lang=de", "lang=en", "lang=de; lang=en", "Lang=en", "0", "session=1", "xlang=fr"]),
        "X_Tenant": st.sampled_from(["a", "b"]),
        "X_Original_URL": st.sampled_from(["/evil", "0"]),
        "Surrogate_Capability": st.just("evil"),
        "X_Forwarded_Host": st.sampled_from(["evil.test"]),
        "Accept_Language": st.sampled_from(["de", "en"]),
        "Cache_Control": st.sampled_from(
            ["no-cache", "no-store", "max-age=0", "no-transform, max-age=00", "max-age=5"]
        ),
        "Range": st.just("bytes=0-0"),
        "If_Match": st.just('"x"'),
        "X_Status": st.sampled_from(["404", "500", "206", "302"]),
    },
)


@needs_nginx
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ROUTES), SAID, REQUEST, REQUEST)
@example("ttl", "", {"Authorization": "0"}, {})
@example("caller", FRESH, {"Cookie": "0"}, {})
@example("key", FRESH, {"query": "?k=0"}, {"query": "?k=0"})
@example("keyed", "", {"query": "?a=1&a=2"}, {"query": "?a=1"})
@example("keyed", "", {"query": "?a"}, {})
@example("keyed", "", {"Cookie": "lang=de; lang=en"}, {"Cookie": "lang=de"})
@example("ttl", "Cache-Control: max-age=60|Cache-Control: private", {}, {})
@example("http", FRESH, {"body": b"one"}, {})
@example("http", "Vary: Cookie|" + FRESH, {"Cookie": "session=1"}, {"Cookie": "session=2"})
@example("http", FRESH, {"X_Status": "206"}, {})
def test_what_nginx_shares_we_share(
    pair: Pair, route: str, say: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    path = f"/{route}/{fresh()}"
    if shared(pair.nginx.port, path, say, first, second):
        assert shared(pair.gateway.port, path, say, first, second), (route, say, first, second)


@needs_nginx
@pytest.mark.parametrize(
    ("route", "say", "first", "second"),
    [
        ("http", FRESH, {}, {}),
        ("http", "Cache-Control: max-age=0, s-maxage=60", {}, {"method": "HEAD"}),
        ("http", "Vary: Accept-Language|" + FRESH, {"Accept_Language": "de"}, {"Accept_Language": "de"}),
        ("http", FRESH, {"X_Status": "404"}, {}),
        ("http", FRESH, {}, {"Cookie": "a=b"}),
        ("deaf", FRESH, {}, {"Cache_Control": "no-cache"}),
        ("ttl", "", {}, {}),
        ("ttl", "", {"query": "?a=1"}, {"query": "?a=1", "Cache_Control": "max-age=0"}),
        ("keyed", "", {"query": "?a=1&b=1", "X_Tenant": "x"}, {"query": "?b=2&a=1", "X_Tenant": "x"}),
        ("keyed", "", {"Cookie": "x=1; lang=de"}, {"Cookie": "lang=de"}),
        ("key", FRESH, {}, {}),
        ("caller", FRESH, {}, {}),
        ("small", FRESH, {"X_Size": "10"}, {}),
    ],
)
def test_what_both_share(pair: Pair, route: str, say: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    path = f"/{route}/{fresh()}"
    assert [shared(one.port, path, say, first, second) for one in (pair.gateway, pair.nginx)] == [True, True]


@needs_nginx
@pytest.mark.parametrize(
    ("route", "say", "first", "second"),
    [
        ("http", "", {}, {}),
        ("http", FRESH, {}, {"Cache_Control": "no-cache"}),
        ("http", FRESH, {}, {"host": "other.test"}),
        ("ttl", "", {"query": "?a=1"}, {"query": "?a=2"}),
        ("anew", "", {}, {"Cache_Control": "max-age=0"}),
        ("keyed", "", {"X_Tenant": "x"}, {"X_Tenant": "y"}),
        ("small", FRESH, {"X_Size": "11"}, {}),
        ("ttl", "", {"X_Status": "500"}, {}),
    ],
)
def test_what_neither_shares(pair: Pair, route: str, say: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    path = f"/{route}/{fresh()}"
    assert [shared(one.port, path, say, first, second) for one in (pair.gateway, pair.nginx)] == [False, False]


@needs_nginx
def test_a_kept_answer_and_what_is_said_of_it(pair: Pair) -> None:
    path, say = f"/http/{fresh()}", f'X-Mark: 1|ETag: "x"|Surrogate-Capability: a|{FRESH}'
    answers = [pair.nginx.ask("GET", path, X_Say=say, X_Size="10") for _ in range(2)]
    assert [answer.headers["cache-status"] for answer in answers] == ["apigw; fwd=uri-miss", "apigw; hit"]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    part = pair.nginx.ask("GET", path, Range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"ooo", "bytes 2-4/10")
    assert pair.nginx.ask("GET", path, If_None_Match='"x"').status == 304


@needs_nginx
def test_of_a_header_in_the_key_the_upstream_hears_one(pair: Pair, upstream: Upstream) -> None:
    with engine.socket.create_connection(("127.0.0.1", pair.nginx.port), 10) as client:
        client.sendall(
            b"GET /keyed/%d HTTP/1.1\r\nHost: localhost\r\nX-Tenant: a\r\nX-Tenant: b\r\nConnection: close\r\n\r\n"
            % fresh()
        )
        while client.recv(65536):
            pass
    # nginx before 1.23 takes the first one, later versions all of them; in any case the one that is in the key.
    assert upstream.last("X-Tenant") in (["a"], ["a, b"])


@needs_nginx
def test_one_fetch_for_many(pair: Pair, upstream: Upstream) -> None:
    path = f"/http/{fresh()}"
    answers: list[str] = []
    threads = [
        threading.Thread(
            target=lambda mark=mark: answers.append(
                pair.nginx.ask("GET", path, X_Say=f"X-Mark: {mark}|{FRESH}").headers["x-mark"]
            )
        )
        for mark in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert sum(one[1] == path for one in upstream.seen) == 1


@given(st.integers(0, 1 << 30), st.integers(0, 1 << 31))
@example(9, 10)
@example(1 << 20, 1 << 20)
def test_a_number_that_is_larger(bound: int, number: int) -> None:
    pattern = above(bound).replace(r"\z", r"\Z")
    assert (re.match(pattern, str(number)) is not None) is (number > bound)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("{}", "nginx answers callers that say who they are past the cache"),
        ("{}", "of a client's Cache-Control nginx heeds"),
        ("{mode: ttl}", "before ttl"),
        ("{per_caller: true}", "keeps nothing per caller"),
        ("{stale_while_revalidate: 5s}", "no bound for stale_while_revalidate"),
        ("{stale_if_error: 5s}", "no bound for stale_if_error"),
        ("{}", "the minute after an answer was fresh"),
        ("{mode: ttl, invalidation: {allow: [alice]}}", "no callers by name that may invalidate"),
        ("{mode: ttl, invalidation: {otherwise: reject}}", "does not reject requests"),
        ("{mode: ttl, key_parameters: ['header:X_A']}", "no variable for the header X_A: nothing is kept"),
    ],
)
def test_each_difference_has_its_warning(build: Build, policy: str, said: str) -> None:
    api = f"{{spec: api.yaml, upstream: up, base_path: '', defaults: {{cache: {policy}}}, security: 'off'}}"
    compiled = build(
        f"version: 1\napis: {{api: {api}}}\nupstreams: {{up: {{targets: ['http://127.0.0.1:1']}}}}\n", api=spec()
    )
    found = [gap for gap in Configuration(compiled, "8080").gaps if said in gap.message]
    assert found and all(
        gap.item == "cache" and gap.place is not None and len(gap.routes) == len(ROUTES) for gap in found
    )
