"""What answers say in nginx: the real one beside `apigw serve`, with the same policies and the same upstream."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from apigw_cli.generate.nginx.config import Configuration
from tests.generate import beside
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
      edited:
        response:
          headers:
            rename: {X-Old: X-New}
            remove: [X-Powered-By, X-Frame-Options]
            set: {X-Shop: 'a "b" $host; {c} \\d', X-Tenant: "t-${request.header.X-Tenant}-${request.path.id}"}
            add: {Link: "</terms>", X-Who: "${request.cookie.who:-nobody$}"}
        security_headers: {csp: "default-src 'none'; img-src $x", permissions: "camera=()", frame: sameorigin}
      secured: {security_headers: {}}
      open: {cors: {origins: ["*"], expose: ["*"]}}
      named:
        max_body: 10
        cors:
          origins: ["https://app.test", "https://*.app.test", "http://localhost:*", "null"]
          headers: [X-A]
          expose: [X-B, RateLimit]
          max_age: 1h
          private_network: true
      named_put: {cors: {origins: ["https://put.test"], methods: [PUT, PATCH], credentials: true}}
      fixed: {ip: {deny: [127.0.0.1]}, cors: {origins: ["https://app.test"]}}
      both:
        cors: {origins: ["https://app.test"], credentials: true}
        security_headers: {frame: "off"}
        response: {headers: {set: {Vary: Accept, Access-Control-Allow-Origin: "https://evil.test"}}}
      gone: {redirect: {to: /new}, security_headers: {}, cors: {origins: ["https://app.test"]}}
      packed: {compress: {min_size: 100, codings: [gzip]}}
      closed: {security_headers: {}, cors: {origins: ["https://app.test"]}}
      one: {cors: {origins: ["https://one.test"]}}
upstreams: {up: {targets: ["URL"]}}
auth: {Key: {keys: {file: keys.yaml}}}
sites:
  web:
    folder: web
    hosts: [www.test]
    defaults:
      security_headers: {csp: "default-src 'self'"}
      response: {headers: {remove: [Cache-Control], set: {X-Site: "yes"}}}
      cors: {origins: ["https://app.test"]}
      compress: {min_size: 100, codings: [gzip]}
"""
API = """\
openapi: 3.1.0
info: {title: A, version: "1"}
paths:
  /edited/{id}: {get: {operationId: edited, responses: {}}}
  /secured: {get: {operationId: secured, responses: {}}}
  /open: {get: {operationId: open, responses: {}}, post: {operationId: open_post, responses: {}}}
  /named:
    get: {operationId: named, responses: {}}
    put: {operationId: named_put, responses: {}}
    delete: {operationId: named_delete, responses: {}}
  /fixed: {get: {operationId: fixed, responses: {}}}
  /both: {get: {operationId: both, responses: {}}, options: {operationId: both_options, responses: {}}}
  /gone: {get: {operationId: gone, responses: {}}}
  /packed: {get: {operationId: packed, responses: {}}}
  /closed: {get: {operationId: closed, security: [{Key: []}], responses: {}}}
  /{any}/one: {post: {operationId: one, responses: {}}}
  /x/one: {get: {operationId: x_one, responses: {}}}
components: {securitySchemes: {Key: {type: apiKey, in: header, name: X-Api-Key}}}
"""
CORS = (
    *("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods"),
    *("access-control-allow-headers", "access-control-allow-private-network", "access-control-expose-headers"),
    "access-control-max-age",
)
SECURITY = (
    *("x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy", "permissions-policy"),
    "strict-transport-security",
)
EDITED = ("x-old", "x-new", "x-powered-by", "x-shop", "x-tenant", "link", "x-who", "x-site", "cache-control")
ALL = (*CORS, *SECURITY, *EDITED, "allow", "location", "content-encoding")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "web").mkdir()
    (folder / "web/index.html").write_text("<p>home</p>" * 100)
    (folder / "web/a.woff2").write_bytes(bytes(1000))
    (folder / "apigw.yaml").write_text(CONFIG.replace("URL", upstream.url))
    (folder / "api.yaml").write_text(API)
    (folder / "keys.yaml").write_text("{}\n")
    with beside.running(folder) as found:
        yield found


