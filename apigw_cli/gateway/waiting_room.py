"""Requests that wait for a place among those in flight: first come, first served, few and not for long.

    arrives ─▶ nobody waits and a place is free? ── yes ─▶ in flight
                  │ no                                        ▲
                  ▼              its turn, a place is free    │
               the queue is full? ── no ─▶ waiting ───────────┘
                  │ yes                       ├─ too long ─▶ 503
                  └─▶ 503                     └─ its client leaves ─▶ gone

Invariants. Never more in flight than `--concurrency`: whoever leaves the queue has entered the shared count. Within
a worker nobody overtakes. Never more wait than `length`, none longer than `time` (exact to a tick). No wake-up is
lost: a place becomes free here (`freed`), or elsewhere, which nobody tells us: so as long as somebody waits, a look
is taken every `LOOK` seconds, whatever else happens; another worker's death needs no care either.

Fairness between workers. A worker whose requests leave could go on for ever with its own queue while another one, that
holds no place, gets none. So each says in shared memory since when its first has waited; who would take a place
while another worker's first has waited longer leaves it to that one, at most once between two looks. A worker that
has died, or that hangs, thus costs a place for `LOOK` seconds at most, and never its existence.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apigw_cli.gateway.connection import ClientConnection
    from apigw_cli.limits.inflight import InFlight

LOOK = 0.005  # seconds


class WaitingRoom:
    """One worker's queue. `queue` holds the connections whose active request waits, with the time of its arrival."""

    __slots__ = ("_clock", "_freed", "_inflight", "_joined", "_look", "_loop", "_turn", "_yielded", "queue")

    def __init__(self, loop: asyncio.AbstractEventLoop, inflight: InFlight, clock: Callable[[], int]) -> None:
        self.queue: OrderedDict[ClientConnection, int] = OrderedDict()
        self._joined = 0  # since somebody asked
        self._loop = loop
        self._inflight = inflight
        self._clock = clock
        self._turn: asyncio.Handle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._freed = 0
        self._yielded = False

    def join(self, connection: ClientConnection, length: int) -> bool:
        """Let the active request of a connection wait, unless so many do already."""
        if len(self.queue) >= length:
            return False
        self.queue[connection] = self._clock()
        self._joined += 1
        if len(self.queue) == 1:
            self._tell()
        if self._look is None:
            self._look = self._loop.call_later(LOOK, self._look_again)
        return True

    def leave(self, connection: ClientConnection) -> None:
        """It waits no more: its client has left, or it has waited too long."""
        if self.queue.pop(connection, None) is not None:
            self._tell()

    def taken(self) -> int:
        """How many have come to wait since the last call."""
        joined, self._joined = self._joined, 0
        return joined

    def freed(self) -> None:
        """A request of this worker has left those in flight: whose turn is it? Decided in the loop's next turn."""
        self._freed += 1
        if self._turn is None:
            self._turn = self._loop.call_soon(self._take_turns)

    def stop(self) -> None:
        """The worker ends."""
        for handle in (self._turn, self._look):
            if handle is not None:
                handle.cancel()

    def _take_turns(self) -> None:
        """Hand on as many places as were freed here, less the one that is left to another worker."""
        self._turn = None
        places, self._freed = self._freed, 0
        if self.queue and not self._yielded and self._another_has_waited_longer():
            self._yielded = True
            places -= 1
        self._admit(places)

    def _look_again(self) -> None:
        self._look = None
        self._yielded = False
        self._admit(len(self.queue))
        if self.queue:
            self._look = self._loop.call_later(LOOK, self._look_again)

    def _admit(self, most: int) -> None:
        queue = self.queue
        while most > 0 and queue and self._inflight.enter():
            most -= 1
            connection, since = queue.popitem(last=False)
            connection.take_turn(self._clock() - since)
        self._tell()

    def _tell(self) -> None:
        self._inflight.tell_waiting(next(iter(self.queue.values())) if self.queue else 0)

    def _another_has_waited_longer(self) -> bool:
        other = self._inflight.others_wait_since()
        return 0 < other < next(iter(self.queue.values()))
