"""What nginx does with what we generate for it: the real nginx, a recording upstream, our own router as the judge."""

from __future__ import annotations

import functools
import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from apigw_cli.config import project
from apigw_cli.generate.nginx.config import Configuration
from apigw_cli.generate.run import load
from apigw_cli.policies.registry import POLICIES
from apigw_cli.routing.path import normalise
from apigw_cli.routing.router import Match, MethodNotAllowed, Router
from apigw_cli.snapshot.compiler import Compiled, compile_project
from apigw_cli.snapshot.model import Route
from tests.generate import engine
from tests.generate.conftest import SPECS, Build, Upstream
from tests.generate.engine import Answer, Nginx, needs_nginx

pytestmark = needs_nginx

KEYS = '"~^\\Qdemo-alice\\E\\z" "alice";\n"~^\\Qk$e.y\\E\\z" "carol";\n'

Serve = Callable[..., AbstractContextManager[Nginx]]


def text_of(compiled: Compiled) -> str:
    return Configuration(compiled, "127.0.0.1:1").text()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    def serve(compiled: Compiled, **keys: str) -> AbstractContextManager[Nginx]:
        return engine.running(text_of(compiled), tmp_path, keys)

    return serve


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[tuple[Nginx, Router]]:
    """nginx with the sample gateway; its upstream is the recording one."""
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(SPECS, folder / "specs", ignore=shutil.ignore_patterns(".*"))
    (folder / "specs/stages/qa.yaml").write_text(f"variables: {{pets_url: '{upstream.url}'}}\n")
    compiled = load(folder / "specs", None)
    with engine.running(text_of(compiled), folder / "specs", {"ApiKeyAuth": KEYS}) as nginx:
        yield nginx, Router(compiled.snapshot.routes)


def test_nginx_accepts_the_configuration_of_the_sample(tmp_path: Path) -> None:
    checked = engine.check(text_of(load(SPECS, None)), tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/v1/pets?limit=2&tag=a%20b", "listPets"),
        ("HEAD", "/v1/pets", "listPets"),
        ("POST", "/v1/pets", "createPet"),
        ("GET", "/v1/pets/mine", "listMyPets"),
        ("GET", "/v1/pets/7", "getPet"),
        ("GET", "/v1/pets/a%2Fb", "getPet"),
        ("GET", "/v1/pets/a%20%C3%A9%3Bb", "getPet"),
        ("DELETE", "/v1/pets/mine", "deletePet"),
        ("GET", "/v1/shop/hours", "shopHours"),
    ],
)
def test_every_operation_is_reached_with_the_path_as_the_client_sent_it(
    sample: tuple[Nginx, Router], upstream: Upstream, method: str, path: str, operation: str
) -> None:
    nginx, router = sample
    assert decide(router, "localhost", method, path.partition("?")[0]) == f"petstore:{operation}"
    answer = nginx.ask(method, path, X_Api_Key="demo-alice", body=b"{}" if method == "POST" else None)
    assert answer.status == 200
    assert upstream.seen[-1][:2] == (method, path)
    assert operation_of(nginx, answer) == f"petstore:{operation}"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/pets", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/pets/mine", {"DELETE", "GET", "HEAD"}),
        ("PATCH", "/v1/pets/7", {"DELETE", "GET", "HEAD"}),
        ("DELETE", "/v1/shop/hours", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_405_with_allow(
    sample: tuple[Nginx, Router], method: str, path: str, allow: set[str]
) -> None:
    nginx, router = sample
    answer = nginx.ask(method, path, X_Api_Key="demo-alice")
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == allow == set(decide(router, "localhost", method, path))
    assert json.loads(answer.body) == {"message": "Method Not Allowed"}


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("localhost", "/"),
        ("localhost", "/v1"),
        ("localhost", "/v1/pets/"),
        ("localhost", "/v1/pets/7/photos"),
        ("localhost", "/@apigw/petstore/listPets"),
        ("elsewhere.test", "/v1/pets"),
    ],
)
def test_what_nobody_serves_is_404(sample: tuple[Nginx, Router], host: str, path: str) -> None:
    nginx, router = sample
    assert decide(router, host, "GET", path) is None
    answer = nginx.ask("GET", path, host, X_Api_Key="demo-alice")
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "Not Found"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert "allow" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/v1/pets/../shop/hours", "/v1/pets/%2e%2E/x", "/v1//pets", "/v1/pets/a%2F..%2Fb", "/v1/pets/.", "/v1\\pets"],
)
def test_a_path_that_may_be_read_in_two_ways_is_refused(sample: tuple[Nginx, Router], path: str) -> None:
    answer = sample[0].ask("GET", path, X_Api_Key="demo-alice")
    assert (answer.status, json.loads(answer.body)) == (400, {"message": "Bad Request"})


