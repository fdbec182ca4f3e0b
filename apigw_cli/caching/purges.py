"""Purges that every worker of a machine sees at once: words of shared memory, one row for each writer.

    row   [ the latest of all ][ by hash ] … [ by hash ]

A word holds the time.monotonic_ns() of the last purge of all URLs and tags with that hash. An entry that was asked
for before is not used any more; also one that was under way. Two that share a word cost each other a fetch, no more.
A row has one writer, and a word is written in one instruction: a writer killed at any instant leaves what was there.
"""

from __future__ import annotations

import time

from apigw_cli.caching.entry import Entry
from apigw_cli.limits.memory import SharedMemory

SLOTS = 8192
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
        self._write(2 + mark % (SLOTS - 2))

    def purge_all(self) -> None:
        self._write(_ALL)

    def _write(self, slot: int) -> None:
        now = time.monotonic_ns()
        self._words[self._own + slot] = now
        self._words[self._own + _LATEST] = now  # last: who sees it sees the other

    def spares(self, entry: Entry) -> bool:
        """Whether an entry may still be used."""
        words, since = self._words, entry.since
        for row in self._rows:  # noqa: SIM110  a generator takes twice as long, and this is asked for every hit
            if words[row] >= since and self._hits(row, entry):
                return False
        return True

    def _hits(self, row: int, entry: Entry) -> bool:
        words, since = self._words, entry.since
        marks = (entry.mark, *entry.tags)
        return words[row + _ALL] >= since or any(words[row + 2 + one % (SLOTS - 2)] >= since for one in marks)
