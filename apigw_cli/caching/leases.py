"""Who fetches what, so that all workers of a machine ask an upstream once.

    bucket   8 leases ─ each: hash of what is fetched, number, owner, outcome, when it ended, followed?, text

| a lease is | when                                             | others who want the same                         |
|------------|--------------------------------------------------|--------------------------------------------------|
| free       | nobody fetches it                                | take it, under its bucket's record lock, to lead |
| held       | `owner` is a worker                              | follow: look at it every few milliseconds        |
| ended      | its owner said how, and then gave it up          | do as it came out: look, ask alone, or fail      |
| left       | its owner died: the supervisor gave it up for it | take it: one of them leads                       |
| another's  | its number is not the one that they follow       | look in the store, or take it                    |

Only the owner changes a lease that is held; it needs no lock for that. A worker that is killed in the middle of taking
one leaves it free or held; of ending one, held, until the supervisor has cleared it. Where a bucket is full of leases
that are held, one leads without: an upstream may then be asked once by each worker.
"""

from __future__ import annotations

import enum
import os
import time
from dataclasses import dataclass
from hashlib import blake2b

from apigw_cli.caching.turn import Turn, fence
from apigw_cli.limits.memory import PAGE, WORD, SharedMemory

WAYS = 8
BUCKETS = 512
TEXT = 192  # bytes that an outcome may say
PASS_SECONDS = 2.0  # how long nobody waits for what could not be stored

_WORDS = 32
_HASH, _NUMBER, _OWNER, _OUTCOME, _ENDED, _FOLLOWED, _LENGTH, _TEXT = range(8)
_SIZE = PAGE + BUCKETS * WAYS * _WORDS * WORD


class Outcome(enum.IntEnum):
    """How a fetch has ended. LEFT: without an answer, its clients or its worker are gone."""

    LEFT = 0
    STORED = 1
    PASSED = 2  # the answer is not for others
    FAILED = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """One fetch: the first word of its lease, and its number there."""

    at: int
    number: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking for a lease: to lead, to follow, or neither (`passes`: its answers are not for others)."""

    lease: Lease | None
    leads: bool
    passes: bool = False


LEADS_ALONE = Taken(None, True)


class Leases:
    """The leases as worker `worker` (from 0) sees them."""

    def __init__(self, memory: SharedMemory, worker: int) -> None:
        self.memory = memory
        self.fd = memory.fd
        self._words, self._map = memory.words, memory.map
        self._owner = worker + 1
        self._turn = Turn(memory.fd, memory.fd < 0)
        self._secret = bytes(memory.map[:16])

    @classmethod
    def create(cls) -> Leases:
        """The supervisor's. Raises OSError where there is no memory."""
        memory = SharedMemory.create(_SIZE)
        memory.map[:16] = os.urandom(16)
        return cls(memory, -1)

    @classmethod
    def attach(cls, fd: int, worker: int) -> Leases:
        return cls(SharedMemory.attach(fd), worker)

    def of_worker(self, worker: int) -> Leases:
        """For a worker in this very process."""
        return Leases(self.memory, worker)

    # --- taking

    def take(self, what: bytes) -> Taken:
        """Ask to fetch something."""
        digest = int.from_bytes(blake2b(what, key=self._secret, digest_size=8).digest(), "little") or 1
        bucket = digest % BUCKETS
        if not self._turn.take(bucket):
            return LEADS_ALONE
        try:
            return self._take(digest, PAGE // WORD + bucket * WAYS * _WORDS)
        finally:
            self._turn.give(bucket)

    def _take(self, digest: int, first: int) -> Taken:
        words = self._words
        places = range(first, first + WAYS * _WORDS, _WORDS)
        at = next((one for one in places if words[one + _HASH] == digest), 0)
        if at and words[at + _OWNER]:
            words[at + _FOLLOWED] = 1
            return Taken(Lease(at, words[at + _NUMBER]), False)
        if at and words[at + _OUTCOME] == Outcome.PASSED and _since(words[at + _ENDED]) < PASS_SECONDS:
            return Taken(None, False, True)
        free = [one for one in places if not words[one + _OWNER]]
        if not free:
            return LEADS_ALONE
        return Taken(self._begin(at or min(free, key=lambda one: words[one + _ENDED]), digest), True)

    def _begin(self, at: int, digest: int) -> Lease:
        words = self._words
        number = max(time.monotonic_ns(), words[at + _NUMBER] + 1)
        words[at + _NUMBER] = number  # first: who follows the one before sees that it is over
        words[at + _OUTCOME] = Outcome.LEFT
        words[at + _FOLLOWED] = words[at + _LENGTH] = words[at + _ENDED] = 0
        words[at + _HASH] = digest
        fence()
        words[at + _OWNER] = self._owner
        return Lease(at, number)

    # --- its owner's

    def is_followed(self, lease: Lease) -> bool:
        """Whether somebody in another worker waits for it, or did."""
        return self._words[lease.at + _FOLLOWED] == 1

    def end(self, lease: Lease, outcome: Outcome, text: bytes = b"") -> None:
        """Give it up. `text`: what others shall know; where it is too long they ask for themselves."""
        words, at = self._words, lease.at
        if words[at + _NUMBER] != lease.number or words[at + _OWNER] != self._owner:
            return
        start = (at + _TEXT) * WORD
        if len(text) <= TEXT:
            self._map[start : start + len(text)] = text
            words[at + _LENGTH] = len(text)
        words[at + _OUTCOME] = outcome
        words[at + _ENDED] = time.monotonic_ns()
        fence()
        words[at + _OWNER] = 0

    # --- others'

    def outcome(self, lease: Lease) -> tuple[Outcome, bytes] | None:
        """How it has ended, and what its owner said; None as long as it is held."""
        words, at = self._words, lease.at
        if words[at + _NUMBER] == lease.number and words[at + _OWNER]:
            return None
        fence()
        start = (at + _TEXT) * WORD
        found = Outcome(words[at + _OUTCOME]), bytes(self._map[start : start + min(words[at + _LENGTH], TEXT)])
        fence()
        return found if words[at + _NUMBER] == lease.number else (Outcome.LEFT, b"")

    # --- the supervisor's

    def clear(self, worker: int) -> None:
        """Worker `worker` has died: what it was fetching is left, before its successor begins."""
        for at in range(PAGE // WORD, _SIZE // WORD, _WORDS):
            if self._words[at + _OWNER] == worker + 1:
                self._words[at + _OUTCOME] = Outcome.LEFT
                self._words[at + _LENGTH] = 0
                fence()
                self._words[at + _OWNER] = 0


def _since(moment: int) -> float:
    return (time.monotonic_ns() - moment) / 1e9
