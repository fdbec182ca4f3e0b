"""What `apigw explain` foretells is what a running gateway does, step by step."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from apigw_cli.generate.explain import Explanation, Options, explain
from apigw_cli.generate.probe import Request
from apigw_cli.generate.run import load
from apigw_cli.generate.sending import Veil
from apigw_cli.limits.store import NoStore
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.plan import steps, way_in, way_out
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled
from tests.gateway.program import Gateway
from tests.generate.conftest import Upstream

CANARY = "canary-4f6d21"
# Each route lacks one more of what refuses the request that breaks every rule.
LISTS = 'ip: {deny: ["127.0.0.0/8"]}'
SIZE = "max_body: 20"
CHECK = "validate: {request: enforce, response: 'off'}"
GONE = "redirect: {to: '/new/${request.path.id}', keep_query: true}"
ROUTES = {
    "all": (LISTS, SIZE, CHECK, GONE),
    "no_ip": (SIZE, CHECK, GONE),
    "no_auth": (SIZE, CHECK, GONE),
    "no_size": (CHECK, GONE),
    "no_check": (GONE,),
}
ANSWERS = (
    "response: {headers: {set: {Access-Control-Allow-Origin: 'https://evil.test', X-A: b}, remove: [X-Frame-Options]}}"
)
CONFIG = """\
version: 1
listen: {max_body: 2000}
apis:
  shop:
    spec: shop.yaml
    upstream: up
    routes:
ROUTES
      changed:
        request:
          method: PUT
          path: "/v2/${request.path.id}"
          query: {set: {from: "${request.query.limit}"}}
          headers:
            set: {X-Copy: "key is ${request.header.x-api-key}", Authorization: "Bearer CANARY-2"}
            remove: [X-Gone]
          body: {set: {/told: "${request.path.id}"}}
        ANSWERS
        security_headers: {}
        cors: {origins: ["https://app.test"]}
        cache: {}
        compress: {min_size: 0}
