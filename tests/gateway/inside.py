"""A worker inside the test's own event loop: for what would take too long, or cannot be seen, from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson

from apigw_cli.gateway import metrics, sockets
from apigw_cli.gateway.control import Cells, Commit, Prepare, Prepared, Refused
from apigw_cli.gateway.limiting import Limiting
from apigw_cli.gateway.metrics import Layout, WorkerCells
from apigw_cli.gateway.worker import Worker
from apigw_cli.limits.clock import Clock
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import MemoryStore
from apigw_cli.snapshot.model import (
    Api,
    HttpIntegration,
    MockIntegration,
    Route,
    Snapshot,
    Timeout,
    Upstream,
)
from apigw_cli.snapshot.schemes import ApiKeys

DOCUMENT = {"paths": {"/mock": {"post": {"responses": {"200": {"description": "ok"}}}}}}
Result = TypeVar("Result")


def snapshot(target: str, *, keys: bool = False) -> Snapshot:
    """Two routes: `POST /mock`, and `GET /up` to `target`."""
    auth = {"auth": {"alternatives": [["Key"]]}} if keys else {}
    routes = (
        Route("api", "mock", "POST", "/mock", (), MockIntegration("spec", ("paths", "/mock", "post")), {}),
        Route("api", "up", "GET", "/up", (), HttpIntegration("up"), auth),
    )
    upstream = Upstream("up", (target,), "round_robin", Timeout(1, 5, 5))
    scheme = ApiKeys("Key", "header", "X-Api-Key", ("file:keys.yaml",))
    documents: Any = {"spec": orjson.dumps(DOCUMENT)}
    return Snapshot(
        1, "test", (Api("api", "http", "spec", (), "", "t"),), routes, {"up": upstream}, {"Key": scheme}, documents
    )


def encoded(one: Snapshot) -> bytes:
    import msgspec

    documents = {name: msgspec.Raw(data) for name, data in one.documents.items()}
    return msgspec.structs.replace(one, documents=documents).encode()


class Inside:
    """A serving worker and its port."""

    def __init__(self, worker: Worker, port: int) -> None:
        self.worker = worker
        self.port = port
        self.layout = Layout()
        self._generation = 0

    async def serve(self, one: Snapshot, keys: bytes = b"") -> Refused | None:
        """Prepare and commit. Returns why it was refused."""
        self._generation += 1
        cells: list[Cells] = [
            (self.layout.histogram(r.api, r.operation), self.layout.route(r.api, r.operation)) for r in one.routes
        ]
        reference = "file:keys.yaml"
        order = Prepare(self._generation, encoded(one), {reference: keys}, {reference: "keys.yaml"}, cells)
        reply = await self.worker.prepare(order)
        if isinstance(reply, Prepared):
            await self.worker.commit(Commit(self._generation))
            return None
        return reply


@asynccontextmanager
async def inside() -> AsyncIterator[Inside]:
    listener = sockets.bind("127.0.0.1", 0, 1)[0]
    limiting = Limiting(MemoryStore(1024), MemoryStore(1024), Slots.create(1, 100), Clock())
    worker = Worker(listener, InFlight.create(1, 100), limiting, WorkerCells(metrics.create(1), 0), None)
    yield Inside(worker, listener.getsockname()[1])
    await worker.drain(1)


def beside(test: Callable[[], Result]) -> Any:
    """Run the blocking client side of a test in a thread."""
    return asyncio.to_thread(test)


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        await asyncio.sleep(0.01)
