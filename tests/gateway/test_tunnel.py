"""WebSockets: the handshake is a request like any other, after it bytes pass in both directions."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading

import msgspec
import pytest

from apigw_cli.snapshot.model import Listen
from tests.gateway.conftest import SPEC, Start
from tests.gateway.inside import beside, eventually, inside, snapshot
from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Answer, Wire, get

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
LINES = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")


def handshake(path: str, *extra: str, key: str = KEY) -> bytes:
    lines = (*LINES, f"Sec-WebSocket-Key: {key}", *extra)
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


def opened(wire: Wire, path: str, *extra: str) -> Answer:
    answer = wire.send(handshake(path, *extra)).answer()
    assert answer.status == 101
    assert wire.exactly(5) == b"hello"
    return answer


def test_a_websocket_passes_through(gateway: Gateway, recorder: Recorder) -> None:
    masked = b"\x81\x85" + b"\x01\x02\x03\x04" + bytes(a ^ b for a, b in zip(b"howdy", b"\1\2\3\4\1", strict=True))
    with Wire(gateway.port) as wire:
        answer = opened(wire, "/open/ws", "Sec-WebSocket-Protocol: chat")
        assert answer.header("Sec-WebSocket-Accept") == ACCEPT
        assert (answer.all("Upgrade"), answer.all("Connection")) == (["websocket"], ["Upgrade"])
        assert answer.all("X-Request-Id") != ["theirs"]
        assert gateway.counts(1, "apigw_tunnels")
        assert gateway.counts(0, "apigw_in_flight")
        assert wire.send(masked).exactly(len(masked)) == masked
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b"bye"  # half closed: the upstream still speaks
    got = recorder.last("/open/ws")
    assert (got.all("Connection"), got.all("Upgrade")) == (["Upgrade"], ["websocket"])
    assert got.header("Sec-WebSocket-Protocol") == "chat"
    line = gateway.log_line(path="/open/ws", status=101)
    assert (line["bytes_in"], line["bytes_out"], line["reason"]) == (len(masked), 5 + len(masked) + 3, None)
    wait_until(lambda: gateway.metric("apigw_tunnels") == 0, "no tunnel")


def test_what_comes_with_the_handshake_waits_for_its_answer(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/first HTTP/1.1\r\nHost: localhost\r\n\r\n" + handshake("/open/ws") + b"early")
        assert json.loads(wire.answer().body)["url"] == "/open/first"
        assert wire.answer().status == 101
        assert wire.exactly(10) == b"helloearly"


@pytest.mark.parametrize("path", ["/open/nowhere", "/open/status?code=403", "/nothing", "/mocked"])
def test_a_declined_handshake_has_an_ordinary_answer(gateway: Gateway, path: str) -> None:
    """And what follows on the connection is HTTP, whether it came at once or later."""
    following = b"GET /open/after HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Wire(gateway.port) as wire:
        wire.send(handshake(path) + following)
        assert wire.answer().status in (200, 403, 404)
        assert json.loads(wire.answer().body)["url"] == "/open/after"
        wire.send(following)
        assert json.loads(wire.answer().body)["url"] == "/open/after"


def test_policies_decide_about_a_handshake(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        assert wire.send(handshake("/keyed/ws")).answer().status == 401
        assert not [one for one in recorder.received if one.url == "/keyed/ws"]
        opened(wire, "/keyed/ws", "X-Api-Key: demo-alice")
    assert recorder.last("/keyed/ws").header("X-Gateway") == "apigw"
    gateway.log_line(path="/keyed/ws", status=101, principal="alice")


FAULTY = {
    "no key": handshake("/open/ws").replace(f"Sec-WebSocket-Key: {KEY}\r\n".encode(), b""),
    "short key": handshake("/open/ws", key="c2hvcnQ="),
    "key that is no Base64": handshake("/open/ws", key="dGhlIHNhbXBsZSBub25jZ!=="),
    "two keys": handshake("/open/ws", f"Sec-WebSocket-Key: {KEY}"),
    "old version": handshake("/open/ws").replace(b"Version: 13", b"Version: 8"),
    "POST": handshake("/open/ws").replace(b"GET", b"POST"),
    "body": handshake("/open/ws", "Content-Length: 3") + b"abc",
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_handshake_is_refused(gateway: Gateway, recorder: Recorder, name: str) -> None:
    before = len(recorder.received)
    with Wire(gateway.port) as wire:
        answer = wire.send(FAULTY[name]).answer()
        assert (answer.status, answer.header("Connection")) == (400, "close")
        assert wire.closed()
    assert len(recorder.received) == before


def test_in_http_1_0_nothing_is_upgraded(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        assert wire.send(handshake("/open/x").replace(b"HTTP/1.1", b"HTTP/1.0")).answer().status == 200


@pytest.mark.parametrize("fault", ["accept=wrong", "upgrade=h2c"])
def test_a_101_that_does_not_fit_never_opens_a_tunnel(gateway: Gateway, fault: str) -> None:
    with Wire(gateway.port) as wire:
        answer = wire.send(handshake(f"/open/ws?{fault}") + b"GET /keyed/x HTTP/1.1\r\n").answer()
        assert answer.status == 502
        assert json.loads(answer.body)["message"] == "the upstream sent an invalid answer"


def test_a_101_that_nobody_asked_for(gateway: Gateway) -> None:
    assert get(gateway.port, "/open/ws").status == 502


def test_an_upstream_that_leaves_ends_the_tunnel(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        opened(wire, "/open/ws?leave=1")
        assert wire.closed()


def test_who_reads_slowly_is_not_overtaken(gateway: Gateway) -> None:
    """What is on its way is bounded; all of it arrives."""
    total = 48 * 1024 * 1024
    block = bytes(range(256)) * 256
    sent = 0

    def send(wire: Wire) -> None:
        nonlocal sent
        while sent < total:
            wire.socket.sendall(block)
            sent += len(block)
        wire.socket.shutdown(socket.SHUT_WR)

    with Wire(gateway.port) as wire:
        opened(wire, "/open/ws")
        thread = threading.Thread(target=send, args=(wire,))
        thread.start()
        seen = [-1]

        def still() -> bool:
            seen.append(sent)
            return len(seen) > 20 and seen[-1] == seen[-20] and seen[-1] > 0

        wait_until(still, "the sender to be held up")
        assert sent < total
        received = 0
        while received < total + 3:
            data = wire.socket.recv(1 << 20)
            assert data
            received += len(data)
        thread.join(PATIENCE)
    assert received == total + 3


def test_a_tunnel_survives_a_reload_and_is_not_counted_in_flight(start: Start) -> None:
    gateway = start("--workers", "1", "--concurrency", "1")
    with Wire(gateway.port) as wire:
        opened(wire, "/open/ws")
        assert get(gateway.port, "/open/beside").status == 200
        (gateway.folder / "spec.yaml").write_text(SPEC.replace("/open/{rest+}", "/renamed/{rest+}"))
        gateway.line(r"reload .*renamed")
        assert get(gateway.port, "/open/beside").status == 404
        assert wire.send(b"still").exactly(5) == b"still"


def test_draining_waits_for_tunnels(start: Start) -> None:
    gateway = start("--workers", "1")
    with Wire(gateway.port) as wire:
        opened(wire, "/open/ws")
        gateway.signal(signal.SIGTERM)
        gateway.line("draining")
        assert wire.send(b"still").exactly(5) == b"still"
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b"bye"
    assert gateway.process.wait(PATIENCE) == 0


def test_draining_and_idleness_have_an_end(recorder: Recorder) -> None:
    one = snapshot(f"http://127.0.0.1:{recorder.port}")
    one = msgspec.structs.replace(one, routes=(msgspec.structs.replace(one.routes[1], path="/ws"),))

    async def test() -> None:
        async with inside() as site:
            await site.serve(msgspec.structs.replace(one, listen=Listen(websocket_timeout=1.2)))
            ended: list[bool] = []

            def client() -> None:
                with Wire(site.port) as wire:
                    assert wire.send(handshake("/ws")).answer().status == 101
                    wire.exactly(5)
                    ended.append(wire.closed())

            await beside(client)
            assert ended == [True]
            await site.serve(one)
            task = asyncio.create_task(beside(client))
            await eventually(lambda: site.worker.site.tunnels)
            await site.worker.drain(0)
            await task
            assert not site.worker.site.tunnels

    asyncio.run(test())
