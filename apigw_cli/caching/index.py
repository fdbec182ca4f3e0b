"""Where the newest record of each key is: a table in memory that all workers share, by a keyed hash.

    bucket   8 slots ─ each: hash of a key, position of its newest record (0, or what is there no more: free)
    uses     a byte for each slot: whether its records were used since a writer looked

A key's bucket follows from its hash. A slot says only where to look: whoever reads there compares the key. So a slot
that is half written, or two keys with one hash, cost a fetch. Only `hide` and uses are written without a turn.
"""

from __future__ import annotations

from hashlib import blake2b

from apigw_cli.limits.memory import WORD, SharedMemory

WAYS = 8
_BUCKET = WAYS * 2  # words


class Index:
    """The table that begins at byte `start` of `memory`."""

    def __init__(self, memory: SharedMemory, start: int, buckets: int, secret: bytes) -> None:
        self.words, self._map = memory.words, memory.map
        self._buckets = buckets
        self._secret = secret
        self._first = start // WORD
        self._uses = start + buckets * _BUCKET * WORD

    @staticmethod
    def size(buckets: int) -> int:
        """Bytes that it takes."""
        return buckets * (_BUCKET * WORD + WAYS)

    def digest(self, key: bytes) -> int:
        """A keyed hash: nobody can choose keys that share a bucket."""
        return int.from_bytes(blake2b(key, key=self._secret, digest_size=8).digest(), "little") or 1

    def slot(self, digest: int) -> int:
        """The word that says where a key's newest record is; 0 for a key without one."""
        first = self._bucket(digest)
        found = self.words[first : first + _BUCKET : 2].tolist()
        return first + 2 * found.index(digest) + 1 if digest in found else 0

    def _bucket(self, digest: int) -> int:
        return self._first + digest % self._buckets * _BUCKET

    def use(self, slot: int) -> None:
        """Say that a slot's records were used."""
        self._map[self._use(slot)] = 1

    def was_used(self, slot: int) -> bool:
        return self._map[self._use(slot)] == 1

    def forget_use(self, slot: int) -> None:
        self._map[self._use(slot)] = 0

    def _use(self, slot: int) -> int:
        return self._uses + (slot - self._first) // 2

    def publish(self, digest: int, position: int) -> None:
        """Say where a key's newest record is, which is whole; of a full bucket the oldest makes room."""
        slot, words = self.slot(digest), self.words
        if not slot:
            first = self._bucket(digest)
            positions = words[first + 1 : first + _BUCKET : 2].tolist()
            slot = first + 2 * positions.index(min(positions)) + 1  # one that is free, or else the oldest
            words[slot] = 0
            words[slot - 1] = digest
            self.forget_use(slot)
        words[slot] = position

    def hide(self, slot: int, newest: int) -> None:
        """Let a key's records not be found any more. Needs no turn: one word, and whoever writes it next is right."""
        if self.words[slot] == newest:
            self.words[slot] = 0
