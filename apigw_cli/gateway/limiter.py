"""`apigw limiter`: our limiter as a service (`limits.service` has the contract). One process for each worker.

supervisor ── owns the sockets and the shared table; starts a worker again when one ends
  └─ worker   one event loop; answers POST /v1/decide and GET /health
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

import msgspec
import orjson

from apigw_cli.errors import EnvironmentFailure, Exit
from apigw_cli.gateway import sockets
from apigw_cli.limits.algorithms import Algorithm
from apigw_cli.limits.service import CHARGES, PATH, QUESTIONS, Asked, Decisions, Questions, Told, told
from apigw_cli.limits.store import SharedStore
from apigw_cli.limits.table import Charge
from apigw_cli.policies.limit_layer import COST_MAXIMUM, RateLimit, limit_of

_BODY_MAXIMUM = 1 << 20
_IDLE_SECONDS = 75.0
_READ_SECONDS = 10.0
_DECODER = msgspec.json.Decoder(Questions)
_PAUSE = 0.2  # seconds before a worker that ended is started again


@dataclass(frozen=True, slots=True)
class Options:
    """`token`: what clients must show, b"" for nothing."""

    host: str
    port: int
    workers: int
    limit_keys: int
    token: bytes


class Inherited(msgspec.Struct, frozen=True):
    """A worker's descriptors; `token` is the SHA-256 of what clients must show, in hex."""

    listen: int
    limits: int
    token: str


def run(options: Options, say: Callable[[str], None]) -> Exit:
    """Serve until SIGTERM (exit 0) or SIGINT (exit 130). Raises EnvironmentFailure where it cannot start."""
    listeners = sockets.bind(options.host, options.port, options.workers)
    try:
        store = SharedStore.create(options.limit_keys)
    except OSError as error:
        raise EnvironmentFailure(f"no memory for the limits: {error.strerror}") from None
    say(f"limiter  {sockets.url(options.host, listeners[0].getsockname()[1])}{PATH}")
    with asyncio.Runner() as runner:
        return runner.run(_supervise(options, listeners, store, say))


async def _supervise(
    options: Options, listeners: list[socket.socket], store: SharedStore, say: Callable[[str], None]
) -> Exit:
    stopped: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    def stop(code: Exit) -> None:
        if not stopped.done():
            stopped.set_result(code)

    for number, code in ((signal.SIGTERM, Exit.OK), (signal.SIGINT, Exit.INTERRUPTED)):
        asyncio.get_running_loop().add_signal_handler(number, stop, code)
    keeping = [asyncio.create_task(_keep(options, listener, store, say)) for listener in listeners]
    say(f"{options.workers} workers; Ctrl-C stops")
    code = await stopped
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    return code


async def _keep(options: Options, listener: socket.socket, store: SharedStore, say: Callable[[str], None]) -> None:
    token = hashlib.sha256(options.token).hexdigest() if options.token else ""
    words = msgspec.json.encode(Inherited(listener.fileno(), store.fd, token)).decode()
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "apigw_cli.gateway.limiter", words,
            stdin=asyncio.subprocess.DEVNULL, pass_fds=(listener.fileno(), store.fd), process_group=0,
        )  # fmt: skip
        try:
            await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            raise
        say("a worker ended; starting another")
        await asyncio.sleep(_PAUSE)


# --- a worker


