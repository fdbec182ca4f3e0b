"""Answers that are coded, and what browsers are told over TLS, at clients who ask for too much or leave."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.certificates import Pair, authority, issue, needs_openssl
from tests.gateway.program import Gateway, wait_until
from tests.gateway.scripted import Scripted
from tests.gateway.test_tls_listener import SecureWire
from tests.gateway.wire import Answer, Wire

OK = {"responses": {"200": {"description": "ok", "content": {"application/json": {"example": {"mock": True}}}}}}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "A", "version": "1"},
    "paths": {
        "/up": {"get": {"operationId": "up", **OK}},
        "/long": {"get": {"operationId": "long", **OK}},
        "/events": {"get": {"operationId": "events", **OK}},
        "/mock": {"get": {"operationId": "mock", **OK, "x-apigw": {"mock": True}}},
        "/few": {"get": {"operationId": "few", **OK, "x-apigw": {"rate_limit": {"rate": "1/h", "key": "ip"}}}},
        "/loose": {"get": {"operationId": "loose", **OK, "x-apigw": {"security_headers": "off"}}},
    },
}
CONFIG = """\
version: 1
apis:
  any:
    spec: spec.yaml
    hosts: [localhost]
    upstream: server
    defaults: {security_headers: {hsts_subdomains: true}, compress: {min_size: 0}}
sites: {shop: {folder: web, hosts: [shop.localhost], defaults: {security_headers: {}, compress: {}}}}
upstreams: {server: {targets: ["URL"], timeout: {connect: 20s, first_byte: 20s}}}
"""
TLS = "listen: {tls: {certificates: [{cert: {file: server.pem}, key: {file: server.key}}]}}\n"
PAGE = b"<p>page</p>" * 1000
MIB = 1 << 20
NOISE = os.urandom(MIB)  # longer than any coder's window: it comes out as long as it went in


def script(server: Scripted, connection: socket.socket, request: bytes) -> bool:
    path = request.split(b" ")[1]
    head = b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=5\r\nContent-Type: "
    if path == b"/long":  # 60 MB, as fast as somebody takes them
        connection.sendall(head + b"text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(60):
            connection.sendall(b"%x\r\n%b\r\n" % (len(NOISE), NOISE))
        connection.sendall(b"0\r\n\r\n")
        return True
    if path == b"/events":
        connection.sendall(head + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            data = b"data: %d\n\n" % number
            connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))
        server.ended.wait(30)
        return False
    connection.sendall(
        head.replace(b"Strict-Transport-Security: max-age=5\r\n", b"") + b"text/plain\r\nContent-Length: 2\r\n\r\nok"
    )
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with Scripted(script) as one:
        yield one


def begin(folder: Path, server: Scripted, config: str) -> Gateway:
    (folder / "web").mkdir()
    (folder / "web" / "index.html").write_bytes(PAGE)
    (folder / "spec.yaml").write_text(json.dumps(SPEC))
    (folder / "apigw.yaml").write_text(config.replace("URL", server.url))
    return Gateway(folder, "--workers", "1")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: Scripted) -> Iterator[Gateway]:
    one = begin(tmp_path_factory.mktemp("coded"), server, CONFIG)
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


# --- browsers are told to stay with TLS


def request(path: str, host: str = "localhost", *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", "")).encode()


ASKED = {
    "an upstream's": (request("/up"), 200, "max-age=31536000; includeSubDomains"),
    "a mock": (request("/mock"), 200, "max-age=31536000; includeSubDomains"),
    "a site's file": (request("/", "shop.localhost"), 200, "max-age=31536000"),
    "a file that is not there": (request("/x.png", "shop.localhost"), 404, "max-age=31536000"),
    "a refusal": (request("/few"), 429, "max-age=31536000; includeSubDomains"),
    "a method that is not there": (request("/up", method="DELETE"), 405, "max-age=31536000; includeSubDomains"),
    "a route where it is off": (request("/loose"), 200, None),
}


@needs_openssl
def test_over_tls_every_answer_says_so(tmp_path: Path, server: Scripted) -> None:
    ca = authority(tmp_path, "ca")
    issue(tmp_path, "server", ca, "DNS:localhost", "DNS:shop.localhost")
    one = begin(tmp_path, server, TLS + CONFIG)
    try:
        one.ready()
        tell(one, ca)
    finally:
        one.stop()


def tell(gateway: Gateway, ca: Pair) -> None:
    with SecureWire(gateway.port, ca, "localhost") as wire:
        assert wire.send(request("/few")).answer().status == 200
        for name, (asked, status, told) in ASKED.items():
            answer = wire.send(asked).answer()
            assert (answer.status, answer.all("strict-transport-security")) == (status, [told] if told else []), name


def test_without_tls_none_does(gateway: Gateway) -> None:
    """Not even where an upstream said it (RFC 6797, section 7.2)."""
    with Wire(gateway.port) as wire:
        for name, (asked, _, _) in ASKED.items():
            answer = wire.send(asked).answer()
            assert answer.all("strict-transport-security") == [], name
            assert answer.header("x-content-type-options") == "nosniff" or name == "a route where it is off"


# --- codings


def ask(gateway: Gateway, accepted: str) -> Answer:
    with Wire(gateway.port) as wire:
        return wire.send(request("/", "shop.localhost", f"Accept-Encoding: {accepted}")).answer()


@pytest.mark.parametrize(
    "accepted",
    [
        ", ".join(f"x{i};q=0.{i % 1000:03}" for i in range(1500)),
        "gzip;q=" + "0" * 8000,
        "," * 16000,
        "gzip;" * 4000,
        "\t" * 16000 + "x",
        "gzip\xff",
        "*;q=0",
        "identity;q=0, x;q=1",
        'gzip;q="1"',
        "gzip;q=1.1",
        "gzip;q=-1",
        "gzip;q=1e9",
    ],
)
def test_whatever_is_asked_for(gateway: Gateway, accepted: str) -> None:
    """What says nothing is as if it was not there."""
    answer = ask(gateway, accepted)
    assert (answer.status, answer.body, answer.header("content-encoding")) == (200, PAGE, None)
    assert "accept-encoding" in (answer.header("vary") or "").lower()
    assert gzip.decompress(ask(gateway, "gzip").body) == PAGE


def test_events_come_one_by_one(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(request("/events", "localhost", "Accept-Encoding: gzip"))
        while wire.line() != b"\r\n":
            pass
        machine, seen = zlib.decompressobj(31), b""
        while b"data: 2\n\n" not in seen:
            seen += machine.decompress(wire.exactly(int(wire.line(), 16)))
            wire.line()
        assert seen == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def memory(gateway: Gateway) -> int:
    (worker,) = gateway.workers()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_clients_who_read_nothing_and_leave(gateway: Gateway, server: Scripted, coding: str) -> None:
    """An encoder for each, a bounded one; the upstream waits, and all of it goes with the client."""
    before = memory(gateway)
    wires = [Wire(gateway.port) for _ in range(8)]
    try:
        for wire in wires:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.send(request("/long", "localhost", f"Accept-Encoding: {coding}"))
        for wire in wires:
            assert b" 200 " in wire.line()
        assert gateway.metric("apigw_in_flight") >= len(wires)
        with Wire(gateway.port) as other:
            assert other.send(request("/up")).answer().body == b"ok"
        assert memory(gateway) - before < 40 * MIB
    finally:
        for wire in wires:
            with contextlib.suppress(OSError):
                wire.socket.close()
    wait_until(lambda: gateway.metric("apigw_in_flight") == 0, "all of them to be over")
