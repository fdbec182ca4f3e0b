"""A store in a file: what it holds outlives all processes, and may find no room on the disk.

The file is sparse: its pages get room when they are needed. A page that finds none when it is first touched through the
map kills whoever touched it (SIGBUS), so room is asked for before, page by page, under the page's lock: a key whose
page has none is refused, as where the table is full. What has room keeps it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from apigw_cli.limits.bucket import Decision, Limit
from apigw_cli.limits.memory import PAGE, SharedMemory
from apigw_cli.limits.store import CAPACITY, FULL, SharedStore
from apigw_cli.limits.table import WAYS, Charge, Table

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class KeptStore(SharedStore):
    """State shared by all processes that have the file open."""

    def __init__(self, memory: SharedMemory, *, fresh: bool = False) -> None:
        super().__init__(memory, fresh=fresh)
        self._room = bytearray(self._table.buckets)  # 1: this process knows that the bucket's page has room

    @classmethod
    def of_file(cls, path: Path, capacity: int = CAPACITY) -> KeptStore:
        """The store in a file; several may have it open. Raises OSError, a full disk's too, and ValueError.

        A process that dies loses nothing. A machine that does loses what it had not yet written to the disk (`flush`).
        """
        import fcntl

        memory = SharedMemory.of_file(path, Table.size(capacity))
        try:
            fcntl.lockf(memory.fd, fcntl.LOCK_EX, 1, 0)  # two that start at once do not both format it
            try:
                _take_room(memory.fd, 0)
                fresh = not memory.words[0]
                if not fresh and Table.size(memory.words[1] * WAYS) != memory.size:
                    raise ValueError("this file was cut off, or is no table")
                return cls(memory, fresh=fresh)
            finally:
                fcntl.lockf(memory.fd, fcntl.LOCK_UN, 1, 0)
        except BaseException:
            memory.close()
            raise

    @classmethod
    def attach(cls, fd: int) -> KeptStore:
        return cls(SharedMemory.attach(fd))

    def take(self, key: bytes, limit: Limit, now: int) -> Decision:
        if not self._has_room((self._table.spot(limit, key).bucket,)):
            self.full += 1
            return FULL
        return super().take(key, limit, now)

    def take_all(self, charges: Sequence[Charge], now: int) -> list[Decision]:
        if not self._has_room(self._table.spot(charge.limit, charge.key).bucket for charge in charges):
            self.full += 1
            return [FULL] * len(charges)
        return super().take_all(charges, now)

    def flush(self) -> None:
        """Have what is in memory written to the disk; takes milliseconds to seconds."""
        self._memory.map.flush()

    def _has_room(self, buckets: Iterable[int]) -> bool:
        return all(self._room[bucket] or self._make_room(bucket) for bucket in buckets)

    def _make_room(self, bucket: int) -> bool:
        self._wait(bucket)  # where the system imitates the call it writes, and nobody else may then
        try:
            _take_room(self.fd, (bucket + 1) * PAGE)
        except OSError:
            return False
        finally:
            self._lockf(self.fd, self._unlock, 1, bucket)
        self._room[bucket] = 1
        return True


def _take_room(fd: int, at: int) -> None:
    """Have room for the page at that byte; what is in it stays. Raises OSError where there is none.

    Systems that cannot be asked (macOS, some file systems) are not.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, at, PAGE)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
