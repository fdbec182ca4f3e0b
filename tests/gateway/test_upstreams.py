"""Targets that go down and come back, as clients, the admin port and the metrics see them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from apigw_cli.gateway.health_checks import PASSED, probe
from apigw_cli.integrations.trouble import Failure, failure
from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.ports import NOBODY, free_port

SPEC = """\
openapi: 3.1.0
info: {title: Pair, version: 1.0.0}
paths:
  /echo:
    get: {operationId: read, responses: {"200": {description: ok}}}
    post: {operationId: write, responses: {"200": {description: ok}}}
"""


class Server:
    """`apigw upstream` in a process of its own, which can be killed and revived on the same port."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.port = free_port()
        self.revive()

    def revive(self) -> None:
        words = ["upstream", "--host", "127.0.0.1", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "apigw_cli.cli.app", *words], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert f"{self.url} " in line

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def ask(self, path: str, method: str = "GET") -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path)
        body = connection.getresponse().read()
        connection.close()
        return json.loads(body)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    servers = Server(), Server()
    yield servers
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def pair(servers: tuple[Server, Server]) -> tuple[Server, Server]:
    """Both run and are well when a test begins, whatever the one before did to them."""
    for server in servers:
        if server.process.poll() is None:
            server.ask("/health?status=200", "POST")
        else:
            server.revive()
    return servers


class HasUrl(Protocol):
    @property
    def url(self) -> str: ...


Serve = Callable[..., Gateway]


@pytest.fixture
def serve(tmp_path: Path, pair: tuple[Server, Server]) -> Iterator[Serve]:
    """Start a gateway before both servers, with these settings of the upstream."""
    running: list[Gateway] = []

    def begin(settings: str, *arguments: str) -> Gateway:
        configure(tmp_path, pair, settings)
        running.append(Gateway(tmp_path, *arguments))
        return running[-1].ready()

    yield begin
    for one in running:
        one.stop()
        assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def configure(folder: Path, pair: tuple[HasUrl, HasUrl], settings: str) -> None:
    targets = ", ".join(f'"{server.url}"' for server in pair)
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "apigw.yaml").write_text(
        "version: 1\napis: {pair: {spec: spec.yaml, upstream: both}}\n"
        f"upstreams:\n  both: {{targets: [{targets}], {settings}}}\n"
    )


def get(gateway: Gateway) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    connection.request("GET", "/echo")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def healthy(gateway: Gateway) -> list[int]:
    """For each target how many workers find it healthy."""
    return [one["healthy_workers"] for one in json.loads(gateway.admin("/upstreams")[1])["both"]]


CHECKED = "health: {path: /health, every: 100ms, healthy_after: 2, unhealthy_after: 2}"


def test_a_target_that_is_down_gets_no_requests(serve: Serve, pair: tuple[Server, Server]) -> None:
    first, second = pair
    gateway = serve(CHECKED, "--workers", "2")
    second.ask("/health?status=503", "POST")
    wait_until(lambda: healthy(gateway) == [2, 0], "the second target is down")
    gateway.line(rf"upstream both  {second.url} is out: health check failed: answered 503   1 of 2 targets left")
    assert gateway.metric("apigw_upstream_healthy", target=first.url) == 1
    assert gateway.metric("apigw_upstream_healthy", target=second.url) == 0
    assert [get(gateway) for _ in range(10)] == [200] * 10
    logged = wait_until(lambda: len(gateway.logged()) == 10 and gateway.logged(), "ten lines")
    assert {line["upstream"] for line in logged} == {first.url}

    second.ask("/health?status=200", "POST")
    wait_until(lambda: healthy(gateway) == [2, 2], "the second target is back")
    gateway.line(rf"upstream both  {second.url} is back after \d+ s   2 of 2 targets in use")
    assert len([line for line in gateway.lines if second.url in line]) == 2  # once, for both workers


def test_when_all_are_down_all_are_asked(serve: Serve, pair: tuple[Server, Server]) -> None:
    gateway = serve(CHECKED, "--workers", "1")
    for server in pair:
        server.ask("/health?status=503", "POST")
    wait_until(lambda: healthy(gateway) == [0, 0], "both are down")
    assert [get(gateway) for _ in range(6)] == [200] * 6
    logged = wait_until(lambda: len(gateway.logged()) == 6 and gateway.logged(), "six lines")
    assert {line["upstream"] for line in logged} == {server.url for server in pair}