@pytest.mark.parametrize("key", ["", "demo-alic", "DEMO-ALICE", "demo-alicee", "demo-alice\\z"])
def test_a_key_that_is_not_known_is_refused(sample: tuple[Nginx, Router], upstream: Upstream, key: str) -> None:
    before = len(upstream.seen)
    answer = sample[0].ask("GET", "/v1/pets", **({"X_Api_Key": key} if key else {}))
    assert (answer.status, json.loads(answer.body)) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == 'ApiKey realm="apigw"'
    assert len(upstream.seen) == before


def test_without_a_key_file_everything_that_needs_a_key_is_refused(
    build: Build, serve: Serve, upstream: Upstream
) -> None:
    compiled = build(shop_config(upstream.url, auth=True), shop=SHOP, keys="{}")
    with serve(compiled) as nginx:
        assert nginx.ask("GET", "/v1/closed", X_Api_Key="demo-alice").status == 401
        assert nginx.ask("GET", "/v1/open").status == 200


def test_the_sites_files_stand_beside_the_api(sample: tuple[Nginx, Router], upstream: Upstream) -> None:
    nginx, before = sample[0], len(upstream.seen)
    page = nginx.ask("GET", "/", "www.petshop.localhost")
    assert (page.status, page.body) == (200, (SPECS / "site/index.html").read_bytes())
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    style = nginx.ask("GET", "/assets/shop.css", "www.petshop.localhost:80")
    assert (style.headers["content-type"], style.headers["cache-control"]) == (
        "text/css; charset=utf-8",
        "public, max-age=86400",
    )
    lost = nginx.ask("GET", "/none", "www.petshop.localhost")
    assert (lost.status, lost.body) == (404, (SPECS / "site/404.html").read_bytes())
    assert len(upstream.seen) == before
    assert nginx.ask("GET", "/v1/pets", "api.petshop.localhost", X_Api_Key="demo-alice").status == 200
    assert nginx.ask("GET", "/assets/shop.css", "api.petshop.localhost").status == 404


def test_a_key_may_hold_characters_that_mean_something_to_nginx(sample: tuple[Nginx, Router]) -> None:
    assert sample[0].ask("GET", "/v1/pets", X_Api_Key="k$e.y").status == 200
    assert sample[0].ask("GET", "/v1/pets", X_Api_Key="k$exy").status == 401


def test_what_goes_to_the_upstream(sample: tuple[Nginx, Router], upstream: Upstream) -> None:
    sample[0].ask(
        "POST",
        "/v1/pets",
        "localhost:80",
        b"{}",
        X_Api_Key="demo-alice",
        X_Gateway="mine",
        X_Forwarded_For="6.6.6.6",
        X_Real_IP="6.6.6.6",
        Forwarded="for=6.6.6.6",
        X_Request_Id="abc-1",
        Connection="close",
    )
    assert upstream.last("Host") == [upstream.url.removeprefix("http://")]
    assert upstream.last("X-Gateway") == ["apigw"]
    assert upstream.last("X-Forwarded-For") == ["127.0.0.1"]
    assert upstream.last("X-Forwarded-Host") == ["localhost:80"]
    assert upstream.last("X-Forwarded-Proto") == ["http"]
    assert upstream.last("X-Request-Id") == ["abc-1"]
    assert upstream.last("X-Api-Key") == ["demo-alice"]
    assert upstream.last("X-Real-IP") == upstream.last("Forwarded") == upstream.last("Connection") == []


