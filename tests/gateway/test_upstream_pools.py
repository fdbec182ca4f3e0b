"""At most so many connections to a target, and requests that wait for one: over real sockets."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.scripted import OK, Script, Scripted, answer
from tests.gateway.test_upstream_times import Upstreams, get, post, serving, write
from tests.gateway.wire import Answer, Wire
from tests.ports import NOBODY

REQUEST = b"GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Gate:
    """An upstream's script that answers when it is told to."""

    def __init__(self) -> None:
        self._may = threading.Semaphore(0)

    def __call__(self, server: Scripted, connection: socket.socket, request: bytes) -> bool:
        if not self._may.acquire(timeout=PATIENCE):
            return False
        connection.sendall(OK)
        return True

    def open(self, times: int = 1) -> None:
        self._may.release(times)


def state(gateway: Gateway, name: str = "one") -> tuple[int, int]:
    """Connections to the upstream's first target, and requests that wait for one."""
    one = json.loads(gateway.admin("/upstreams")[1])[name][0]
    return one["connections"], one["queued"]


def until(gateway: Gateway, connections: int, queued: int) -> None:
    wait_until(lambda: state(gateway) == (connections, queued), f"{connections} connections, {queued} waiting")


def with_pool(server: Scripted, pool: str, more: str = "") -> Upstreams:
    return {"one": ([server.url], f"pool: {{{pool}}}{more}")}


def test_requests_wait_for_a_connection_in_their_order(tmp_path: Path) -> None:
    gate = Gate()
    with (
        Scripted(gate) as server,
        serving(tmp_path, with_pool(server, "connections: 2, queue: 5, queue_timeout: 20s")) as gateway,
        ThreadPoolExecutor(8) as threads,
    ):
        found: list[Future[Answer]] = []
        for number in range(7):
            found.append(threads.submit(get, gateway, f"one?{number}"))
            until(gateway, min(2, number + 1), max(0, number - 1))
        refused = get(gateway, "one")
        assert (refused.status, refused.header("retry-after")) == (503, "1")
        assert gateway.log_line(reason="queue_full")["upstream"] == server.url
        assert gateway.counts(5, "apigw_upstream_queued", target=server.url)
        gate.open(7)
        assert [one.result(PATIENCE).status for one in found] == [200] * 7
        assert server.most == 2
        numbers = [one.split(b" ")[1] for one in server.requests]
        assert sorted(numbers[:2]) == [b"/one?0", b"/one?1"]
        assert len(numbers) == 7
        assert gateway.counts(1, "apigw_refusals_total", reason="queue_full")
        until(gateway, 2, 0)


def test_who_waits_too_long_is_refused_and_who_leaves_waits_no_more(tmp_path: Path) -> None:
    gate = Gate()
    with (
        Scripted(gate) as server,
        serving(tmp_path, with_pool(server, "connections: 1, queue: 5, queue_timeout: 20s")) as gateway,
        ThreadPoolExecutor(2) as threads,
    ):
        first = threads.submit(get, gateway, "one")
        until(gateway, 1, 0)
        with Wire(gateway.port) as leaving:
            leaving.send(REQUEST)
            until(gateway, 1, 1)
        until(gateway, 1, 0)
        gateway.log_line(reason="client_gone", status=499)
        write(tmp_path, with_pool(server, "connections: 1, queue: 5, queue_timeout: 300ms"))
        assert gateway.admin("/reload", "POST")[0] == 200
        late = post(gateway, "one")
        assert (late.status, late.header("retry-after")) == (503, "1")
        gateway.log_line(reason="queue_timeout")
        gate.open(2)
        assert first.result(PATIENCE).status == 200
        assert get(gateway, "one").status == 200
        assert len(server.requests) == 2


