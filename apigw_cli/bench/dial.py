"""Opening connections, and opening them again."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from functools import partial

from apigw_cli.bench.call import Target

_SIMULTANEOUS = 64  # more at once overflow a server's backlog, and the kernel tries again only after a second
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0


class OutOfFiles(Exception):
    """The process may not open as many connections as were asked for."""


class Dialer:
    """Opens connections to one target.

    `factory` is told when the attempt began (nanoseconds), `failed` of each that came to nothing: kind and text.
    """

    def __init__(
        self,
        target: Target,
        timeout: float,
        factory: Callable[[int], asyncio.Protocol],
        failed: Callable[[str, str], None],
    ) -> None:
        self._target, self._timeout, self._factory, self._failed = target, timeout, factory, failed
        self._gate = asyncio.Semaphore(_SIMULTANEOUS)
        self._tls = target.context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def dial(self, count: int) -> None:
        """Open `count` connections; those that fail are tried again in the background. Raises OutOfFiles."""
        done = await asyncio.gather(*(self._once() for _ in range(count)))
        for _ in range(done.count(False)):
            self.redial(_FIRST_PAUSE)

    def redial(self, pause: float = 0.0) -> None:
        """Open one connection in the background, however often it takes."""
        if not self._closed:
            task = asyncio.get_running_loop().create_task(self._until_open(pause))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Open no more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    async def _until_open(self, pause: float) -> None:
        while not self._closed:
            await asyncio.sleep(pause)
            try:
                if await self._once():
                    return
            except OutOfFiles:
                self._failed("files", "too many open files")
            pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)

    async def _once(self) -> bool:
        target = self._target
        try:
            async with self._gate, asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().create_connection(
                    partial(self._factory, time.monotonic_ns()),
                    target.address or target.host,
                    target.port,
                    ssl=self._tls,
                    server_hostname=target.server_name,
                )
            return True
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise OutOfFiles from None
            self._failed(*kind_of(error))
            return False


def kind_of(error: OSError) -> tuple[str, str]:
    """The class of a failed connection attempt (a key of tally.NETWORK), and the system's words for it."""
    if isinstance(error, ConnectionRefusedError):
        return "refused", "connection refused"
    if isinstance(error, TimeoutError):
        return "timeout", "no connection in time"
    if isinstance(error, ConnectionResetError):
        return "reset", "the server reset the connection"
    if error.errno == errno.EADDRNOTAVAIL:  # connect(2): all ports of the ephemeral range are in use
        return "ports", "cannot assign a local address"
    return "connect", error.strerror or str(error)
