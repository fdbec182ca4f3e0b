"""How many requests of each key are in flight over all workers, with a maximum for each key.

    page 0      magic, workers, number of buckets, the secret of the hash
    hashes      bucket b: 128 hashes of 16 bytes: whose slot it is
    counters    worker w: one word for each slot, which only that worker writes

A key's count is the sum of its slot's words over the workers. A slot whose words are all 0 belongs to nobody. A worker
that dies leaves its words behind; the supervisor clears them, as it does with `InFlight`.

To enter, a worker holds the bucket's record lock (as `store` does), so that it sums and adds as one step. To leave, it
takes one from its own word and needs no lock: whoever sums meanwhile sees one more or one less, both true.
"""

from __future__ import annotations

import hashlib
import os

from apigw_cli.limits.memory import PAGE, WORD, SharedMemory

WAYS = 128
HASH = 16
LEAST, MOST = 8192, 1 << 20  # slots
OVER, FULL = -1, -2

_MAGIC = 0x3176_746F_6C73_6761
_BUCKET = WAYS * HASH


class Slots:
    """The counts as worker `worker` (from 0) sees them. `full` counts requests of new keys that found no room."""

    def __init__(self, memory: SharedMemory, worker: int) -> None:
        """Raises ValueError where the memory holds something else."""
        words = memory.words
        if words[0] != _MAGIC or not 0 <= worker < words[1]:
            raise ValueError("this memory holds no slots of that worker")
        self._memory, self._words, self._map = memory, words, memory.map
        self._workers, self._buckets = words[1], words[2]
        self._secret = bytes(memory.map[32:48])
        self._stride = self._buckets * WAYS
        self._first = (PAGE + self._buckets * _BUCKET) // WORD
        self._own = self._first + worker * self._stride
        self.fd = memory.fd
        self.full = 0

    @classmethod
    def create(cls, workers: int, concurrency: int) -> Slots:
        """Room for four times as many keys as requests may be in flight. Raises OSError where there is no memory."""
        buckets = min(max(4 * concurrency, LEAST), MOST) // WAYS
        memory = SharedMemory.create(PAGE + buckets * _BUCKET + workers * buckets * WAYS * WORD)
        memory.words[1], memory.words[2] = workers, buckets
        memory.map[32:48] = os.urandom(16)
        memory.words[0] = _MAGIC
        return cls(memory, 0)

    @classmethod
    def attach(cls, fd: int, worker: int) -> Slots:
        return cls(SharedMemory.attach(fd), worker)

    def enter(self, key: bytes, maximum: int) -> int:
        """Count one request of `key` in. Returns its slot, to leave by; OVER, or FULL where there is no room."""
        digest = hashlib.blake2b(key, key=self._secret, digest_size=HASH).digest()
        bucket = int.from_bytes(digest[:8], "little") % self._buckets
        if self._workers == 1:
            return self._enter(digest, bucket, maximum)
        import fcntl  # not on Windows, where there is one worker

        fcntl.lockf(self.fd, fcntl.LOCK_EX, 1, bucket)
        try:
            return self._enter(digest, bucket, maximum)
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, bucket)

    def _enter(self, digest: bytes, bucket: int, maximum: int) -> int:
        slot = self._find(digest, bucket)
        if slot is None:
            if maximum < 1:
                return OVER
            slot = self._free(bucket)
            if slot is None:
                self.full += 1
                return FULL
            here = PAGE + slot * HASH
            self._map[here : here + HASH] = digest
        elif self._count(slot) >= maximum:
            return OVER
        self._words[self._own + slot] += 1
        return slot

    def _find(self, digest: bytes, bucket: int) -> int | None:
        start = page = PAGE + bucket * _BUCKET
        while (found := self._map.find(digest, start, page + _BUCKET)) >= 0:
            if (found - page) % HASH == 0:
                return bucket * WAYS + (found - page) // HASH
            start = found + 1
        return None

    def _free(self, bucket: int) -> int | None:
        first = self._first + bucket * WAYS
        regions = [
            self._words[first + w * self._stride : first + w * self._stride + WAYS].tolist()
            for w in range(self._workers)
        ]
        return next((bucket * WAYS + n for n, counts in enumerate(zip(*regions, strict=True)) if not any(counts)), None)

    def _count(self, slot: int) -> int:
        return sum(self._words[self._first + slot + w * self._stride] for w in range(self._workers))

    def leave(self, slot: int) -> None:
        """Count one request out."""
        self._words[self._own + slot] -= 1

    def total(self) -> int:
        """How many are counted in over all keys and workers; takes milliseconds."""
        return sum(self._words[self._first : self._first + self._workers * self._stride])

    def clear(self, worker: int) -> None:
        """Forget what worker `worker` had in flight: the supervisor, after its death and before its successor."""
        start = (self._first + worker * self._stride) * WORD
        self._map[start : start + self._stride * WORD] = bytes(self._stride * WORD)

    def close(self) -> None:
        self._memory.close()