def test_large_bodies_wait_too(tmp_path: Path) -> None:
    """More than is kept for sending again, in one part and in two: all of it arrives, in order."""
    gate = Gate()
    with (
        Scripted(gate) as server,
        serving(tmp_path, with_pool(server, "connections: 1, queue_timeout: 20s")) as gateway,
        ThreadPoolExecutor(2) as threads,
        Wire(gateway.port) as wire,
    ):
        first = threads.submit(get, gateway, "one")
        until(gateway, 1, 0)
        body = random.Random(3).randbytes(3_000_000)
        sending = threads.submit(
            wire.send, b"POST /one HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        until(gateway, 1, 1)
        gate.open(2)
        assert first.result(PATIENCE).status == 200
        sending.result(PATIENCE)
        assert wire.answer().status == 200
        assert server.requests[-1].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_after_a_body_that_waited_its_connection_takes_the_next_request(tmp_path: Path, size: int) -> None:
    gate = Gate()
    with (
        Scripted(gate) as server,
        serving(tmp_path, with_pool(server, "connections: 1, queue_timeout: 20s")) as gateway,
        ThreadPoolExecutor(2) as threads,
        Wire(gateway.port) as wire,
    ):
        first = threads.submit(get, gateway, "one")
        until(gateway, 1, 0)
        head = b"POST /one HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
        sending = threads.submit(wire.send, head + bytes(size))
        until(gateway, 1, 1)
        gate.open(4)
        assert first.result(PATIENCE).status == 200
        sending.result(PATIENCE)
        assert wire.answer().status == 200
        assert wire.send(REQUEST).answer().status == 200
        assert wire.send(REQUEST).answer().status == 200


def test_after_a_body_that_waited_in_vain_too(tmp_path: Path) -> None:
    gate = Gate()
    with (
        Scripted(gate) as server,
        serving(tmp_path, with_pool(server, "connections: 1, queue_timeout: 300ms")) as gateway,
        ThreadPoolExecutor(2) as threads,
        Wire(gateway.port) as wire,
    ):
        first = threads.submit(get, gateway, "one")
        until(gateway, 1, 0)
        wire.send(b"POST /one HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" + bytes(70_000))
        assert wire.answer().status == 503
        gate.open(2)
        assert first.result(PATIENCE).status == 200
        assert wire.send(REQUEST).answer().status == 200


def test_a_reload_and_draining_keep_who_waits(tmp_path: Path) -> None:
    gate = Gate()
    with Scripted(gate) as server, ThreadPoolExecutor(4) as threads:
        upstreams = with_pool(server, "connections: 1, queue_timeout: 20s")
        with serving(tmp_path, upstreams) as gateway:
            found = [threads.submit(get, gateway, "one") for _ in range(3)]
            until(gateway, 1, 2)
            write(tmp_path, with_pool(server, "connections: 2, queue_timeout: 20s"))  # the pool grows
            assert gateway.admin("/reload", "POST")[0] == 200
            until(gateway, 2, 1)
            write(tmp_path, {"one": ([server.url], "pool: {connections: 2}, host: preserve, balance: random_two")})
            assert gateway.admin("/reload", "POST")[0] == 200
            until(gateway, 2, 1)
            write(tmp_path, {"one": (["http://127.0.0.1:9"], "")})  # the pool goes
            assert gateway.admin("/reload", "POST")[0] == 200
            gateway.process.terminate()
            gateway.line("draining")
            gate.open(3)
            assert [one.result(PATIENCE).status for one in found] == [200] * 3


def test_a_tunnel_keeps_its_slot_until_it_ends(tmp_path: Path) -> None:
    from apigw_cli.gateway.tunnel import accept_of

    key = b"dGhlIHNhbXBsZSBub25jZQ=="

    def script(_: Scripted, connection: socket.socket, request: bytes) -> bool:
        if b"Upgrade: websocket" not in request:
            connection.sendall(OK)
            return True
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_of(key)
        )
        connection.recv(1)
        return False

    pool = "connections: 1, queue: 1, queue_timeout: 20s"
    with (
        Scripted(script) as server,
        serving(tmp_path, with_pool(server, pool)) as gateway,
        ThreadPoolExecutor(1) as threads,
    ):
        with Wire(gateway.port) as wire:
            wire.send(
                b"GET /one HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % key
            )
            assert b" 101 " in wire.line()
            waiting = threads.submit(get, gateway, "one")
            until(gateway, 1, 1)
        assert waiting.result(PATIENCE).status == 200
        until(gateway, 1, 0)


