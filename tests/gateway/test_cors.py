"""Scripts of other sites: preflights, what they may read, and the gateway's own refusals (Fetch standard, 3.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.sample import copy_sample
from tests.gateway.conftest import KEYS
from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Answer, Wire

SPEC = """\
openapi: 3.1.0
info: {title: Pets, version: 1.0.0}
components:
  securitySchemes:
    Key: {type: apiKey, in: header, name: X-Api-Key}
paths:
  /pets/{rest+}:
    get: {operationId: readPets, security: [{Key: []}], responses: {"200": {description: ok}}}
    put: {operationId: writePets, responses: {"200": {description: ok}}}
  /declared/{rest+}:
    get: {operationId: readDeclared, responses: {"200": {description: ok}}}
    options: {operationId: askDeclared, responses: {"200": {description: ok}}}
  /open/{rest+}:
    x-apigw: {cors: {origins: ["*"], headers: [X-A]}}
    get: {operationId: readOpen, responses: {"200": {description: ok}}}
  /closed/{rest+}:
    get: {operationId: readClosed, responses: {"200": {description: ok}}, x-apigw: {cors: off}}
  /limited/{rest+}:
    get: {operationId: readLimited, responses: {"200": {description: ok}}}
  /nobody/{rest+}:
    get: {operationId: readNobody, responses: {"200": {description: ok}}, x-apigw: {ip: {allow: [192.0.2.1]}}}
  /dead:
    get: {operationId: readDead, responses: {"200": {description: ok}}}
  /mocked:
    get:
      operationId: readMocked
      responses: {"200": {description: ok, content: {application/json: {example: {mock: true}}}}}
  /cached/{rest+}:
    get: {operationId: readCached, responses: {"200": {description: ok}}}
  /slashed:
    get: {operationId: readSlashed, responses: {"200": {description: ok}}}
"""

CONFIG = """\
version: 1
apis:
  pets:
    spec: spec.yaml
    hosts: [localhost]
    upstream: recorder
    trailing_slash: redirect
    defaults:
      cors:
        origins: ["https://app.example", "https://*.pets.example", "http://localhost:*"]
        credentials: true
        expose: [RateLimit, X-Total]
        max_age: 5m
        private_network: true
    routes:
      readDead: {upstream: dead}
      readMocked: {mock: true}
      readLimited: {rate_limit: {rate: 1/h, burst: 1, key: ip}}
      readCached: {cache: {mode: ttl, ttl: 1m}}
listen: {max_body: 100}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"]}
  dead: {targets: ["http://127.0.0.1:9"]}
auth:
  Key: {keys: {file: keys.yaml}}
"""

APP = "https://app.example"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("cors")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "keys.yaml").write_text(KEYS)
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def ask(gateway: Gateway, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    framing = [f"Content-Length: {len(body)}"] if body else []
    with Wire(gateway.port) as wire:
        wire.send(
            "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, *framing, "", "")).encode() + body
        )
        return wire.answer(method == "HEAD")


def preflight(gateway: Gateway, path: str, method: str = "GET", origin: str = APP, **headers: str) -> Answer:
    return ask(gateway, path, "OPTIONS", Origin=origin, Access_Control_Request_Method=method, **headers)


def said(answer: Answer) -> dict[str, str]:
    """What an answer says of CORS, by the names' last parts."""
    found = [(n.lower(), v) for n, v in answer.headers if n.lower().startswith("access-control-")]
    assert len({name for name, _ in found}) == len(found), found
    return {name.removeprefix("access-control-"): value for name, value in found}


def varies(answer: Answer) -> set[str]:
    return {name.strip().lower() for value in answer.all("vary") for name in value.split(",")}


