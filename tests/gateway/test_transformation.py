"""Requests that are changed on their way, on the wire: what the upstream gets, byte for byte."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import KEYS
from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Received, Recorder
from tests.gateway.wire import Answer, Wire

SPEC = """\
openapi: 3.1.0
info: {title: Pets, version: 1.0.0}
components: {securitySchemes: {Key: {type: apiKey, in: header, name: X-Api-Key}}}
paths:
  /pets/{id}/echo:
    get: {operationId: readPet, responses: {"200": {description: ok}}}
    post: {operationId: writePet, responses: {"200": {description: ok}}}
  /asked/echo:
    get:
      operationId: askPet
      responses: {"200": {description: ok}}
      x-apigw:
        request:
          method: POST
          path: /search/echo
          body: {json: {text: "${request.query.q:-all}", for: "${shop}", page: "${request.query.page}"}}
  /small/echo:
    post: {operationId: smallPet, responses: {"200": {description: ok}}}
  /large/{rest+}:
    post: {operationId: largePet, responses: {"200": {description: ok}}}
  /sockets/ws:
    get: {operationId: openPet, responses: {"200": {description: ok}}}
  /moved/{id}:
    get: {operationId: movedPet, responses: {"200": {description: ok}}}
    post: {operationId: movedPost, responses: {"200": {description: ok}}}
  /keyed/echo:
    get: {operationId: keyedPet, security: [{Key: []}, {}], responses: {"200": {description: ok}}}
  /cached/echo:
    get: {operationId: cachedPet, responses: {"200": {description: ok}}}
"""

CONFIG = """\
version: 1
apis:
  pets:
    spec: spec.yaml
    upstream: recorder
    routes:
      readPet:
        request:
          path: /v2/${request.path.id}/echo
          headers:
            set: {X-Shop: "${shop} ${request.header.X-From:-nobody}", X-Id: "${request.id}"}
            rename: {X-Old: X-New}
          query: {set: {shop: "${shop}"}, remove: [debug]}
          cookies: {remove: [session]}
      writePet:
        request:
          max_body: 1000
          headers: {set: {X-Name: "${request.body/name:-none}"}}
          body: {set: {/shop: "${shop}"}, remove: [/admin]}
      smallPet: {max_body: 1000}
      largePet: {upstream: again, request: {method: PUT, body: {set: {"/last/-": "${request.id}"}, remove: [/admin]}}}
      openPet: {request: {method: POST, prefix: {from: /sockets, to: /v2}, headers: {set: {X-Shop: "${shop}"}}}}
      movedPet: {redirect: {to: "/pets/${request.path.id}/echo"}}
      movedPost: {redirect: {to: "https://${shop_host}/pets", status: 307, keep_query: false}}
      keyedPet: {request: {headers: {set: {X-User: "${auth.principal}", X-Who: "${auth.principal:-nobody}"}}}}
      cachedPet:
        cache: {mode: ttl, ttl: 1m, key_parameters: []}
        request: {headers: {set: {X-From: "${request.header.X-From}"}}}
