"""A worker: one event loop that serves what the supervisor tells it to. `python -m apigw_cli.gateway.worker` is one.

It inherits the descriptors of its listening socket, of the control socket and of the memory that all workers share,
and learns their numbers from its one argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.caching import memory
from apigw_cli.caching.memory import CacheMemory
from apigw_cli.errors import InputError
from apigw_cli.gateway import control, tls, tracing
from apigw_cli.gateway.accesslog import AccessLog
from apigw_cli.gateway.connection import ClientConnection
from apigw_cli.gateway.control import Commit, Committed, Drain, Prepare, Prepared, Refused
from apigw_cli.gateway.doors import Descriptors
from apigw_cli.gateway.handover import Handover
from apigw_cli.gateway.limiting import Limiting
from apigw_cli.gateway.metrics import WorkerCells
from apigw_cli.gateway.site import Site
from apigw_cli.gateway.table import Table
from apigw_cli.gateway.tls import HANDSHAKE_SECONDS, Listening
from apigw_cli.limits.clock import Clock, TestClock
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.kept import KeptStore
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import MemoryStore, SharedStore
from apigw_cli.policies.services import Services
from apigw_cli.snapshot import model

BACKLOG = 4096
ORPHANED_SECONDS = 10.0  # what requests in flight get when the supervisor is gone
_SWITCH_SECONDS = 0.0005  # a Snapshot is made ready in a thread: requests wait no longer for their turn


class Inherited(msgspec.Struct, frozen=True):
    """A worker's number and the descriptors that it was started with; `clock` and `log` are -1 for none."""

    index: int
    listen: int
    control: int
    inflight: int
    limits: int
    metrics: int
    quotas: int
    slots: int
    clock: int
    log: int
    log_share: float = 1
    doors: Descriptors | None = None  # none where there is no other worker
    cache: memory.Descriptors | None = None


class Worker:
    """Serves one listening socket by the Snapshot that was committed last."""

    def __init__(
        self,
        listener: socket.socket,
        inflight: InFlight,
        limiting: Limiting,
        cells: WorkerCells,
        log: AccessLog | None,
        cache: CacheMemory | None = None,
    ) -> None:
        self._listener = listener
        self._limiting = limiting
        self._log = log
        self._services = Services()
        self._prepared: tuple[int, Table, Listening | None, Services] | None = None
        self._fingerprint = ""  # of the TLS settings that new connections are served with
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self.site = Site(self._loop, inflight, cells, log, cache, limiting.clock.offset)
        self.handover: Handover | None = None
        if tracing.is_on():
            self.site.export = tracing.Export()

    async def prepare(self, order: Prepare) -> Prepared | Refused:
        """Make a Snapshot ready beside the one that is served."""
        if self._prepared is not None:  # another worker refused it
            self._prepared[3].abandoned()
            self._prepared = None
        services = self._services.successor()
        try:
            table, listening = await asyncio.to_thread(self._build, order, services)
        except InputError as error:
            services.abandoned()
            return Refused.of(order.generation, error)
        self._prepared = (order.generation, table, listening, services)
        return Prepared(order.generation)

    def _build(self, order: Prepare, services: Services) -> tuple[Table, Listening | None]:
        snapshot = model.decode(order.snapshot)
        secret, label = order.secrets.__getitem__, order.labels.__getitem__
        runtime = self._limiting.runtime(snapshot, secret, label, services, Path(order.root))
        listening = tls.of_listener(snapshot.listen, runtime.secret, runtime.label)
        table = Table(snapshot, self.site, runtime, order.cells, order.targets)
        canary = order.canary
        if canary is not None:
            beside = model.decode(canary.snapshot)
            runtime = self._limiting.runtime(beside, secret, label, services, Path(order.root))
            other = Table(beside, self.site, runtime, canary.cells, canary.targets, table.upstreams)
            table.share_with(other, canary)
        return table, listening

    async def commit(self, order: Commit) -> Committed:
        """Serve what was prepared."""
        assert self._prepared is not None
        assert self._prepared[0] == order.generation
        _, table, listening, services = self._prepared
        self.site.swap(table)
        self._prepared = None
        self._services = services
        services.committed()
        if self._server is None:
            self.site.start()
        fingerprint = listening.fingerprint if listening is not None else ""
        if self._server is None or fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            await self._listen(listening)
            self.site.trust(listening.authorities if listening is not None else "")
        return Committed(order.generation)

    async def _listen(self, listening: Listening | None) -> None:
        """Take connections from here on with these settings; those that are open keep theirs.

        Each server has its own descriptor of the one socket, so that none that waits there is lost between two.
        """
        before = self._server
        settings: dict[str, Any] = {"sock": self._listener.dup(), "backlog": BACKLOG}
        if listening is not None:
            settings |= {"ssl": listening.context, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        create: Callable[..., Any] = self._loop.create_server
        if self._listener.family == getattr(socket, "AF_UNIX", None):
            create = self._loop.create_unix_server
            if sys.version_info >= (3, 13) and isinstance(self._loop, asyncio.SelectorEventLoop):
                settings["cleanup_socket"] = False  # the path is the supervisor's to take away
        begin: Callable[[], ClientConnection] = partial(
            ClientConnection, self.site, listening.authorities if listening is not None else ""
        )
        if self.handover is not None and listening is None:
            begin = self.handover.offered
        self._server = await create(begin, **settings)
        if before is not None:
            before.close()
        if self.handover is not None:
            self.handover.open(listening)

    async def drain(self, seconds: float) -> None:
        """Take no more connections, answer what is in flight for at most `seconds`, then close everything."""
        if self._server is not None:
            self._server.close()
        self._listener.close()
        if self.handover is not None:
            self.handover.close()
        self.site.drain()
        deadline = self._loop.time() + seconds
        while (self.site.connections or self.site.tunnels) and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
        for tunnel in list(self.site.tunnels):
            tunnel.cut("drained")
        for connection in list(self.site.connections):
            connection.transport.abort()
        self.site.stop()
        self._services.close()
        for _ in range(10):  # turns of the loop, in which the connections close
            await asyncio.sleep(0)
        if self._log is not None:
            self._log.close()
        if self.site.export is not None:
            await asyncio.to_thread(self.site.export.close)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop, or asyncio's own where uvloop has no build."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = new_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _serve(inherited: Inherited) -> None:
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    worker = _assemble(inherited)
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=inherited.control))
    orders = asyncio.ensure_future(_obey(worker, reader, writer))
    ended = asyncio.ensure_future(terminated.wait())
    await asyncio.wait((orders, ended), return_when=asyncio.FIRST_COMPLETED)
    seconds = orders.result() if orders.done() else ORPHANED_SECONDS
    for task in (orders, ended):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await worker.drain(seconds)
    writer.close()


