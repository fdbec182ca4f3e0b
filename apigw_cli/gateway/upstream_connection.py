"""One connection to an upstream: the answer's bytes come in here and go out to the client that waits for them."""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import TYPE_CHECKING, Any, cast

import httptools

from apigw_cli.gateway import forward, plain_answer
from apigw_cli.gateway.repeated import PATIENCE
from apigw_cli.gateway.tunnel import accept_of
from apigw_cli.integrations.trouble import Failure, failure
from apigw_cli.policies.answer_filter import Head, Unfit, Unwanted

if TYPE_CHECKING:
    from apigw_cli.gateway.passing import Taker
    from apigw_cli.gateway.request import Header, Request
    from apigw_cli.gateway.upstream_pool import Pool
    from apigw_cli.integrations.balance import Target

_LENGTH, _CHUNKED, _UNTIL_CLOSE, _NONE = range(4)


_EVENTS = b"text/event-stream"
HEAD_MAXIMUM = 64 * 1024  # bytes of an answer's head; and of all else that comes without a byte of body


class NoRoom(ValueError):
    """There are as many WebSockets and event streams as may be."""


class _Unwanted(Exception):
    """Another target is asked: stop the parser."""


def _readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _has_begun(request: Request) -> bool:
    """Whether the answer's head has come, sent on already or held by who takes it."""
    return request.head_sent or (request.taker is not None and request.status > 0)


