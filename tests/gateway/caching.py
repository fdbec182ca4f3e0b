"""A worker with a cache, an origin that does as it is told, and clients, in one event loop; time as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.caching.memory import CacheMemory
from apigw_cli.gateway import metrics, sockets
from apigw_cli.gateway.limiting import Limiting
from apigw_cli.gateway.metrics import WorkerCells
from apigw_cli.gateway.worker import Worker
from apigw_cli.limits.clock import Clock
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import MemoryStore
from apigw_cli.snapshot.model import Api, HttpIntegration, Route, Snapshot, Timeout, Upstream
from tests.gateway.inside import Inside

Fields = dict[str, str]


class MovedClock(Clock):
    """Time that a test moves on."""

    seconds = 0.0

    def offset(self) -> int:
        return int(self.seconds * 1e9)


@dataclass
class Seen:
    """A request that came to the origin."""

    method: str
    target: str
    fields: Fields


@dataclass
class Reply:
    """What the origin says. `raw`: these very bytes, then the connection's end. `wait`: until then it is silent."""

    fields: Fields = field(default_factory=dict)
    body: bytes = b"hello"
    status: int = 200
    raw: bytes | None = None
    wait: Awaitable[Any] | None = None

    def data(self) -> bytes:
        if self.raw is not None:
            return self.raw
        length = {} if self.status in (204, 304) else {"Content-Length": str(len(self.body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**self.fields, **length}.items())
        body = b"" if self.status in (204, 304) else self.body
        return f"HTTP/1.1 {self.status} X\r\n{lines}\r\n".encode() + body


class Origin:
    """Answers with what `script` gives for a request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: Callable[[Seen], Reply] = lambda seen: Reply({"Cache-Control": "max-age=60"})
        self.port = 0

    def says(self, *replies: Reply) -> None:
        """One after the other; the last one again and again."""
        left = list(replies)
        self.script = lambda seen: left.pop(0) if len(left) > 1 else left[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                pairs = (line.partition(":") for line in lines)
                fields = {name.lower(): value.strip() for name, _, value in pairs}
                if "content-length" in fields:
                    await reader.readexactly(int(fields["content-length"]))
                method, target, _ = first.split(" ")
                self.seen.append(Seen(method, target, fields))
                reply = self.script(self.seen[-1])
                if reply.wait is not None:
                    await reply.wait
                data = reply.data()
                if method == "HEAD":
                    data = data[: data.index(b"\r\n\r\n") + 4]
                writer.write(data)
                await writer.drain()
                if reply.raw is not None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class Got:
    """What a client got. `whole` False: the connection ended before the body did."""

    status: int
    fields: Fields
    body: bytes
    whole: bool = True

    @property
    def cache(self) -> str:
        return self.fields.get("cache-status", "")


@dataclass
class Bench:
    inside: Inside
    origin: Origin
    clock: MovedClock
    policy: dict[str, Any]

    @property
    def cache(self) -> Any:
        return self.inside.worker.site.cache

    def snapshot(self, policy: dict[str, Any], auth: bool = False) -> Snapshot:
        integration = HttpIntegration("up")
        routes = [
            Route("api", "any", "GET", "/{path+}", (), integration, {"cache": policy}),
            Route("api", "head", "HEAD", "/{path+}", (), integration, {"cache": policy}),
            Route("api", "plain", "GET", "/plain/{path+}", (), integration, {}),
            *(Route("api", m, m, "/{path+}", (), integration, {}) for m in ("POST", "PUT", "DELETE")),
        ]
        upstream = Upstream("up", (f"http://127.0.0.1:{self.origin.port}",), "round_robin", Timeout(1, 5, 5))
        apis = (Api("api", "http", "spec", (), "", "t"),)
        return Snapshot(1, "test", apis, tuple(routes), {"up": upstream}, {}, {})

    async def configure(self, **policy: Any) -> None:
        assert await self.inside.serve(self.snapshot(policy)) is None

    async def ask(self, target: str = "/a", method: str = "GET", version: str = "1.1", **fields: str) -> Got:
        """One request on a connection of its own; `if_none_match="x"` is the header If-None-Match."""
        names = {name.replace("_", "-").title(): value for name, value in fields.items()}
        lines = "".join(f"{n}: {v}\r\n" for n, v in {"Host": "api.test", "Connection": "close", **names}.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", self.inside.port)
        writer.write(f"{method} {target} HTTP/{version}\r\n{lines}\r\n".encode("latin-1"))
        try:
            data = await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            data = b""
        finally:
            writer.close()
        return parse(data, method)


def parse(data: bytes, method: str) -> Got:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields: Fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        low = name.lower()
        fields[low] = f"{fields[low]}, {value.strip()}" if low in fields else value.strip()
    status = int(first.split(" ")[1]) if first else 0
    if method == "HEAD" or status in (204, 304):
        return Got(status, fields, body)
    if fields.get("transfer-encoding") == "chunked":
        whole, body = body.endswith(b"0\r\n\r\n"), _dechunked(body)
        return Got(status, fields, body, whole)
    return Got(status, fields, body, len(body) == int(fields.get("content-length", len(body))))


def _dechunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        body += data[:length]
        data = data[length + 2 :]
        if not length:
            break
    return body


@asynccontextmanager
async def bench(budget: int = 1 << 20, **policy: Any) -> AsyncIterator[Bench]:
    """`policy`: the value of `cache` of every GET and HEAD route."""
    origin, clock = Origin(), MovedClock()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    origin.port = server.sockets[0].getsockname()[1]
    listener = sockets.bind("127.0.0.1", 0, 1)[0]
    limiting = Limiting(MemoryStore(1024), MemoryStore(1024), Slots.create(1, 100), clock)
    cells = WorkerCells(metrics.create(1), 0)
    worker = Worker(listener, InFlight.create(1, 200), limiting, cells, None, CacheMemory.alone(budget))
    one = Bench(Inside(worker, listener.getsockname()[1]), origin, clock, policy)
    await one.configure(**policy)
    try:
        yield one
    finally:
        await worker.drain(1)
        server.close()
