"""Which route a request takes, as clients and upstreams see it: hosts, paths, methods, slashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, ask


def spec(paths: str, server: str = "/") -> str:
    return f'openapi: 3.1.0\ninfo: {{title: t, version: "1"}}\nservers: [{{url: "{server}"}}]\npaths:\n{paths}'


OK = 'responses: {"200": {description: ok}}'
SPECS = {
    "shop.yaml": spec(
        f"""\
  /pets:
    get: {{operationId: list, {OK}}}
    post: {{operationId: create, {OK}}}
  /pets/{{id}}:
    get: {{operationId: get, {OK}}}
  /pets/mine:
    get: {{operationId: mine, {OK}}}
  /files/{{path+}}:
    get: {{operationId: files, {OK}}}
  /admin/secret:
    get: {{operationId: secret, {OK}}}
  /any/{{x}}:
    get: {{operationId: anyGet, {OK}}}
    x-amazon-apigateway-any-method: {{operationId: anyElse, {OK}}}
  /unnamed:
    x-amazon-apigateway-any-method: {{{OK}}}
""",
        "https://api.example.com/v1",
    ),
    "moved.yaml": spec(
        f"""\
  /things:
    get: {{operationId: things, {OK}}}
    post: {{operationId: makeThing, {OK}}}
  /folder/:
    get: {{operationId: folder, {OK}}}
""",
        "/m",
    ),
    "loose.yaml": spec(f"  /things:\n    get: {{operationId: looseThings, {OK}}}\n", "/l"),
    "wild.yaml": spec(f"  /who:\n    get: {{operationId: wild, {OK}}}\n"),
    "exact.yaml": spec(f"  /who:\n    get: {{operationId: exact, {OK}}}\n"),
    "every.yaml": spec(f"  /who:\n    get: {{operationId: every, {OK}}}\n"),
}
CONFIG = """\
version: 1
apis:
  shop:
    spec: shop.yaml
    hosts: [shop.localhost, localhost]
    upstream: recorder
    routes: {"ANY /unnamed": {request_headers: {set: {X-Any: "yes"}}}}
  moved: {spec: moved.yaml, hosts: [localhost], upstream: recorder, trailing_slash: redirect}
  loose: {spec: loose.yaml, hosts: [localhost], upstream: recorder, trailing_slash: ignore}
  wild: {spec: wild.yaml, hosts: ["*.shop.localhost"], upstream: recorder}
  exact: {spec: exact.yaml, hosts: [a.shop.localhost], upstream: recorder}
  every: {spec: every.yaml, upstream: recorder}
