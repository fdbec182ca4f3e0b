"""What all cached routes of a worker share: the stored answers, what is being fetched, counters, the time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from apigw_cli.caching.leases import PASS_SECONDS
from apigw_cli.caching.memory import CacheMemory
from apigw_cli.gateway.following import LOOK, Following
from apigw_cli.gateway.metrics import CACHE, CACHE_WORDS

if TYPE_CHECKING:
    from apigw_cli.gateway.fetch import Fetch

BACKGROUND = 256  # fetches behind a client's back
_ALONE = 1 << 20  # bytes for a worker that was given no memory
_PASSES = 4096
_AT = {what: CACHE + index for index, what in enumerate(CACHE_WORDS)}


class WorkerCache:
    """`flights`: by key the fetch that others may wait for, here or in another worker. `words`: the worker's counters.

    `leases`: what other workers fetch; None where there are none. `passes`: keys whose last answer could not be stored,
    and until when nobody waits for the next one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        memory: CacheMemory | None,
        words: memoryview,
        offset: Callable[[], int] = lambda: 0,
    ) -> None:
        """`memory` None: it shares nothing. `offset`: nanoseconds that a test moved the time by."""
        memory = memory if memory is not None else CacheMemory.alone(_ALONE)
        self.store = memory.store()
        self.purges = memory.purges
        self.leases = memory.leases
        self.flights: dict[bytes, Fetch | Following] = {}
        self.background = 0
        self._following: set[Following] = set()
        self._look: asyncio.TimerHandle | None = None
        self._loop = loop
        self._offset = offset
        self._words = words
        self._passes: OrderedDict[bytes, float] = OrderedDict()

    def now(self) -> float:
        """Seconds since 1970, by the clock that a test may move."""
        return time.time() + self._offset() / 1e9

    def count(self, what: str) -> None:
        self._words[_AT[what]] += 1

    # --- what is being fetched

    def follow(self, following: Following) -> None:
        """Look, from now on, whether what it waits for is there."""
        self.flights[following.flight] = following
        self._following.add(following)
        if self._look is None:
            self._look = self._loop.call_later(LOOK, self._look_again)

    def _look_again(self) -> None:
        self._look = self._loop.call_later(LOOK, self._look_again)  # first: whatever happens, the next look comes
        for one in list(self._following):
            if one.look():
                self._following.discard(one)
        if not self._following:
            self._look.cancel()
            self._look = None

    def land(self, flight: Fetch | Following) -> bool:
        """Nobody new may wait for it. Says whether anybody might have."""
        if self.flights.get(flight.flight) is not flight:
            return False
        del self.flights[flight.flight]
        return True

    def stop(self) -> None:
        """The worker ends."""
        if self._look is not None:
            self._look.cancel()

    def passes(self, key: bytes) -> bool:
        """Whether the last answer under a key could not be stored, a moment ago."""
        until = self._passes.get(key)
        return until is not None and until > time.monotonic()

    def let_pass(self, key: bytes) -> None:
        self._passes[key] = time.monotonic() + PASS_SECONDS
        self._passes.move_to_end(key)
        if len(self._passes) > _PASSES:
            self._passes.popitem(last=False)