upstreams: {up: {targets: ["URL"]}}
auth: {Key: {keys: {file: keys.yaml}}}
"""


def _operation(name: str) -> dict[str, Any]:
    number = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}
    body = {"content": {"application/json": {"schema": {"type": "object"}}}}
    security: list[Any] = [] if name in ("no_auth", "no_size", "no_check") else [{"Key": []}]
    said: dict[str, Any] = {"200": {"description": "ok"}}
    return {
        "operationId": name,
        "parameters": [number, limit],
        "requestBody": body,
        "security": security,
        "responses": said,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    key = {"type": "apiKey", "in": "header", "name": "X-Api-Key"}
    paths = {f"/{name}/{{id}}": {"post": _operation(name)} for name in (*ROUTES, "changed")}
    spec = {"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, "paths": paths}
    (folder / "shop.yaml").write_text(json.dumps({**spec, "components": {"securitySchemes": {"Key": key}}}))
    routes = "\n".join(f"      {name}: {{{', '.join(said)}}}" for name, said in ROUTES.items())
    text = CONFIG.replace("ROUTES", routes).replace("ANSWERS", ANSWERS).replace("URL", upstream.url)
    (folder / "apigw.yaml").write_text(text.replace("CANARY", CANARY))
    (folder / "keys.yaml").write_text(f"carol: {{sha256: {sha256(CANARY.encode()).hexdigest()}}}\n")
    return folder


@pytest.fixture(scope="module")
def compiled(folder: Path) -> Compiled:
    return load(folder, None)


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    gateway = Gateway(folder).ready()
    yield gateway
    gateway.stop()


def send(gateway: Gateway, target: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    connection.putrequest("POST", target, skip_accept_encoding=True)
    for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def told(compiled: Compiled, target: str, headers: dict[str, str], body: str) -> Explanation:
    lines = tuple(f"{name}: {value}" for name, value in headers.items())
    return explain(Options("POST", target, None, lines, body=body.encode(), client="127.0.0.1"), compiled)


@pytest.mark.parametrize(
    ("name", "by", "status"),
    [
        ("all", "ip", 403),
        ("no_ip", "auth", 401),
        ("no_auth", "max_body", 413),
        ("no_size", "validate", 400),
        ("no_check", "redirect", 308),
    ],
)
def test_who_ends_a_request_that_breaks_every_rule(
    gateway: Gateway, compiled: Compiled, name: str, by: str, status: int
) -> None:
    target, body = f"/{name}/7?limit=900", '"' + "x" * 30 + '"'
    found = told(compiled, target, {"X-Api-Key": "wrong"}, body)
    assert (found.ended_by, found.status) == (by, status)
    got, headers = send(gateway, target, {"X-Api-Key": "wrong"}, body)
    assert got == status
    if by == "redirect":
        said = next(step.verdict for step in found.steps if step.policy == "redirect")
        assert said is not None and said.text == f"308 Location: {headers['location']}"
        return
    names = [step.policy for step in found.steps]
    later = [step for step in found.steps[names.index(by) + 1 :] if step.verdict is not None]
    assert later, "what is behind says what it would decide, too"
    assert all(step.verdict is None or step.verdict.holds for step in found.steps[: names.index(by)])


def test_what_the_upstream_is_asked(gateway: Gateway, compiled: Compiled, upstream: Upstream) -> None:
    headers = {"X-Api-Key": CANARY, "X-Gone": "a", "X-Stays": f"b {CANARY}", "Origin": "https://app.test"}
    target, body = "/changed/7?limit=9", json.dumps({"password": CANARY})
    found = told(compiled, target, headers, body)
    assert found.sent is not None and found.status is None
    status, answer = send(gateway, target, headers, body)
    assert status == 200
    method, path, seen = upstream.seen[-1]
    assert (found.sent.method, found.sent.target) == (method, path) == ("PUT", "/v2/7?limit=9&from=9")
    names = {name.lower() for name, _ in seen}
    assert {name.lower() for name, _ in found.sent.headers} | {name.lower() for name in found.sent.told} == names
    by_name = {name.lower(): value for name, value in found.sent.headers}
    assert by_name["content-length"] == {name.lower(): value for name, value in seen}["content-length"]
    assert by_name["x-copy"] == "key is [secret]" and by_name["x-stays"] == "b [secret]"
    assert by_name["authorization"] == "[secret]"
    assert found.sent.body == '{"password":"[secret]","told":"7"}'
    assert CANARY not in repr((found.steps, found.answers, found.sent))
    assert answer["x-a"] == "b" and answer["x-frame-options"] == "DENY", "security_headers come after response"
    assert answer["access-control-allow-origin"] == "https://app.test", "and cors after both"
    order = [step.policy for step in found.answers]
    assert order == ["response", "compress", "security_headers", "cors"]
    assert found.answers[-1].verdict is not None and found.answers[-1].verdict.holds


def test_a_body_that_is_too_large_for_the_listener(gateway: Gateway, compiled: Compiled) -> None:
    target, body = "/no_check/7", "x" * 3000
    assert send(gateway, target, {}, body)[0] == 413
    found = told(compiled, target, {}, body)
    assert (found.outcome, found.status) == ("too_large", 413)


@pytest.mark.parametrize("secret", ["abc", f"{CANARY} é/+\udcff", 'quoted"'])
def test_no_secret_is_shown_wherever_it_is_copied(compiled: Compiled, secret: str) -> None:
    written = quote(secret.encode("utf-8", "surrogateescape"), safe="")
    found = told(compiled, f"/no_check/7?token={written}", {"Cookie": f"session={secret}"}, "")
    said = next(step.verdict for step in found.steps if step.policy == "redirect")
    assert said is not None and said.text == "308 Location: /new/7?token=[secret]"
    pairs = {"X-Api-Key": CANARY, "Authorization": f"Bearer {secret}", "X-Other": f"<{secret}>"}
    found = told(compiled, "/changed/7", pairs, "{}")
    assert found.sent is not None
    assert dict(found.sent.headers)["x-other"] == ("<abc>" if secret == "abc" else "<[secret]>"), "short ones stay"


def test_a_secret_is_found_however_deep_it_stands(compiled: Compiled) -> None:
    body = b'{"a":' * 900 + b'{"password": "%b"}' % CANARY.encode() + b"}" * 900
    request = Request("POST", "localhost", "/changed/7", "", (), body)
    veil = Veil(request, compiled.snapshot.routes[0], compiled.snapshot)
    assert veil.text(f"a {CANARY} b") == "a [secret] b"
    assert CANARY not in veil.body(body, "application/json")


def test_the_order_that_is_told_is_the_order_that_is_run(compiled: Compiled) -> None:
    """Recorded from the plan that the gateway makes of a route, with every policy in it."""

    class Recording:
        def __init__(self, policy: Any) -> None:
            self._policy = policy

        def __getattr__(self, name: str) -> Any:
            return getattr(self._policy, name)

        def compile(self, *_: Any) -> Any:
            return lambda ran: ran.append(self._policy.name)

    for route in compiled.snapshot.routes:
        registry: Any = {policy.name: Recording(policy) for policy in POLICIES}
        ran: list[str] = []
        for step in steps(route, Runtime(compiled.snapshot, lambda: 0, NoStore()), registry):
            step(ran)
        both = [stop.policy.name for stop in way_in(route) if stop.policy.name in ran and not stop.looks_up]
        assert both == [name for name in ran if name in both]
        assert {*both, *(stop.policy.name for stop in way_out(route))} >= set(route.policies) - {"cache"}
