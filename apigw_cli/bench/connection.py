"""One connection of the load generator: writes the request, tells the load what came back, reads nothing else.

No task, future or timer belongs to a request: the next one is written inside `data_received`. llhttp parses every
answer; remembering heads that had been parsed before saved 0.5 µs where they repeat and cost 1.5 µs where they do
not (a gateway's request id), so there is no such short cut.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Protocol, cast

import httptools

from apigw_cli.bench.book import Book

clock = time.monotonic_ns
_MOST_HEAD = 64 * 1024
_FRAMED = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class Owner(Protocol):
    """Whom a connection reports to."""

    request: bytes
    bytes_in: int
    book: Book

    def drawn(self, connection: Connection) -> bytes: ...
    def opened(self, connection: Connection) -> None: ...
    def answered(self, connection: Connection, status: int, now: int) -> None: ...
    def failed(self, connection: Connection, kind: str, text: str) -> None: ...
    def lost(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """`sent` is when the request under way was written, 0 when there is none; `intended` when it should have been;
    `dialed` when the connection began to be opened; `book` is where the request is counted.

    After an answer `keep` says whether the connection may be used again.
    """

    __slots__ = (
        "_done",
        "_extra",
        "_feed",
        "_head",
        "_owner",
        "_parser",
        "_status",
        "_transport",
        "book",
        "dialed",
        "intended",
        "keep",
        "retry_after",
        "sent",
        "write",
    )

    def __init__(self, owner: Owner, dialed: int = 0) -> None:
        self._owner = owner
        self.book = owner.book
        self.dialed = dialed
        self._transport: asyncio.Transport | None = None
        self.sent = self.intended = 0
        self.keep = True
        self.retry_after: bytes | None = None
        self._head = b""
        self._status = 0
        self._renew()

    def _renew(self) -> None:
        self._done = self._extra = False
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data

    # -- what the load asks for

    def send(self) -> None:
        """Write the request. The time is taken before, so that it is never later than the sending."""
        request = self._owner.request or self._owner.drawn(self)
        self.sent = clock()
        self.write(request)

    def close(self) -> None:
        """Close, counting nothing."""
        self.sent = 0
        if self._transport is not None:
            self._transport.abort()

    def give_up(self, kind: str, text: str) -> None:
        """Count the request under way as failed, and close."""
        self._owner.failed(self, kind, text)
        self.close()

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        now = clock()
        self._owner.bytes_in += len(data)
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.give_up("framing", str(error))
            return
        if not self._done:
            self._partial(data)
        elif self._extra or not self.sent:
            self.give_up("framing", "bytes after the end of the answer")
        else:
            self._done = False
            if self._head:
                self._head = b""
            self._owner.answered(self, self._status, now)

    def _partial(self, data: bytes) -> None:
        """Keep an answer's head that did not come at once: what ends at EOF must not have had a length."""
        if not self.sent:
            self.give_up("framing", "bytes that nobody asked for")
        elif b"\r\n\r\n" not in self._head:
            self._head += data
            if len(self._head) > _MOST_HEAD and b"\r\n\r\n" not in self._head:
                self.give_up("framing", "a head of more than 64 KiB")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.sent:
            now = clock()
            if exc is None and self._ends_at_eof():
                self.keep = False
                self._owner.answered(self, self._parser.get_status_code(), now)
            elif isinstance(exc, ConnectionResetError):
                self._owner.failed(self, "reset", "the server reset the connection")
            else:
                self._owner.failed(self, "closed", str(exc or "the server closed the connection"))
            self.sent = 0
        self._owner.lost(self)

    def _ends_at_eof(self) -> bool:
        """Whether the connection's end is the answer's end (RFC 9112, section 6.3, rule 8)."""
        head, end, _ = self._head.partition(b"\r\n\r\n")
        same = head[9:12] == b"%d" % self._parser.get_status_code()  # not the head of an interim answer
        return bool(end) and same and not _FRAMED.search(head)

    # -- the parser's side

    def on_message_begin(self) -> None:
        if self._done:
            self._extra = True

    def on_message_complete(self) -> None:
        self._complete(self._parser.should_keep_alive())

    def _complete(self, keep: bool) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # an interim answer (1xx) only precedes the one that counts
            self._extra = self._done
            self._status = status
            self._done = True
            self.keep = keep


class WatchingConnection(Connection):
    """Also remembers the answer's Retry-After: for the proof of a limit."""

    __slots__ = ()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.retry_after = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after":
            self.retry_after = value


class HeadConnection(WatchingConnection):
    """Where HEAD is among the methods, whose answers have no body whatever their length says (RFC 9112, section 6.3,
    rule 1).

    llhttp cannot be told so by httptools: the answer is done with its head, and the next one gets a new parser.
    """

    __slots__ = ("_closing", "_stale")

    def __init__(self, owner: Owner, dialed: int = 0) -> None:
        super().__init__(owner, dialed)
        self._closing = self._stale = False

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if name.lower() == b"connection":
            self._closing = b"close" in value.lower()

    def on_headers_complete(self) -> None:
        if self.book.head and self._parser.get_status_code() >= 200:
            self._stale = True
            self._complete(not self._closing and self._parser.get_http_version() != "1.0")

    def on_message_complete(self) -> None:
        if not self.book.head:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._stale:
            self._stale = self._closing = False
            self._renew()


def kind_for(head: bool, watching: bool) -> type[Connection]:
    """The class of connection that a run needs; `head`: HEAD is among its methods."""
    if head:
        return HeadConnection
    return WatchingConnection if watching else Connection
