"""Connections go to the worker that has the fewest, and nobody waits for a worker that is dead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from apigw_cli.gateway.doors import AWAY, Descriptors, Diversion, Doors
from apigw_cli.gateway.handover import Handover
from tests.gateway.certificates import needs_openssl
from tests.gateway.conftest import Start
from tests.gateway.inside import eventually, inside, snapshot
from tests.gateway.program import Gateway, wait_until
from tests.gateway.test_tls_listener import Place, SecureWire, place
from tests.gateway.test_unix_socket import UnixWire, path
from tests.gateway.wire import Wire

__all__ = ["path", "place"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker there")
REQUEST = b"GET /mocked HTTP/1.1\r\nHost: localhost\r\n\r\n"


def served_by(wire: Wire) -> str:
    """Which worker answers: request ids begin alike for each."""
    answer = wire.send(REQUEST).answer()
    assert answer.status == 200
    return str(answer.header("X-Request-Id")).rpartition("-")[0]


def spread(connect: Callable[[], Wire], number: int) -> list[int]:
    """How many of so many connections each worker has, the most first; each is made when the one before is answered."""
    with contextlib.ExitStack() as stack:
        found = Counter(served_by(stack.enter_context(connect())) for _ in range(number))
    return [count for _, count in found.most_common()]


def test_connections_are_spread_evenly(start: Start) -> None:
    """By the kernel's hash two of them would share a worker every other time."""
    gateway = start("--workers", "2")
    for number in (2, 3, 8):
        even = [number - number // 2, number // 2]
        for _ in range(6):
            # Those of the round before may still be counted for a moment.
            wait_until(lambda n=number, e=even: spread(lambda: Wire(gateway.port), n) == e, f"{even} connections")
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(Wire(gateway.port)) for _ in range(60)]
        first = [served_by(wire) for wire in kept]
        assert [served_by(wire) for wire in kept] == first  # each stays where it is
    (_, most), (_, least) = Counter(first).most_common()
    assert most - least <= 8  # of many the kernel's choice is good enough


def test_connections_of_a_unix_socket_are_spread_too(start: Start, path: Path) -> None:
    start("--workers", "2", "--listen", f"unix:{path}")
    wait_until(lambda: spread(lambda: UnixWire(path), 4) == [2, 2], "two each")


def none_waits(gateway: Gateway, connect: Callable[[], Wire]) -> None:
    """Kill a worker until its successor took so long that its absence was to be seen."""

    def survived() -> bool:
        wait_until(lambda: len(gateway.workers()) == 2 and gateway.metric("apigw_workers") == 2, "two workers")
        survivor, victim = gateway.workers()
        os.kill(victim, signal.SIGKILL)
        served = spread(connect, 20)
        return gateway.workers() == [survivor] and served == [20]

    wait_until(survived, "20 connections answered by the other worker, while one is dead")


def test_nobody_waits_for_a_dead_worker(start: Start) -> None:
    gateway = start("--workers", "2")
    none_waits(gateway, lambda: Wire(gateway.port))
    wait_until(lambda: len(gateway.workers()) == 2 and gateway.metric("apigw_workers") == 2, "two workers")
    wait_until(lambda: spread(lambda: Wire(gateway.port), 4) == [2, 2], "two each again")


@needs_openssl
def test_nobody_waits_for_a_dead_worker_under_tls(place: Place) -> None:
    none_waits(place.gateway, lambda: SecureWire(place.gateway.port, place.ca, "one.example"))


def test_when_all_workers_are_dead_who_comes_waits(start: Start) -> None:
    gateway = start("--workers", "2")
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    assert sum(spread(lambda: Wire(gateway.port), 4)) == 4


def test_a_full_door_means_that_the_connection_is_kept() -> None:
    """A worker that stands still is handed no more than its door holds."""

    async def run() -> None:
        doors = Doors(2)
        async with inside() as one:
            await one.serve(snapshot("http://127.0.0.1:9"))
            duplicates = [os.dup(number) for number in doors.descriptors(0).all()]
            inherited = Descriptors(duplicates[0], duplicates[1], duplicates[2:])
            handover = Handover(inherited, 0, one.worker.site)
            handover.open(None)
            with socket.create_server(("127.0.0.1", 0)) as listener:
                client = socket.create_connection(listener.getsockname())
                accepted = listener.accept()[0]

                class Transport(asyncio.Transport):
                    def get_extra_info(self, name: str, default: object = None) -> object:
                        return accepted if name == "socket" else default

                assert not handover.give(Transport())  # the other one is away
                words = doors._counts()
                words[1] = 0
                given = 0
                while given < 100_000:
                    words[0], words[1] = 1000, 0
                    if not handover.give(Transport()):
                        break
                    given += 1
                assert 0 < given < 100_000
                assert words[1] == 0  # what was not handed over is not counted
                doors.away(1)
                words[0] = 0
                with socket.create_server(("127.0.0.1", 0)) as its_own:
                    its_own.setblocking(False)
                    diversion = Diversion(doors, 1, its_own)  # what waits at its door comes to us
                    await eventually(lambda: len(one.worker.site.connections) == given)
                    diversion.end()
                client.close()
                accepted.close()
            await eventually(lambda: words[0] == 0)
            handover.close()
            assert words[0] == AWAY
        words.release()
        doors.close()

    asyncio.run(run())


TOGGLE = """
import sys
from apigw_cli.gateway.doors import LINE
from apigw_cli.limits.memory import SharedMemory

words = SharedMemory.attach(int(sys.argv[1])).words
words[0], words[LINE] = 0, 64
print("at work", flush=True)
while True:
    for number in range(64):
        words[0], words[LINE] = number, 64 - number
"""


def test_counts_that_others_change_at_the_same_time_are_read_at_one_moment() -> None:
    doors = Doors(2)
    descriptor = doors.descriptors(0).all()[0]
    command = [sys.executable, "-c", TOGGLE, str(descriptor)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[descriptor], text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "at work\n"
            assert {doors.least() for _ in range(200_000)} <= {0, 1}
        finally:
            other.kill()
            doors.close()