def test_what_is_known_survives_a_reload(serve: Serve, pair: tuple[Server, Server], tmp_path: Path) -> None:
    """The checks are so rare that after the reload nobody can have learnt it anew."""
    pair[1].kill()
    rare = "health: {path: /health, every: 1h, unhealthy_after: 1}"
    gateway = serve(rare, "--workers", "1")
    wait_until(lambda: healthy(gateway) == [1, 0], "the second target is down")
    configure(tmp_path, pair, f"{rare}, balance: least_outstanding")
    assert gateway.admin("/reload", "POST")[0] == 200
    assert [get(gateway) for _ in range(6)] == [200] * 6
    assert healthy(gateway) == [1, 0]
    assert gateway.metric("apigw_upstream_healthy", target=pair[1].url) == 0


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.0 301 Moved\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", False),
        (b"SSH-2.0-200\r\n", False),
        (b"x" * 10_000, False),
        (b"", False),
    ],
)
def test_what_counts_as_well(answer: bytes, well: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /ok?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def test() -> bool:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await probe(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "/ok?a=b", 20) == PASSED

    assert asyncio.run(test()) is well


def test_silence_and_nobody_there_are_not_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert asyncio.run(probe(url, "/", 0.05)) == failure(Failure.LATE)
    assert asyncio.run(probe(f"http://127.0.0.1:{NOBODY}", "/", 20)) == failure(Failure.ERRNO, errno.ECONNREFUSED)


def load(gateway: Gateway, clients: int, go_on: threading.Event) -> list[int | str]:
    """What clients with kept connections get until told to stop: a status for each request, or what went wrong."""
    results: list[list[int | str]] = [[] for _ in range(clients)]

    def client(found: list[int | str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        while go_on.is_set():
            try:
                connection.request("GET", "/echo")
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                found.append(repr(error))
                connection.close()
        connection.close()

    threads = [threading.Thread(target=client, args=(found,)) for found in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for found in results for one in found]


def busy(server: Server, requests: int) -> bool:
    served: int = server.ask("/stats")["requests"]
    return served > requests


def test_a_target_killed_and_revived_under_load_costs_no_client_an_error(
    serve: Serve, pair: tuple[Server, Server]
) -> None:
    settings = "eject: {after: 3, first: 200ms, longest: 1s}, retries: {attempts: 2, budget: 20%}"
    gateway = serve(f"{CHECKED}, {settings}", "--workers", "2")
    go_on = threading.Event()
    go_on.set()
    with ThreadPoolExecutor() as pool:
        answers = pool.submit(load, gateway, 8, go_on)
        try:
            for _ in range(2):
                served = pair[1].ask("/stats")["requests"]
                wait_until(partial(busy, pair[1], served + 50), "load on the target")
                pair[1].kill()
                wait_until(lambda: gateway.metric("apigw_upstream_healthy", target=pair[1].url) == 0, "it is out")
                pair[1].revive()
                wait_until(lambda: gateway.metric("apigw_upstream_healthy", target=pair[1].url) == 1, "it is back")
        finally:
            go_on.clear()
        found = answers.result()
    assert len(found) > 200
    assert set(found) == {200}


def test_all_of_it_at_once_under_load_costs_no_client_an_error(serve: Serve, pair: tuple[Server, Server]) -> None:
    """Bounded pools, slow start, refusal and every cause of retries together; both targets die in turn.

    The other one is always up again before one is killed, for with none there is nobody to ask.
    """
    gateway = serve(
        f"{CHECKED}, eject: {{after: 3, first: 200ms, longest: 1s}}, slow_start: 500ms, when_all_out: refuse, "
        "pool: {connections: 6, queue: 100, queue_timeout: 20s}, "
        "retries: {attempts: 3, budget: 20%, on: [connect, closed, timeout, 502, 503, 504]}",
        "--workers",
        "2",
    )
    go_on = threading.Event()
    go_on.set()
    with ThreadPoolExecutor() as pool:
        answers = pool.submit(load, gateway, 12, go_on)
        try:
            for target in (*pair, *pair):
                served = target.ask("/stats")["requests"]
                wait_until(partial(busy, target, served + 50), "load on the target")
                target.kill()
                wait_until(partial(usable, gateway, target, 0), "it is out")
                target.revive()
                wait_until(partial(usable, gateway, target, 1), "it is back")
        finally:
            go_on.clear()
        found = answers.result()
    assert len(found) > 400
    assert set(found) == {200}
    assert all(gateway.metric("apigw_upstream_connections", target=one.url) <= 6 for one in pair)
    wait_until(lambda: sum(" is out: " in line for line in gateway.lines) >= 4, "four lines that say so")


def usable(gateway: Gateway, target: Server, value: int) -> bool:
    return gateway.metric("apigw_upstream_healthy", target=target.url) == value


def test_without_retries_the_same_costs_errors(serve: Serve, pair: tuple[Server, Server]) -> None:
    pair[1].kill()
    gateway = serve("balance: round_robin", "--workers", "1")
    assert sorted(get(gateway) for _ in range(6)) == [200, 200, 200, 502, 502, 502]


def test_failures_eject_and_the_admin_port_says_until_when(serve: Serve, pair: tuple[Server, Server]) -> None:
    pair[1].kill()
    gateway = serve("eject: {after: 2, first: 1h, longest: 1h}", "--workers", "1")
    assert sorted(get(gateway) for _ in range(10)) == [200] * 8 + [502] * 2
    well, ejected = wait_until(
        lambda: (
            (found := json.loads(gateway.admin("/upstreams")[1])["both"])[1]["ejected_until"]
            and not found[0]["in_flight"]
            and found
        ),
        "ejected",
    )
    expected = {"target": pair[0].url, "healthy": True, "healthy_workers": 1, "in_flight": 0, "ejected_until": None}
    assert well == {**expected, "connections": well["connections"], "queued": 0, "why": None}
    assert ejected["healthy"] is True
    assert ejected["why"] == "ejected after 2 failures, the last: connection refused"
    gateway.line(rf"upstream both  {pair[1].url} is out: {ejected['why']}   1 of 2 targets left")
    assert gateway.metric("apigw_upstream_healthy", target=pair[1].url) == 0


def test_answers_that_say_that_the_target_cannot_eject_it(tmp_path: Path) -> None:
    pair = Server(), Server("--fail-rate", "1", "--fail-status", "503")
    configure(tmp_path, pair, "eject: {after: 2, first: 1h, longest: 1h}, retries: {attempts: 2}")
    gateway = Gateway(tmp_path, "--workers", "1")
    try:
        gateway.ready()
        assert sorted(get(gateway) for _ in range(10)) == [200] * 8 + [503] * 2  # an answer is passed on, not retried
    finally:
        gateway.stop()
        for server in pair:
            server.kill()


def test_what_was_not_sent_is_sent_elsewhere_whatever_the_method(serve: Serve, pair: tuple[Server, Server]) -> None:
    pair[0].kill()
    gateway = serve("retries: {attempts: 2, budget: 20%}", "--workers", "1")
    for _ in range(4):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        connection.request("POST", "/echo", body=b"x" * 100_000)
        answer = connection.getresponse()
        assert (answer.status, b"100000" in answer.read()) == (200, True)
        connection.close()


@pytest.mark.parametrize(("method", "statuses"), [("GET", {200}), ("POST", {200, 502})])
def test_what_was_sent_is_sent_again_only_where_that_does_no_harm(
    tmp_path: Path, method: str, statuses: set[int]
) -> None:
    """One target reads every request and closes; the other answers."""
    with closing_server() as (closing, asked):
        other = Server()
        configure(tmp_path, (closing, other), "retries: {attempts: 2, budget: 20%}")
        gateway = Gateway(tmp_path, "--workers", "1")
        try:
            gateway.ready()
            found = [request(gateway, method) for _ in range(4)]
        finally:
            gateway.stop()
            other.kill()
    assert set(found) == statuses
    assert len(asked) == 2


def request(gateway: Gateway, method: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    connection.request(method, "/echo", body=b"body" if method == "POST" else None)
    status = connection.getresponse().status
    connection.close()
    return status


@dataclass
class Address:
    """Where a server is."""

    url: str


@contextlib.contextmanager
def closing_server() -> Iterator[tuple[Address, list[bytes]]]:
    """Takes a request and closes the connection; the requests are in the list."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    data = connection.recv(65536)
                    while b"Content-Length: 4" in data and not data.endswith(b"body"):
                        data += connection.recv(65536)
                    asked.append(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Address(f"http://127.0.0.1:{listener.getsockname()[1]}"), asked
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("hash_on", "header"), [("header:X-User", "X-User: {}"), ("cookie:user", "Cookie: a=b; user={}; c=d")]
)
def test_what_is_hashed_goes_to_one_target(
    serve: Serve, pair: tuple[Server, Server], hash_on: str, header: str
) -> None:
    gateway = serve(f"balance: hash, hash_on: '{hash_on}'", "--workers", "2")
    name, _, value = header.partition(": ")
    for user in range(12):
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
            connection.request("GET", f"/echo?{user}", headers={name: value.format(user)})
            assert connection.getresponse().status == 200
            connection.close()
    logged = wait_until(lambda: len(gateway.logged()) == 24 and gateway.logged(), "all lines")
    homes = {(line["query"][0], line["upstream"]) for line in logged}
    assert len(homes) == 12
    assert {upstream for _, upstream in homes} == {server.url for server in pair}


def test_with_all_out_requests_are_refused_until_one_tries(tmp_path: Path) -> None:
    """The only target is ejected; after its time one request finds that it is back."""
    server = Server()
    configure_one(tmp_path, server.url, "when_all_out: refuse, eject: {after: 2, first: 4s, longest: 4s}")
    gateway = Gateway(tmp_path, "--workers", "1")
    try:
        gateway.ready()
        server.kill()
        assert [get(gateway) for _ in range(4)] == [502, 502, 503, 503]
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        connection.request("GET", "/echo")
        answer = connection.getresponse()
        if answer.status == 503:
            assert answer.getheader("Retry-After") in ("1", "2", "3", "4")
        connection.close()
        assert gateway.log_line(reason="upstream_out")["upstream"] is None
        server.revive()
        wait_until(lambda: get(gateway) == 200, "it is asked again")
        wait_until(lambda: gateway.metric("apigw_refusals_total", reason="upstream_out") >= 2, "their count")
    finally:
        gateway.stop()
        server.kill()


def configure_one(folder: Path, url: str, settings: str) -> None:
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "apigw.yaml").write_text(
        "version: 1\napis: {pair: {spec: spec.yaml, upstream: both}}\n"
        f'upstreams:\n  both: {{targets: ["{url}"], {settings}}}\n'
    )
