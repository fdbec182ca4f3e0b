"""Connections to a server that is asked about requests: kept, bounded in number, one question at a time on each.

A question is small and has no body, an answer is read whole and is bounded. So this costs a small part of what a client
for everything would on the data path (`benchmarks/authorizer.py`). A kept connection that the server has closed
meanwhile is found out by the next question, which is asked again on a new one, once: nothing of it was answered.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httptools

Header = tuple[bytes, bytes]
Answer = tuple[int, list[Header], bytes]

_PIECE = 64 * 1024


class Failed(Exception):
    """There is no answer that can be used."""


class _Stale(Exception):
    """The server has closed a kept connection."""


class _Reading:
    """What httptools reports of one answer."""

    def __init__(self, largest_head: int, largest_body: int) -> None:
        self.headers: list[Header] = []
        self.body: list[bytes] = []
        self.head_complete = self.complete = self.reusable = False
        self._left_head, self._left_body = largest_head, largest_body
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self.complete:
            raise Failed("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._left_head -= len(name) + len(value)
        if self._left_head < 0:
            raise Failed("headers are too large")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.head_complete = self.parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        self._left_body -= len(data)
        if self._left_body < 0:
            raise Failed("the body is too large")
        self.body.append(data)

    def on_message_complete(self) -> None:
        if self.head_complete:
            self.complete = True
            self.reusable = bool(self.parser.should_keep_alive())
        else:  # 100 Continue and the like
            self.headers.clear()

    def may_end_here(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112, section 6.3)."""
        return self.head_complete and not any(
            name in (b"content-length", b"transfer-encoding") for name, _ in self.headers
        )


class Connections:
    """Those to one server. Raises Failed or OSError where there is no answer."""

    def __init__(self, url: str, most: int, largest_head: int, largest_body: int) -> None:
        parts = urlsplit(url)
        self._secure = None
        if parts.scheme == "https":
            import ssl  # here, in the thread that loads: the system's certificates take long

            self._secure = ssl.create_default_context()
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._bounds = (largest_head, largest_body)
        self._turns = asyncio.Semaphore(most)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._closed = False

    async def ask(self, request: bytes, *, head_only: bool = False) -> Answer:
        """Send a request (whole, without a body) and read its answer; `head_only` where it was a HEAD."""
        async with self._turns:
            while self._idle:
                try:
                    return await self._exchange(*self._idle.pop(), request, head_only, kept=True)
                except _Stale:
                    continue
            name = self._host if self._secure else None
            opened = await asyncio.open_connection(self._host, self._port, ssl=self._secure, server_hostname=name)
            return await self._exchange(*opened, request, head_only, kept=False)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, head_only: bool, *, kept: bool
    ) -> Answer:
        reading = _Reading(*self._bounds)
        reusable = False
        try:
            writer.write(request)
            reusable = await self._read(reader, reading, head_only, kept)
        except httptools.HttpParserError as error:
            raise (error.__context__ if isinstance(error.__context__, Failed) else Failed("no HTTP")) from None
        finally:
            if reusable and not self._closed:
                self._idle.append((reader, writer))
            else:
                writer.transport.abort()
        return reading.parser.get_status_code(), reading.headers, b"".join(reading.body)

    async def _read(self, reader: asyncio.StreamReader, reading: _Reading, head_only: bool, kept: bool) -> bool:
        """Read to the end of the answer. Returns whether the connection may be used again."""
        begun = False
        while not reading.complete:
            try:
                data = await reader.read(_PIECE)
            except ConnectionError:
                data = b""
            if not data:
                if kept and not begun:
                    raise _Stale
                if reading.may_end_here():
                    return False
                raise Failed("the answer broke off")
            begun = True
            reading.parser.feed_data(data)
            if head_only and reading.head_complete:
                return False
        return reading.reusable and not reader.at_eof()

    def close(self) -> None:
        """Questions that wait get their answer; no connection is kept."""
        self._closed = True
        for _, writer in self._idle:
            writer.transport.abort()
        self._idle = []
