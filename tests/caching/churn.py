"""A program: processes that write to one store and read from it, one of which is killed again and again.

Each answer's body follows from its key and a number that stands in its ETag, so that a reader can tell whether it is
whole and its own. Ends with 1, and says why, where one is not.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from apigw_cli.caching.entry import Entry
from apigw_cli.caching.memory import CacheMemory

KILLS = 25
ROUNDS = 20_000
KEYS = 40
WORKERS = 4


def body(key: bytes, number: bytes, size: int) -> bytes:
    piece = blake2b(key + b"/" + number, digest_size=32).digest()
    return (piece * (size // 32 + 1))[:size]


def made(key: bytes, number: int, size: int) -> Entry:
    tag = b"%d-%d" % (number, size)
    whole = body(key, tag, size)
    return Entry(200, b"OK", (b"Key: %b\r\n" % key,), whole, 0, 0, 1e9, since=1 << 62, etag=tag)


def check(key: bytes, found: Entry) -> None:
    tag = found.etag or b""
    size = int(tag.partition(b"-")[2])
    if found.lines != (b"Key: %b\r\n" % key,) or found.body != body(key, tag, size):
        print(f"{key!r} gave {found.lines} {tag!r} {len(found.body)}", file=sys.stderr)
        os._exit(1)


def churn(memory: CacheMemory, worker: int, rounds: int, begun: Callable[[], None]) -> None:
    dice = random.Random(os.getpid())
    store = memory.of_worker(worker).store()
    for number in range(rounds):
        key = b"key %d" % dice.randrange(KEYS)
        if dice.random() < 0.5:
            store.put(key, made(key, number, dice.choice((0, 50, 700, 9000, 60_000))))
        else:
            found = store.find(key, dict)
            if found is not None:
                check(key, found)
                if dice.random() < 0.02:
                    store.drop(key, found)
        if number == 5:
            begun()


def start(memory: CacheMemory, worker: int, rounds: int) -> tuple[int, int]:
    """A child, and a pipe that says when it is in the middle of it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        churn(memory, worker, rounds, lambda: os.close(writing))
        os._exit(0)
    os.close(writing)
    return pid, reading


def main() -> None:
    memory = CacheMemory.create(WORKERS, 1 << 20)
    steady = [start(memory, worker, ROUNDS)[0] for worker in (0, 1)]
    for number in range(KILLS):
        pid, begun = start(memory, 2, 1 << 30)
        os.read(begun, 1)
        os.close(begun)
        time.sleep(random.random() * 0.004)  # any instant
        os.kill(pid, signal.SIGKILL)
        if not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            sys.exit(f"the one to be killed had ended before, in round {number}")
        memory.clear(2)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in steady]
    churn(memory, 3, 500, lambda: None)
    ring = memory.ring
    if any(codes) or ring.filled > ring.capacity or not 0 < ring.entries <= KEYS + KILLS:
        sys.exit(f"{codes} {ring.filled} of {ring.capacity}, {ring.entries} entries")
    print(f"killed {KILLS} times; {ring.entries} entries, {ring.evictions} evictions")


if __name__ == "__main__":
    main()
