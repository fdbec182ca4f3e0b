"""Timeouts of upstreams, and requests that are sent again: against upstreams that really stall and really end."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apigw_cli.snapshot.model import UpstreamTls
from tests.gateway.certificates import authority, issue, needs_openssl
from tests.gateway.inside import beside, inside, snapshot
from tests.gateway.program import PATIENCE, Gateway
from tests.gateway.scripted import OK, Script, Scripted, answer, paused, silent, then_silent
from tests.gateway.wire import Wire, ask

SPEC = """\
openapi: 3.1.0
info: {title: Times, version: 1.0.0}
paths:
  /NAME:
    get: {operationId: get_NAME, responses: {"200": {description: ok}}}
    post: {operationId: post_NAME, responses: {"200": {description: ok}}}
"""

Upstreams = dict[str, tuple[list[str], str]]


def write(folder: Path, upstreams: Upstreams) -> None:
    """An API for each upstream, at the path of its name."""
    lines = ["version: 1", "apis:"]
    for name in upstreams:
        (folder / f"{name}.yaml").write_text(SPEC.replace("NAME", name))
        lines.append(f"  {name}: {{spec: {name}.yaml, upstream: {name}}}")
    lines.append("upstreams:")
    for name, (targets, settings) in upstreams.items():
        listed = ", ".join(f'"{url}"' for url in targets)
        lines.append(f"  {name}: {{targets: [{listed}]{', ' if settings else ''}{settings}}}")
    (folder / "apigw.yaml").write_text("\n".join(lines) + "\n")


@contextlib.contextmanager
def serving(folder: Path, upstreams: Upstreams, *arguments: str) -> Iterator[Gateway]:
    write(folder, upstreams)
    gateway = Gateway(folder, *(arguments or ("--workers", "1")))
    try:
        yield gateway.ready()
    finally:
        gateway.stop()
    assert not [line for line in gateway.lines if "Traceback" in line], "\n".join(gateway.lines)


def get(gateway: Gateway, name: str) -> Any:
    return ask(gateway.port, f"GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def post(gateway: Gateway, name: str) -> Any:
    return ask(gateway.port, f"POST /{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody".encode())


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes."
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n"
PATIENT = "timeout: {connect: 5s, first_byte: 10s, total: 20s, idle: %s}"


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    scripts: dict[str, tuple[Script, str]] = {
        "mute": (silent, "timeout: {first_byte: 300ms, idle: 20s}"),
        "half": (then_silent(HALF), PATIENT % "300ms"),
        "chunked": (then_silent(CHUNKED), PATIENT % "300ms"),
        "dripping": (paused(CHUNKED, *[b"1\r\nx\r\n"] * 1000, seconds=0.05), "timeout: {total: 1s, idle: 10s}"),
        "events": (paused(EVENTS, b"data: two\n\n", b"", seconds=0.7), PATIENT % "300ms"),
        "large": (
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n" + bytes(30_000_000)),
            PATIENT % "1s",
        ),
    }
    with contextlib.ExitStack() as stack:
        servers = {name: (stack.enter_context(Scripted(script)), text) for name, (script, text) in scripts.items()}
        upstreams: Upstreams = {name: ([server.url], text) for name, (server, text) in servers.items()}
        upstreams["full"] = ([stack.enter_context(full_backlog())], "timeout: {connect: 300ms}")
        yield stack.enter_context(serving(tmp_path_factory.mktemp("times"), upstreams))


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """A socket that takes no more connections: further ones neither succeed nor fail."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_no_connection_in_time(times: Gateway) -> None:
    found = get(times, "full")
    assert (found.status, b"did not accept a connection in time" in found.body) == (502, True)
    times.log_line(route="get_full", reason="upstream_unreachable")


def test_no_answer_in_time(times: Gateway) -> None:
    assert get(times, "mute").status == 504
    times.log_line(route="get_mute", reason="upstream_timeout", status=504)


@pytest.mark.parametrize("name", ["half", "chunked"])
def test_an_answer_that_stalls_is_cut(times: Gateway, name: str) -> None:
    with pytest.raises((EOFError, ConnectionResetError)):
        get(times, name)
    times.log_line(route=f"get_{name}", reason="upstream_stalled", status=200)


def test_an_answer_that_only_crawls_ends_with_the_total(times: Gateway) -> None:
    with pytest.raises((EOFError, ConnectionResetError)):
        get(times, "dripping")
    times.log_line(route="get_dripping", reason="upstream_timeout", status=200)


def test_an_event_stream_may_pause_for_longer(times: Gateway) -> None:
    assert get(times, "events").body == b"data: one\n\ndata: two\n\n"


def test_a_slow_client_is_no_stalled_upstream(times: Gateway) -> None:
    with Wire(times.port) as wire:
        wire.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2)  # twice `idle`: what is tested, not waiting for something
        assert len(wire.answer().body) == 30_000_000


# --- sent again

BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
BUSY_CHUNKED = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n"
BUSY_LONG = b"HTTP/1.1 503 Busy\r\nContent-Length: 400000\r\n\r\n" + bytes(400_000)