async def _obey(worker: Worker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """Do what the supervisor orders until it says to drain, or is gone. Returns how long draining may take."""
    while True:
        order = await control.receive_order(reader)
        match order:
            case None:
                return ORPHANED_SECONDS
            case Prepare():
                control.send(writer, await worker.prepare(order))
            case Commit():
                control.send(writer, await worker.commit(order))
            case Drain():
                return order.seconds


def _assemble(inherited: Inherited) -> Worker:
    listener = socket.socket(fileno=inherited.listen)
    inflight = InFlight.attach(inherited.inflight, inherited.index)
    limiting = Limiting(
        (MemoryStore if inflight.alone else SharedStore).attach(inherited.limits),
        KeptStore.attach(inherited.quotas),
        Slots.attach(inherited.slots, inherited.index),
        TestClock.attach(inherited.clock) if inherited.clock >= 0 else Clock(),
    )
    cells = WorkerCells(SharedMemory.attach(inherited.metrics), inherited.index)
    log = AccessLog(inherited.log, inherited.log_share) if inherited.log >= 0 else None
    cache = CacheMemory.attach(inherited.cache, inherited.index) if inherited.cache is not None else None
    worker = Worker(listener, inflight, limiting, cells, log, cache)
    if inherited.doors is not None:
        worker.handover = Handover(inherited.doors, inherited.index, worker.site)
    return worker


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # they mean the supervisor, which says what is to be done
        signal.signal(number, signal.SIG_IGN)
    inherited = msgspec.json.decode(sys.argv[1], type=Inherited)
    shared = (inherited.inflight, inherited.limits, inherited.metrics, inherited.quotas, inherited.slots)
    own = (inherited.listen, inherited.control, *shared, inherited.clock)
    cache = inherited.cache.all() if inherited.cache is not None else ()
    for descriptor in (*own, *cache, *(inherited.doors.all() if inherited.doors is not None else ())):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    sys.setswitchinterval(_SWITCH_SECONDS)
    run(lambda: _serve(inherited))


if __name__ == "__main__":
    main()