def test_the_total_is_split_over_the_workers(tmp_path: Path) -> None:
    gate = Gate()
    with (
        Scripted(gate) as server,
        serving(tmp_path, with_pool(server, "connections: 3, queue_timeout: 20s"), "--workers", "2") as gateway,
        ThreadPoolExecutor(24) as threads,
    ):
        found = [threads.submit(get, gateway, "one") for _ in range(24)]
        until(gateway, 3, 21)
        gate.open(24)
        assert [one.result(PATIENCE).status for one in found] == [200] * 24
        assert server.most == 3
        write(tmp_path, with_pool(server, "connections: 1"))
        status, text = gateway.admin("/reload", "POST")
        assert (status, "pool.connections is 1, fewer than the 2 workers" in text) == (422, True)


def moody(seed: int) -> Script:
    """Answers, hangs up, says that it will hang up, or sends half an answer."""
    chance = random.Random(seed)
    lock = threading.Lock()

    def script(_: Scripted, connection: socket.socket, __: bytes) -> bool:
        with lock:
            mood = chance.random()
        if mood < 0.1:
            return False
        if mood < 0.2:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return False
        if mood < 0.4:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
            return False
        connection.sendall(OK)
        return mood < 0.8  # the others close without having said so

    return script


def test_no_slot_is_ever_lost(tmp_path: Path) -> None:
    """Whatever upstream and clients do; afterwards all slots can be had again, and no more."""
    pool = "connections: 4, queue: 4, queue_timeout: 5s"
    with Scripted(moody(5)) as server, serving(tmp_path, with_pool(server, pool, ", retries: {}")) as gateway:

        def client(number: int) -> None:
            chance = random.Random(number)
            for _ in range(40):
                with Wire(gateway.port) as wire:
                    wire.send(REQUEST)
                    if chance.random() < 0.7:
                        try:
                            wire.answer()
                        except (EOFError, ConnectionResetError):
                            pass

        run_all(client, 12)
        wait_until(lambda: gateway.metric("apigw_upstream_in_flight") == 0, "nothing is under way")
        gate = Gate()
        server.script = gate
        with ThreadPoolExecutor(8) as threads:
            found = [threads.submit(get, gateway, "one") for _ in range(4)]
            until(gateway, 4, 0)
            wait_until(lambda: gateway.metric("apigw_upstream_in_flight") == 4, "all four are under way")
            gate.open(100)  # also for requests whose clients had left before the upstream read them
            assert [one.result(PATIENCE).status for one in found] == [200] * 4


def run_all(client: Callable[[int], None], count: int) -> None:
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            client(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    assert not failures


def test_a_target_that_cannot_be_reached_gives_its_slots_back(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{NOBODY}"
    with serving(tmp_path, {"one": ([url], "pool: {connections: 1}")}) as gateway:
        assert [get(gateway, "one").status for _ in range(4)] == [502] * 4
        until(gateway, 0, 0)


def test_idle_connections_are_bounded(tmp_path: Path) -> None:
    with (
        Scripted(answer()) as server,
        serving(tmp_path, {"one": ([server.url], "pool: {idle: 0}")}) as gateway,
    ):
        assert [get(gateway, "one").status for _ in range(3)] == [200] * 3
        assert server.connections == 3
        until(gateway, 0, 0)
        write(tmp_path, {"one": ([server.url], "pool: {idle: 1, idle_timeout: 2s}")})
        assert gateway.admin("/reload", "POST")[0] == 200
        assert [get(gateway, "one").status for _ in range(3)] == [200] * 3
        assert server.connections == 4
        until(gateway, 0, 0)


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("queue: 5", "queue and queue_timeout have no effect without connections"),
        ("connections: 0", "0 is too small: at least 1"),
        ("idle_timeout: 0s", "idle_timeout must be more than nothing"),
    ],
)
def test_what_is_no_pool(tmp_path: Path, pool: str, message: str) -> None:
    from apigw_cli.errors import InputError
    from apigw_cli.generate.run import load

    write(tmp_path, {"one": (["http://127.0.0.1:9"], f"pool: {{{pool}}}")})
    with pytest.raises(InputError, match=message):
        load(tmp_path / "apigw.yaml", None)