def same(pair: Pair, method: str, path: str, host: str = "localhost", **headers: str) -> None:
    """The same status and headers, and Vary names the same."""
    ours, theirs = pair.ask(method, path, host, **headers)
    assert (beside.told(theirs, ALL), vary(theirs)) == (beside.told(ours, ALL), vary(ours)), (method, path, headers)


def vary(answer: beside.Answer) -> set[str]:
    return {one.strip().lower() for value in answer.all("vary") for one in value.split(",")}


@needs_nginx
@pytest.mark.parametrize(
    ("path", "say"),
    [
        ("/edited/7", ""),
        ("/edited/7", "X-Old: a|X-New: theirs|X-Powered-By: php|X-Frame-Options: DENY|X-Shop: theirs"),
        ("/edited/a.b~c", "Content-Security-Policy: own|Link: <x>|Link: <y>"),
        ("/secured", ""),
        ("/secured", "X-Frame-Options: SAMEORIGIN|Referrer-Policy: origin|Strict-Transport-Security: max-age=1"),
        ("/none", ""),
    ],
)
def test_edits_and_protection(pair: Pair, path: str, say: str) -> None:
    same(pair, "GET", path, X_Say=say, X_Tenant="t1", Cookie="a=b; who=me; Who=you")
    same(pair, "GET", path, X_Say=say, X_Status="500")
    same(pair, "POST", path, X_Say=say, Content_Length="0")


ORIGINS = (
    "https://app.test",
    "https://a.b.app.test",
    "https://app.test.evil",
    "http://localhost:81",
    "null",
    "HTTPS://APP.TEST",
    "https://xapp.test",
    "https://put.test",
)


@needs_nginx
@pytest.mark.parametrize("origin", ORIGINS)
def test_who_may_read_answers(pair: Pair, origin: str) -> None:
    for path in ("/open", "/named", "/both", "/gone", "/closed", "/fixed", "/secured"):
        same(
            pair,
            "GET",
            path,
            Origin=origin,
            X_Say="Access-Control-Allow-Origin: https://evil.test|Vary: Accept-Language",
        )
        same(pair, "PATCH", path, Origin=origin, Content_Length="0")
    same(pair, "GET", "/named", Origin=origin, X_Say="Vary: origin, Accept")
    same(pair, "GET", "/named")
    same(pair, "GET", "/named", Origin=origin, Content_Length="11")  # too long: refused before it is read
    same(pair, "GET", "/index.html", "www.test", Origin=origin)


@needs_nginx
@pytest.mark.parametrize("origin", ["https://a.b.app.test", "https://put.test", "https://one.test"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "odd"])
def test_preflights(pair: Pair, origin: str, method: str) -> None:
    for path in ("/open", "/named", "/both", "/gone", "/closed", "/fixed", "/secured", "/x/one", "/y/one", "/none"):
        asked = {"Access_Control_Request_Method": method}
        same(pair, "OPTIONS", path, Origin=origin, **asked)
    same(pair, "OPTIONS", "/", "www.test", Origin=origin, **asked)


@needs_nginx
@pytest.mark.parametrize(
    "headers",
    [
        {"Access_Control_Request_Headers": "x-a, authorization"},
        {"Access_Control_Request_Headers": 'x-a, "odd'},
        {"Access_Control_Request_Headers": "x" * 4097},
        {"Access_Control_Request_Private_Network": "true"},
        {"Access_Control_Request_Private_Network": "yes"},
    ],
)
def test_what_preflights_ask_for(pair: Pair, headers: dict[str, str]) -> None:
    for path in ("/open", "/named", "/both"):
        same(pair, "OPTIONS", path, Origin="https://app.test", Access_Control_Request_Method="GET", **headers)
        same(pair, "OPTIONS", path, Origin="https://app.test", **headers)
        same(pair, "OPTIONS", path, Access_Control_Request_Method="GET", **headers)


