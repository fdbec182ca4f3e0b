from __future__ import annotations

import os
import signal
import sys

import pytest

from apigw_cli.limits.slots import FULL, LEAST, OVER, Slots

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker on Windows: nothing is shared")


def test_the_workers_count_together() -> None:
    first = Slots.create(2, 100)
    second = Slots.attach(os.dup(first.fd), 1)
    one = first.enter(b"a", 2)
    assert second.enter(b"a", 2) >= 0
    assert first.enter(b"a", 2) == second.enter(b"a", 2) == OVER
    assert second.enter(b"b", 2) >= 0
    first.leave(one)
    assert second.enter(b"a", 2) >= 0
    assert first.total() == 3
    first.clear(1)
    assert first.total() == 0
    with pytest.raises(ValueError, match="no slots"):
        Slots.attach(os.dup(first.fd), 2)


def test_a_slot_is_free_when_nobody_is_in_it() -> None:
    slots = Slots.create(1, 1)
    entered = []
    for number in range(10 * LEAST):
        slot = slots.enter(b"%d" % number, 1)
        assert slot >= 0
        slots.leave(slot)
    while (slot := slots.enter(b"%d" % len(entered), 1)) != FULL:
        entered.append(slot)
    assert slots.full == 1 and len(entered) == len(set(entered)) == slots.total() > LEAST // 2
    slots.close()


def test_a_killed_worker_is_cleared_and_blocks_nobody() -> None:
    slots = Slots.create(3, 100)
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        worker = Slots.attach(os.dup(slots.fd), 1)
        for number in range(2**40):
            worker.enter(b"kept %d" % number if number < 50 else b"busy", 10**6)
            if number == 50:
                os.write(told, b"x")
    assert os.read(ready, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert slots.enter(b"kept 1", 1) == OVER
    assert slots.enter(b"busy", 2**40) >= 0
    slots.clear(1)
    assert slots.total() == 1
    assert slots.enter(b"kept 1", 1) >= 0


def test_processes_together_never_go_over() -> None:
    slots = Slots.create(4, 1000)
    pipes = [os.pipe() for _ in range(4)]
    children = []
    for worker in range(4):
        children.append(os.fork())
        if children[-1] == 0:
            mine, admitted, refused = Slots.attach(os.dup(slots.fd), worker), 0, 0
            while refused < 500:
                if mine.enter(b"one", 3000) >= 0:
                    admitted += 1
                else:
                    refused += 1
            os.write(pipes[worker][1], b"%d" % admitted)
            os._exit(0)
    counts = [int(os.read(reading, 20)) for reading, _ in pipes]
    for child in children:
        os.waitpid(child, 0)
    assert sum(counts) == slots.total() == 3000
