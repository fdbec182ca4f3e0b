"""The store and the count with real processes, as the workers of a gateway use them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.store import SharedStore
from tests.limits.hammer import BURST, RATE, VICTIMS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker on Windows: nothing is shared")

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000


def start(*arguments: object, fds: tuple[int, ...]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.limits.hammer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, pass_fds=fds, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def output(process: subprocess.Popen[str]) -> list[int]:
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return [int(word) for word in text.split() if word.isdigit()]


def test_several_processes_admit_together_what_one_may() -> None:
    store = SharedStore.create(1000)
    processes = [start("take", store.fd, fds=(store.fd,)) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    deadline = time.monotonic_ns() + SECOND
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{deadline}\n")
        process.stdin.flush()
    results = [output(process) for process in processes]
    admitted, first = sum(result[0] for result in results), min(result[1] for result in results)
    bound = BURST + RATE * (deadline - first) / SECOND
    assert 0.99 * bound <= admitted <= bound
    store.close()


@pytest.mark.parametrize("alone", [0, 1])
def test_killed_workers_block_nobody_and_admit_nothing_more(alone: int) -> None:
    store, counts = SharedStore.create(10_000), SharedMemory.create(16 * VICTIMS)
    began = time.monotonic_ns()
    killer = start("kill", store.fd, counts.fd, alone, fds=(store.fd, counts.fd))
    text, _ = killer.communicate(timeout=100)
    assert (killer.returncode, text) == (0, "done\n")
    seconds = (time.monotonic_ns() - began) / SECOND
    admitted = counts.words[: 2 * VICTIMS : 2].tolist()
    assert 0 < sum(admitted) <= BURST + RATE * seconds
    store.close()
    counts.close()


def test_processes_never_enter_beyond_the_maximum() -> None:
    workers, maximum = 3, 5_000
    count = InFlight.create(workers, maximum)
    processes = [start("enter", count.fd, worker, fds=(count.fd,)) for worker in range(workers)]
    entered = [output(process)[0] for process in processes]
    assert maximum - workers <= sum(entered) <= maximum
    assert count.total() == sum(entered)
    for worker in range(workers):
        count.clear(worker)
    assert count.total() == 0
    count.close()
