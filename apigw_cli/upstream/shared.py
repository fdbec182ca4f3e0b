"""What the workers of one upstream have in common: the health status and a count of requests for each worker.

Memory mapped before the workers are forked. Each word has one writer that matters, so no lock is needed.
"""

from __future__ import annotations

import mmap


class Shared:
    """Made by the parent; each worker sets `index` to its own number after the fork."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.index = 0
        self._words = memoryview(mmap.mmap(-1, 8 * (1 + workers))).cast("Q")
        self._words[0] = 200

    @property
    def health(self) -> int:
        return self._words[0]

    @health.setter
    def health(self, status: int) -> None:
        self._words[0] = status

    @property
    def requests(self) -> int:
        """How many requests all workers have answered, but for those to /health and /stats."""
        return sum(self._words[1:])

    def count(self) -> None:
        self._words[1 + self.index] += 1