def test_a_preflight_is_answered_before_authentication(gateway: Gateway, recorder: Recorder) -> None:
    before = len(recorder.received)
    answer = preflight(gateway, "/pets/1/echo", Access_Control_Request_Headers="x-api-key, content-type")
    assert (answer.status, answer.body) == (204, b"")
    assert said(answer) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "allow-methods": "GET",
        "allow-headers": "x-api-key, content-type",
        "max-age": "300",
    }
    assert "origin" in varies(answer)
    assert len(recorder.received) == before
    assert ask(gateway, "/pets/1/echo", Origin=APP).status == 401  # not so what it asked for


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (APP, True),
        ("https://a.b.pets.example", True),
        ("http://localhost:3000", True),
        ("http://localhost", True),
        ("http://app.example", False),
        ("https://app.example:8443", False),
        ("https://pets.example", False),
        ("https://evilpets.example", False),
        ("https://app.example.evil.example", False),
        ("https://evil.example/.pets.example", False),
        ("http://localhost:3000.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins(gateway: Gateway, origin: str, allowed: bool) -> None:
    asked = preflight(gateway, "/pets/1/echo", origin=origin)
    assert asked.status == (204 if allowed else 403)
    assert said(asked).get("allow-origin") == (origin if allowed else None)
    got = ask(gateway, "/pets/1/echo", Origin=origin, X_Api_Key="demo-alice")
    assert got.status == 200
    expected = {"allow-origin": origin, "allow-credentials": "true", "expose-headers": "RateLimit, X-Total"}
    assert said(got) == (expected if allowed else {})
    assert "origin" in varies(got)


def test_an_answer_varies_also_for_who_sends_no_origin(gateway: Gateway) -> None:
    answer = ask(gateway, "/pets/1/echo", X_Api_Key="demo-alice")
    assert (said(answer), varies(answer)) == ({}, {"origin"})


def test_methods_that_the_path_does_not_take(gateway: Gateway) -> None:
    """The browser compares, and names the method to who looks for the reason."""
    assert said(preflight(gateway, "/pets/1/echo", "PUT"))["allow-methods"] == "PUT"
    assert said(preflight(gateway, "/pets/1/echo", "HEAD"))["allow-methods"] == "HEAD"
    other = preflight(gateway, "/pets/1/echo", "DELETE")
    assert (other.status, said(other)["allow-methods"]) == (204, "GET")
    assert preflight(gateway, "/pets/1/echo", "BREW").status == 204
    assert preflight(gateway, "/nothing/here").status == 404


def test_options_that_are_no_preflight(gateway: Gateway, recorder: Recorder) -> None:
    assert ask(gateway, "/pets/1/echo", "OPTIONS", Origin=APP).status == 405
    assert ask(gateway, "/declared/1/echo", "OPTIONS", Origin=APP).status == 200
    before = len(recorder.received)
    assert preflight(gateway, "/declared/1/echo").status == 204
    assert len(recorder.received) == before


def test_headers_are_only_repeated_where_they_are_names(gateway: Gateway) -> None:
    for bad in ("x-a; y", "x-a,,x-b", "a" * 5000, "(x)"):
        assert "allow-headers" not in said(preflight(gateway, "/pets/1/echo", Access_Control_Request_Headers=bad))


def test_the_private_network(gateway: Gateway) -> None:
    answer = preflight(gateway, "/pets/1/echo", Access_Control_Request_Private_Network="true")
    assert said(answer)["allow-private-network"] == "true"


def test_every_origin(gateway: Gateway) -> None:
    asked = preflight(gateway, "/open/1/echo", origin="https://any.example", Access_Control_Request_Headers="x-b")
    assert said(asked) == {"allow-origin": "*", "allow-methods": "GET", "allow-headers": "X-A", "max-age": "600"}
    got = ask(gateway, "/open/1/echo")
    assert (said(got), varies(got)) == ({"allow-origin": "*"}, set())


def test_switched_off(gateway: Gateway) -> None:
    assert preflight(gateway, "/closed/1/echo").status == 405
    assert said(ask(gateway, "/closed/1/echo", Origin=APP)) == {}


def test_addresses_come_before(gateway: Gateway) -> None:
    assert preflight(gateway, "/nobody/1/echo").status == 403


def test_what_an_upstream_says_is_replaced(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = [
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\naccess-control-max-age: 9\r\nVary: Accept\r\n",
        b"Content-Length: 2\r\n\r\nok",
    ]
    answer = ask(gateway, "/pets/1/say", Origin=APP, X_Api_Key="demo-alice")
    expected = {"allow-origin": APP, "allow-credentials": "true", "expose-headers": "RateLimit, X-Total"}
    assert (said(answer), varies(answer), answer.body) == (expected, {"accept", "origin"}, b"ok")


@pytest.mark.parametrize(
    ("path", "status", "method", "body"),
    [
        ("/pets/1/echo", 401, "GET", b""),
        ("/pets/1/echo", 413, "PUT", b"x" * 101),
        ("/pets/1/echo", 405, "PATCH", b""),
        ("/limited/1/echo", 429, "GET", b""),
        ("/nobody/1/echo", 403, "GET", b""),
        ("/dead", 502, "GET", b""),
        ("/mocked", 200, "GET", b""),
        ("/mocked", 200, "HEAD", b""),
        ("/slashed/", 308, "GET", b""),
    ],
)
def test_own_answers_can_be_read_too(gateway: Gateway, path: str, status: int, method: str, body: bytes) -> None:
    if status == 429:
        ask(gateway, path)
    answer = ask(gateway, path, method, body, Origin=APP)
    assert answer.status == status
    assert said(answer)["allow-origin"] == APP
    assert "origin" in varies(answer)
    if status >= 400:
        assert json.loads(answer.body)["message"]


def test_stored_answers_are_given_to_each_origin_as_its_own(gateway: Gateway, recorder: Recorder) -> None:
    origins = [APP, "https://a.pets.example", "https://other.example"]
    answers = [ask(gateway, "/cached/1/echo", Origin=origin) for origin in origins]
    assert [said(answer).get("allow-origin") for answer in answers] == [*origins[:2], None]
    assert "hit" in (answers[2].header("cache-status") or "")
    assert [one.url for one in recorder.received].count("/cached/1/echo") == 1


def test_a_wildcard_with_credentials_refuses_the_load(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "keys.yaml").write_text(KEYS)
    for origins in ('["*"]', '["null"]'):
        config = CONFIG.replace('["https://app.example", "https://*.pets.example", "http://localhost:*"]', origins)
        (tmp_path / "apigw.yaml").write_text(config)
        one = Gateway(tmp_path)
        assert "needs origins by name" in one.line("credentials: true")
        assert one.process.wait(30) == 1
        one.stop()


def test_the_samples_site_may_ask_the_samples_api(tmp_path: Path) -> None:
    copy_sample(tmp_path)
    one = Gateway(tmp_path, "--upstream", "--workers", "1").ready()
    try:
        port = int(one.line("petstore +http ").partition("localhost:")[2].partition("/")[0])
        with Wire(port) as wire:
            wire.send(b"GET /assets/shop.js HTTP/1.1\r\nHost: www.petshop.localhost\r\n\r\n")
            assert b"/v1/shop/hours" in wire.answer().body
            for host, allowed in (("www.petshop.localhost", True), ("www.other.localhost", False)):
                origin = f"http://{host}:{one.port}"
                request = (
                    f"GET /v1/shop/hours HTTP/1.1\r\nHost: api.petshop.localhost:{one.port}\r\nOrigin: {origin}\r\n\r\n"
                )
                answer = wire.send(request.encode()).answer()
                assert (answer.status, said(answer).get("allow-origin")) == (200, origin if allowed else None)
    finally:
        one.stop()
