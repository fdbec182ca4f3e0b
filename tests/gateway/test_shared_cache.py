"""One store and one fetch for all workers of a gateway, from outside: real workers, an origin that waits, deaths."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.wire import Wire, get

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker on Windows: nothing is shared")

WORKERS = 4
CLIENTS = 24

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {"/{rest+}": {"get": {"operationId": "read", "responses": {"200": {"description": "ok"}}}}},
}


def config(port: int, **policy: object) -> str:
    return json.dumps(
        {
            "version": 1,
            "apis": {"any": {"spec": "any.json", "upstream": "origin", "defaults": {"cache": policy}}},
            "upstreams": {"origin": {"targets": [f"http://127.0.0.1:{port}"]}},
        }
    )


class Origin:
    """Answers with what stands in `fields` and the number of the request; while `gate` is closed, not yet."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.peers: list[int] = []  # the port that each request came from
        self.fields: dict[str, bytes] = {}
        self.size = 0
        self.gate = threading.Event()
        self.gate.set()
        self.breaks = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection, peer[1]), daemon=True).start()

    def _serve(self, connection: socket.socket, peer: int) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                target = line.split()[1].decode()
                fields = [one for one in iter(stream.readline, b"\r\n") if one.strip()]
                self.peers.append(peer)
                self.asked.append(target)
                number = len(self.asked)
                self.gate.wait(PATIENCE)
                if self.breaks:
                    connection.sendall(b"nonsense\r\n\r\n")
                    return
                who = b"".join(one for one in fields if one.lower().startswith(b"authorization:")).strip()
                body = b"%d %b %b" % (number, target.encode(), who) + b"x" * self.size
                said = self.fields.get(target.split("?")[0].split("/")[1], b"Cache-Control: max-age=600\r\n")
                connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (said, len(body), body))

    def times(self, target: str) -> int:
        return self.asked.count(target)


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    one = Origin()
    yield one
    one.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "any.json").write_text(json.dumps(DOCUMENT))
    (folder / "apigw.yaml").write_text(config(origin.port, collapse="30s"))
    one = Gateway(folder, "--workers", str(WORKERS), "--cache-memory", "1", "--test-clock")
    try:
        yield one.ready()
    finally:
        one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


