"""Purges that every worker of a machine sees at once: words of shared memory, one row for each writer.

    row   [ the latest of all ][ by hash ] … [ by hash ]

A URL or tag has two words, and both hold the time.monotonic_ns() of the last purge of what shares them. An entry that
was asked for before both is not used any more; also one that was under way. Two that share both cost each other a
fetch, no more: with a thousand purges since an entry came that befalls one in four thousand.
A row has one writer, and a word is written in one instruction: a writer killed at any instant leaves what was there.
"""

from __future__ import annotations

import time

from apigw_cli.caching.entry import Entry
from apigw_cli.limits.memory import SharedMemory

SLOTS = 65_536  # 512 KiB a row, of which a page is only there once it was written
_LATEST = 0
_ALL = 1


class Purges:
    """`row`: the one that this process writes: workers 0, 1, …; the last is the supervisor's."""

    def __init__(self, memory: SharedMemory, row: int) -> None:
        self.memory = memory
        self._words = memory.words
        self._own = row * SLOTS
        self._rows = tuple(range(0, memory.size // 8 // SLOTS * SLOTS, SLOTS))

    @classmethod
    def create(cls, workers: int) -> Purges:
        """The supervisor's; workers `attach` to `fd`. Raises OSError where there is no memory."""
        return cls(SharedMemory.create((workers + 1) * SLOTS * 8), workers)

    @classmethod
    def alone(cls) -> Purges:
        """For a worker that shares nothing."""
        return cls(SharedMemory.private(SLOTS * 8), 0)

    @classmethod
    def attach(cls, fd: int, row: int) -> Purges:
        return cls(SharedMemory.attach(fd), row)

    def of_worker(self, row: int) -> Purges:
        """For a worker in this very process."""
        return Purges(self.memory, row)

    @property
    def fd(self) -> int:
        return self.memory.fd

    def purge(self, mark: int) -> None:
        """Use nothing of this URL or tag that was asked for until now."""
        self._write(*_slots(mark))

    def purge_all(self) -> None:
        self._write(_ALL)

    def _write(self, *slots: int) -> None:
        now = time.monotonic_ns()
        for slot in slots:
            self._words[self._own + slot] = now
        self._words[self._own + _LATEST] = now  # last: who sees it sees the other

    def spares_since(self, since: int, mark: int) -> bool:
        """Whether nothing of a URL was purged since a time.monotonic_ns()."""
        words, pair = self._words, _slots(mark)
        return not any(
            words[row + _ALL] >= since or all(words[row + one] >= since for one in pair) for row in self._rows
        )

    def spares(self, entry: Entry) -> bool:
        """Whether an entry may still be used."""
        words, since = self._words, entry.since
        for row in self._rows:  # noqa: SIM110  a generator takes twice as long, and this is asked for every hit
            if words[row] >= since and self._hits(row, entry):
                return False
        return True

    def _hits(self, row: int, entry: Entry) -> bool:
        words, since = self._words, entry.since
        if words[row + _ALL] >= since:
            return True
        pairs = (_slots(mark) for mark in (entry.mark, *entry.tags))
        return any(words[row + one] >= since and words[row + other] >= since for one, other in pairs)


def _slots(mark: int) -> tuple[int, int]:
    """Where a mark of 64 bits stands in a row."""
    return 2 + mark % (SLOTS - 2), 2 + (mark >> 32) % (SLOTS - 2)
