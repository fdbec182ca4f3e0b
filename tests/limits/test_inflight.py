from __future__ import annotations

import os
import sys

import pytest

from apigw_cli.limits.inflight import InFlight

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker on Windows: nothing is shared")


def workers(number: int, maximum: int) -> list[InFlight]:
    first = InFlight.create(number, maximum)
    return [first, *(InFlight.attach(os.dup(first.fd), worker) for worker in range(1, number))]


def test_one_maximum_for_all_workers_together() -> None:
    one, two = workers(2, 3)
    assert [one.enter(), two.enter(), two.enter(), one.enter(), two.enter()] == [True, True, True, False, False]
    assert one.total() == two.total() == 3
    two.leave()
    assert one.enter()
    assert not two.enter()
    for count in (one, two):
        count.close()


def test_what_a_dead_worker_had_in_flight_is_forgotten() -> None:
    one, two = workers(2, 2)
    assert two.enter() and two.enter() and not one.enter()
    one.clear(1)
    assert one.total() == 0
    successor = InFlight.attach(os.dup(one.fd), 1)
    assert successor.enter() and one.enter() and not successor.enter()
    successor.leave()
    assert one.total() == 1
    for count in (one, two, successor):
        count.close()


def test_a_maximum_of_zero_lets_nobody_in() -> None:
    (one,) = workers(1, 0)
    assert not one.enter()
    assert one.total() == 0
    one.close()


def test_a_worker_alone_has_the_maximum_for_itself() -> None:
    (one,) = workers(1, 2)
    assert [one.enter(), one.enter(), one.enter()] == [True, True, False]
    assert one.total() == 2
    one.leave()
    assert [one.enter(), one.enter()] == [True, False]
    assert one.total() == 2
    one.close()


@pytest.mark.parametrize("worker", [-1, 2])
def test_there_is_no_other_worker(worker: int) -> None:
    one, two = workers(2, 1)
    with pytest.raises(ValueError, match="none of 2"):
        InFlight.attach(one.fd, worker)
    for count in (one, two):
        count.close()
