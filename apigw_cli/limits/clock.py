"""The time that limits and quotas go by: the machine's, or one that a test moves for all workers at once."""

from __future__ import annotations

import time

from apigw_cli.limits.memory import SharedMemory

_SECOND = 1_000_000_000
ADVANCE_MAXIMUM = 10 * 366 * 86_400 * _SECOND  # in all: years that no period's arithmetic minds


class Clock:
    """The machine's time."""

    fd = -1

    def now(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds, the same for every worker."""
        return time.monotonic_ns()

    def wall(self) -> int:
        """UTC in whole seconds."""
        return time.time_ns() // _SECOND

    def offset(self) -> int:
        """Nanoseconds that it was moved by."""
        return 0


class TestClock(Clock):
    """The machine's time and an offset in memory that all workers see: one word, so that all move at one instant."""

    __test__ = False  # no class of tests

    def __init__(self, memory: SharedMemory) -> None:
        self._words = memory.words
        self.fd = memory.fd

    @classmethod
    def create(cls) -> TestClock:
        return cls(SharedMemory.create(8))

    @classmethod
    def attach(cls, fd: int) -> TestClock:
        return cls(SharedMemory.attach(fd))

    def now(self) -> int:
        return time.monotonic_ns() + self._words[0]

    def wall(self) -> int:
        return (time.time_ns() + self._words[0]) // _SECOND

    def offset(self) -> int:
        return self._words[0]

    def advance(self, nanoseconds: int) -> None:
        """Move it forward. Raises ValueError for a step back, and for more than ten years in all."""
        if nanoseconds < 0 or self._words[0] + nanoseconds > ADVANCE_MAXIMUM:
            raise ValueError("the clock moves forward, at most ten years in all")
        self._words[0] += nanoseconds