class Wrong(Exception):
    """A request that cannot be answered: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """Answers questions out of one store."""

    def __init__(self, store: SharedStore, token: str) -> None:
        self._store = store
        self._token = token
        self._open: set[asyncio.StreamWriter] = set()

    async def close(self) -> None:
        """End all connections."""
        for writer in self._open:
            writer.close()
        while self._open:
            await asyncio.sleep(0.01)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends or says something that is not understood."""
        self._open.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with asyncio.timeout(_IDLE_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        try:
            body = await self._reply(head, reader)
            status, more, kept = 200, "", True
        except Wrong as wrong:
            status, body, kept = wrong.status, orjson.dumps({"message": str(wrong)}), False
            more = "Connection: close\r\n" + ("WWW-Authenticate: Bearer\r\n" if wrong.status == 401 else "")
        lines = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n{more}"
        writer.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return kept

    async def _reply(self, head: str, reader: asyncio.StreamReader) -> bytes:
        line, *rest = head.split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
        method, _, target = line.partition(" ")
        path = target.partition(" ")[0]
        length = fields.get("content-length", "0")
        if "transfer-encoding" in fields or not (length.isascii() and length.isdigit()) or len(length) > 12:
            raise Wrong(411, "send the body with a Content-Length")
        if int(length) > _BODY_MAXIMUM:
            raise Wrong(413, f"at most {_BODY_MAXIMUM >> 20} MiB")
        async with asyncio.timeout(_READ_SECONDS):
            body = await reader.readexactly(int(length))
        if path == "/health" and method == "GET":
            return b'{"status":"ok"}'
        if path != PATH or method != "POST":
            raise Wrong(404, f"there are POST {PATH} and GET /health")
        self._let_in(fields)
        return msgspec.json.encode(Decisions(self.decide(body)))

    def _let_in(self, fields: dict[str, str]) -> None:
        if "origin" in fields:
            raise Wrong(403, "a web page may not do this")
        kind, _, given = fields.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode("latin-1")).hexdigest()
        if self._token and not (hmac.compare_digest(digest, self._token) and kind.lower() == "bearer"):
            raise Wrong(401, "this limiter asks for a token")

    def decide(self, body: bytes) -> list[list[Told]]:
        """Decisions for the questions in a body. Raises Wrong."""
        try:
            asked = _DECODER.decode(body).questions
            if len(asked) > QUESTIONS or any(len(question) > CHARGES for question in asked):
                raise ValueError(f"at most {QUESTIONS} questions of {CHARGES} charges")
            charges = [[_charge(one) for one in question] for question in asked]
            if any(len({(one.name, one.key) for one in question}) < len(question) for question in asked):
                raise ValueError("a question names one count twice")
        except (ValueError, TypeError) as error:  # msgspec's are ValueErrors
            raise Wrong(400, str(error)) from None
        now = time.monotonic_ns()
        return [[told(one) for one in self._store.take_all(question, now)] for question in charges]


def _charge(asked: Asked) -> Charge:
    if not 0 <= asked.cost <= COST_MAXIMUM:
        raise ValueError(f"cost lies between 0 and {COST_MAXIMUM:,}")
    if len(asked.name) > 200 or len(asked.key) > 4096:
        raise ValueError("a name has at most 200 characters, a key 4,096")
    return Charge(asked.key.encode("utf-8", "surrogatepass"), _limit(asked.name, *_spec(asked)), asked.cost)


def _spec(asked: Asked) -> tuple[str, int | None, str, int | None]:
    return asked.rate, asked.burst, asked.algorithm, asked.delay


@lru_cache(4096)
def _limit(name: str, rate: str, burst: int | None, algorithm: str, delay: int | None) -> Algorithm:
    layer = msgspec.convert({"rate": rate, "burst": burst, "algorithm": algorithm, "delay": delay}, RateLimit)
    return limit_of(name, layer)


async def _work(inherited: Inherited) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    listener = socket.socket(fileno=inherited.listen)
    server = Server(SharedStore.attach(inherited.limits), inherited.token)
    listening = await asyncio.start_server(server.serve, sock=listener, limit=16 * 1024, backlog=1024)
    parent = os.getppid()
    while not ended.is_set() and os.getppid() == parent:  # no worker outlives its supervisor
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 0.5)
    listening.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close(), 2)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inherited = msgspec.json.decode(sys.argv[1], type=Inherited)
    for descriptor in (inherited.listen, inherited.limits):
        os.set_inheritable(descriptor, False)
    asyncio.run(_work(inherited))


if __name__ == "__main__":
    main()
