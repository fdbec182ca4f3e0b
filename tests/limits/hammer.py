"""A worker process of the tests: asks the shared store or the shared count as fast as it can.

hammer.py take FD DEADLINE               prints how many it was admitted, and when it first asked
hammer.py kill FD COUNTS_FD ALONE        forks workers that hammer, and kills each at some instant; ALONE 1: no locks
hammer.py enter FD WORKER                enters until it is refused often in a row, never leaves
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from apigw_cli.limits.bucket import Limit
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.rate import parse
from apigw_cli.limits.store import MemoryStore, SharedStore, Store

RATE, BURST = 2_000, 2_000
LIMIT = Limit("api:hammered", parse(f"{RATE}/s"), BURST)
VICTIMS = 40


def take(fd: int) -> None:
    store, admitted = SharedStore.attach(fd), 0
    print("ready", flush=True)
    deadline = int(input())
    first = now = time.monotonic_ns()
    while now < deadline:
        admitted += store.take(b"key", LIMIT, now).allowed
        now = time.monotonic_ns()
    # What came back while nobody was running, up to the deadline, whoever gets there.
    while store.take(b"key", LIMIT, deadline).allowed:
        admitted += 1
    print(admitted, first)


def kill(fd: int, counts_fd: int, alone: int) -> None:
    store: Store = MemoryStore.attach(fd) if alone else SharedStore.attach(fd)
    counts = SharedMemory.attach(counts_fd)
    chance = random.Random(7)
    for victim in range(VICTIMS):
        child = os.fork()
        if child == 0:
            _hammer_for_ever(store, counts, victim)
        while counts.words[2 * victim + 1] == 0:
            pass  # it has not begun
        time.sleep(chance.random() / 200)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        # Whatever it held, this must come back: nobody else is there to wait for.
        assert store.take(b"key-%d" % victim, LIMIT, time.monotonic_ns()).allowed
    print("done")


def _hammer_for_ever(store: Store, counts: SharedMemory, victim: int) -> None:
    while True:
        for number in range(100):
            counts.words[2 * victim] += store.take(b"key", LIMIT, time.monotonic_ns()).allowed
            store.take(b"new %d %d %d" % (victim, counts.words[2 * victim + 1], number), LIMIT, time.monotonic_ns())
        counts.words[2 * victim + 1] += 1


def enter(fd: int, worker: int) -> None:
    count, entered, refused = InFlight.attach(fd, worker), 0, 0
    while refused < 2_000:
        if count.enter():
            entered, refused = entered + 1, 0
        else:
            refused += 1
    print(entered)


if __name__ == "__main__":
    {"take": take, "kill": kill, "enter": enter}[sys.argv[1]](*map(int, sys.argv[2:]))