@pytest.mark.parametrize("busy", [BUSY, BUSY_CHUNKED, BUSY_LONG], ids=["plain", "chunked", "long"])
def test_an_answer_of_a_listed_status_is_asked_for_elsewhere(tmp_path: Path, busy: bytes) -> None:
    with Scripted(answer(busy)) as bad, Scripted(answer()) as good, Scripted(answer(busy)) as worse:
        upstreams: Upstreams = {
            "one": ([bad.url, good.url], "retries: {on: [503]}"),
            "unlisted": ([bad.url, good.url], "retries: {on: [connect, closed, timeout, 502, 504]}"),
            "all": ([bad.url, worse.url], "retries: {on: [503], attempts: 3}"),
        }
        with serving(tmp_path, upstreams) as gateway:
            assert [get(gateway, "one").status for _ in range(6)] == [200] * 6
            assert sorted(get(gateway, "unlisted").status for _ in range(4)) == [200, 200, 503, 503]
            found = get(gateway, "all")
            assert (found.status, found.body) == (
                503,
                busy.partition(b"\r\n\r\n")[2] if busy != BUSY_CHUNKED else b"busy",
            )
            bad.requests.clear()
            good.requests.clear()
            assert sorted(post(gateway, "one").status for _ in range(4)) == [200, 200, 503, 503]
            assert (len(bad.requests), len(good.requests)) == (2, 2)


def test_an_answer_that_is_late_is_asked_for_elsewhere(tmp_path: Path) -> None:
    times = "timeout: {first_byte: 700ms, total: 20s}"
    with Scripted(silent) as mute, Scripted(answer()) as good, full_backlog() as full:
        upstreams: Upstreams = {
            "one": ([mute.url, good.url], f"{times}, retries: {{on: [timeout]}}"),
            "off": ([mute.url, good.url], f"{times}, retries: {{}}"),
            "short": ([mute.url, good.url], "timeout: {first_byte: 5s, total: 1s}, retries: {on: [timeout]}"),
            "deaf": ([full, good.url], "timeout: {connect: 5s, first_byte: 700ms}, retries: {on: [timeout]}"),
        }
        with serving(tmp_path, upstreams) as gateway:
            assert [get(gateway, "one").status for _ in range(4)] == [200] * 4
            assert [get(gateway, "deaf").status for _ in range(2)] == [200] * 2
            assert sorted(get(gateway, "off").status for _ in range(2)) == [200, 504]
            assert sorted(get(gateway, "short").status for _ in range(2)) == [200, 504]
            good.requests.clear()
            assert sorted(post(gateway, "one").status for _ in range(2)) == [200, 504]
            assert len(good.requests) == 1


# --- connections that end while nobody uses them


def fickle(seed: int) -> Script:
    """Answers, and closes the idle connection after a moment of random length, without a word."""
    chance = random.Random(seed)

    def script(_: Scripted, connection: socket.socket, __: bytes) -> bool:
        connection.sendall(OK)
        connection.settimeout(chance.choice((0.0001, 0.001, 0.003, 0.01)))
        try:
            connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return False
        connection.settimeout(PATIENCE)
        return True

    return script


def test_connections_that_end_at_any_time_cost_no_get_an_error_and_send_no_post_twice(tmp_path: Path) -> None:
    found: list[tuple[bytes, int]] = []

    def client(gateway: Gateway, number: int) -> None:
        chance = random.Random(number)
        with Wire(gateway.port) as wire:
            for turn in range(250):
                method, path = (b"POST", b"/one?%d-%d" % (number, turn)) if turn % 4 == 0 else (b"GET", b"/one")
                body = b"Content-Length: 4\r\n\r\nbody" if method == b"POST" else b"\r\n"
                wire.send(b"%b %b HTTP/1.1\r\nHost: localhost\r\n%b" % (method, path, body))
                found.append((method, wire.answer().status))
                time.sleep(chance.choice((0, 0, 0.001, 0.004)))

    with Scripted(fickle(7)) as server, serving(tmp_path, {"one": ([server.url], "")}) as gateway:
        threads = [threading.Thread(target=client, args=(gateway, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        posted = [one.split(b" ", 2)[1] for one in server.requests if one.startswith(b"POST")]
        assert server.connections > 20
    assert len(found) == 1000
    assert {status for method, status in found if method == b"GET"} == {200}
    assert len(posted) == len(set(posted))
    assert {status for method, status in found if method == b"POST"} <= {200, 502}


# --- the end of an answer in TLS


def loops() -> list[Any]:
    import asyncio

    found: list[Any] = [pytest.param(asyncio.run, id="asyncio")]
    try:
        import uvloop
    except ImportError:
        return found
    return [*found, pytest.param(uvloop.run, id="uvloop")]


def ending(data: bytes, *, notify: bool) -> Script:
    def script(_: Scripted, connection: socket.socket, __: bytes) -> bool:
        connection.sendall(data)
        if notify:
            assert isinstance(connection, ssl.SSLSocket)
            connection.unwrap()
        return False

    return script


UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"


@needs_openssl
@pytest.mark.parametrize("run", loops())
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    ("data", "notify", "whole"),
    [(UNTIL_CLOSE, True, True), (UNTIL_CLOSE, False, False), (HALF, True, False), (HALF, False, False)],
    ids=["close-notify", "close", "short-notify", "short"],
)
def test_in_tls_only_a_close_notify_ends_an_answer(
    tmp_path: Path, run: Callable[[Any], Any], version: bytes, data: bytes, notify: bool, whole: bool
) -> None:
    pair = issue(tmp_path, "server", authority(tmp_path, "ca"), "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    async def main(server: Scripted) -> bytes | None:
        one = snapshot(server.url)
        upstream = msgspec.structs.replace(one.upstreams["up"], tls=UpstreamTls(verify=False))
        async with inside() as here:
            await here.serve(msgspec.structs.replace(one, upstreams={"up": upstream}))
            found: bytes | None = await beside(lambda: body_of(here.port))
            return found

    def body_of(port: int) -> bytes | None:
        try:
            found: bytes = ask(port, b"GET /up HTTP/%b\r\nHost: localhost\r\n\r\n" % version).body
        except (EOFError, ConnectionResetError):
            return None
        return found

    with Scripted(ending(data, notify=notify), context) as server:
        assert run(main(server)) == (b"until the end" if whole else None)