@needs_nginx
@pytest.mark.parametrize("accept", ["gzip", "gzip;q=0", "identity", "br, gzip;q=0.5", "deflate", ""])
@pytest.mark.parametrize(
    ("size", "say"),
    [("99", "Content-Type: text/plain"), ("100", "Content-Type: application/problem+json; charset=utf-8"),
     ("500", "Content-Type: image/png"),
     ("500", "Content-Type: text/html|Content-Encoding: br"), ("500", "Content-Type: text/csv|ETag: \"x\"")],
)  # fmt: skip
def test_what_is_compressed(pair: Pair, accept: str, size: str, say: str) -> None:
    headers = {"Accept_Encoding": accept} if accept else {}
    same(pair, "GET", "/packed", X_Size=size, X_Say=say, **headers)
    ours, theirs = pair.ask("GET", "/packed", X_Size=size, X_Say=say, **headers)
    assert theirs.headers.get("etag") == ours.headers.get("etag")
    bodies = [
        gzip.decompress(one.body) if one.headers.get("content-encoding") == "gzip" else one.body
        for one in (ours, theirs)
    ]
    assert bodies[0] == bodies[1] == b"o" * int(size)


@needs_nginx
def test_a_sites_answers_too(pair: Pair) -> None:
    for path in ("/", "/a.woff2", "/none"):
        same(pair, "GET", path, "www.test", Origin="https://app.test", Accept_Encoding="gzip")
    assert pair.ask("GET", "/", "www.test", Accept_Encoding="gzip")[1].headers["content-encoding"] == "gzip"


def test_what_nginx_cannot_say_is_told(build: Build) -> None:
    config = CONFIG.replace("URL", "http://127.0.0.1:1").replace("remove: [Cache-Control]", "remove: [ETag]")
    gaps = {(gap.item, gap.routes) for gap in Configuration(build(config, api=API, keys="{}"), "8080").gaps}
    assert gaps >= {
        ("compress", ("packed",)),
        ("response", ("edited",)),
        ("response", ("web_home", "web_file")),
    }
    assert not {item for item, _ in gaps} & {"cors", "security_headers"}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("compress: {codings: [br]}", "nginx has gzip alone, not br"),
        ("compress: {types: [text/css]}", "nginx compresses text/html too"),
        ("response: {headers: {remove: [Server]}}", "nginx says Server itself"),
        ("response: {headers: {set: {Content-Type: a/b}}}", "nginx says it itself: Content-Type is not set"),
        ("response: {headers: {add: {X-A: '${auth.claim.sub}'}}}", "nginx has no such value: X-A is not add"),
        ("response: {headers: {rename: {A-b: X-Frame-Options}}}, security_headers: {}", "only where an upstream says"),
        ("response: {body: {remove: [/a]}}", "nginx does not change bodies"),
        ("response: {status: {404: 204}}", "nginx does not change statuses"),
        ("response: {on: [2xx], headers: {remove: [X-A]}}", "nginx does not tell statuses apart"),
        ("response_limit: {max_body: 5}", "nginx has no response_limit"),
    ],
)
def test_each_difference_has_its_warning(build: Build, policy: str, said: str) -> None:
    api = f"{{spec: api.yaml, upstream: up, base_path: '', defaults: {{{policy}}}, security: 'off'}}"
    config = f"version: 1\napis: {{api: {api}}}\n"
    compiled = build(config + "upstreams: {up: {targets: ['http://127.0.0.1:1']}}\n", api=API)
    found = [gap for gap in Configuration(compiled, "8080").gaps if said in gap.message]
    assert found and all(gap.place is not None and len(gap.routes) > 5 for gap in found)
