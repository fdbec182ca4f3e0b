"""Memory that all workers of a machine see, behind a file descriptor that a worker inherits.

It has no name that another program could open, nothing to clean up, and lives as long as a process holds it. Only
pages that were written to take room. `words` reads and writes aligned 64-bit integers, each in a single machine
instruction, so that a process killed in the middle leaves the old value or the new one.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from pathlib import Path

PAGE = 4096
WORD = 8


class SharedMemory:
    """Zeroed bytes shared by the process that creates them and those that it hands `fd` to.

    `fd` is closed on exec like every Python descriptor: name it in `pass_fds` of the process to start.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd  # -1: of this process only
        self.size = size
        self.map = mmap.mmap(fd, size)
        self.words = memoryview(self.map).cast("Q")

    @classmethod
    def create(cls, size: int) -> SharedMemory:
        """New memory of at least `size` bytes, whole pages. Raises OSError where the machine has none."""
        size = -(-size // PAGE) * PAGE
        if sys.platform == "win32":  # one worker there: nobody to share with
            return cls(-1, size)
        fd = _anonymous_file()
        try:
            os.ftruncate(fd, size)
            return cls(fd, size)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def of_file(cls, path: Path, size: int) -> SharedMemory:
        """The content of a file, made where there is none; what is written stays.

        A file of another size keeps its own: what is in it was laid out for that. Raises OSError, and ValueError for
        one that is no whole pages.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            if not os.fstat(fd).st_size:
                os.ftruncate(fd, -(-size // PAGE) * PAGE)
            elif os.fstat(fd).st_size % PAGE:
                raise ValueError("a table is whole pages")
            return cls(fd, os.fstat(fd).st_size)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def private(cls, size: int) -> SharedMemory:
        """New memory for this process alone, without a descriptor."""
        return cls(-1, -(-size // PAGE) * PAGE)

    @classmethod
    def attach(cls, fd: int) -> SharedMemory:
        """The memory behind an inherited descriptor."""
        return cls(fd, os.fstat(fd).st_size)

    def close(self) -> None:
        """Let go of it. Views taken from `words` must be released before."""
        self.words.release()
        self.map.close()
        if self.fd >= 0:
            os.close(self.fd)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("apigw", os.MFD_CLOEXEC)
    fd, path = tempfile.mkstemp(prefix="apigw-")
    os.unlink(path)  # noqa: PTH108
    return fd
