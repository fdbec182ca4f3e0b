"""What upstreams are asked by nginx and by `apigw serve`, with the same edits of requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

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
    base_path: /v1
    security: "off"
    strip_base_path: true
    routes:
      headers:
        request_headers:
          rename: {X-Old: X-New}
          remove: [X-Gone]
          set: {X-Set: 'a "b" $host; {c} \\d', X-Id: "id=${request.path.id}", X-Lang: "${request.cookie.lang:-none}"}
          add: {X-More: "${request.header.X-Tenant}", X-Two: "${request.method}|${request.host}"}
      both:
        request: {headers: {set: {X-A: "1"}, remove: [X-B]}}
        request_headers: {set: {X-C: "3"}}
      path: {request: {path: "/v2/x/${request.path.id}/${request.header.X-Tenant:-all}"}}
      rest: {request: {path: "/all${request.path}/${request.path.more}"}}
      fixed: {request: {path: "/$host;a='b'", method: POST}}
      prefix: {request: {prefix: {from: /v1/prefix, to: /v9$x}}}
      query:
        request:
          query:
            rename: {q: search}
            remove: [debug, "a b"]
            set: {shop: "s $1&x", tenant: "${request.header.X-Tenant}", id: "${request.path.id}"}
            add: {via: "${request.query.from}"}
      cookies: {request: {cookies: {remove: [session], set: {theme: "${request.header.X-Theme}", fixed: "a b"}}}}
      cached:
        cache: {mode: ttl}
        request: {headers: {set: {X-For: "${request.header.X-Tenant}"}}, query: {set: {l: "${request.cookie.lang}"}}}
      away: {redirect: {to: "/v2${request.path}?a=${request.header.X-Tenant:-none}&b=$1#c"}}
      there: {redirect: {to: "https://new.test/x/${request.path.id}.html", status: 302}}
      here: {redirect: {to: "http://${request.host}/${request.header.X-Tenant}", keep_query: false}}
    hosts: [localhost, "*.shop.test"]
upstreams: {up: {targets: ["URL"]}}
"""
API = """\
openapi: 3.1.0
info: {title: A, version: "1"}
paths:
  /headers/{id}: {get: {operationId: headers, responses: {}}}
  /both: {get: {operationId: both, responses: {}}}
  /path/{id}: {get: {operationId: path, responses: {}}}
  /rest/{more+}: {get: {operationId: rest, responses: {}}}
  /fixed: {get: {operationId: fixed, responses: {}}, put: {operationId: put_fixed, responses: {}}}
  /prefix/{id}: {get: {operationId: prefix, responses: {}}}
  /query/{id}: {get: {operationId: query, responses: {}}}
  /cookies: {get: {operationId: cookies, responses: {}}}
  /away/{any+}: {get: {operationId: away, responses: {}}}
  /there/{id}: {get: {operationId: there, responses: {}}}
  /here: {get: {operationId: here, responses: {}}}
  /cached: {get: {operationId: cached, responses: {}}}
"""
NAMES = (
    *("x-old", "x-new", "x-gone", "x-set", "x-id", "x-lang", "x-more", "x-two", "x-a", "x-b", "x-c", "cookie"),
    *("x-forwarded-for", "x-forwarded-host"),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("requests")
    (folder / "apigw.yaml").write_text(CONFIG.replace("URL", upstream.url))
    (folder / "api.yaml").write_text(API)
    with beside.running(folder) as found:
        yield found


def asked(port: int, upstream: Upstream, method: str, path: str, **headers: str) -> object:
    """What the upstream was asked: method, target and headers; or the status where it was not asked."""
    before = len(upstream.seen)
    answer = engine.ask(port, method, path, "localhost", **headers)
    if len(upstream.seen) == before:
        return answer.status
    found = {name: sorted(value for value in upstream.last(name) if value) for name in NAMES}
    found["cookie"] = [pair.strip() for value in found["cookie"] for pair in value.split(";")]
    return (*upstream.seen[-1][:2], found)


@needs_nginx
@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/v1/headers/7", {}),
        ("GET", "/v1/headers/a~b.c-d", {"X_Old": "old", "X_New": "mine", "X_Gone": "x", "X_Set": "x", "X_Id": "x"}),
        ("HEAD", "/v1/headers/7?x=1", {"X_Tenant": "t", "X_More": "mine", "Cookie": "Lang=x; lang=de; lang=en"}),
        ("GET", "/v1/both", {"X_A": "x", "X_B": "x", "X_C": "x"}),
        ("GET", "/v1/path/7?a=b", {}),
        ("GET", "/v1/path/a%2Fb?a", {"X_Tenant": "t-1.x_~"}),
        ("GET", "/v1/path/7", {"X_Tenant": ".."}),
        ("GET", "/v1/rest/a/b%20c/?x=%2f", {}),
        ("GET", "/v1/fixed?x=1", {}),
        ("HEAD", "/v1/fixed", {}),
        ("PUT", "/v1/fixed", {"Content_Length": "0"}),
        ("GET", "/v1/prefix/7?a=/v1/prefix", {}),
        ("GET", "/v1/query/7", {}),
        ("GET", "/v1/query/7?q=1&debug=1&a=b&a=c&x", {"X_Tenant": "t"}),
        ("GET", "/v1/query/7?search=mine&q=x%20y+z&shop=mine&tenant=mine&id=8", {}),
        ("GET", "/v1/query/7?de%62ug=1&a+b=1&%71=2&from=here&via=x", {}),
        ("GET", "/v1/query/7?debug&debugger=1&xdebug=2", {"X_Tenant": "t"}),
        ("GET", "/v1/cookies", {}),
        ("GET", "/v1/cookies", {"Cookie": "session=1; a=b; xsession=2; sessions=3", "X_Theme": "dark"}),
        ("GET", "/v1/cookies", {"Cookie": "a=b;session=1", "X_Theme": "d&k=1"}),
        ("GET", "/v1/cookies", {"Cookie": "session"}),
        ("GET", "/v1/cookies", {"Cookie": "theme=mine; fixed=mine"}),
    ],
)
def test_an_upstream_is_asked_the_same(
    pair: Pair, upstream: Upstream, method: str, path: str, headers: dict[str, Any]
) -> None:
    ours, theirs = (asked(one.port, upstream, method, path, **headers) for one in (pair.gateway, pair.nginx))
    assert theirs == ours


