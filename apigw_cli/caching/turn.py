"""The right to write to memory that several processes see, one at a time.

A record lock: the kernel takes it back from a process that dies. Who cannot have it within a few milliseconds (its
owner was stopped, or may not run) goes without: what is written here, others can do without. An only worker has nobody
to wait for, and locks nothing. Locks are between processes: a process writes from one thread.
"""

from __future__ import annotations

import threading
import time

_TRIES = 50  # at once, about a microsecond each
_NAP = 0.0002
_PATIENCE = 0.02
_SULK = 1.0  # after waiting in vain, so long nobody waits at all


class Turn:
    """`fd`: a descriptor of that memory; `alone`: no other process writes to it."""

    def __init__(self, fd: int, alone: bool) -> None:
        self._fd = fd
        self._alone = alone
        self._patient_from = 0.0

    def take(self, number: int = 0) -> bool:
        """Whether it is ours now; `number` says which of several. Never holds it over a turn of the event loop."""
        return self._alone or self._lock(number)

    def give(self, number: int = 0) -> None:
        if not self._alone:
            import fcntl  # not on Windows, where there is one worker

            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, number)

    def _lock(self, number: int) -> bool:
        import fcntl

        began = time.monotonic()
        tries = 0
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                tries += 1
            else:
                return True
            if tries < _TRIES:
                continue
            now = time.monotonic()
            if now < self._patient_from:
                return False
            if now - began > _PATIENCE:
                self._patient_from = now + _SULK
                return False
            time.sleep(_NAP)


_fence = threading.Lock()
_fence.acquire()


def fence() -> None:
    """What this process has read and written before is done before what comes after, as all others see it.

    Giving a lock up and taking it again is that for every processor: release, then acquire.
    """
    _fence.release()
    _fence.acquire()
