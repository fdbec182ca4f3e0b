"""Where the limiter keeps its state: in one process, or in memory shared by all workers of a machine.

    store = SharedStore.create()                  the supervisor, once; it outlives every worker and every reload
    store = SharedStore.attach(fd)                each worker, or
    store = MemoryStore.attach(fd)                the only worker there is
    store.take(b"alice", limit, time.monotonic_ns())

State belongs to (limit's name, key). When a reload changes rate or burst, a key keeps the share of its tokens that
it has used (`bucket.rescale`), at the moment when it is next seen.

A `SharedStore` locks the key's bucket with a POSIX record lock, which the kernel gives back when its owner dies, so
SIGKILL at any instant blocks nobody (`table` says why what it leaves behind is harmless). Such locks are between
processes, not threads: a process uses its store from one thread, its event loop's. A process that is stopped
(SIGSTOP) inside the two microseconds of a decision holds the bucket until it goes on.

A worker that has no colleague locks nothing: nobody else touches the state. Its successor does not begin before the
supervisor has reaped it (`Supervisor._keep`), so what it finds is final. That it was killed in the middle of a
decision is harmless for the same reason as with locks: the order of the writes, which no lock takes part in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apigw_cli.limits.bucket import NEVER, Decision, Limit
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.table import Charge, Table

# Slots for keys: 32 MiB, of which only pages in use take room. Measured: the first key that finds its bucket full of
# keys that owe is about the 750,000th; of a million that all owe at once, 1.7 % are refused (benchmarks/limit_keys.py).
CAPACITY = 1 << 20

_CLOSED = Decision(False, 0, NEVER, NEVER)
_TRIES = 50  # to get a lock at once, about a microsecond each, before sleeping until it is free
FULL = Decision(False, 0, 1, 1)  # this very object: the table has no room


class Store(Protocol):
    """What a policy needs. `full` counts requests of new keys refused since the table had no room for them."""

    full: int

    def take(self, key: bytes, limit: Limit, now: int) -> Decision:
        """Ask for one request of `key`; `now` is CLOCK_MONOTONIC in nanoseconds, the same for all workers."""

    def take_all(self, charges: Sequence[Charge], now: int) -> list[Decision]:
        """Ask several limits at once, each for a key and a cost: all are charged, or none. Their names differ."""


class NoStore:
    """For steps that are made and never run: a configuration that is only checked."""

    full = 0

    def take(self, key: bytes, limit: Limit, now: int) -> Decision:
        raise NotImplementedError

    def take_all(self, charges: Sequence[Charge], now: int) -> list[Decision]:
        raise NotImplementedError


class MemoryStore:
    """State that one process at a time uses: of a single worker, and where there are no record locks (Windows)."""

    def __init__(self, capacity: int = CAPACITY, *, memory: SharedMemory | None = None) -> None:
        """New and private where no `memory` is given."""
        self._memory = memory or SharedMemory.private(Table.size(capacity))
        self._table = Table(self._memory.map, self._memory.words, fresh=memory is None)
        self.full = 0

    @classmethod
    def attach(cls, fd: int) -> MemoryStore:
        """The store behind a descriptor that no other process uses meanwhile, and that outlives this one.

        Raises ValueError where that is something else.
        """
        return cls(memory=SharedMemory.attach(fd))

    def take(self, key: bytes, limit: Limit, now: int) -> Decision:
        if not limit.burst:
            return _CLOSED
        decision = self._table.take(self._table.spot(limit, key), limit, now)
        if decision is None:
            self.full += 1
            return FULL
        return decision

    def take_all(self, charges: Sequence[Charge], now: int) -> list[Decision]:
        decisions = self._table.take_all(charges, [self._table.spot(one.limit, one.key) for one in charges], now)
        if decisions is None:
            self.full += 1
            return [FULL] * len(charges)
        return decisions

    def owing(self, now: int) -> int:
        """How many keys have used something that is not refilled at `now`; takes milliseconds."""
        return self._table.owing(now)

    def close(self) -> None:
        self._memory.close()


class SharedStore:
    """State shared by all processes that have the descriptor `fd`."""

    def __init__(self, memory: SharedMemory, *, fresh: bool = False) -> None:
        import fcntl  # not on Windows

        self._memory = memory
        self._table = Table(memory.map, memory.words, fresh=fresh)
        self._lockf, self._exclusive, self._unlock = fcntl.lockf, fcntl.LOCK_EX, fcntl.LOCK_UN
        self._at_once = fcntl.LOCK_EX | fcntl.LOCK_NB
        self.fd = memory.fd
        self.full = 0

    @classmethod
    def create(cls, capacity: int = CAPACITY) -> SharedStore:
        """A new, empty store. Raises OSError where the machine has no memory for it."""
        return cls(SharedMemory.create(Table.size(capacity)), fresh=True)

    @classmethod
    def attach(cls, fd: int) -> SharedStore:
        """The store behind an inherited descriptor. Raises ValueError where that is something else."""
        return cls(SharedMemory.attach(fd))

    def take(self, key: bytes, limit: Limit, now: int) -> Decision:
        if not limit.burst:
            return _CLOSED
        spot = self._table.spot(limit, key)
        try:
            self._lockf(self.fd, self._at_once, 1, spot.bucket)
        except OSError:
            self._wait(spot.bucket)
        try:
            decision = self._table.take(spot, limit, now)
        finally:
            self._lockf(self.fd, self._unlock, 1, spot.bucket)
        if decision is None:
            self.full += 1
            return FULL
        return decision

    def _wait(self, bucket: int) -> None:
        """Get the lock of a bucket that another process has; it keeps it for some microseconds, unless it may not run.

        To sleep until it is free costs far more where others want the processor too: who is woken waits for its turn.
        """
        for _ in range(_TRIES):
            try:
                self._lockf(self.fd, self._at_once, 1, bucket)
            except OSError:
                continue
            return
        self._lockf(self.fd, self._exclusive, 1, bucket)

    def take_all(self, charges: Sequence[Charge], now: int) -> list[Decision]:
        spots = [self._table.spot(charge.limit, charge.key) for charge in charges]
        # Always in the same order, so that no two processes wait for each other.
        buckets = sorted({spot.bucket for spot in spots})
        for bucket in buckets:
            self._lockf(self.fd, self._exclusive, 1, bucket)
        try:
            decisions = self._table.take_all(charges, spots, now)
        finally:
            for bucket in buckets:
                self._lockf(self.fd, self._unlock, 1, bucket)
        if decisions is None:
            self.full += 1
            return [FULL] * len(charges)
        return decisions

    def owing(self, now: int) -> int:
        """How many keys have used something that is not refilled at `now`; takes milliseconds."""
        return self._table.owing(now)

    def close(self) -> None:
        self._memory.close()
