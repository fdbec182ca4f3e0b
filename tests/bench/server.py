"""A small HTTP server in a thread, whose answers a test decides byte by byte; and limiters, right and wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httptools

from apigw_cli.bench import limit as limits
from apigw_cli.limits import rate as rates
from apigw_cli.limits.algorithms import Algorithm, SlidingWindow
from apigw_cli.limits.algorithms import Bucket as BucketLimit
from apigw_cli.limits.algorithms import FixedWindow as FixedWindowLimit
from apigw_cli.limits.bucket import Limit, take

CLOSE, RESET, HANG = b"\0close", b"\0reset", b"\0hang"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Asked:
    """One request: what it says, on which connection (0, 1, …), and when it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    now: int


Handler = Callable[[Asked], bytes]


@dataclass
class Server:
    """`asked` counts the requests; an answer `after` some seconds is sent without blocking the others."""

    handler: Handler
    after: float = 0.0
    asked: int = 0
    last: Asked | None = None
    connections: int = 0
    port: int = 0
    transports: set[Any] = field(default_factory=set)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=512))
    left: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def leave(self) -> None:
        """Stop listening and end every connection. To be called by a handler, or by the server's own loop."""
        if not self.left:
            self.left = True
            asyncio.get_running_loop().remove_reader(self.listener)
            self.listener.close()
        for transport in list(self.transports):
            transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._number = server.connections
        server.connections += 1
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.transports.add(transport)
        if self._server.left:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path, self._body, self._headers = b"", b"", dict[str, str]()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        server = self._server
        server.asked += 1
        method = self._parser.get_method().decode()
        asked = Asked(method, self._path.decode(), self._headers, self._body, self._number, time.monotonic_ns())
        server.last = asked
        answer = server.handler(asked)
        if server.after:
            asyncio.get_running_loop().call_later(server.after, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        if answer == RESET:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        elif answer == HANG or self._transport.is_closing():
            return
        elif answer.startswith(CLOSE):
            self._transport.write(answer.removeprefix(CLOSE))
            self._transport.close()
        else:
            self._transport.write(answer)


class _Door:
    """Accepts connections, and knows of each that no transport answers for yet.

    `asyncio.Server` loses one that it has accepted, but not begun to serve, when it is closed: the socket is left to
    the garbage collector, whose warning fails some later test.
    """

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._accepting: dict[asyncio.Task[None], socket.socket] = {}
        server.listener.setblocking(False)
        server.port = server.listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(server.listener, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                accepted = self._server.listener.accept()[0]
                accepted.setblocking(False)
                task = asyncio.create_task(self._begin(accepted))
                self._accepting[task] = accepted
                task.add_done_callback(self._accepting.pop)

    async def _begin(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # a handshake that fails
            await loop.connect_accepted_socket(lambda: _Connection(self._server), accepted, ssl=self._tls)

    async def close(self) -> None:
        self._server.leave()
        while self._accepting or self._server.transports:
            for accepted in self._accepting.values():
                with contextlib.suppress(OSError):  # gone already
                    accepted.shutdown(socket.SHUT_RDWR)  # which ends a handshake, too
            await asyncio.sleep(0)


@contextlib.contextmanager
def serving(handler: Handler, after: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server on a free port of this machine, until the block ends."""
    server = Server(handler, after)
    started = threading.Event()
    end: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        door = _Door(server, tls)
        end.append(lambda: loop.call_soon_threadsafe(ended.set))
        started.set()
        await ended.wait()
        await door.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield server
    finally:
        end[0]()
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"


def answer(status: int, *headers: str, body: bytes = b"{}") -> bytes:
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


REFUSED = answer(429, "Retry-After: 1")
ADMITTED = answer(200)


class Bucket:
    """A correct limiter for one key: the project's own arithmetic. `shift` adds to the burst that it really has."""

    def __init__(self, rate: str, burst: int) -> None:
        self._limit = Limit("test", rates.parse(rate), burst)
        self._tat = 0

    def __call__(self, asked: Asked) -> bytes:
        self._tat, decision = take(self._limit, self._tat, asked.now)
        return ADMITTED if decision.allowed else REFUSED


class Telling:
    """A correct limiter that tells what remains, with `lie` added; and when to come back, or always `retry_after`."""

    def __init__(self, rate: str, burst: int, *, lie: int = 0, retry_after: str = "") -> None:
        self.rate, self.burst = rate, burst
        self._limit = Limit("test", rates.parse(rate), burst)
        self._lie, self._retry_after = lie, retry_after
        self._tat = 0

    def __call__(self, asked: Asked) -> bytes:
        self._tat, decision = take(self._limit, self._tat, asked.now)
        left = f"X-RateLimit-Remaining: {decision.remaining + self._lie}"
        if decision.allowed:
            return answer(200, left)
        return answer(429, left, f"Retry-After: {self._retry_after or decision.retry_after}")


class PerWorker:
    """The trap of a counter in each process: connections fall to two buckets, each of the full size."""

    def __init__(self, rate: str, burst: int) -> None:
        self._buckets = [Bucket(rate, burst), Bucket(rate, burst)]

    def __call__(self, asked: Asked) -> bytes:
        return self._buckets[asked.connection % 2](asked)


class FixedWindow:
    """So many in each window; the windows begin 0.3 s before a second after the first request."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._begin = 0
        self._window, self._used = -1, 0

    def __call__(self, asked: Asked) -> bytes:
        self._begin = self._begin or asked.now - 700_000_000
        window = (asked.now - self._begin) // 1_000_000_000
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        return ADMITTED if self._used <= self._count else REFUSED


class Shared:
    """One bucket for all keys: beside ours somebody else's requests take every other token."""

    def __init__(self, rate: str, burst: int) -> None:
        self._bucket = Bucket(rate, burst)
        self._ours = False

    def __call__(self, asked: Asked) -> bytes:
        if self._bucket(asked) == REFUSED:
            return REFUSED
        self._ours = not self._ours
        return ADMITTED if self._ours else self._bucket(asked)


class Layered:
    """Layers by any algorithm, as `--limit` writes them, with states of their own for each value of `X-Tenant`.

    It tells what remains of the scarcest, and when to come back. `starved`: tenants whose name ends so get only every
    other request that they may have.
    """

    def __init__(self, limits: str, *, starved: str = "") -> None:
        self._limits = [algorithm(text) for text in limits.split(" and ")]
        self._states: dict[str, list[int]] = {}
        self._starved = starved
        self._turn = False

    def __call__(self, asked: Asked) -> bytes:
        tenant = asked.headers.get("x-tenant", "")
        states = self._states.setdefault(tenant, [0] * len(self._limits))
        found = [limit.ask(state, asked.now, 1) for limit, state in zip(self._limits, states, strict=True)]
        decisions = [decision for _, decision in found]
        left = f"X-RateLimit-Remaining: {min(decision.remaining for decision in decisions)}"
        if not all(decision.allowed for decision in decisions):
            wait = max(decision.retry_after for decision in decisions if not decision.allowed)
            return answer(429, "X-RateLimit-Remaining: 0", f"Retry-After: {wait}")
        states[:] = [state for state, _ in found]
        self._turn = not self._turn
        if self._starved and tenant.endswith(self._starved) and self._turn:
            return REFUSED
        return answer(200, left)


def algorithm(text: str) -> Algorithm:
    """A right limiter for what `--limit` declares."""
    declared = limits.parse(text)
    if declared.algorithm == limits.FIXED:
        return FixedWindowLimit("test", declared.rate)
    if declared.algorithm == limits.SLIDING:
        return SlidingWindow("test", declared.rate)
    return BucketLimit("test", declared.rate, declared.burst)