upstreams: {recorder: {targets: ["http://127.0.0.1:PORT"]}}
"""


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("routing")
    for name, text in SPECS.items():
        (folder / name).write_text(text)
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    one = Gateway(folder, "--workers", "1")
    try:
        yield one.ready()
    finally:
        one.stop()


TABLE = [
    # method, host, path → status, operation, what the upstream saw (or Allow, or Location)
    ("GET", "localhost", "/v1/pets", 200, "list", "/v1/pets"),
    ("GET", "shop.localhost:8080", "/v1/pets", 200, "list", "/v1/pets"),
    ("GET", "SHOP.localhost.", "/v1/pets", 200, "list", "/v1/pets"),
    ("GET", "shop.localhost.evil.example", "/v1/pets", 404, None, None),
    ("GET", "localhost", "/pets", 404, None, None),
    ("HEAD", "localhost", "/v1/pets", 200, "list", "/v1/pets"),
    ("OPTIONS", "localhost", "/v1/pets", 405, None, "GET, HEAD, POST"),
    ("DELETE", "localhost", "/v1/pets", 405, None, "GET, HEAD, POST"),
    ("POST", "localhost", "/v1/pets/7", 405, None, "GET, HEAD"),
    ("GET", "localhost", "/v1/pets/", 404, None, None),
    # one form of a path
    ("GET", "localhost", "/v1/pets/7", 200, "get", "/v1/pets/7"),
    ("GET", "localhost", "/v1/pets/mine", 200, "mine", "/v1/pets/mine"),
    ("GET", "localhost", "/v1/pets/m%69ne", 200, "mine", "/v1/pets/mine"),
    ("GET", "localhost", "/v1/pets/%2e%2e/pets/mine", 200, "mine", "/v1/pets/mine"),
    ("GET", "localhost", "//v1///pets/./mine", 200, "mine", "/v1/pets/mine"),
    ("GET", "localhost", "/v1/pets/a%2fb", 200, "get", "/v1/pets/a%2Fb"),
    ("GET", "localhost", "/v1/files/a/b%20c", 200, "files", "/v1/files/a/b%20c"),
    # no way from one route to another
    ("GET", "localhost", "/v1/files/../admin/secret", 200, "secret", "/v1/admin/secret"),
    ("GET", "localhost", "/v1/files/%2e%2e/admin/secret", 200, "secret", "/v1/admin/secret"),
    ("GET", "localhost", "/v1/files/..%2fadmin/secret", 400, None, None),
    ("GET", "localhost", "/v1/files/..%5cadmin/secret", 400, None, None),
    ("GET", "localhost", "/v1/files/..;/admin/secret", 400, None, None),
    ("GET", "localhost", "/v1/files/%252e%252e/admin", 200, "files", "/v1/files/%252e%252e/admin"),
    ("GET", "localhost", "/../../v1/pets", 200, "list", "/v1/pets"),
    # ANY
    ("GET", "localhost", "/v1/any/1", 200, "anyGet", "/v1/any/1"),
    ("HEAD", "localhost", "/v1/any/1", 200, "anyGet", "/v1/any/1"),
    ("OPTIONS", "localhost", "/v1/any/1", 200, "anyElse", "/v1/any/1"),
    ("PATCH", "localhost", "/v1/any/1", 200, "anyElse", "/v1/any/1"),
    ("HEAD", "localhost", "/v1/unnamed", 200, "ANY /unnamed", "/v1/unnamed"),
    ("DELETE", "localhost", "/v1/unnamed", 200, "ANY /unnamed", "/v1/unnamed"),
    # slashes
    ("GET", "localhost", "/m/things", 200, "things", "/m/things"),
    ("GET", "localhost", "/m/things/?a=1&b=%2F", 308, "things", "/m/things?a=1&b=%2F"),
    ("HEAD", "localhost", "/m/things/", 308, "things", "/m/things"),
    ("GET", "localhost", "//m//things//", 308, "things", "/m/things"),
    ("GET", "localhost", "/m/folder?x", 308, "folder", "/m/folder/?x"),
    ("DELETE", "localhost", "/m/things/", 405, None, "GET, HEAD, POST"),
    ("GET", "localhost", "/l/things/?q", 200, "looseThings", "/l/things/?q"),
    ("GET", "localhost", "/l/things//", 200, "looseThings", "/l/things/"),
    # hosts: exact, then wildcard, then any
    ("GET", "a.shop.localhost", "/who", 200, "exact", "/who"),
    ("GET", "b.shop.localhost", "/who", 200, "wild", "/who"),
    ("GET", "x.y.shop.localhost", "/who", 200, "wild", "/who"),
    ("GET", "shop.localhost", "/who", 200, "every", "/who"),
    ("GET", "evilshop.localhost", "/who", 200, "every", "/who"),
    ("GET", "127.0.0.1:80", "/who", 200, "every", "/who"),
    ("GET", "[::1]", "/who", 200, "every", "/who"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "host", "path", "status", "operation", "seen"), TABLE)
def test_a_request_takes_its_route(
    routed: Gateway,
    recorder: Recorder,
    method: str,
    host: str,
    path: str,
    status: int,
    operation: str | None,
    seen: str | None,
) -> None:
    recorder.received.clear()
    number = f"{method}-{TABLE.index((method, host, path, status, operation, seen))}"
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: {number}\r\n\r\n"
    answer = ask(routed.port, head.encode(), method == "HEAD")
    assert answer.status == status
    if status != 400:  # else the name of the request is not the client's
        assert routed.log_line(request_id=number)["route"] == operation
    if status == 200:
        assert [(one.method, one.url) for one in recorder.received] == [(method, seen)]
    else:
        assert not recorder.received
        assert answer.header("Location" if status == 308 else "Allow") == seen


def test_a_redirected_body_is_read_and_the_connection_lives_on(routed: Gateway) -> None:
    with Wire(routed.port) as wire:
        wire.send(b"POST /m/things/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
        wire.send(b"GET /m/things HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.answer().status == 308
        assert wire.answer().status == 200


def test_policies_are_written_for_any(routed: Gateway, recorder: Recorder) -> None:
    assert ask(routed.port, b"PUT /v1/unnamed HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
    assert recorder.last("/v1/unnamed").header("X-Any") == "yes"


def test_ambiguous_routes_are_an_error_with_both_places(routed: Gateway, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(spec(f"  /a/{{x}}:\n    get: {{operationId: one, {OK}}}\n"))
    (tmp_path / "two.yaml").write_text(spec(f"  /a/{{y}}:\n    get: {{operationId: two, {OK}}}\n"))
    config = "version: 1\napis:\n  one: {spec: one.yaml, mock: true}\n  two: {spec: two.yaml, mock: true}\n"
    (tmp_path / "apigw.yaml").write_text(config)
    refused = Gateway(tmp_path)
    try:
        said = refused.line(r"one\.yaml:6:5")
        assert "two.yaml:6:5" in "\n".join(refused.lines)
        assert "one route" in said or "one route" in "\n".join(refused.lines)
        assert refused.process.wait(30) == 1
    finally:
        refused.stop()
    (tmp_path / "two.yaml").write_text(spec(f"  /a/{{y}}:\n    put: {{operationId: two, {OK}}}\n"))
    merged = Gateway(tmp_path).ready()
    try:
        for method in ("GET", "PUT"):
            assert ask(merged.port, f"{method} /a/1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 200
        assert ask(merged.port, b"POST /a/1 HTTP/1.1\r\nHost: x\r\n\r\n").header("Allow") == "GET, HEAD, PUT"
    finally:
        merged.stop()
