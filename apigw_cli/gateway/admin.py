"""The admin port: health, metrics, routes, reload. Loopback only, in the supervisor, never on the data path.

Only names of this machine are taken as Host, and no web page may post, so that a browser that was lured to another
site's page cannot be made to speak to it (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson

from apigw_cli.errors import ApigwError
from apigw_cli.gateway import sockets
from apigw_cli.gateway.status import Status
from apigw_cli.routing.path import normalise_host

HOST = "127.0.0.1"
_OURS = frozenset(("127.0.0.1", "localhost", "[::1]"))
_HEAD_MAXIMUM = 16 * 1024
_SECONDS = 10.0
_JSON = "application/json"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"

Reload = Callable[[], Awaitable[list[str]]]
Answer = tuple[int, str, bytes]


class Admin:
    """Answers on a socket that was bound before."""

    def __init__(self, listener: socket.socket, status: Status, reload: Reload) -> None:
        self._listener = listener
        self._status = status
        self._reload = reload
        self._server: asyncio.Server | None = None
        self._pages: dict[str, Callable[[], Answer]] = {
            "/": lambda: _json(200, {"pages": sorted(self._pages), "reload": "POST /reload"}),
            "/health": lambda: _json(200, status.health()),
            "/ready": lambda: _json(200 if status.ready else 503, status.health()),
            "/metrics": lambda: (200, _METRICS, status.metrics().encode()),
            "/routes": lambda: _json(200, status.routes()),
            "/upstreams": lambda: _json(200, status.targets()),
            "/snapshot": lambda: _json(200, status.snapshot()),
        }

    @property
    def url(self) -> str:
        return sockets.url(HOST, self._listener.getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=_HEAD_MAXIMUM)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            status, kind, body = await self._answer(head)
            phrase = HTTPStatus(status).phrase
            writer.write(
                f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                "Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(b"" if head.startswith(b"HEAD ") else body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> Answer:
        line, *rest = head.decode("latin-1").split("\r\n")
        method, _, target = line.partition(" ")
        path = target.partition(" ")[0].partition("?")[0]
        fields = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
        if normalise_host(fields.get("host", "").encode("latin-1")) not in _OURS:
            return _message(403, "the admin port answers to localhost only")
        if path == "/reload":
            return await self._post_reload(method, "origin" in fields)
        page = self._pages.get(path)
        if page is None:
            return _message(404, f"no such page; there are {', '.join(sorted(self._pages))} and POST /reload")
        if method not in ("GET", "HEAD"):
            return _message(405, "this page is only read")
        return page()

    async def _post_reload(self, method: str, from_page: bool) -> Answer:
        if method != "POST":
            return _message(405, "POST reloads")
        if from_page:
            return _message(403, "a web page may not do this")
        try:
            return _json(200, {"changed": await self._reload(), "digest": self._status.prepared.digest})
        except ApigwError as error:
            return _message(422, str(error))


def _json(status: int, value: Any) -> Answer:
    return status, _JSON, orjson.dumps(value) + b"\n"


def _message(status: int, message: str) -> Answer:
    return _json(status, {"message": message})
