"""A table of `tat` values by key, in plain memory: the same for one process and for all workers of a machine.

    page 0      magic, number of buckets, the secret of the hash
    page 1 + b  bucket b: 128 hashes of 16 bytes, then 128 pairs (tat, kind) of 64-bit words

A key's bucket follows from its hash and never changes, so a bucket is all that must be locked. 32 bytes a key, and
one page for each bucket in use. A slot whose `tat` has passed owes nothing and is as good as empty; the longest
expired is taken first. A slot that owes is never given away: that would be a refill for free.

The order of the writes makes it safe to kill a process between any two of them (a lock holder that dies is
survived by its half-done work, nothing else): a new key's slot first loses its `tat`, then changes hands, and gets
its `tat` last; a slot whose limit changes is marked `TORN` while its two words do not fit together, and a key that
is found so has used up everything.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from apigw_cli.limits import bucket
from apigw_cli.limits.algorithms import Algorithm
from apigw_cli.limits.bucket import TORN, Decision, Limit
from apigw_cli.limits.memory import PAGE, WORD

WAYS = 128
HASH = 16
SLOT = 32
MAGIC = 0x3176_6772_6C67_6170  # "paglrgv1": not the memory of something else

_HINTS = 16_384
_HINT_BYTES = 128  # longer keys are not worth remembering
_BUCKET_WORDS = PAGE // WORD
_TAT_WORDS = WAYS * HASH // WORD


class Charge(NamedTuple):
    """What one limit is asked: so much of it, for one key."""

    key: bytes
    limit: Algorithm
    cost: int = 1


class Spot:
    """Where a key belongs: its hash, its bucket, and the place of the slot that it was last found in."""

    __slots__ = ("at", "bucket", "hash", "here")

    def __init__(self, key_hash: bytes, number: int) -> None:
        self.hash = key_hash
        self.bucket = number
        self.move(0)

    def move(self, slot: int) -> None:
        """Note that the key is in `slot`: at byte `here` its hash stands, at word `at` its `tat`."""
        self.here = (self.bucket + 1) * PAGE + slot * HASH
        self.at = (self.bucket + 1) * _BUCKET_WORDS + _TAT_WORDS + 2 * slot


class Table:
    """The table over `memory`, which it formats when `fresh`. Nothing here locks."""

    def __init__(self, memory: mmap.mmap, words: memoryview[int], *, fresh: bool) -> None:
        """Raises ValueError where the memory holds no table."""
        self._memory = memory
        self._words = words
        if fresh:
            words[1] = len(memory) // PAGE - 1
            memory[16:32] = os.urandom(16)
            words[0] = MAGIC
        elif words[0] != MAGIC:
            raise ValueError("this memory holds no limiter table")
        self.buckets = words[1]
        self._secret = memory[16:32]
        self._hints: dict[bytes, Spot] = {}

    @staticmethod
    def size(capacity: int) -> int:
        """Bytes for `capacity` slots."""
        return (max(1, -(-capacity // WAYS)) + 1) * PAGE

    def spot(self, limit: Limit | Algorithm, key: bytes) -> Spot:
        """Where `key` belongs. The hash is keyed, so that nobody can choose keys that share a bucket."""
        name = limit.identity + key
        spot = self._hints.get(name)
        if spot is None:
            digest = hashlib.blake2b(name, key=self._secret, digest_size=HASH).digest()
            spot = Spot(digest, int.from_bytes(digest[:8], "little") % self.buckets)
            if len(name) <= _HINT_BYTES:
                if len(self._hints) >= _HINTS:
                    self._hints.clear()
                self._hints[name] = spot
        return spot

    def take(self, spot: Spot, limit: Limit, now: int) -> Decision | None:
        """Ask for one request; None where the key is new and its bucket is full of keys that owe."""
        here = spot.here
        if self._memory[here : here + HASH] != spot.hash and not self._find(spot):
            tat, decision = bucket.take(limit, 0, now)
            return decision if self._insert(spot, tat, limit.kind, now) else None
        words, at = self._words, spot.at
        tat = old = words[at]
        if words[at + 1] != limit.kind:
            tat = bucket.rescale(limit, tat, words[at + 1], now)
            self._rewrite(at, tat, limit.kind)
            old = tat
        tat, decision = bucket.take(limit, tat, now)
        if tat != old:
            words[at] = tat
        return decision

    def take_all(self, charges: Sequence[Charge], spots: Sequence[Spot], now: int) -> list[Decision] | None:
        """Ask several limits at once: all of them are charged, or none. None: there was no room for a new key.

        `spots` are those of `charges`, all different. New keys come first: only they can still be turned away.
        """
        known = [self._find_at(spot) for spot in spots]
        tats = [
            self._current(spot, charge.limit, now) if found else 0
            for spot, charge, found in zip(spots, charges, known, strict=True)
        ]
        asked = [charge.limit.ask(tat, now, charge.cost) for charge, tat in zip(charges, tats, strict=True)]
        if not all(decision.allowed for _, decision in asked):
            return [
                charge.limit.ask(tat, now, 0)[1] if decision.allowed else decision
                for charge, tat, (_, decision) in zip(charges, tats, asked, strict=True)
            ]
        if not self._insert_all(charges, spots, known, [tat for tat, _ in asked], now):
            return None
        for spot, found, old, (tat, _) in zip(spots, known, tats, asked, strict=True):
            if found and tat != old:
                self._words[spot.at] = tat
        return [decision for _, decision in asked]

    def _find_at(self, spot: Spot) -> bool:
        here = spot.here
        return self._memory[here : here + HASH] == spot.hash or self._find(spot)

    def _current(self, spot: Spot, limit: Algorithm, now: int) -> int:
        """The `tat` of a key that is there, as `limit` counts."""
        at = spot.at
        tat: int = self._words[at]
        kind = self._words[at + 1]
        if kind != limit.kind:
            tat = limit.adopt(tat, kind, now)
            self._rewrite(at, tat, limit.kind)
        return tat

    def _insert_all(
        self, charges: Sequence[Charge], spots: Sequence[Spot], known: list[bool], tats: list[int], now: int
    ) -> bool:
        """Give the new keys that owe something their slots, all of them or none."""
        done: list[Spot] = []
        for charge, spot, found, tat in zip(charges, spots, known, tats, strict=True):
            if found or not tat:
                continue
            if not self._insert(spot, tat, charge.limit.kind, now):
                for other in done:
                    self._words[other.at] = 0
                return False
            done.append(spot)
        return True

    def _find(self, spot: Spot) -> bool:
        start = page = (spot.bucket + 1) * PAGE
        while (found := self._memory.find(spot.hash, start, page + WAYS * HASH)) >= 0:
            if (found - page) % HASH == 0:
                spot.move((found - page) // HASH)
                return True
            start = found + 1
        return False

    def _insert(self, spot: Spot, tat: int, kind: int, now: int) -> bool:
        first = _tat_word(spot.bucket, 0)
        tats = self._words[first : first + 2 * WAYS : 2].tolist()
        oldest = min(tats)
        if oldest > now:
            return False
        spot.move(tats.index(oldest))
        at, here = spot.at, spot.here
        self._words[at] = 0
        self._memory[here : here + HASH] = spot.hash
        self._words[at + 1] = kind
        self._words[at] = tat
        return True

    def _rewrite(self, at: int, tat: int, kind: int) -> None:
        self._words[at + 1] = TORN
        self._words[at] = tat
        self._words[at + 1] = kind

    def owing(self, now: int) -> int:
        """How many keys owe at `now`: a walk over the whole table, for statistics and tests."""
        return sum(tat > now for tats in self._all_tats() for tat in tats)

    def _all_tats(self) -> Iterator[list[int]]:
        for number in range(self.buckets):
            first = _tat_word(number, 0)
            yield self._words[first : first + 2 * WAYS : 2].tolist()


def _tat_word(number: int, slot: int) -> int:
    return (number + 1) * _BUCKET_WORDS + _TAT_WORDS + 2 * slot