def test_the_request_id_is_the_gateways_own_unless_the_client_sent_a_sane_one(
    sample: tuple[Nginx, Router], upstream: Upstream
) -> None:
    for given, kept in (("abc-1", True), ("a b", False), ("x" * 200, False)):
        answer = sample[0].ask("GET", "/v1/pets/7", X_Request_Id=given, X_Api_Key="demo-alice")
        assert upstream.last("X-Request-Id") == [answer.headers["x-request-id"]]
        assert (answer.headers["x-request-id"] == given) is kept


LIMITS = """\
version: 1
apis: {shop: {spec: shop.yaml, upstream: shop, base_path: /v1, routes: {
  slow: {rate_limit: {rate: 1/m, burst: 3, key: ip}},
  open: {rate_limit: {rate: 1/m, burst: 3, key: ip}},
  one: {rate_limit: {rate: 1/m, burst: 1, key: "header:X-Tenant"}},
  none: {rate_limit: {rate: 1/s, burst: 0}},
  closed: {rate_limit: {rate: 1/m, burst: 2, key: api_key}}}}}
upstreams: {shop: {targets: ["URL"]}}
auth: {Key: {keys: {file: keys.yaml}}}
"""
SHOP = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /slow: {get: {operationId: slow, responses: {}}}
  /one: {get: {operationId: one, responses: {}}}
  /none: {get: {operationId: none, responses: {}}}
  /open: {get: {operationId: open, responses: {}}}
  /unlimited: {get: {operationId: unlimited, responses: {}}}
  /closed: {get: {operationId: closed, security: [{Key: []}], responses: {}}}
