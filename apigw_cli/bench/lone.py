"""A lone client: one request after the other on one connection, each with its times and its answer's headers.

For what a limiter tells its clients. It blocks: it asks a few hundred times, not a million.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import httptools

from apigw_cli.bench.call import Target

_MOST_ANSWER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """`sent` and `received` in nanoseconds of one clock; headers by lower-case name, repeated values joined."""

    sent: int
    received: int
    status: int
    headers: Mapping[str, str]


class Lone(Protocol):
    """Somebody who asks. `ask` raises OSError where nothing comes back."""

    def ask(self) -> Answer: ...

    def now(self) -> int: ...

    def wait_until(self, moment: int) -> None:
        """Return at `moment` (nanoseconds of `now`) or just after it."""


class Client:
    """Asks over a socket, which is opened anew when the server has closed it."""

    def __init__(self, target: Target, request: bytes, timeout: float, *, head: bool = False) -> None:
        self._target, self._request, self._timeout, self._head = target, request, timeout, head
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def now(self) -> int:
        return time.monotonic_ns()

    def wait_until(self, moment: int) -> None:
        while (left := moment - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)

    def ask(self) -> Answer:
        fresh = self._socket is None
        try:
            return self._asked()
        except OSError:
            self.close()
            if fresh:
                raise
        return self._asked()  # it was closed between two requests

    def _asked(self) -> Answer:
        if self._socket is None:
            self._socket = self._connected()
        sent = time.monotonic_ns()
        self._socket.sendall(self._request)
        reading = _Reading(head=self._head)
        while not reading.done:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("closed before the answer was complete")
            reading.feed(data)
        received = time.monotonic_ns()
        if not reading.keep:
            self.close()
        return Answer(sent, received, reading.status, reading.headers)

    def _connected(self) -> socket.socket:
        target = self._target
        plain = socket.create_connection((target.address or target.host, target.port), self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not target.tls:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)


class _Reading:
    """One answer, its body thrown away. Interim answers (1xx) are skipped."""

    def __init__(self, *, head: bool) -> None:
        self.done, self.keep, self.status = False, True, 0
        self.headers: dict[str, str] = {}
        self._head = head
        self._size = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ConnectionError(f"not a valid HTTP/1.1 answer: {error}") from None
        if self._size > _MOST_ANSWER:
            raise ConnectionError("an answer of over 16 MiB")

    def on_message_begin(self) -> None:
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        if self._head:
            self._finished()

    def on_message_complete(self) -> None:
        self._finished()

    def _finished(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status, self.keep, self.done = status, self._parser.should_keep_alive() and not self._head, True
