"""What all cached routes of a worker share: the stored answers, what is being fetched, counters, the time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from apigw_cli.caching.purges import Purges
from apigw_cli.caching.store import BUDGET, MemoryStore
from apigw_cli.gateway.metrics import CACHE, CACHE_WORDS

if TYPE_CHECKING:
    from apigw_cli.gateway.fetch import Fetch

BACKGROUND = 256  # fetches behind a client's back
_PASSES = 4096
_PASS_SECONDS = 2.0
_AT = {what: CACHE + index for index, what in enumerate(CACHE_WORDS)}


class WorkerCache:
    """`flights`: by key the fetch that others may wait for. `words`: the worker's counters.

    `passes`: keys whose last answer could not be stored, and until when nobody waits for the next one.
    """

    def __init__(self, budget: int, purges: Purges, words: memoryview, offset: Callable[[], int] = lambda: 0) -> None:
        """`offset`: nanoseconds that a test moved the time by."""
        self.store = MemoryStore(budget, purges)
        self.purges = purges
        self.flights: dict[bytes, Fetch] = {}
        self.background = 0
        self._offset = offset
        self._words = words
        self._passes: OrderedDict[bytes, float] = OrderedDict()

    @classmethod
    def alone(cls, words: memoryview) -> WorkerCache:
        """For a worker that shares nothing."""
        return cls(BUDGET, Purges.alone(), words)

    def now(self) -> float:
        """Seconds since 1970, by the clock that a test may move."""
        return time.time() + self._offset() / 1e9

    def count(self, what: str) -> None:
        self._words[_AT[what]] += 1

    def publish(self) -> None:
        """Once a tick."""
        store, words = self.store, self._words
        for what, value in (("bytes", store.bytes), ("entries", len(store)), ("evictions", store.evictions)):
            words[_AT[what]] = value

    def passes(self, key: bytes) -> bool:
        """Whether the last answer under a key could not be stored, a moment ago."""
        until = self._passes.get(key)
        return until is not None and until > time.monotonic()

    def let_pass(self, key: bytes) -> None:
        self._passes[key] = time.monotonic() + _PASS_SECONDS
        self._passes.move_to_end(key)
        if len(self._passes) > _PASSES:
            self._passes.popitem(last=False)
