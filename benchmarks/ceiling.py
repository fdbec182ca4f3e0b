#!/usr/bin/env python3
"""The least that a proxy in Python can do on uvloop and httptools: what `gateway_race.py` measures apigw against.

It routes nothing, refuses nothing but what a limit in a dict refuses, streams nothing and survives no error: what
apigw takes beyond this is the price of being a gateway.

    python benchmarks/ceiling.py PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import httptools
import uvloop

RATE_NANOSECONDS = 1_000  # a million requests a second
BURST_NANOSECONDS = 1_000_000_000


class Exchange(asyncio.Protocol):
    """Half of the way: takes one message of its parser, and writes it to the other side, framed anew."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = self.new_parser(self)
        self.lines: list[bytes] = []
        self.body = b""
        self.key = b""

    def new_parser(self, _: Any) -> Any:
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered == b"x-api-key":
            self.key = value
        if lowered != b"connection":
            self.lines.append(b"%b: %b\r\n" % (name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def message(self, first: bytes, *more: bytes) -> bytes:
        whole = b"".join((first, *self.lines, *more, b"\r\n", self.body))
        self.lines, self.body = [], b""
        return whole


class Upstream(Exchange):
    """A connection to the upstream; `client` is who waits for its answer."""

    idle: list[Upstream] = []  # noqa: RUF012
    client: Client
    reason = b""

    def new_parser(self, protocol: Any) -> Any:
        return httptools.HttpResponseParser(protocol)

    def on_status(self, reason: bytes) -> None:
        self.reason = reason

    def on_message_complete(self) -> None:
        answer = self.message(b"HTTP/1.1 %d %b\r\n" % (self.parser.get_status_code(), self.reason))
        self.idle.append(self)
        if not self.client.transport.is_closing():
            self.client.transport.write(answer)


class Client(Exchange):
    """A connection of a client."""

    arrivals: dict[bytes, int] = {}  # noqa: RUF012
    upstream_port = 0
    connecting: set[asyncio.Task[Any]] = set()  # noqa: RUF012
    path = b""

    def new_parser(self, protocol: Any) -> Any:
        return httptools.HttpRequestParser(protocol)

    def on_url(self, path: bytes) -> None:
        self.path = path

    def admitted(self) -> bool:
        now = time.monotonic_ns()
        arrival = max(self.arrivals.get(self.key, 0), now) + RATE_NANOSECONDS
        if arrival - now > BURST_NANOSECONDS:
            return False
        self.arrivals[self.key] = arrival
        return True

    def on_message_complete(self) -> None:
        first = b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.path)
        request_id = b"X-Request-Id: %b\r\n" % os.urandom(16).hex().encode()
        request = self.message(first, b"X-Forwarded-For: 127.0.0.1\r\n", request_id)
        if not self.admitted():
            self.transport.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
        elif Upstream.idle:
            self.send(Upstream.idle.pop(), request)
        else:
            task = asyncio.create_task(self.connect(request))
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)

    async def connect(self, request: bytes) -> None:
        _, upstream = await asyncio.get_running_loop().create_connection(Upstream, "127.0.0.1", self.upstream_port)
        self.send(upstream, request)

    def send(self, upstream: Upstream, request: bytes) -> None:
        upstream.client = self
        upstream.transport.write(request)


async def main(port: int, upstream_port: int) -> None:
    Client.upstream_port = upstream_port
    server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
