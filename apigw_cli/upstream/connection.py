"""One client connection: bytes in, requests in order, replies out in the same order (pipelining included)."""

from __future__ import annotations

import asyncio
import hashlib
import http
import socket
import struct
import time
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools

from apigw_cli.upstream.messages import (
    Answer,
    Dated,
    Delayed,
    Fault,
    Reply,
    Request,
    Stream,
    message,
    query_values,
)

MOST_BODY = 16 << 20
_PHRASES = {s.value: s.phrase for s in http.HTTPStatus}
_BODYLESS = frozenset({204, 304})
_NO_LINGER = struct.pack("ii", 1, 0)
# A stream without pauses hands the loop back after so many pieces, so that it cannot hold up the others.
_PIECES_A_TURN = 64


class Connection(asyncio.Protocol):
    """Parses with llhttp; asks `answer` for each complete request, and sends what it says."""

    def __init__(self, answer: Callable[[Request], Reply], dated: Dated, open_ones: set[Connection]) -> None:
        self._answer, self._dated, self._open = answer, dated, open_ones
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request | Answer] = deque()
        self._busy = False  # a reply is under way: later requests wait their turn
        self._writable = True
        self._ending = False
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._stream: tuple[Stream, bool, bool] | None = None
        self._transport: asyncio.Transport

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._busy, self._stream = True, None
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._stream is not None and self._timer is None:
            self._go_on()

    def eof_received(self) -> bool:
        """A client that only stopped sending still gets its answers; then the connection ends."""
        self._ending = True
        return self._busy

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as the plain request that it also is (RFC 9110, section 7.8)
        except httptools.HttpParserError as error:
            self._queue.append(message(400, f"not HTTP/1.1: {error}"))
        if not self._busy:
            self._next()
        if self._queue and not self._transport.is_closing():
            self._transport.pause_reading()

    # -- the parser's side

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._size = 0
        self._digest: Any = None

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self._target.partition(b"?")[0] == b"/sink":
            self._digest = hashlib.sha256()
        if any(n.lower() == "expect" and v.lower() == "100-continue" for n, v in self._headers) and not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._digest is not None:
            self._digest.update(body)
        elif self._size <= MOST_BODY:
            self._body += body

    def on_message_complete(self) -> None:
        path, _, query = self._target.decode("latin-1").partition("?")
        if path.startswith(("http://", "https://")):  # absolute form (RFC 9112, section 3.2.2)
            path = urllib.parse.urlsplit(path).path or "/"
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=self._headers,
            body=bytes(self._body),
            size=self._size,
            digest=self._digest.hexdigest() if self._digest is not None else "",
            version=self._parser.get_http_version(),
            keep_alive=self._parser.should_keep_alive(),
            values=query_values(query),
        )
        self._queue.append(request)

    # -- replies, one at a time

    def _next(self) -> None:
        while self._queue and not self._busy:
            item = self._queue.popleft()
            if isinstance(item, Answer):
                self._send(item, head_only=False, keep_alive=False)
                return
            self._busy = True
            self._perform(item, self._reply(item))
        if not self._queue and not self._busy and not self._transport.is_closing():
            self._transport.resume_reading()

    def _reply(self, request: Request) -> Reply:
        if request.size > MOST_BODY and not request.digest:
            return message(413, f"a body of more than {MOST_BODY >> 20} MiB: post it to /sink")
        return self._answer(request)

    def _perform(self, request: Request, reply: Reply) -> None:
        head_only = request.method == "HEAD"
        if isinstance(reply, Answer):
            self._send(reply, head_only, request.keep_alive)
        elif isinstance(reply, Delayed):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(reply.seconds, self._later, request, reply.reply)
        elif isinstance(reply, Stream):
            self._begin(reply, request, head_only)
        else:
            self._fail(reply)

    def _later(self, request: Request, reply: Reply) -> None:
        self._timer = None
        self._perform(request, reply)
        self._next()

    def _send(self, answer: Answer, head_only: bool, keep_alive: bool) -> None:
        length = b"" if answer.status in _BODYLESS else b"Content-Length: %d\r\n" % len(answer.body)
        if answer.body:
            length = b"Content-Type: %b\r\n%b" % (answer.content_type, length)
        head = self._head(answer.status, b"".join((length, *answer.headers)), keep_alive)
        self._transport.write(head if head_only else head + answer.body)
        self._done(keep_alive)

    def _head(self, status: int, fields: bytes, keep_alive: bool) -> bytes:
        phrase = _PHRASES.get(status, "Status").encode()
        date, end = self._dated.at(time.time()), b"" if keep_alive else b"Connection: close\r\n"
        return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (status, phrase, date, fields, end)

    def _done(self, keep_alive: bool) -> None:
        if keep_alive and not (self._ending and not self._queue):
            self._busy = False
        else:
            self._transport.close()

    def _begin(self, stream: Stream, request: Request, head_only: bool) -> None:
        chunked = stream.length is None and request.version != "1.0"
        keep_alive = request.keep_alive and (chunked or stream.length is not None)
        framing = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        if stream.length is not None:
            framing = b"Content-Length: %d\r\n" % stream.length
        fields = b"Content-Type: %b\r\nCache-Control: no-store\r\n%b" % (stream.content_type, framing)
        self._transport.write(self._head(200, fields, keep_alive))
        if head_only:
            self._done(keep_alive)
            return
        self._stream = (stream, chunked, keep_alive)
        self._pump()

    def _go_on(self) -> None:
        self._pump()
        self._next()

    def _pump(self) -> None:
        self._timer = None
        if self._stream is None:
            return
        stream, chunked, keep_alive = self._stream
        for _ in range(_PIECES_A_TURN):
            if not self._writable:
                return  # resume_writing goes on
            piece = next(stream.pieces, None)
            if piece is None:
                self._stream = None
                if chunked:
                    self._transport.write(b"0\r\n\r\n")
                self._done(keep_alive)
                return
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if stream.interval:
                break
        self._timer = asyncio.get_running_loop().call_later(stream.interval, self._go_on)

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "reset":
            # With no time to linger, closing sends RST instead of FIN.
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()
        elif fault.kind == "truncate":
            head = self._head(200, b"Content-Type: text/plain\r\nContent-Length: 1000\r\n", True)
            self._transport.write(head + b"the rest is missing")
            self._transport.close()
        elif fault.kind == "close":
            self._transport.close()
        # 'hang': stays busy until the client gives up.