@needs_nginx
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/path/7", {"X_Tenant": "a b"}),
        ("/v1/path/7", {"X_Tenant": "a%2Fb"}),
        ("/v1/path/7", {"X_Tenant": "a/../b"}),
        ("/v1/path/7", {"X_Tenant": "a?b"}),
        ("/v1/query/7", {"X_Tenant": "a&shop=mine"}),
        ("/v1/query/a+b", {}),
        ("/v1/query/7?debug=1&debug=2", {}),
        ("/v1/query/7?debug=1&x&%64ebug=2", {}),
        ("/v1/cookies", {"X_Theme": "a; admin=1"}),
        ("/v1/cookies", {"Cookie": "session=1; a=b; session=2"}),
    ],
)
def test_what_nginx_cannot_change_it_refuses(
    pair: Pair, upstream: Upstream, path: str, headers: dict[str, Any]
) -> None:
    assert asked(pair.nginx.port, upstream, "GET", path, **headers) == 400


@needs_nginx
@pytest.mark.parametrize(
    ("path", "host", "headers"),
    [
        ("/v1/away/a/b%20c?x=1", "localhost", {}),
        ("/v1/away/a", "localhost", {"X_Tenant": "t"}),
        ("/v1/there/7?x=1&y", "localhost", {}),
        ("/v1/there/a%2Fb", "localhost", {}),
        ("/v1/here?x=1", "a.shop.test:81", {"X_Tenant": "t"}),
        ("/v1/here", "A.shop.test", {}),
        ("/v1/here", "localhost", {"X_Tenant": ".."}),
    ],
)
def test_clients_are_sent_to_the_same_address(pair: Pair, path: str, host: str, headers: dict[str, str]) -> None:
    pair.same(("location",), "GET", path, host, **headers)


@needs_nginx
def test_a_value_leads_nowhere_else(pair: Pair) -> None:
    for tenant in ("/evil.test", "a b", "a?b", "a%2Fb", "\\\\evil.test"):
        assert pair.nginx.ask("GET", "/v1/here", X_Tenant=tenant).status == 400


@needs_nginx
def test_edits_are_part_of_what_is_kept(pair: Pair, upstream: Upstream) -> None:
    for headers, fetched in (
        ({"X_Tenant": "a"}, 1), ({"X_Tenant": "b"}, 1), ({"X_Tenant": "a"}, 0),
        ({"X_Tenant": "a", "Cookie": "lang=x"}, 1), ({"X_Tenant": "a", "Cookie": "lang=x"}, 0),
    ):  # fmt: skip
        before = len(upstream.seen)
        pair.nginx.ask("GET", "/v1/cached", **headers)
        assert len(upstream.seen) - before == fetched


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("redirect: {to: '/x/${auth.claim.a}'}", "nginx has no such value: it says 501"),
        ("redirect: {to: '/x?q=${request.query.q}'}", "nginx does not decode: q goes as"),
        ("request: {body: {remove: [/a]}}", "nginx does not change bodies: it says 501"),
        ("request: {path: '/x/${auth.claim.a}'}", "nginx cannot make the path"),
        ("request: {query: {set: {a: '${auth.plan}'}}}", "nginx cannot make a=${auth.plan}: it says 501"),
        ("request: {query: {rename: {a: b, b: a}}}", "nginx cannot exchange names"),
        ("request: {query: {remove: [a]}}", "nginx refuses (400) a request that has a query parameter twice"),
        ("request: {cookies: {remove: [a]}}", "nginx refuses (400) a request that has a cookie twice"),
        ("request_headers: {set: {X-A: '${auth.claim.a}'}}", "nginx has no such value: the header X-A is not sent"),
        ("request_headers: {set: {X-A: '${request.query.q}'}}", "nginx does not decode: q goes as"),
        ("request_headers: {rename: {X-A: X-B}}", "of several headers X-A nginx renames the first"),
        ("request_headers: {rename: {X_A: X-B}}", "nginx has no variable for the header X_A"),
        ("request: {method: POST}, cache: {}", "nginx keeps no answers to a request whose method it changes"),
    ],
)
def test_each_difference_has_its_warning(build: Build, policy: str, said: str) -> None:
    api = f"{{spec: api.yaml, upstream: up, base_path: '', defaults: {{{policy}}}, security: 'off'}}"
    compiled = build(
        f"version: 1\napis: {{api: {api}}}\nupstreams: {{up: {{targets: ['http://127.0.0.1:1']}}}}\n", api=API
    )
    found = [gap for gap in Configuration(compiled, "8080").gaps if said in gap.message]
    assert found and all(gap.place is not None and len(gap.routes) >= 9 for gap in found)
