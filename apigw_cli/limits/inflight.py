"""How many requests are in flight over all workers, with one maximum for them together.

Each worker has a word of its own that only it writes (on a cache line of its own) and reads the others'. To enter,
it adds one to its own word and then sums all: over the maximum, it takes the one back. Two workers that enter at
once may both be refused at the very maximum, but never both be let in beyond it. A worker that dies leaves its
count behind; the supervisor clears it.

Beside its count each worker says since when the first of those has waited that it has no place for (0: nobody waits).
"""

from __future__ import annotations

import threading

from apigw_cli.limits.memory import WORD, SharedMemory

_LINE = 64 // WORD  # words a cache line


class InFlight:
    """The shared count as worker `worker` (from 0) sees it."""

    def __init__(self, memory: SharedMemory, worker: int) -> None:
        self._memory = memory
        self._words = memory.words
        self._own = (1 + worker) * _LINE
        workers, self.maximum = self._words[0], self._words[1]
        self.worker, self.workers = worker, workers
        self.alone = workers == 1
        if not 0 <= worker < workers:
            raise ValueError(f"worker {worker} is none of {workers}")
        self._mine = self._words[self._own]
        self._all = self._words[_LINE : (1 + workers) * _LINE : _LINE]
        self._waiting = self._words[_LINE + 1 : (1 + workers) * _LINE : _LINE]
        self._fence = threading.Lock()
        self._fence.acquire()
        self.fd = memory.fd

    @classmethod
    def create(cls, workers: int, maximum: int) -> InFlight:
        """A new count, seen as worker 0 until attached to as another. Raises OSError where there is no memory."""
        memory = SharedMemory.create((1 + workers) * _LINE * WORD)
        memory.words[0], memory.words[1] = workers, maximum
        return cls(memory, 0)

    @classmethod
    def attach(cls, fd: int, worker: int) -> InFlight:
        """The count behind an inherited descriptor, as worker `worker` (below `workers`) sees it."""
        return cls(SharedMemory.attach(fd), worker)

    def enter(self) -> bool:
        """Count one request in, unless there are as many as may be."""
        self._mine = mine = self._mine + 1
        self._words[self._own] = mine
        if self.alone:
            if mine <= self.maximum:
                return True
            self.leave()
            return False
        # The write must be visible before the others' words are read, or two workers could miss each other. A
        # processor may delay a write past later reads; releasing and taking a lock is a barrier on all of them.
        self._fence.release()
        self._fence.acquire()
        if sum(self._all) <= self.maximum:
            return True
        self.leave()
        return False

    def leave(self) -> None:
        """Count one request out."""
        self._mine = mine = self._mine - 1
        self._words[self._own] = mine

    def total(self) -> int:
        """How many are in flight over all workers."""
        return sum(self._all)

    def clear(self, worker: int) -> None:
        """Forget what worker `worker` had in flight: the supervisor, after its death and before its successor."""
        self._words[(1 + worker) * _LINE] = 0
        self._waiting[worker] = 0

    def tell_waiting(self, since: int) -> None:
        """Say to the other workers since when (monotonic_ns) somebody has waited here; 0: nobody does."""
        self._words[self._own + 1] = since

    def others_wait_since(self) -> int:
        """The earliest moment since when somebody has waited at another worker; 0: nobody does."""
        if self.alone:
            return 0
        mine = self._own // _LINE - 1
        return min((since for worker, since in enumerate(self._waiting) if since and worker != mine), default=0)

    def close(self) -> None:
        self._all.release()
        self._waiting.release()
        self._memory.close()
