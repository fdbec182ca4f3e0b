"""The supervisor's part of handing connections over (`handover.py` has the model): a door each, and who stands in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import msgspec

from apigw_cli.limits.memory import WORD, SharedMemory

AWAY = 1 << 40  # more connections than anybody has
LINE = 64 // WORD  # words a cache line: each worker's count has one to itself
_TICK = 0.1  # seconds between two looks whether a worker is there again


class Descriptors(msgspec.Struct, frozen=True):
    """What a worker inherits."""

    memory: int
    own: int
    doors: list[int]

    def all(self) -> list[int]:
        return [self.memory, self.own, *self.doors]


class Doors:
    """The supervisor's part: a door for each worker, with an end to take from and one to hand to."""

    def __init__(self, workers: int) -> None:
        self._memory = SharedMemory.create(workers * LINE * WORD)
        self._pairs = [socket.socketpair() for _ in range(workers)]
        for number, pair in enumerate(self._pairs):
            self.away(number)
            for end in pair:
                end.setblocking(False)

    @classmethod
    def create(cls, workers: int) -> Doors | None:
        """None where nothing can be handed over. Raises OSError."""
        return cls(workers) if workers > 1 and hasattr(socket, "send_fds") else None

    def away(self, worker: int) -> None:
        """Nobody shall hand it anything: it has died, or is not there yet."""
        self._memory.words[worker * LINE] = AWAY

    def descriptors(self, worker: int) -> Descriptors:
        doors = [hand.fileno() for _, hand in self._pairs]
        return Descriptors(self._memory.fd, self._pairs[worker][0].fileno(), doors)

    def least(self) -> int | None:
        """The worker with the fewest connections; None where none is there."""
        counts = self._counts().tolist()  # at one moment: workers change them all the time
        least = min(counts)
        return counts.index(least) if least < AWAY else None

    def hand(self, connection: socket.socket, worker: int) -> None:
        """Let that worker have it, and close it here. Raises OSError where its door takes no more."""
        with connection:
            socket.send_fds(self._pairs[worker][1], [b"\0"], [connection.fileno()])
        self._counts()[worker] += 1

    def waiting(self, worker: int) -> socket.socket:
        """Where to take what waits at its door, in its place."""
        return self._pairs[worker][0]

    def _counts(self) -> memoryview:
        return self._memory.words[: len(self._pairs) * LINE : LINE]

    def close(self) -> None:
        for pair in self._pairs:
            for end in pair:
                end.close()


class Diversion:
    """What comes to a dead worker's listening socket, or was handed to it last, goes to the others, until `end`."""

    def __init__(self, doors: Doors, worker: int, listener: socket.socket) -> None:
        self._doors = doors
        self._sources = {listener: self._accept, doors.waiting(worker): self._taken}
        self._listener = listener
        self._door = doors.waiting(worker)
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        self._again = None
        for source, take in self._sources.items():
            self._loop.add_reader(source.fileno(), self._divert, take)

    def _divert(self, take: Callable[[], socket.socket]) -> None:
        other = self._doors.least()
        if other is None:  # no worker at all: who comes waits
            self._stop()
            self._again = self._loop.call_later(_TICK, self._begin)
            return
        try:
            self._doors.hand(take(), other)
        except OSError:  # the client has gone again; or its connection cannot be handed over and was closed
            pass

    def _accept(self) -> socket.socket:
        return self._listener.accept()[0]

    def _taken(self) -> socket.socket:
        return socket.socket(fileno=socket.recv_fds(self._door, 1, 1)[1][0])

    def _stop(self) -> None:
        for source in self._sources:
            self._loop.remove_reader(source.fileno())

    def end(self) -> None:
        self._stop()
        if self._again is not None:
            self._again.cancel()
