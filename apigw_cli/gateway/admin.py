"""The admin port: health, metrics, what is served, and changing it. In the supervisor, never on the data path.

`guard.py` decides who may speak to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

import orjson

from apigw_cli.config.values import parse_duration
from apigw_cli.errors import ApigwError, EnvironmentFailure, InputError
from apigw_cli.gateway import purging, sockets
from apigw_cli.gateway.guard import Guard
from apigw_cli.gateway.overlay import NAME
from apigw_cli.gateway.purging import Order
from apigw_cli.gateway.status import Status

BODY_MAXIMUM = 16 * 1024 * 1024
_HEAD_MAXIMUM = 16 * 1024
_HEAD_SECONDS = 10.0
_BODY_SECONDS = 60.0
_JSON = "application/json"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_CHANGES = ("POST /reload", "POST /clock", "POST /cache/purge", "PUT /apis/NAME", "DELETE /apis/NAME")

Answer = tuple[int, str, bytes]


class Operator(Protocol):
    """Who carries out what the admin port is told. All raise ApigwError where it cannot be done."""

    async def reload(self) -> list[str]: ...

    def advance(self, seconds: float) -> dict[str, Any]: ...

    def purge(self, order: Order) -> int: ...

    async def put_api(self, name: str, body: bytes, persist: bool) -> list[str]: ...

    async def delete_api(self, name: str, persist: bool, restore: bool) -> list[str] | None:
        """None: there is no such API."""


class Refused(Exception):
    """A request that cannot be read: the answer to it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = _message(status, message)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's head, and how to get its body."""

    method: str
    path: str
    query: dict[str, list[str]]
    fields: dict[str, str]
    body: Callable[[], Awaitable[bytes]]

    def flag(self, name: str) -> bool:
        """`?name=true`. Raises Refused for another value."""
        value = self.query.get(name, ["false"])[-1].lower()
        if value not in ("true", "false"):
            raise Refused(400, f"{name} is true or false")
        return value == "true"