components: {securitySchemes: {Key: {type: apiKey, in: header, name: X-Api-Key}}}
"""


def shop_config(url: str, auth: bool = False, more: str = "") -> str:
    """One API with one upstream; `more` is added to the API."""
    keys = "auth: {Key: {keys: {file: keys.yaml}}}\n" if auth else ""
    security = "" if auth else ", security: 'off'"
    return (
        f"version: 1\napis: {{shop: {{spec: shop.yaml, upstream: shop, base_path: /v1{security}{more}}}}}\n"
        f"upstreams: {{shop: {{targets: ['{url}']}}}}\n{keys}"
    )


def test_a_limit_admits_its_burst_and_then_refuses(build: Build, serve: Serve, upstream: Upstream) -> None:
    compiled = build(LIMITS.replace("URL", upstream.url), shop=SHOP, keys="{}")
    keys = '"~^\\Qa\\E\\z" "alice";\n"~^\\Qb\\E\\z" "bob";\n'
    with serve(compiled, Key=keys) as nginx:
        assert [nginx.ask("GET", "/v1/slow").status for _ in range(5)] == [200, 200, 200, 429, 429]
        refused = nginx.ask("GET", "/v1/slow")
        assert json.loads(refused.body) == {"message": "Too Many Requests"}
        assert refused.headers["ratelimit-policy"] == '"default";q=3;w=180'
        assert refused.headers["retry-after"] == "63"  # nginx keeps 0.016/s for 1/m
        tenants = ["x", "x", "y", "y", ""]
        assert [nginx.ask("GET", "/v1/one", X_Tenant=t).status for t in tenants] == [200, 429, 200, 429, 200]
        assert nginx.ask("GET", "/v1/none").status == 429
        callers = ["a", "a", "a", "b"]
        assert [nginx.ask("GET", "/v1/closed", X_Api_Key=k).status for k in callers] == [200, 200, 429, 200]
        # The same limit at another operation has buckets of its own.
        assert [nginx.ask("GET", "/v1/open").status for _ in range(4)] == [200, 200, 200, 429]
        assert "ratelimit-policy" not in nginx.ask("GET", "/v1/unlimited").headers


EDITS = """, routes: {open: {request_headers: {
  set: {X-Set: 'a "b" $host \\c; {d}', X-Forwarded-For: mine}, add: {X-More: two}, remove: [X-Gone, User-Agent]}}}"""


@pytest.mark.parametrize(
    ("lists", "status"),
    [
        ("{allow: [127.0.0.0/8]}", 200),
        ("{allow: [10.0.0.0/8, '2001:db8::/32', unix]}", 403),
        ("{deny: [127.0.0.1]}", 403),
        ("{allow: [127.0.0.0/8], deny: [127.0.0.1]}", 403),
        ("{deny: [10.0.0.0/8]}", 200),
    ],
)
def test_addresses(build: Build, serve: Serve, upstream: Upstream, lists: str, status: int) -> None:
    compiled = build(shop_config(upstream.url, more=f", defaults: {{ip: {lists}}}"), shop=SHOP, keys="{}")
    with serve(compiled) as nginx:
        answer = nginx.ask("GET", "/v1/open")
    assert answer.status == status
    assert status == 200 or json.loads(answer.body) == {"message": "Forbidden"}


def test_header_edits(build: Build, serve: Serve, upstream: Upstream) -> None:
    with serve(build(shop_config(upstream.url, more=EDITS), shop=SHOP)) as nginx:
        nginx.ask("GET", "/v1/open", X_Set="theirs", X_More="one", X_Gone="x", User_Agent="y", X_Kept="z")
        assert upstream.last("X-Set") == ['a "b" $host \\c; {d}']
        assert upstream.last("X-More") == ["one", "two"]
        assert upstream.last("X-Gone") == upstream.last("User-Agent") == []
        assert upstream.last("X-Kept") == ["z"]
        assert upstream.last("X-Forwarded-For") == ["mine"]


VALUES = """, routes: {open: {request_headers: {
  set: {X-Set: "${request.method} ${request.header.X-More:-none}", X-Who: "${auth.claim.sub}"},
  rename: {X-Old: X-New}}}}"""


def test_headers_of_values(build: Build, serve: Serve, upstream: Upstream) -> None:
    compiled = build(shop_config(upstream.url, more=VALUES), shop=SHOP)
    messages = [gap.message for gap in Configuration(compiled, "127.0.0.1:1").gaps]
    assert "nginx has no such value: the header X-Who is not sent, nor a client's own" in messages
    with serve(compiled) as nginx:
        nginx.ask("GET", "/v1/open", X_More="one", X_Old="a", X_New="forged", X_Who="root")
        assert upstream.last("X-Set") == ["GET one"]
        assert (upstream.last("X-New"), upstream.last("X-Old"), upstream.last("X-Who")) == (["a"], [], [])
        nginx.ask("GET", "/v1/open", X_New="forged")
        assert (upstream.last("X-Set"), upstream.last("X-New")) == (["GET none"], [])


def test_a_body_that_is_too_large(build: Build, serve: Serve, upstream: Upstream) -> None:
    config = shop_config(upstream.url, more=", routes: {open: {max_body: 10}, slow: {max_body: 0}}")
    compiled = build(config, shop=SHOP)
    assert next(gap.subject for gap in Configuration(compiled, "127.0.0.1:1").gaps) == "max_body of slow"
    with serve(compiled) as nginx:
        assert nginx.ask("GET", "/v1/open", body=b"x" * 10).status == 200
        answer = nginx.ask("GET", "/v1/open", body=b"x" * 11)
        assert (answer.status, json.loads(answer.body)) == (413, {"message": "Content Too Large"})
        assert nginx.ask("GET", "/v1/unlimited", body=b"x" * 1000).status == 200


def test_redirects(build: Build, serve: Serve, upstream: Upstream) -> None:
    routes = (
        "open: {redirect: {to: '/new$x'}}, slow: {redirect: {to: 'https://a.example/b?c=1', status: 302, "
        "keep_query: false}}, one: {redirect: {to: '/${auth.claim.sub}'}}"
    )
    compiled = build(shop_config(upstream.url, more=f", routes: {{{routes}}}"), shop=SHOP)
    assert next(gap.subject for gap in Configuration(compiled, "127.0.0.1:1").gaps) == "redirect of one"
    with serve(compiled) as nginx:
        answers = [nginx.ask("GET", path) for path in ("/v1/open", "/v1/open?a=1&b", "/v1/slow?a=1", "/v1/one")]
    assert [(one.status, one.headers.get("location")) for one in answers] == [
        (308, "/new$x"),
        (308, "/new$x?a=1&b"),
        (302, "https://a.example/b?c=1"),
        (501, None),
    ]


def test_a_redirect_comes_after_limits(build: Build, serve: Serve, upstream: Upstream) -> None:
    route = "open: {redirect: {to: /new}, rate_limit: {rate: 1/m, burst: 2, key: ip}}"
    with serve(build(shop_config(upstream.url, more=f", routes: {{{route}}}"), shop=SHOP)) as nginx:
        assert [nginx.ask("GET", "/v1/open").status for _ in range(4)] == [308, 308, 429, 429]


def test_addresses_come_before_credentials(build: Build, serve: Serve, upstream: Upstream) -> None:
    more = ", defaults: {ip: {deny: [127.0.0.0/8, 127.0.0.1]}, rate_limit: {rate: 1/m, burst: 1, key: ip}}"
    with serve(build(shop_config(upstream.url, True, more), shop=SHOP, keys="{}")) as nginx:
        assert [nginx.ask("GET", path).status for path in ("/v1/closed", "/v1/open", "/v1/open")] == [403, 403, 403]


def test_the_base_path_is_left_out_where_it_is_stripped(build: Build, serve: Serve, upstream: Upstream) -> None:
    spec = SHOP.replace("  /slow:", "  '/{all+}': {get: {operationId: all, responses: {}}}\n  /slow:")
    with serve(build(shop_config(upstream.url, more=", strip_base_path: true"), shop=spec)) as nginx:
        for sent, arrives in (
            ("/v1/open", "/open"),
            ("/v1/open?q=/v1/x", "/open?q=/v1/x"),
            ("/v1/x/a%2Fb", "/x/a%2Fb"),
        ):
            assert nginx.ask("GET", sent).status == 200
            assert upstream.seen[-1][1] == arrives


def test_an_upstream_that_is_not_there_is_502_and_a_silent_one_504(build: Build, serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = shop_config("http://127.0.0.1:1", more=", routes: {slow: {upstream: silent}}")
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config += f"  silent: {{targets: ['{address}'], timeout: {{first_byte: 100ms}}}}\n"
        with serve(build(config.replace("upstreams: {", "upstreams:\n  ").replace("]}}", "]}"), shop=SHOP)) as nginx:
            for path, status, message in (("/v1/open", 502, "Bad Gateway"), ("/v1/slow", 504, "Gateway Timeout")):
                answer = nginx.ask("GET", path)
                assert (answer.status, json.loads(answer.body)) == (status, {"message": message})
                assert answer.headers["x-request-id"]


def test_an_absolute_target_and_a_repeated_key(sample: tuple[Nginx, Router], upstream: Upstream) -> None:
    nginx, _ = sample
    answer = nginx.ask("GET", "http://localhost/v1/shop/hours?day=1", "elsewhere.test")
    assert (answer.status, upstream.seen[-1][1]) == (200, "/v1/shop/hours?day=1")
    head = "GET /v1/pets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    keys = "X-Api-Key: demo-alice\r\nX-Api-Key: forged\r\n\r\n"
    with socket.create_connection(("127.0.0.1", nginx.port), 10) as client:
        client.sendall((head + keys).encode())
        status = client.makefile("rb").readline().split()[1]
    # nginx before 1.23 looks at the first one, later versions at all of them; the forged one never goes on.
    assert status == b"401" or upstream.last("X-Api-Key") == ["demo-alice"]


def test_a_mocked_route_says_501(build: Build, serve: Serve) -> None:
    with serve(build(shop_config("http://127.0.0.1:1", more=", mock: true"), shop=SHOP)) as nginx:
        assert nginx.ask("GET", "/v1/open").status == 501


HOSTS = """\
version: 1
apis:
  own: {spec: a.yaml, upstream: up, base_path: "", hosts: [api.shop.test], security: "off"}
  wide: {spec: b.yaml, upstream: up, base_path: "", hosts: ["*.shop.test"], security: "off"}
  all: {spec: c.yaml, upstream: up, base_path: "", security: "off"}
