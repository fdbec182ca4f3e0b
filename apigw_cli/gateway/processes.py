"""A worker as the supervisor sees it: started, told to prepare and commit, drained, gone."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from typing import Protocol

import msgspec

from apigw_cli.gateway import control
from apigw_cli.gateway.accesslog import AccessLog
from apigw_cli.gateway.control import Commit, Drain, Prepare, Refused, Reply
from apigw_cli.gateway.limiting import Limiting
from apigw_cli.gateway.metrics import WorkerCells
from apigw_cli.gateway.shared import Shared
from apigw_cli.gateway.worker import Inherited, Worker

REPLY_SECONDS = 60.0  # a worker that says nothing for so long is killed, and another takes its place


class Gone(Exception):
    """The worker ended before it answered."""


class Handle(Protocol):
    """One worker."""

    index: int
    started: float

    async def prepare(self, order: Prepare) -> Refused | None:
        """Returns why the worker cannot serve it, or None. Raises Gone."""

    async def commit(self, order: Commit) -> None:
        """Raises Gone."""

    async def wait(self) -> str:
        """Until the worker has ended; says how."""

    async def drain(self, seconds: float) -> None:
        """Let it finish, at most so long; it is gone afterwards."""

    def kill(self) -> None:
        """End it now."""


class ProcessHandle:
    """A worker in a process of its own."""

    def __init__(
        self,
        index: int,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.index = index
        self.started = time.monotonic()
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, index: int, listener: socket.socket, shared: Shared) -> ProcessHandle:
        """Start a worker on `listener`."""
        ours, theirs = socket.socketpair()
        descriptors = (listener.fileno(), theirs.fileno(), *_memory(shared))
        doors = shared.doors.descriptors(index) if shared.doors is not None else None
        cache = shared.cache.descriptors
        inherited = Inherited(index, *descriptors, shared.log, shared.log_share, doors, cache)
        passed = (*descriptors, *cache.all(), shared.log, *(doors.all() if doors is not None else ()))
        process = await _spawn(inherited, [d for d in passed if d > 2])
        theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(index, process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def prepare(self, order: Prepare) -> Refused | None:
        reply = await self._ask(order)
        return reply if isinstance(reply, Refused) else None

    async def commit(self, order: Commit) -> None:
        await self._ask(order)

    async def _ask(self, order: Prepare | Commit) -> Reply:
        try:
            control.send(self._writer, order)
            await self._writer.drain()
            async with asyncio.timeout(REPLY_SECONDS):
                reply = await control.receive_reply(self._reader)
        except (OSError, TimeoutError):
            reply = None
        if reply is None:
            self.kill()
            raise Gone
        return reply

    async def wait(self) -> str:
        code = await self._process.wait()
        self._writer.close()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    async def drain(self, seconds: float) -> None:
        try:
            control.send(self._writer, Drain(seconds))
        except OSError:
            pass
        try:
            async with asyncio.timeout(seconds + 2):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._writer.close()

    def kill(self) -> None:
        if self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                pass


def _memory(shared: Shared) -> tuple[int, int, int, int, int, int]:
    limits, quotas = (getattr(store, "fd", -1) for store in (shared.limits, shared.quotas))
    return shared.inflight.fd, limits, shared.metrics.fd, quotas, shared.slots.fd, shared.clock.fd


async def _spawn(inherited: Inherited, descriptors: list[int]) -> asyncio.subprocess.Process:
    """Start the process in a group of its own: a Ctrl-C is the supervisor's to hear, which then lets it drain."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "apigw_cli.gateway.worker",
        msgspec.json.encode(inherited).decode(),
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=descriptors,
        process_group=0,
    )


class LocalHandle:
    """The only worker, inside the supervisor's own event loop."""

    def __init__(self, listener: socket.socket, shared: Shared) -> None:
        self.index = 0
        self.started = time.monotonic()
        log = AccessLog(shared.log, shared.log_share) if shared.log >= 0 else None
        limiting = Limiting(shared.limits, shared.quotas, shared.slots, shared.clock)
        cells, cache = WorkerCells(shared.metrics, 0), shared.cache.of_worker(0)
        self._worker = Worker(listener, shared.inflight, limiting, cells, log, cache)
        self._ended = asyncio.Event()

    async def prepare(self, order: Prepare) -> Refused | None:
        reply = await self._worker.prepare(order)
        return reply if isinstance(reply, Refused) else None

    async def commit(self, order: Commit) -> None:
        await self._worker.commit(order)

    async def wait(self) -> str:
        await self._ended.wait()
        return "ended"

    async def drain(self, seconds: float) -> None:
        await self._worker.drain(seconds)
        self._ended.set()

    def kill(self) -> None:
        self._ended.set()
