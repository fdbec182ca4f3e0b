"""A store that is somewhere else: Redis, or a limiter of its own. What every such store needs, once.

Requests of a worker that ask while a question is on its way are asked together in the next one: one round trip at a
time, each with up to BATCH of them. At most WAITING wait; whoever comes then is told that the store is unavailable.

    state  | on                                     | goes to
    up     | a question fails or takes too long      | down: all that wait are told at once
    down   | somebody asks                          | down: told at once, nobody waits for a timeout
    down   | a probe, after 0.1 s and then ever later (at most 5 s), is answered | up
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from apigw_cli.limits.bucket import Decision
from apigw_cli.limits.table import Charge

BATCH = 128
WAITING = 4096
_FIRST_PROBE, _LAST_PROBE = 0.1, 5.0  # seconds


class Unavailable(Exception):
    """The store did not decide. The message names no address and no credential."""


class Transport(Protocol):
    """The way to one store. Whatever it raises means that the store is down."""

    async def decide(self, questions: Sequence[Sequence[Charge]]) -> list[list[Decision]]:
        """Each question is several charges, of which all are made or none."""

    async def probe(self) -> None:
        """Return where the store is well again."""

    async def close(self) -> None: ...


class Remote:
    """A service of the worker (`policies.services`)."""

    def __init__(self, transport: Transport, timeout: float) -> None:
        """`timeout`: seconds for one round trip."""
        self._transport = transport
        self._timeout = timeout
        self._waiting: deque[tuple[Sequence[Charge], asyncio.Future[list[Decision]]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.down = False
        self.failures = 0

    async def take_all(self, charges: Sequence[Charge]) -> list[Decision]:
        """Ask several limits at once: all are charged, or none. Raises Unavailable."""
        if self.down or len(self._waiting) >= WAITING:
            raise Unavailable
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Decision]] = loop.create_future()
        self._waiting.append((charges, future))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                count = min(BATCH, len(self._waiting))
                await self._ask([self._waiting.popleft() for _ in range(count)])
                if self.down:
                    await self._recover()
        finally:
            self._task = None

    async def _ask(self, batch: list[tuple[Sequence[Charge], asyncio.Future[list[Decision]]]]) -> None:
        batch = [one for one in batch if not one[1].done()]  # whose client has left is not charged
        if not batch:
            return
        try:
            async with asyncio.timeout(self._timeout):
                decided = await self._transport.decide([charges for charges, _ in batch])
            if len(decided) != len(batch) or any(len(d) != len(c) for d, (c, _) in zip(decided, batch, strict=True)):
                raise ValueError("as many decisions as charges")
        except Exception:  # of the network, the client library, or an answer that makes no sense: all the same here
            self._fail(batch)
            return
        for (_, future), decisions in zip(batch, decided, strict=True):
            if not future.done():
                future.set_result(decisions)

    def _fail(self, batch: list[tuple[Sequence[Charge], asyncio.Future[list[Decision]]]]) -> None:
        self.down = True
        self.failures += 1
        for _, future in (*batch, *self._waiting):
            if not future.done():
                future.set_exception(Unavailable())
        self._waiting.clear()

    async def _recover(self) -> None:
        pause = _FIRST_PROBE
        while self.down:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(max(self._timeout, 1.0)):
                    await self._transport.probe()
                self.down = False
            except Exception:
                pause = min(2 * pause, _LAST_PROBE)

    def close(self) -> None:
        """No Snapshot needs it any more; whoever still waits is told."""
        if self._task is not None:
            self._task.cancel()
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(Unavailable())
        self._waiting.clear()
        try:
            self._closing = asyncio.get_running_loop().create_task(self._transport.close())
        except RuntimeError:  # it was made and never used
            pass