class Admin:
    """Answers on a socket that was bound before."""

    def __init__(self, listener: socket.socket, guard: Guard, status: Status, operator: Operator) -> None:
        self._listener = listener
        self._guard = guard
        self._status = status
        self._operator = operator
        self._server: asyncio.Server | None = None
        self._pages: dict[str, Callable[[], Answer]] = {
            "/": lambda: _json(200, {"pages": sorted((*self._pages, "/routes")), "changes": _CHANGES}),
            "/apis": lambda: _json(200, status.apis()),
            "/canary": lambda: _json(200, status.canary()),
            "/config": lambda: _json(200, status.config()),
            "/health": lambda: _json(200, status.health()),
            "/metrics": lambda: (200, _METRICS, status.metrics().encode()),
            "/metrics/routes": lambda: (200, _METRICS, status.metrics(by_route=True).encode()),
            "/ready": lambda: _json(200 if status.ready else 503, status.health()),
            "/upstreams": lambda: _json(200, status.targets()),
            "/snapshot": lambda: _json(200, status.snapshot()),
        }

    @property
    def url(self) -> str:
        return sockets.url(self._guard.host, self._listener.getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=_HEAD_MAXIMUM)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            asked = _read_head(head, reader, writer)
            try:
                status, kind, body = await self._answer(asked)
            except Refused as refused:
                status, kind, body = refused.answer
            more = "WWW-Authenticate: Bearer\r\n" if status == 401 else ""
            writer.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n{more}Connection: close\r\n\r\n".encode()
            )
            writer.write(b"" if asked.method == "HEAD" else body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, asked: Asked) -> Answer:
        if asked.path in ("/health", "/ready") and asked.method in ("GET", "HEAD") and self._is_probe(asked):
            return _json(200 if asked.path == "/health" or self._status.ready else 503, {})
        refusal = self._guard.refusal(asked.fields, asked.method not in ("GET", "HEAD"))
        if refusal is not None:
            return _message(*refusal)
        if asked.path == "/reload":
            return await self._reload(asked)
        if asked.path == "/clock":
            return await self._clock(asked)
        if asked.path == "/cache/purge":
            return await self._purge(asked)
        if asked.path.startswith("/apis/"):
            return await self._change(asked, unquote(asked.path.removeprefix("/apis/")))
        if asked.method not in ("GET", "HEAD"):
            return _message(405, "this page is only read")
        if asked.path == "/routes":
            return _json(200, await self._status.routes())
        page = self._pages.get(asked.path)
        if page is None:
            known = ", ".join(sorted((*self._pages, "/routes")))
            return _message(404, f"no such page; there are {known}, {', '.join(_CHANGES)}")
        return page()

    def _is_probe(self, asked: Asked) -> bool:
        """Asked without the token, as orchestrators do: told by the status alone."""
        return self._guard.knows(asked.fields) and not self._guard.trusts(asked.fields)

    async def _reload(self, asked: Asked) -> Answer:
        if asked.method != "POST":
            return _message(405, "POST reloads")
        return await self._done(self._operator.reload())

    async def _clock(self, asked: Asked) -> Answer:
        if asked.method != "POST":
            return _message(405, "POST moves the clock of limits and quotas")
        try:
            order = orjson.loads(await asked.body())
            seconds = parse_duration(order["advance"])
            if set(order) != {"advance"}:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            return _message(400, 'send how far: {"advance": "1d"}')
        try:
            return _json(200, self._operator.advance(seconds))
        except ApigwError as error:
            return _json(422, _problem(error))

    async def _purge(self, asked: Asked) -> Answer:
        if asked.method != "POST":
            return _message(405, "POST purges")
        body = await asked.body()
        try:
            order = purging.read(orjson.loads(body))
            return _json(200, {"purged": self._operator.purge(order)})
        except ValueError:
            return _message(400, "the body is no JSON")
        except ApigwError as error:
            return _json(422, _problem(error))

    async def _change(self, asked: Asked, name: str) -> Answer:
        if not NAME.fullmatch(name):
            return _message(404, "an API's name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
        persist = asked.flag("persist")
        if asked.method == "PUT":
            return await self._done(self._operator.put_api(name, await asked.body(), persist))
        if asked.method == "DELETE":
            return await self._done(self._operator.delete_api(name, persist, asked.flag("restore")))
        return _message(405, "PUT puts or replaces an API, DELETE removes it")

    async def _done(self, work: Awaitable[list[str] | None]) -> Answer:
        try:
            changed = await work
        except EnvironmentFailure as error:
            return _message(500, str(error))
        except ApigwError as error:
            return _json(422, _problem(error))
        if changed is None:
            return _message(404, "there is no such API")
        return _json(200, {"changed": changed, "digest": self._status.prepared.digest})


def _read_head(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
    line, *rest = head.decode("latin-1").split("\r\n")
    method, _, target = line.partition(" ")
    path, _, query = target.partition(" ")[0].partition("?")
    fields = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    return Asked(method, path, parse_qs(query), fields, lambda: _read_body(fields, reader, writer))


async def _read_body(fields: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    length = fields.get("content-length", "")
    if "transfer-encoding" in fields or not (length.isascii() and length.isdigit()) or len(length) > 12:
        raise Refused(411, "send the body with a Content-Length")
    if int(length) > BODY_MAXIMUM:
        raise Refused(413, f"at most {BODY_MAXIMUM >> 20} MiB")
    if fields.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async with asyncio.timeout(_BODY_SECONDS):
        return await reader.readexactly(int(length))


def _problem(error: ApigwError) -> dict[str, Any]:
    """An error as data: what is wrong, where, what to do."""
    problem: dict[str, Any] = {"message": str(error), "place": str(error.place) if error.place else None}
    if error.hint:
        problem["hint"] = error.hint
    if isinstance(error, InputError) and error.others:
        problem["others"] = [_problem(one) for one in error.others[:20]]
    return problem


def _json(status: int, value: Any) -> Answer:
    return status, _JSON, orjson.dumps(value) + b"\n"


def _message(status: int, message: str) -> Answer:
    return _json(status, {"message": message})
