"""A new connection goes to the worker that has the fewest.

The kernel spreads connections over listening sockets by a hash of their addresses: evenly when there are many, by
chance when there are few, and a connection stays where it is for as long as it lives. So a worker that is offered one
looks at how many each has, in memory that all share, and where another has fewer, sends it the descriptor (SCM_RIGHTS)
through that worker's door and forgets it: not a byte of it has been read. Who is handed one keeps it.

| word of a worker | is written by | when |
|---|---|---|
| its connections | itself | one comes or goes; at each tick the true number, unless some wait at its door |
| | another | +1 with each that it hands over |
| `AWAY` | the supervisor | from the worker's death until its successor listens |

Two that write at once may lose one of their counts: that is why the words are a hint, put right at each tick, and never
a limit. The doors belong to the supervisor: what waits at a killed worker's is not lost. A door that
takes no more, or a kernel that refuses, means: keep the connection. Under TLS connections stay where the kernel put
them, since a handshake cannot be handed over.

While a worker is dead the supervisor accepts at its listening socket and takes from its door, and hands what comes to
the others (`doors.Diversion`): nobody waits for the successor.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from apigw_cli.gateway.connection import ClientConnection
from apigw_cli.gateway.doors import AWAY, LINE, Descriptors
from apigw_cli.gateway.site import TICK, Site
from apigw_cli.gateway.tls import HANDSHAKE_SECONDS, Listening
from apigw_cli.limits.memory import SharedMemory

_SLACK = 8  # one part in so many is no reason to hand over: exact when there are few, cheap when there are many


class Handover:
    """A worker's part."""

    def __init__(self, inherited: Descriptors, worker: int, site: Site) -> None:
        self.site = site
        self._memory = SharedMemory.attach(inherited.memory)
        self._own = worker
        self._counts = self._memory.words[: len(inherited.doors) * LINE : LINE]
        self._door = socket.socket(fileno=inherited.own)
        self._doors = [socket.socket(fileno=number) for number in inherited.doors]
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = site.loop
        self._ticker: asyncio.TimerHandle | None = None
        self._listening: Listening | None = None

    def offered(self) -> ClientConnection:
        """The protocol of a connection that the kernel gave to this worker."""
        return Offered(self)

    # --- giving

    def give(self, transport: asyncio.BaseTransport) -> bool:
        """Hand a connection that has just come to a worker with fewer. False: there is none, or it cannot be."""
        counts = self._counts.tolist()  # at one moment: others change them all the time
        mine = counts[self._own]
        least = min(counts)
        if least >= mine - mine // _SLACK:
            return False
        other = counts.index(least)
        try:
            socket.send_fds(self._doors[other], [b"\0"], [transport.get_extra_info("socket").fileno()])
        except OSError:  # its door is full, or too many descriptors are under way
            return False
        self._counts[other] += 1
        return True

    def came(self) -> None:
        self._counts[self._own] += 1

    def went(self) -> None:
        if self._counts[self._own]:
            self._counts[self._own] -= 1

    # --- taking

    def open(self, listening: Listening | None) -> None:
        """Take what is handed over from here on, with these settings of TLS."""
        self._listening = listening
        if self._ticker is None:
            self._counts[self._own] = 0
            self._loop.add_reader(self._door.fileno(), self._take)
            self._tick()

    def _take(self) -> None:
        while True:
            try:
                word, descriptors, _, _ = socket.recv_fds(self._door, 1, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
            except BlockingIOError:
                return
            if not word:  # the supervisor is gone, and this worker is about to drain
                self._loop.remove_reader(self._door.fileno())
                return
            for descriptor in descriptors:
                task = self._loop.create_task(self._serve(socket.socket(fileno=descriptor)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        listening = self._listening
        settings: dict[str, Any] = {}
        if listening is not None:
            settings = {"ssl": listening.context, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        authorities = listening.authorities if listening is not None else ""
        try:
            await self._loop.connect_accepted_socket(lambda: Counted(self, authorities), connection, **settings)
        except OSError:  # it has gone meanwhile, or its handshake failed
            connection.close()

    def _tick(self) -> None:
        """Put right how many connections this worker has, unless some are still on their way to it."""
        self._ticker = self._loop.call_later(TICK, self._tick)
        if self._tasks:
            return
        try:
            self._door.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._counts[self._own] = len(self.site.connections) + len(self.site.tunnels)

    def close(self) -> None:
        """Give and take no more. What waits at the door is lost with it, as at the listening sockets."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._loop.remove_reader(self._door.fileno())
        self._counts[self._own] = AWAY
        for one in (self._door, *self._doors):
            one.close()


class Counted(ClientConnection):
    """A connection that stays where it is."""

    __slots__ = ("_handover",)

    def __init__(self, handover: Handover, authorities: str = "") -> None:
        super().__init__(handover.site, authorities)
        self._handover = handover

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.site.draining:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.site.connections:
            self._handover.went()
        super().connection_lost(error)


class Offered(Counted):
    """A connection that another worker may get."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._handover.give(transport):
            self.transport = transport  # type: ignore[assignment]
            self.transport.abort()  # which closes our descriptor: the connection lives on behind the other
            return
        self._handover.came()
        super().connection_made(transport)