@pytest.fixture
def clients(gateway: Gateway) -> Iterator[list[Wire]]:
    """Connections, which are open at the same time: a new one goes to the worker that has the fewest."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Wire(gateway.port)) for _ in range(CLIENTS)]


def ask(wire: Wire, path: str, *lines: str) -> Wire:
    more = "".join(f"{line}\r\n" for line in lines)
    return wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())


def together(gateway: Gateway, origin: Origin, clients: list[Wire], path: str, *lines: str) -> None:
    """Let all ask, of which one leads, and all others wait."""
    before = gateway.metric("apigw_cache_collapsed_total")
    origin.gate.clear()
    for number, wire in enumerate(clients):
        ask(wire, path, *(line.format(number) for line in lines))
    assert gateway.counts(before + len(clients) - 1, "apigw_cache_collapsed_total")
    wait_until(lambda: origin.times(path), "the upstream to be asked")


def test_what_one_worker_has_stored_all_workers_have(gateway: Gateway, origin: Origin, clients: list[Wire]) -> None:
    answers = [ask(wire, "/stored").answer() for wire in clients]
    assert {one.body for one in answers} == {answers[0].body}
    said = [one.header("cache-status") or "" for one in answers]
    assert [("hit" in one or "collapsed" in one) for one in said] == [False] + [True] * (CLIENTS - 1)
    assert sum("hit" in one for one in said) > CLIENTS // 2  # who asks before it is stored waits for that
    assert origin.times("/stored") == 1


def test_all_who_ask_at_once_are_one_request_to_the_upstream(
    gateway: Gateway, origin: Origin, clients: list[Wire]
) -> None:
    together(gateway, origin, clients, "/together")
    assert origin.times("/together") == 1
    origin.gate.set()
    answers = [wire.answer() for wire in clients]
    assert {(one.status, one.body) for one in answers} == {(200, answers[0].body)}
    assert sum("collapsed" in (one.header("cache-status") or "") for one in answers) == CLIENTS - 1
    assert origin.times("/together") == 1


def test_who_waited_for_what_is_anothers_alone_gets_their_own(
    gateway: Gateway, origin: Origin, clients: list[Wire]
) -> None:
    origin.fields["private"] = b"Cache-Control: private, max-age=600\r\n"
    together(gateway, origin, clients, "/private", "Authorization: client {}")
    origin.gate.set()
    answers = [wire.answer().body.partition(b"client ")[2] for wire in clients]
    assert answers == [b"%d" % number for number in range(CLIENTS)]


def test_when_the_fetch_fails_all_who_wait_hear_so(gateway: Gateway, origin: Origin, clients: list[Wire]) -> None:
    together(gateway, origin, clients, "/fails")
    origin.breaks = True
    origin.gate.set()
    answers = [wire.answer() for wire in clients]
    origin.breaks = False
    assert {(one.status, one.body) for one in answers} == {(502, answers[0].body)}
    assert origin.times("/fails") == 1
    assert get(gateway.port, "/fails").status == 200


def test_the_first_who_asked_leaves_and_all_others_are_answered(
    gateway: Gateway, origin: Origin, clients: list[Wire]
) -> None:
    origin.gate.clear()
    ask(clients[0], "/leaves")
    wait_until(lambda: origin.times("/leaves"), "the first to lead")
    before = gateway.metric("apigw_cache_collapsed_total")
    for wire in clients[1:]:
        ask(wire, "/leaves")
    assert gateway.counts(before + CLIENTS - 1, "apigw_cache_collapsed_total")
    clients[0].socket.close()
    origin.gate.set()
    assert {wire.answer().status for wire in clients[1:]} == {200}
    assert origin.times("/leaves") == 1


def test_what_is_stale_is_fetched_once_behind_the_backs_of_all(
    gateway: Gateway, origin: Origin, clients: list[Wire]
) -> None:
    origin.fields["stale"] = b"Cache-Control: max-age=10, stale-while-revalidate=600\r\n"
    first = get(gateway.port, "/stale").body
    wait_until(lambda: "hit" in (get(gateway.port, "/stale").header("cache-status") or ""), "it to be stored")
    host = f"127.0.0.1:{gateway.admin_port}"
    assert gateway.admin("/clock", "POST", b'{"advance": "1m"}', Host=host)[0] == 200
    origin.gate.clear()
    assert {ask(wire, "/stale").answer().body for wire in clients} == {first}
    wait_until(lambda: origin.times("/stale") == 2, "it to be fetched")
    origin.gate.set()
    wait_until(lambda: get(gateway.port, "/stale").body != first, "the new answer")
    assert origin.times("/stale") == 2


def test_a_full_cache_gives_nobody_anothers_answer(gateway: Gateway, origin: Origin, clients: list[Wire]) -> None:
    origin.size = 20_000
    for number in range(200):
        path = f"/full/{number % 70}"
        assert ask(clients[number % CLIENTS], path).answer().body.split()[1] == path.encode()
    origin.size = 0
    assert 0 < gateway.metric("apigw_cache_bytes") <= 1 << 20
    assert 0 < gateway.metric("apigw_cache_entries") < 70
    assert gateway.metric("apigw_cache_evictions_total") > 20


def test_a_reload_keeps_what_is_stored_and_a_changed_policy_does_not_use_it(gateway: Gateway, origin: Origin) -> None:
    get(gateway.port, "/reloaded")
    settings = gateway.folder / "apigw.yaml"
    before = settings.read_text()
    seen = len(gateway.lines)
    settings.write_text(config(origin.port, collapse="30s", max_object=90_000))
    gateway.line("reload  apigw.yaml", seen)
    assert "uri-miss" in (get(gateway.port, "/reloaded").header("cache-status") or "")
    seen = len(gateway.lines)
    settings.write_text(before)
    gateway.line("reload  apigw.yaml", seen)
    assert "hit" in (get(gateway.port, "/reloaded").header("cache-status") or "")
    assert origin.times("/reloaded") == 2


def owner_of(port: int, processes: list[int]) -> int:
    """Which process has the connection whose own port that is."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {f"socket:[{row[9]}]" for row in rows if int(row[1].partition(":")[2], 16) == port}
    for process in processes:
        for one in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(one.readlink()) in inodes:
                    return process
    raise AssertionError(f"nobody has port {port}")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for the process that leads")
def test_a_leader_that_is_killed_delays_nobody_for_long_and_leaves_the_store(
    gateway: Gateway, origin: Origin, clients: list[Wire]
) -> None:
    kept = get(gateway.port, "/kept").body
    together(gateway, origin, clients, "/killed")
    workers = gateway.workers()
    os.kill(owner_of(origin.peers[origin.asked.index("/killed")], workers), signal.SIGKILL)
    wait_until(lambda: origin.times("/killed") == 2, "another to lead")
    origin.gate.set()
    statuses = []
    for wire in clients:
        with contextlib.suppress(EOFError, ConnectionError):  # those of the killed worker
            statuses.append(wire.answer().status)
    assert set(statuses) == {200}
    assert len(statuses) >= CLIENTS // 2
    assert origin.times("/killed") == 2
    for process in set(workers) & set(gateway.workers()):
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not set(workers) & set(gateway.workers()), "other workers")
    wait_until(lambda: gateway.metric("apigw_workers") == WORKERS, "all of them")
    again = get(gateway.port, "/kept")
    assert (again.body, "hit" in (again.header("cache-status") or "")) == (kept, True)
    assert origin.times("/kept") == 1