class UpstreamConnection(asyncio.Protocol):
    """One exchange at a time: `begin` sends a request's head, `send`/`end` its body; the rest are callbacks.

    What one read brings is written to the client at once and together: a small answer is one write. One that is
    whole and plain (`plain_answer`) goes on without having met the parser.
    """

    __slots__ = (
        "_close",
        "_connection_header",
        "_dirty",
        "_done",
        "_framing",
        "_handler",
        "_idle_bytes",
        "_interim",
        "_length",
        "_lines",
        "_notified",
        "_other",
        "_out",
        "_parser",
        "_patience",
        "_paused",
        "_plain",
        "_reason",
        "_received",
        "_rechunk",
        "_request",
        "_sent",
        "_trailers",
        "_upgrade",
        "address",
        "counted",
        "idle_until",
        "is_lost",
        "kept",
        "leaving",
        "pool",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.idle_until = 0
        self._parser = httptools.HttpResponseParser(self)
        self._request: Any = None  # the Request that waits for an answer, if any
        self._handler: Any = None  # its UpstreamHandler
        self._paused = False
        self._plain: plain_answer.Plain | None = None  # the last answer's head
        self._patience = PATIENCE  # how many more heads to keep in vain, one after the other
        self.kept = False  # it has been idle: the other side may have closed it without our knowing yet
        self.address = ""  # of its other end, where the target has a name
        self.leaving = False  # to be closed when it is idle: the name stands for other addresses now
        self.counted = False  # it has one of the pool's slots
        self.is_lost = False
        self._notified = False  # TLS: the other side said that this is its end
        self._reset()

    def _reset(self) -> None:
        self._lines: list[bytes] = []
        self._out: list[bytes] = []
        self._reason = b""
        self._connection_header: bytes | None = None
        self._framing = _UNTIL_CLOSE
        self._length = b""
        self._rechunk = False
        self._interim = False
        self._idle_bytes = 0  # that have come since there was a byte of body
        self._received = False
        self._done = False
        self._dirty = False
        self._close = False
        self._sent = False
        self._trailers: list[Header] | None = None
        self._upgrade = b""
        self._other: Target | None = None

    # --- the request

    def begin(self, request: Request) -> None:
        """Send the head and what has come of the body."""
        self._request = request
        self._handler = request.handler
        request.sink = self
        request.sent = True
        authority = request.authority if self._handler.preserve_host else b""
        head = forward.request_head(request, authority or self.pool.authority, self._handler.strip)
        if request.body:
            parts = [forward.chunk(part) for part in request.body] if request.chunked else request.body
            head += b"".join(parts)
        self.transport.write(head)
        if not request.has_body:
            self._sent = True
        elif request.complete:
            self.end()
        else:
            request.connection.flow()

    def send(self, data: bytes) -> None:
        """A part of the request's body."""
        request: Request = self._request
        self.transport.write(forward.chunk(data) if request.chunked else data)

    def end(self) -> None:
        """The request's body has come to its end."""
        request: Request = self._request
        self._sent = True
        if request.chunked:
            self.transport.write(forward.last_chunk(request.trailers, forward.withheld_trailers(request)))
        if not self._received:
            request.connection.deadline = self._handler.answer_deadline(request)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._release(reusable=False)
        self.transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self.pool.connections.discard(self)
        if self._request is None:
            self.pool.lost(self)
        else:
            self._lost_in_exchange(self._request, error)
        if self.counted:
            self.counted = False
            self.pool.freed()

    def eof_received(self) -> None:
        """The other side sends no more; the transport then closes itself.

        uvloop says so of TLS only after a close_notify, asyncio also where the connection just ended.
        """
        secured = self.transport.get_extra_info("ssl_object")
        if secured is not None:
            try:
                self._notified = secured.read(1) == b""
            except ssl.SSLError:
                self._notified = False

    def is_stale(self) -> bool:
        """Whether something has come on it that the loop has not read yet: its end, or what nobody asked for."""
        connection = self.transport.get_extra_info("socket")
        return connection is None or _readable(connection.fileno())

    def pause_writing(self) -> None:
        if self._request is not None:
            self._request.connection.hold(True)

    def resume_writing(self) -> None:
        if self._request is not None:
            self._request.connection.hold(False)

    def pause(self) -> None:
        """The client reads slower than we do: leave the rest in the upstream's hands."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
            request = self._request
            if (
                request is not None and request.head_sent and not request.streaming
            ):  # it is the client's turn: that is no stalled answer
                request.connection.deadline = request.started + self._handler.total

    def resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()
            request = self._request
            if request is not None and request.head_sent and self._handler.idle and not request.streaming:
                request.connection.deadline = self._handler.stall_deadline(request)

    def data_received(self, data: bytes) -> None:
        request = self._request
        if request is None:
            self.transport.abort()  # an answer to no question: what follows on this connection cannot be trusted
            return
        if not self._received and self._sent and request.method != b"HEAD":
            plain = self._plain
            # A head that repeats is not read again: 1.2 of 5.7 µs (`bare` in data_path.py).
            if plain is not None and len(data) == plain.end and data.startswith(plain.head):
                if not plain.came_again:
                    plain.came_again, self._patience = True, PATIENCE
            else:
                plain = plain_answer.read(data)
                if self._patience:
                    self._keep(plain)
            if plain is not None:
                self._pass_plain(request, data, plain)
                return
        self._received = True
        self._idle_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if self._idle_bytes > HEAD_MAXIMUM and not self._done:  # heads, 1xx or trailers without an end
                raise httptools.HttpParserError(f"more than {HEAD_MAXIMUM // 1024} KiB without a body")
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(request, data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            # llhttp also reports bytes after an answer that ends the connection; that answer is whole.
            if self._other is not None:
                self._ask_another(request, self._other)
                return
            if not self._done:
                self._spoiled(request, error)
                return
            self._dirty = True
        out = self._out
        if out:
            self._out = []
            request.head_sent = request.status > 0
            request.connection.transport.write(out[0] if len(out) == 1 else b"".join(out))
        elif request.taker is not None:
            request.taker.flush()
        if self._done:
            self._finish(request)
        elif request.streaming:  # as long as something comes now and then
            site = request.connection.site
            request.connection.deadline = site.now + site.table.limits.websocket
        elif _has_begun(request):
            handler = self._handler
            idle = handler.idle and not self._paused
            request.connection.deadline = handler.stall_deadline(request) if idle else request.started + handler.total

    def _keep(self, plain: plain_answer.Plain | None) -> None:
        """Its head may come again; where none ever does, do not go on."""
        if self._plain is not None and not self._plain.came_again:
            self._patience -= 1
        self._plain = plain if plain is not None and plain.is_worth_keeping() else None

    def _pass_plain(self, request: Request, data: bytes, plain: plain_answer.Plain) -> None:
        """Nothing of this exchange has met the parser: it stands before the next answer."""
        request.status = plain.status
        request.bytes_out = length = plain.end - plain.start
        if self._handler.watched:
            other = self._handler.answered(request, request.status)
            if other is not None:
                self._release(reusable=True)
                self._handler.resend(request, other)
                return
        if request.taker is not None:
            self._tell_plain(request, request.taker, data, plain)
            return
        connection = request.connection
        connection.transport.write(
            b"%bX-Request-Id: %b\r\n%bContent-Length: %d\r\n%b\r\n%b"
            % (
                plain.passed,
                request.id,
                b"".join(request.answer_extra) if request.answer_extra else b"",
                length,
                connection.persistence(request),
                data[plain.start :],
            )
        )
        request.head_sent = True
        request.sink = self._request = None
        self._sent = False
        if self._paused:
            self.resume()
        self.pool.done(self, True)
        connection.finish(request)

    def _tell_plain(self, request: Request, taker: Taker, data: bytes, plain: plain_answer.Plain) -> None:
        """The same, where somebody takes the answer in the client's place."""
        first, *lines = plain.passed.splitlines(keepends=True)
        request.bytes_out = 0  # who writes counts
        try:
            taker.head(Head(plain.status, first[13:].rstrip(), lines, plain.end - plain.start))
            if plain.end > plain.start:
                taker.part(data[plain.start :])
            taker.end(None, True)
        except Unfit as unfit:
            self._spoiled(request, unfit)
            return
        self._release(reusable=True)
        request.connection.finish(request)

    # --- httptools

    def on_message_begin(self) -> None:
        if self._done:
            self._dirty = True

    def on_status(self, reason: bytes) -> None:
        self._reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        low = name.lower()
        if self._trailers is not None:
            self._trailers.append((low, value))
        elif low not in forward.DROP_RESPONSE:
            self._lines.append(b"%b: %b\r\n" % (name, value))
        elif low == b"content-length":
            self._length = value.strip()
        elif low == b"transfer-encoding":
            self._framing = _CHUNKED if value.strip().lower() == b"chunked" else _NONE
        elif low == b"connection":
            before = self._connection_header
            self._connection_header = value if before is None else before + b"," + value
        elif low == b"upgrade":
            self._upgrade = value.strip().lower()
        elif low == b"trailer":
            self._lines.append(b"Trailer: %b\r\n" % value)

    def on_headers_complete(self) -> None:
        request = self._request
        if request is None or self._done:
            return
        status = self._parser.get_status_code()
        if status == 101:
            request.status = status
            self._out.append(self._switching(request))
            if self._handler.watched:
                self._handler.answered(request, status)
            return
        if status < 200:
            self._pass_interim(request, status)
            return
        request.status = status
        if self._handler.watched:
            self._other = self._handler.answered(request, status)
            if self._other is not None:
                raise _Unwanted
        if sum(map(len, self._lines)) > HEAD_MAXIMUM:
            raise ValueError(f"its head is larger than {HEAD_MAXIMUM // 1024} KiB")
        self._settle_framing(request, status)
        if request.taker is None:
            self._out.append(self._head(request, status))
        else:
            self._tell(request.taker, request, status)
        if self._framing == _CHUNKED:
            self._trailers = []
        if request.method == b"HEAD":
            # llhttp does not know the method and would wait for the body that the length announces.
            self._done = True
            self._close = b"close" in (self._connection_header or b"").lower() or self._old()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        if self._done:
            self._dirty = True
            return
        request: Request = self._request
        self._idle_bytes = 0
        if request.taker is not None:
            request.taker.part(data)
            return
        request.bytes_out += len(data)
        self._out.append(forward.chunk(data) if self._rechunk else data)

    def on_message_complete(self) -> None:
        if self._upgrade and self._request is not None and self._request.status == 101:
            return
        if self._interim:
            self._interim = False
            self._lines = []
            self._connection_header = None
            return
        if self._done:
            return
        self._done = True
        # A server that declines a handshake may still have misread what follows: do not use its connection again.
        self._close = self._request.websocket or not self._parser.should_keep_alive()
        if self._rechunk and self._request.taker is None:
            self._out.append(forward.last_chunk(self._trailers, {b"x-request-id"}))

    # --- the answer's head

    def _pass_interim(self, request: Request, status: int) -> None:
        """1xx: 100 was answered by us; others (103 Early Hints) go on (RFC 9110, section 15.2)."""
        self._interim = True
        if status != 100 and not request.http10:
            whole = b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, self._reason, b"".join(self._lines))
            if request.taker is None:
                self._out.append(whole)
            else:
                request.taker.interim(whole)

    def _settle_framing(self, request: Request, status: int) -> None:
        """How the body comes (RFC 9112, section 6.3) and how it goes on."""
        if status in (204, 304) or request.method == b"HEAD":
            self._rechunk = False
            return
        if self._framing == _NONE:
            raise ValueError("the answer has a transfer coding other than chunked")
        if self._framing == _UNTIL_CLOSE and self._length:
            self._framing = _LENGTH
        self._rechunk = self._framing != _LENGTH and not request.http10
        if self._framing != _LENGTH and request.http10:
            request.keep_alive = False

    def _head(self, request: Request, status: int) -> bytes:
        lines = self._lines
        if self._connection_header is not None and self._connection_header.lower() not in (b"keep-alive", b"close"):
            lines = forward.without(lines, self._connection_header)
        connection = request.connection
        head = b"".join(lines)
        if self._framing != _LENGTH and _EVENTS in head and status not in (204, 304):
            self._stream_events(request, lines)
        if self._rechunk:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif self._length and status != 204:
            framing = b"Content-Length: %b\r\n" % self._length
        else:
            framing = b""
        return b"HTTP/1.1 %d %b\r\n%bX-Request-Id: %b\r\n%b%b%b\r\n" % (
            status,
            self._reason,
            head,
            request.id,
            b"".join(request.answer_extra) if request.answer_extra else b"",
            framing,
            connection.persistence(request),
        )

    def _tell(self, taker: Taker, request: Request, status: int) -> None:
        """Somebody takes the answer in the client's place."""
        lines = self._lines
        if self._connection_header is not None:
            lines = forward.without(lines, self._connection_header)
        if self._framing != _LENGTH and _EVENTS in b"".join(lines) and status not in (204, 304):
            self._stream_events(request, lines)
        is_said = self._length and self._framing != _CHUNKED and status != 204
        taker.head(Head(status, self._reason, lines, int(self._length) if is_said else None))

    @staticmethod
    def _stream_events(request: Request, lines: list[bytes]) -> None:
        """A stream of events has no foreseeable end: it is counted apart. Raises NoRoom."""
        kind = (forward.single(lines, b"content-type") or b"").partition(b";")[0].strip()
        if kind == _EVENTS and request.method != b"HEAD" and not request.connection.stream(request):
            raise NoRoom

    def _switching(self, request: Request) -> bytes:
        """The head of a 101, once it is certain that it answers this request's handshake."""
        if not request.websocket:
            raise ValueError("101 to a request that asked for no upgrade")
        tokens = (self._connection_header or b"").lower().split(b",")
        accept = forward.single(self._lines, b"sec-websocket-accept")
        if self._upgrade != b"websocket" or b"upgrade" not in (token.strip() for token in tokens):
            raise ValueError("101 that does not switch to WebSocket")
        if accept != accept_of(request.fields[b"sec-websocket-key"]):
            raise ValueError("101 whose Sec-WebSocket-Accept does not fit the request's key")
        if request.connection.site.streams_are_full:
            raise NoRoom
        lines = forward.without(self._lines, self._connection_header or b"")
        extra = b"".join(request.answer_extra)
        own = b"Connection: Upgrade\r\nUpgrade: websocket\r\nX-Request-Id: %b\r\n" % request.id
        return b"HTTP/1.1 101 Switching Protocols\r\n%b%b%b\r\n" % (own, b"".join(lines), extra)

    def _switch(self, request: Request, rest: bytes) -> None:
        """The connection belongs to a tunnel from here on."""
        answer = b"".join(self._out)
        request.head_sent = True
        request.sink = self._request = None
        self.resume()
        self.counted = False
        self.pool.connections.discard(self)
        request.at_end(self.pool.freed)
        request.connection.switch(request, self.transport, answer, rest)

    def _old(self) -> bool:
        return self._parser.get_http_version() != "1.1"

    # --- the end

    def _finish(self, request: Request) -> None:
        if request.taker is not None:
            try:
                request.taker.end(self._trailers, True)
            except Unfit as unfit:
                self._spoiled(request, unfit)
                return
        self._release(self._sent and not self._close and not self._dirty)
        request.connection.finish(request)

    def _release(self, reusable: bool) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.sink = None
            if self._paused:
                self.resume()
            self._reset()
            self.pool.done(self, reusable)

    def _spoiled(self, request: Request, error: Exception) -> None:
        self._release(reusable=False)
        cause = error.__context__ if isinstance(error.__context__, ValueError) else error
        if isinstance(cause, NoRoom):
            request.connection.overloaded(request)
            return
        if not isinstance(cause, Unwanted):
            self._handler.failed(request.target, failure(Failure.INVALID))
        request.detail = str(cause)
        told = f": {cause}" if isinstance(cause, Unfit) else ""  # what clients may know, and a parser's words are not
        request.connection.fail(request, 502, f"the upstream sent an invalid answer{told}", "upstream_invalid")

    def _lost_in_exchange(self, request: Request, error: Exception | None) -> None:
        received = self._received
        if _has_begun(request) and self._framing == _UNTIL_CLOSE and error is None and self._is_whole():
            self._end_by_close(request)
            return
        self._release(reusable=False)
        stale = not received and self.kept
        if stale and forward.can_be_sent_again(request):
            self.pool.retry(request, self)
            return
        if not stale:  # else it was closed while nobody used it: no fault
            self._handler.failed(request.target, failure(Failure.CLOSED))
        if not received and self._handler.again(request, "closed"):
            return
        how = "closed the connection in the middle of its answer" if received else "closed the connection unanswered"
        request.connection.fail(request, 502, f"the upstream {how}", "upstream_closed")

    def _is_whole(self) -> bool:
        """Whether the end of the connection was meant: in TLS only a close_notify says so (RFC 9112, section 9.8)."""
        return self._notified or self.transport.get_extra_info("sslcontext") is None

    def _ask_another(self, request: Request, other: Target) -> None:
        """The answer is not passed on; what is left of it goes with the connection."""
        handler = self._handler
        self._release(reusable=False)
        self.transport.abort()
        handler.resend(request, other)

    def _end_by_close(self, request: Request) -> None:
        """Neither length nor chunks: the end of the connection is the end of the body."""
        if request.taker is not None:
            try:
                request.taker.end(None, False)
            except Unfit as unfit:
                self._spoiled(request, unfit)
                return
        elif self._rechunk:
            request.connection.transport.write(forward.LAST_CHUNK)
        self._release(reusable=False)
        request.connection.finish(request)