upstreams: {up: {targets: ["URL"]}}
"""


def operations(*lines: str) -> str:
    paths: dict[str, dict[str, object]] = {}
    for line in lines:
        method, path = line.split(" ")
        paths.setdefault(path, {})[method.lower()] = {"responses": {}}
    return json.dumps({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths})


def test_hosts_and_overlapping_paths_as_our_router_takes_them(build: Build, serve: Serve, upstream: Upstream) -> None:
    compiled = build(
        HOSTS.replace("URL", upstream.url),
        a=operations("GET /x/{id}", "POST /x/y", "GET /files/{rest+}", "GET /x/{a}...{b}", "DELETE /{p}/y"),
        b=operations("GET /x/y", "PUT /x/{other}", "GET /w"),
        c=operations("GET /x/y/z", "PATCH /{first}/{second}", "GET /a%20b"),
    )
    paths = [
        "/x/y",
        "/x/1",
        "/x/1...2",
        "/x/...",
        "/x/y/z",
        "/files/",
        "/files/a",
        "/files/a/b/",
        "/q/y",
        "/w",
        "/a%20b",
        "/",
    ]
    router = Router(compiled.snapshot.routes)
    with serve(compiled) as nginx:
        for host in ("api.shop.test", "other.shop.test", "API.shop.TEST", "elsewhere.test"):
            for path in paths:
                for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
                    expected = decide(router, host.lower(), method, path)
                    assert seen_by_nginx(nginx, method, path, host) == expected, (host, method, path)


def test_every_operation_of_github_is_reached(corpus: Path, serve: Serve) -> None:
    """More than a thousand routes, mocked (501): the log says which operation was taken."""
    compiled = compile_project(project.from_spec(corpus / "github-3.5MB.yaml"), None, POLICIES)
    router = Router(compiled.snapshot.routes)
    assert len(compiled.snapshot.routes) > 800
    with serve(compiled) as nginx:
        names = names_of(nginx)
        answers = [(route, nginx.ask(route.method, concrete(route), "any.test")) for route in compiled.snapshot.routes]
        for route, answer in answers:
            found = router.match("any.test", route.method, concrete(route))
            assert isinstance(found, Match)
            taken = names[operation_of(nginx, answer)]
            assert taken == f"api:{found.route.method} {found.route.path}"


def concrete(route: Route) -> str:
    return re.sub(r"\{[^{}]*\}", "v1", route.path)


def decide(router: Router, host: str, method: str, path: str) -> object:
    """What our router says: a route's id, the methods that are allowed, or None."""
    normal = normalise(path.encode())
    assert normal is not None
    found = router.match(host, method, normal)
    if isinstance(found, Match):
        return found.route.id
    return sorted(found.allow) if isinstance(found, MethodNotAllowed) else None


def seen_by_nginx(nginx: Nginx, method: str, path: str, host: str) -> object:
    answer = nginx.ask(method, path, host)
    if answer.status == 405:
        return sorted(set(answer.headers["allow"].split(", ")))
    return None if answer.status == 404 else names_of(nginx)[operation_of(nginx, answer)]


@functools.cache
def names_of(nginx: Nginx) -> dict[str, str]:
    """The route behind each operation's name in nginx.conf, from the comment above it."""
    text = (nginx.folder / "nginx.conf").read_text()
    found = re.findall(r"# (\S+ \S+)\n\s+internal;\n\s+set \$apigw_operation \"?([^;\"]+)\"?;", text)
    return {name: f"{name.partition(':')[0]}:{route}" for route, name in found}


def operation_of(nginx: Nginx, answer: Answer) -> str:
    """The operation that the access log has for an answer; nginx writes it a moment after the answer."""
    wanted = answer.headers["x-request-id"]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        line = nginx.logged(wanted)
        if line is not None:
            return str(line["operation"])
        time.sleep(0.01)
    raise AssertionError(f"the access log has no request {wanted}")
