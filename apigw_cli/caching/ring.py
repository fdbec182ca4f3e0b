"""Records in memory that all workers of a machine see: a ring, and an index to it.

    page 0     header: TAIL, HEAD, counts, the bytes that each worker holds, the secret of the hash
    index      hash of a key → position of its newest record (`index.py`)
    ring       record ─ record ─ record …           each: header, key, meta, body, up to a multiple of 8 bytes

A position counts the bytes that were ever written; it is never used twice, and lies in memory at its remainder. What
lies from TAIL to HEAD is whole and never changes, but for `previous` (the next older record of the same key) and a
mark whether it still counts. docs/architecture.md has the invariants, and why a process may die at any instant.

    writers    one at a time (`Turn`). Each word that they write leaves all that is found whole, whoever dies after it
    room       TAIL moves on first, then what it has left is overwritten. What was used meanwhile is written again
    readers    lock nothing: index, record, copy, then TAIL again. Behind it now? Then the copy is worth nothing
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

from apigw_cli.caching.index import Index
from apigw_cli.caching.turn import Turn, fence
from apigw_cli.limits.memory import PAGE, WORD, SharedMemory

LEAST = 1 << 15  # bytes of a budget
VARIANTS = 64  # records of one key

TAIL = 8  # words of the header that readers go by
_CAPACITY, _BUCKETS, _WORKERS, _INCOMING, _REMEMBERED = 1, 2, 3, 4, 5
_HEAD, _ENTRIES, _EVICTIONS = 9, 10, 11
_HELD = 16
_MAXIMUM_WORKERS = 256
_SECRET = (_HELD + _MAXIMUM_WORKERS) * WORD
_MAGIC = 0x3167_6E69_7261_6761

_PER_BUCKET = 4096  # bytes of the budget: an index for answers of 512 bytes and more

_HEADER = struct.Struct("<QQQIIII")  # length and marks, hash, previous; lengths of key, meta, body; checksum
_PREVIOUS = 2  # its third word
_COUNTS, _FILLER = 1 << 63, 1 << 62
_LENGTH = (1 << 48) - 1
_AGAIN = 8  # times the room that is needed may be written again of what was used


@dataclass(frozen=True, slots=True)
class Found:
    """A record's key and meta, copied. `body` lies in the ring, at byte `at`, `size` long, as long as it lies there."""

    position: int
    key: bytes
    meta: bytes
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Bytes of a budget: of answers that are coming in, of what each worker remembers, of the memory for all."""

    incoming: int
    remembered: int
    memory: int
    buckets: int

    @classmethod
    def of(cls, budget: int, workers: int) -> Shares:
        """Raises ValueError for a budget that is too small."""
        if budget < LEAST:
            raise ValueError(f"a cache needs {LEAST} bytes")
        incoming = max(budget // 8, min(budget // 4, 2 << 20))
        remembered = budget // 8 // workers
        memory = (budget - incoming - remembered * workers) // PAGE * PAGE
        return cls(incoming, remembered, memory, budget // _PER_BUCKET)


class Ring:
    """See the module's docstring. `worker`: whose bytes of incoming answers `hold` counts."""

    def __init__(self, memory: SharedMemory, worker: int = 0) -> None:
        """Raises ValueError where the memory holds something else."""
        words = memory.words
        if words[0] != _MAGIC or not 0 <= worker < words[_WORKERS]:
            raise ValueError("this memory holds no cache of that worker")
        self.memory, self.words, self.map, self.fd = memory, words, memory.map, memory.fd
        self.capacity, self._workers = words[_CAPACITY], words[_WORKERS]
        self.incoming, self.remembered = words[_INCOMING], words[_REMEMBERED]
        self.alone = self._workers == 1
        self._turn = Turn(memory.fd, self.alone)
        self.index = Index(memory, PAGE, words[_BUCKETS], bytes(memory.map[_SECRET : _SECRET + 16]))
        self._ring = PAGE + Index.size(words[_BUCKETS])
        self._own = _HELD + worker
        self._held = slice(_HELD, _HELD + self._workers)

    @classmethod
    def create(cls, budget: int, workers: int) -> Ring:
        """A new one, empty. Raises OSError where there is no memory, ValueError for a budget that is too small."""
        shares = Shares.of(budget, workers)
        return cls._format(SharedMemory.create(shares.memory), shares, workers)

    @classmethod
    def private(cls, budget: int) -> Ring:
        """Of this process alone."""
        shares = Shares.of(budget, 1)
        return cls._format(SharedMemory.private(shares.memory), shares, 1)

    @classmethod
    def _format(cls, memory: SharedMemory, shares: Shares, workers: int) -> Ring:
        words = memory.words
        words[_BUCKETS], words[_WORKERS] = shares.buckets, workers
        words[_INCOMING], words[_REMEMBERED] = shares.incoming, shares.remembered
        capacity = shares.memory - PAGE - Index.size(shares.buckets)
        words[_CAPACITY] = words[TAIL] = words[_HEAD] = capacity  # position 0 is none
        memory.map[_SECRET : _SECRET + 16] = os.urandom(16)
        words[0] = _MAGIC
        return cls(memory)

    @classmethod
    def attach(cls, fd: int, worker: int) -> Ring:
        return cls(SharedMemory.attach(fd), worker)

    def of_worker(self, worker: int) -> Ring:
        """For a worker in this very process."""
        return Ring(self.memory, worker)

    # --- counts

    @property
    def filled(self) -> int:
        """What the records take, replaced ones too that lie there still."""
        return max(self.words[_HEAD] - self.words[TAIL], 0)

    @property
    def entries(self) -> int:
        """Records that count; one too many or too few for each writer that was killed in between."""
        return self.words[_ENTRIES]

    @property
    def evictions(self) -> int:
        return self.words[_EVICTIONS]

    @property
    def held(self) -> int:
        """Bytes of answers that are coming in, of all workers."""
        return sum(self.words[self._held])

    def hold(self, size: int) -> bool:
        """Count so many more, first, and then look whether there is room: no two can take the same."""
        self.words[self._own] += size
        if self.held <= self.incoming:
            return True
        self.release(size)
        return False

    def release(self, size: int) -> None:
        self.words[self._own] -= size

    def clear(self, worker: int) -> None:
        """Worker `worker` has died, and holds nothing any more: the supervisor, before its successor."""
        self.words[_HELD + worker] = 0

    # --- reading

    def read(self, position: int, digest: int) -> Found | None:
        """A record of a key with that hash; None where it is there no more."""
        if position < self.words[TAIL]:
            return None
        at = self._at(position)
        length, found, _, key, meta, size, checksum = _HEADER.unpack_from(self.map, at)
        body = at + _HEADER.size + key + meta
        if found != digest or body + size > at + (length & _LENGTH) or body + size > self.memory.size:
            return None
        data = self.map[at + _HEADER.size : body]
        if not self.is_there(position) or crc32(data) != checksum:
            return None
        return Found(position, data[:key], data[key:], body, size)

    def body(self, found: Found) -> bytes | None:
        """None where it is there no more."""
        data = self.map[found.at : found.at + found.size]
        return data if self.is_there(found.position) else None

    def is_there(self, position: int) -> bool:
        """Whether what was copied until now is whole."""
        fence()
        return self.words[TAIL] <= position

    def previous(self, position: int) -> int:
        """The next older record of the same key; 0 for none. As true as the record is there."""
        return self.words[self._at(position) // WORD + _PREVIOUS]

    def _at(self, position: int) -> int:
        return self._ring + position % self.capacity

    # --- writing

    def begin(self) -> bool:
        """Whether this process may write now; `end` is to follow, whatever happens."""
        return self._turn.take()

    def end(self) -> None:
        self._turn.give()

    @staticmethod
    def size(key: bytes, meta: bytes, body: bytes) -> int:
        """Bytes that a record takes."""
        return -(-(_HEADER.size + len(key) + len(meta) + len(body)) // WORD) * WORD

    def make_room(self, size: int) -> bool:
        """Let go of the oldest until so many bytes fit in one piece; what was used goes to the other end instead."""
        if size > self.capacity // 2:
            return False
        again = _AGAIN * size
        while self._lacks(size):
            again -= self._pass(again)
        return True

    def _lacks(self, size: int) -> bool:
        head = self.words[_HEAD]
        left = self.capacity - head % self.capacity
        return head + size + (left if left < size else 0) - self.words[TAIL] > self.capacity

    def _pass(self, again: int) -> int:
        """Move TAIL behind the oldest record. Returns how many bytes of it were written again, `again` at most."""
        words, position = self.words, self.words[TAIL]
        at = self._at(position)
        mark = words[at // WORD]
        length = mark & _LENGTH
        if mark & _FILLER or not mark & _COUNTS:
            words[TAIL] = position + length
            return 0
        digest = words[at // WORD + 1]
        data = self.map[at : at + length] if length <= again and self._was_used(digest, position) else b""
        words[TAIL] = position + length
        self._count(-1)
        if not data or self._lacks(length):
            words[_EVICTIONS] += 1
            return 0
        slot = self.index.slot(digest)
        self.index.forget_use(slot)
        self._append(digest, data, words[slot])
        return length

    def _was_used(self, digest: int, position: int) -> bool:
        """Whether a record can be found, and its key was asked for."""
        slot = self.index.slot(digest)
        if not slot or not self.index.was_used(slot):
            return False
        found = self.words[slot]
        for _ in range(VARIANTS + 1):
            if found == position or found < self.words[TAIL]:
                break
            found = self.previous(found)
        return found == position

    def write(self, digest: int, key: bytes, meta: bytes, body: bytes, kept: Sequence[int]) -> int:
        """Write a key's newest record, where `make_room` has made room. Returns its position.

        `kept`: the positions of those that can still be found, newest first. The checksum is of key and meta: the body
        is as whole as they are, and long.
        """
        length = self.size(key, meta, body)
        checksum = crc32(key + meta)
        for newer, older in zip(kept, (*kept[1:], 0), strict=False):
            self.words[self._at(newer) // WORD + _PREVIOUS] = older
        marks = (length | _COUNTS, digest, 0, len(key), len(meta), len(body), checksum)
        padding = bytes(length - _HEADER.size - len(key) - len(meta) - len(body))
        return self._append(digest, b"".join((_HEADER.pack(*marks), key, meta, body, padding)), kept[0] if kept else 0)

    def _append(self, digest: int, record: bytes, previous: int) -> int:
        words = self.words
        fence()  # TAIL has moved on before what it has left is overwritten
        position = words[_HEAD]
        left = self.capacity - position % self.capacity
        if left < len(record):
            words[self._at(position) // WORD] = _FILLER | left
            position += left
        at = self._at(position)
        self.map[at : at + len(record)] = record
        words[at // WORD + _PREVIOUS] = previous if previous >= words[TAIL] else 0
        words[_HEAD] = position + len(record)
        self._count(1)
        fence()  # whoever finds it finds it whole
        self.index.publish(digest, position)
        return position

    def discount(self, positions: Iterable[int]) -> None:
        """They count no more: nobody finds them."""
        for position in positions:
            at = self._at(position) // WORD
            if position >= self.words[TAIL] and self.words[at] & _COUNTS:
                self.words[at] &= _LENGTH
                self._count(-1)

    def _count(self, more: int) -> None:
        self.words[_ENTRIES] = max(self.words[_ENTRIES] + more, 0)
