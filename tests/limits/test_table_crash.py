"""A worker may be killed between any two writes. Here the writes are counted and the n-th is the last."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.limits.algorithms import Bucket, FixedWindow
from apigw_cli.limits.bucket import Limit
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.rate import parse
from apigw_cli.limits.table import WAYS, Charge, Table

SECOND = 1_000_000_000
NOW = 1_000 * SECOND


class Killed(Exception):
    pass


class Writes:
    """Lets so many writes through to the memory, then kills."""

    def __init__(self, left: int) -> None:
        self.left = left

    def count(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1


class Guarded:
    def __init__(self, inner: Any, writes: Writes) -> None:
        self.inner, self.writes = inner, writes

    def __getitem__(self, at: Any) -> Any:
        return self.inner[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        self.writes.count()
        if isinstance(at, slice) and self.writes.left == 0:  # 16 bytes are two words: the first may be all there is
            self.inner[at.start : at.start + 8] = value[:8]
            raise Killed
        self.inner[at] = value

    def find(self, *arguments: Any) -> int:
        found: int = self.inner.find(*arguments)
        return found


def limit(rate: str, burst: int) -> Limit:
    return Limit("api:route", parse(rate), burst)


def admitted(table: Table, key: bytes, one: Limit, now: int, times: int = 60) -> int:
    decisions = [table.take(table.spot(one, key), one, now) for _ in range(times)]
    return sum(decision is not None and decision.allowed for decision in decisions)


CHANGES = {
    "larger": (limit("5/s", 4), limit("5/s", 40)),
    "smaller": (limit("5/s", 40), limit("5/s", 4)),
    "faster": (limit("5/s", 8), limit("50/s", 8)),
    "frozen": (limit("5/s", 8), limit("0/s", 8)),
    "thawed": (limit("0/s", 8), limit("5/s", 8)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("last_write", range(4))
def test_killed_while_a_changed_limit_is_written(change: str, last_write: int) -> None:
    old, new = CHANGES[change]
    memory = SharedMemory.private(Table.size(1))
    table = Table(memory.map, memory.words, fresh=True)
    used = old.burst // 2
    assert admitted(table, b"key", old, NOW, used) == used
    writes = Writes(last_write)
    dying = Table(Guarded(memory.map, writes), Guarded(memory.words, writes), fresh=False)  # type: ignore[arg-type]
    try:
        dying.take(dying.spot(new, b"key"), new, NOW)
    except Killed:
        pass
    after = admitted(table, b"key", new, NOW)
    assert after <= new.burst - new.burst // 2
    # Whatever is left behind, the key is not locked out: it fills up again in the time that the limit says.
    if new.rate.count:
        assert admitted(table, b"key", new, NOW + new.capacity) == new.burst
    memory.close()


@pytest.mark.parametrize("last_write", range(6))
def test_killed_while_a_slot_changes_hands(last_write: int) -> None:
    one = limit("1/s", 2)
    memory = SharedMemory.private(Table.size(1))
    table = Table(memory.map, memory.words, fresh=True)
    later = NOW + 2 * SECOND  # by then the first one owes nothing any more, all the others do
    for number in range(WAYS):
        assert admitted(table, b"%d" % number, one, later - 1 if number else NOW) == 2
    writes = Writes(last_write)
    dying = Table(Guarded(memory.map, writes), Guarded(memory.words, writes), fresh=False)  # type: ignore[arg-type]
    try:
        dying.take(dying.spot(one, b"new"), one, later)
    except Killed:
        pass
    # The others are as they were; the new one is admitted at most what it may, then and later.
    assert all(admitted(table, b"%d" % number, one, later) == 0 for number in range(1, 60))
    assert admitted(table, b"new", one, later) <= 2
    assert admitted(table, b"new", one, later + 4 * SECOND) == 2
    memory.close()


@pytest.mark.parametrize("last_write", range(10))
@pytest.mark.parametrize("known", [0, 1, 2])
def test_killed_while_several_layers_are_charged(last_write: int, known: int) -> None:
    """Some layers may have been charged for a request that nobody answered; none has given anything away."""
    layers = [Bucket("wide", parse("1/h"), 5), FixedWindow("window", parse("4/h"))]
    charges = [Charge(b"key", layer) for layer in layers]
    memory = SharedMemory.private(Table.size(1))
    table = Table(memory.map, memory.words, fresh=True)

    def take(one: Table, some: list[Charge]) -> bool:
        decisions = one.take_all(some, [one.spot(charge.limit, charge.key) for charge in some], NOW)
        return decisions is not None and all(decision.allowed for decision in decisions)

    for charge in charges[:known]:
        assert take(table, [charge])
    writes = Writes(last_write)
    dying = Table(Guarded(memory.map, writes), Guarded(memory.words, writes), fresh=False)  # type: ignore[arg-type]
    try:
        take(dying, charges)
    except Killed:
        pass
    left = [sum(take(table, [charge]) for _ in range(9)) for charge in charges]
    most = [5 - (known > 0), 4 - (known > 1)]
    assert all(most[n] - 1 <= left[n] <= most[n] for n in range(2))
    memory.close()
