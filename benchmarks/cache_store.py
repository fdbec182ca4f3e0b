#!/usr/bin/env python3
"""What the store that all workers share costs, without a gateway around it: the least of many rounds, in microseconds.

    python benchmarks/cache_store.py
    python benchmarks/cache_store.py --body 65536

`hit` is of what the worker remembers decoded, `read` of what another has stored: copied out of the ring, checked and
decoded. `miss` finds nothing, `put` stores. With one worker nothing is locked; with two there is nobody to wait for
here, but the lock is taken. `lease` asks for one, and ends it: what a miss costs more with several workers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields
from apigw_cli.caching.leases import Leases, Outcome
from apigw_cli.caching.memory import CacheMemory
from apigw_cli.caching.store import BUDGET, Store

KEYS = [b"0123456789ab21:http://127.0.0.1:8080%d" % number for number in range(100)]
LINES = tuple(b"Header-%d: some value\r\n" % number for number in range(8))
ROUNDS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--body", type=int, default=54, help="bytes of an answer's body")
    size = parser.parse_args().body
    for workers in (1, 2):
        print(f"{workers} worker{'s' * (workers > 1)}")
        for name, seconds in measured(workers, size).items():
            print(f"  {name:6} {seconds * 1e6:8.2f} µs")


def measured(workers: int, size: int) -> dict[str, float]:
    memory = CacheMemory.create(workers, BUDGET)
    store = memory.store()
    entries = [entry(size) for _ in KEYS]
    found = {"put": least(lambda at: store.put(KEYS[at], entries[at]))}
    found["hit"] = least(lambda at: store.find(KEYS[at], nothing))
    found["miss"] = least(lambda at: store.find(KEYS[at] + b"?", nothing))
    found["read"] = min(_read(memory.store()) for _ in range(ROUNDS))
    if memory.leases is not None:
        leases = memory.leases.of_worker(0)
        found["lease"] = least(lambda at: _lease(leases, KEYS[at]))
    return found


def _read(store: Store) -> float:
    """Of a worker that has just been started."""
    return _once(lambda at: store.find(KEYS[at], nothing))


def entry(size: int) -> Entry:
    now = time.time()
    return Entry(200, b"OK", LINES, b"x" * size, 0, now, 60, time.monotonic_ns(), 12345, etag=b'"a"')


def nothing() -> Fields:
    return {}


def _lease(leases: Leases, key: bytes) -> None:
    taken = leases.take(key)
    if taken.lease is not None:
        leases.end(taken.lease, Outcome.STORED)


def least(work: Callable[[int], object]) -> float:
    return min(_once(work) for _ in range(ROUNDS))


def _once(work: Callable[[int], object]) -> float:
    began = time.perf_counter()
    for at in range(len(KEYS)):
        work(at)
    return (time.perf_counter() - began) / len(KEYS)


if __name__ == "__main__":
    main()