auth: {Key: {keys: {file: keys.yaml}}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"]}
  again: {targets: ["http://127.0.0.1:PORT", "http://localhost:PORT"], retries: {attempts: 2, on: [503]}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("transformation")
    (folder / "stages").mkdir()
    (folder / "stages" / "qa.yaml").write_text("variables: {shop: Rex & Co, shop_host: shop.example}")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    (folder / "keys.yaml").write_text(KEYS)
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def send(gateway: Gateway, line: str, *headers: str, body: bytes = b"") -> Answer:
    length = (f"Content-Length: {len(body)}",) if body else ()
    head = "\r\n".join((f"{line} HTTP/1.1", "Host: localhost", *headers, *length, "", ""))
    with Wire(gateway.port) as wire:
        return wire.send(head.encode("latin-1") + body).answer()


def write(gateway: Gateway, recorder: Recorder, body: bytes, *headers: str, kind: str = "application/json") -> Received:
    answer = send(gateway, "POST /pets/1/echo", f"Content-Type: {kind}", *headers, body=body)
    assert answer.status == 200, answer.body
    return recorder.received[-1]


def test_line_and_headers(gateway: Gateway, recorder: Recorder) -> None:
    answer = send(
        gateway,
        "GET /pets/a%2Fb/echo?debug=1&x=%20&shop=forged",
        *("X-From: caf\xe9", "X-Old: 1", "X-New: forged", "X_New: forged", "X-Shop: forged"),
        *("Cookie: a=1; session=secret", "Cookie: b=2", "X-Request-Id: mine"),
    )
    assert answer.status == 200
    received = recorder.received[-1]
    assert received.url == "/v2/a%2Fb/echo?x=%20&shop=Rex%20%26%20Co"
    assert received.all("X-Shop") == ["Rex & Co caf%EF%BF%BD"]
    assert received.all("X-New") == ["1"]
    assert received.all("X_New") == received.all("X-Old") == []
    assert received.all("Cookie") == ["a=1; b=2"]
    assert received.all("X-Id") == ["mine"]
    assert gateway.log_line(path="/pets/a%2Fb/echo")["route"] == "readPet"


def test_the_same_connection_again(gateway: Gateway, recorder: Recorder) -> None:
    """Header lines that repeat are not read again: what is made of them is."""
    with Wire(gateway.port) as wire:
        for number in range(4):
            head = f"GET /pets/{number}/echo HTTP/1.1\r\nHost: localhost\r\nX-From: me\r\nCookie: session=1\r\n\r\n"
            assert wire.send(head.encode()).answer().status == 200
            received = recorder.received[-1]
            assert received.url == f"/v2/{number}/echo?shop=Rex%20%26%20Co"
            assert (received.all("X-Shop"), received.all("Cookie")) == (["Rex & Co me"], [])


def test_who_asks_is_what_was_proved_and_not_what_is_said(gateway: Gateway, recorder: Recorder) -> None:
    for key, user, who in (("X-Api-Key: demo-alice", ["alice"], ["alice"]), ("X-Other: 1", [], ["nobody"])):
        assert send(gateway, "GET /keyed/echo", key, "X-User: root", "x_user: root", "X-Who: root").status == 200
        received = recorder.received[-1]
        assert (received.all("X-User"), received.all("x_user"), received.all("X-Who")) == (user, [], who)


@pytest.mark.parametrize("path", ["/pets/%2e%2e%2fx/echo", "/pets/..%5Cx/echo", "/pets/..;x/echo"])
def test_no_dots_reach_the_upstream(gateway: Gateway, recorder: Recorder, path: str) -> None:
    before = len(recorder.received)
    assert send(gateway, f"GET {path}").status in (400, 404)
    assert len(recorder.received) == before


class TestBodies:
    def test_members(self, gateway: Gateway, recorder: Recorder) -> None:
        received = write(gateway, recorder, b'{"name": "r\\u0065x\\r\\n", "admin": true, "n": 1.10}', "Digest: x")
        assert received.body == b'{"name":"rex\\r\\n","n":1.10,"shop":"Rex & Co"}'
        assert received.header("content-length") == str(len(received.body))
        assert received.header("x-name") == "rex%0D%0A"
        assert received.header("digest") is None
        assert received.header("content-type") == "application/json"

    def test_chunks_become_a_length(self, gateway: Gateway, recorder: Recorder) -> None:
        with Wire(gateway.port) as wire:
            head = "POST /pets/1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            wire.send(head.encode() + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n")
            for part in (b'{"name":', b'"rex"', b"}"):
                wire.send(b"%x\r\n%b\r\n" % (len(part), part))
            assert wire.send(b"0\r\nX-T: 1\r\n\r\n").answer().status == 200
            received = recorder.received[-1]
            assert received.body == b'{"name":"rex","shop":"Rex & Co"}'
            assert received.all("transfer-encoding") == received.all("trailer") == []
            assert wire.send(b"GET /pets/7/echo HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_what_is_compressed(self, gateway: Gateway, recorder: Recorder, coding: str) -> None:
        packed = (gzip.compress if coding == "gzip" else zlib.compress)(b'{"name":"rex"}')
        received = write(gateway, recorder, packed, f"Content-Encoding: {coding}")
        assert received.body == b'{"name":"rex","shop":"Rex & Co"}'
        assert received.header("content-encoding") is None

    @pytest.mark.parametrize(
        ("body", "kind", "coding", "status"),
        [
            (b'{"a":1', "application/json", None, 400),
            (b'{"a":1,"a":2}', "application/json", None, 400),
            (b"[" * 501 + b"]" * 501, "application/json", None, 413),
            (b"[" * 300 + b"]" * 300, "application/json", None, 400),
            ("{}".encode("utf-16"), "application/json", None, 400),
            (b"a=1", "application/x-www-form-urlencoded", None, 415),
            (gzip.compress(b'"' + b"x" * 100_000 + b'"'), "application/json", "gzip", 413),
            (b'{"x":"%b"}' % (b"x" * 1000), "application/json", None, 413),
            (b"{}", "application/json", "compress", 415),
        ],
    )
    def test_hostile_ones(
        self, gateway: Gateway, recorder: Recorder, body: bytes, kind: str, coding: str | None, status: int
    ) -> None:
        before = len(recorder.received)
        coded = (f"Content-Encoding: {coding}",) if coding else ()
        answer = send(gateway, "POST /pets/1/echo", f"Content-Type: {kind}", *coded, body=body)
        assert answer.status == status
        assert json.loads(answer.body)["message"]
        assert len(recorder.received) == before

    def test_they_are_counted(self, gateway: Gateway) -> None:
        assert send(gateway, "POST /large/echo", "Content-Type: text/plain", body=b"a").status == 415
        gateway.counts(1, "apigw_refusals_total", route="largePet", reason="unsuitable_request")

    def test_one_that_is_made_here(self, gateway: Gateway, recorder: Recorder) -> None:
        """In place of a query, in a specification, with a variable of the stage."""
        assert send(gateway, "GET /asked/echo?q=a%22b%0A").status == 200
        received = recorder.received[-1]
        assert (received.method, received.url) == ("POST", "/search/echo?q=a%22b%0A")
        assert json.loads(received.body) == {"text": 'a"b\n', "for": "Rex & Co"}
        assert received.header("content-type") == "application/json"

    def test_a_large_one(self, gateway: Gateway, recorder: Recorder) -> None:
        body = json.dumps({"admin": 1, "last": [], "text": "x" * 300_000}).encode()
        head = "POST /large/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Request-Id: me\r\n"
        with Wire(gateway.port) as wire:
            for _ in range(2):  # the connection lives on
                wire.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                assert wire.answer().status == 200
                received = recorder.received[-1]
                assert received.method == "PUT"
                assert json.loads(received.body) == {"last": ["me"], "text": "x" * 300_000}

    def test_one_that_is_sent_again(self, gateway: Gateway, recorder: Recorder) -> None:
        """By the method that the upstream sees: a PUT may be repeated, and is the same."""
        before = len(recorder.received)
        body = b'{"admin":1,"last":[]}'
        answer = send(gateway, "POST /large/status?code=503", "Content-Type: application/json", body=body)
        assert answer.status == 503
        assert len(recorder.received) == before + 2
        assert len({one.body for one in recorder.received[before:]}) == 1
        assert b"admin" not in recorder.received[-1].body

    def test_several_in_one_write(self, gateway: Gateway, recorder: Recorder) -> None:
        before = len(recorder.received)
        with Wire(gateway.port) as wire:
            wire.send(b"".join(b"GET /asked/echo?q=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(5)))
            assert [wire.answer().status for _ in range(5)] == [200] * 5
        asked = [json.loads(one.body)["text"] for one in recorder.received[before:]]
        assert asked == ["0", "1", "2", "3", "4"]


def test_a_websocket_keeps_its_method(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        lines = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        assert wire.send(f"GET /sockets/ws HTTP/1.1\r\n{lines}\r\n{key}\r\n\r\n".encode()).answer().status == 101
    received = recorder.received[-1]
    assert (received.method, received.url, received.header("X-Shop")) == ("GET", "/v2/ws", "Rex & Co")


def test_a_cache_tells_apart_what_the_upstream_was_told(gateway: Gateway, recorder: Recorder) -> None:
    before = len(recorder.received)
    for who in ("ann", "bob", "ann", "bob"):
        assert send(gateway, "GET /cached/echo", f"X-From: {who}").status == 200
    assert [one.header("X-From") for one in recorder.received[before:]] == ["ann", "bob"]


class TestSize:
    def test_a_length_that_is_announced(self, gateway: Gateway, recorder: Recorder) -> None:
        before = len(recorder.received)
        assert send(gateway, "POST /small/echo", body=b"x" * 1000).status == 200
        with Wire(gateway.port) as wire:
            head = (
                b"POST /small/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
            )
            answer = wire.send(head).answer()
        assert (answer.status, answer.header("connection")) == (413, "close")
        assert "1000 bytes" in json.loads(answer.body)["message"]
        assert len(recorder.received) == before + 1
        wait_until(lambda: gateway.metric("apigw_refusals_total", route="smallPet", reason="too_large"), "its count")

    def test_chunks_while_they_come(self, gateway: Gateway, recorder: Recorder) -> None:
        before = len(recorder.received)
        with Wire(gateway.port) as wire:
            wire.send(b"POST /small/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(4):
                wire.send(b"fa\r\n%b\r\n" % (b"x" * 250))
            answer = wire.send(b"1\r\nx\r\n").answer()  # and no end
        assert (answer.status, answer.header("connection")) == (413, "close")
        assert len(recorder.received) == before  # the upstream saw no whole request


class TestRedirects:
    def test_to_a_path(self, gateway: Gateway, recorder: Recorder) -> None:
        before = len(recorder.received)
        answer = send(gateway, "GET /moved/a%2Fb?x=1")
        assert (answer.status, answer.header("location"), answer.body) == (308, "/pets/a%2Fb/echo?x=1", b"")
        assert gateway.log_line(path="/moved/a%2Fb")["status"] == 308
        assert len(recorder.received) == before

    def test_to_another_host_with_a_body_that_nobody_reads(self, gateway: Gateway) -> None:
        with Wire(gateway.port) as wire:
            for _ in range(2):
                wire.send(b"POST /moved/1?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody")
                answer = wire.answer()
                assert (answer.status, answer.header("location")) == (307, "https://shop.example/pets")
