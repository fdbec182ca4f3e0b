"""The answering half of a client's connection: whole answers, how an exchange ends, and what is read meanwhile.

    answer · respond · an upstream's answer ─▶ finish ─▶ settled: counted, logged, places given back
                       fail · the client left ─▶ abandoned ─┘   └▶ the next request, or the connection's end

Reading stops while somebody does not keep up: requests that wait behind an unanswered one, a body that its upstream
does not take, bytes behind a handshake that is not decided (`flow`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from apigw_cli.gateway import answers, sockets
from apigw_cli.gateway.filtering import Filtering
from apigw_cli.gateway.framing import HOLD_MAXIMUM, Malformed
from apigw_cli.gateway.reader import Reader
from apigw_cli.gateway.request import Request
from apigw_cli.policies.answer_filter import Head, Unfit, has_body

if TYPE_CHECKING:
    from apigw_cli.caching.answer import Answer
    from apigw_cli.gateway.site import Site
    from apigw_cli.policies.answer_filter import AnswerFilter

SECOND = 10**9
LINGER_TIMEOUT = 2 * SECOND  # how long input is thrown away so that a last answer is not lost to a reset
DISCARD_TIMEOUT = 30 * SECOND
DISCARD_MAXIMUM = 1024 * 1024  # of a body that nobody wants, before the connection is given up

_CLOSE = b"Connection: close\r\n"
_KEEP = b"Connection: keep-alive\r\n"


class Answering(Reader):
    """What a request is started by, and what becomes of a handshake that was declined, is the other half's."""

    __slots__ = (
        "_discarded",
        "_early",
        "_held",
        "_pumping",
        "_queue",
        "_reading_paused",
        "_writing_paused",
        "active",
        "deadline",
    )

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.active: Request | None = None
        self.deadline = 0  # monotonic_ns; of the exchange, or of idleness. 0: none
        self._queue: deque[Request | Malformed] = deque()
        self._pumping = False
        self._discarded = 0
        self._early = bytearray()  # what came behind a handshake that is not decided yet
        self._held = False
        self._reading_paused = False
        self._writing_paused = False

    def _start(self, request: Request) -> None:
        """Take a request, which is `active`, to what answers it."""

    def _answer_malformed(self, malformed: Malformed) -> None:
        """Answer what is no request, and close."""

    def _declined(self, request: Request) -> None:
        """The handshake had an ordinary answer."""

    # --- answers

    def answer(
        self, request: Request, status: int, message: str, headers: tuple[bytes, ...] = (), reason: str = ""
    ) -> None:
        """The gateway's own answer, `headers` being whole header lines."""
        request.reason = reason
        self.respond(request, status, (answers.JSON, *headers), answers.message_body(message), own=True)

    def respond(
        self, request: Request, status: int, headers: tuple[bytes, ...], body: bytes, own: bool = False
    ) -> None:
        """A whole answer at once. `own`: a refusal or an error, which the gateway says itself."""
        filters = request.plan.filters if request.plan is not None else request.filters
        if filters:
            said = b"".join((self.site.date, *headers)).splitlines(keepends=True)
            length = None if status in (204, 304) else len(body)
            self._respond_through(request, filters, Head(status, answers.reason(status), said, length, own), body)
            return
        request.status = status
        lines = b"".join((self.site.date, *headers, b"X-Request-Id: %b\r\n" % request.id, *request.answer_extra))
        head_only = request.method == b"HEAD"
        data, request.bytes_out = answers.complete(status, lines, body, head_only, self.persistence(request))
        self.transport.write(data)
        self.finish(request)

    def respond_stored(self, request: Request, answer: Answer, more: bytes) -> bool:
        """A stored answer. `more`: further header lines. False: a filter does not let it pass, and was obeyed."""
        if request.plan is not None and request.plan.filters:
            first, *lines = b"".join((answer.head, more)).splitlines(keepends=True)
            length = len(answer.body) if answer.has_body else None
            head = Head(answer.status, first[13:].rstrip(), lines, length)
            return self._respond_through(request, request.plan.filters, head, answer.body)
        request.status = answer.status
        body = answer.body if answer.has_body and request.method != b"HEAD" else b""
        request.bytes_out = len(body)
        self.transport.write(
            b"%b%bX-Request-Id: %b\r\n%b%b%b\r\n%b"
            % (
                answer.head,
                more,
                request.id,
                b"".join(request.answer_extra),
                b"Content-Length: %d\r\n" % len(answer.body) if answer.has_body else b"",
                self.persistence(request),
                body,
            )
        )
        self.finish(request)
        return True

    def _respond_through(self, request: Request, filters: tuple[AnswerFilter, ...], head: Head, body: bytes) -> bool:
        """A whole answer at once, through its route's filters. Nothing of it is written before all of it has passed.

        Says whether it has.
        """
        request.bytes_out = 0
        taker = Filtering(request, filters)
        try:
            taker.head(head)
            if body and has_body(request.method, head):
                taker.part(body)
            taker.end(None, True)
        except Unfit as unfit:
            request.bytes_out = 0
            self.answer(request, 502, f"the answer may not pass: {unfit}", (), "answer_unfit")
            return False
        self.finish(request)
        return not taker.refused

    def fail(self, request: Request, status: int, message: str, reason: str) -> None:
        """The exchange cannot be completed: say so where that is still possible, else break off visibly."""
        if request.head_sent:
            self._abandon(request, reason)
            if request.http10 and not self.transport.is_closing():  # such a body may end with the connection
                sockets.reset_at_close(self.transport.get_extra_info("socket"))
            self.transport.abort()
        else:
            self.answer(request, status, message, (), reason)

    def persistence(self, request: Request) -> bytes:
        """The `Connection` line of an answer: settles whether the connection lives on."""
        unread = not request.complete and (request.expects or request.length > DISCARD_MAXIMUM)
        if unread or self.site.draining:
            request.keep_alive = False
        if not request.keep_alive:
            return _CLOSE
        return _KEEP if request.http10 else b""

    def finish(self, request: Request) -> None:
        """The answer has been written to its end."""
        request.answered = True
        self._settle(request)
        if request is self.handshake:
            self._declined(request)
        elif not request.keep_alive:
            self._close(request)
        elif request.complete:
            if self._queue or self.site.draining or self._reading_paused:
                self._take_next()
            else:  # as `_take_next` does, without the call
                self.active = None
                self.deadline = self.site.now + self.site.table.limits.idle
        else:
            self._discarded = 0
            self.deadline = self.site.now + DISCARD_TIMEOUT
            if self._reading_paused:
                self.flow()

    def _abandon(self, request: Request, reason: str) -> None:
        """Nobody will get (the rest of) the answer."""
        request.answered = True
        request.reason = reason
        request.keep_alive = False
        request.status = request.status if request.head_sent else 499
        self._drop_sink(request)
        self._settle(request)

    def _settle(self, request: Request) -> None:
        self._held = False
        handler, site = request.handler, self.site
        if handler is not None:
            handler.done(request.target)
        if request.deciding is not None:
            request.deciding.cancel()
        if request.after is not None:
            request.is_over()
        if request.counted:
            site.inflight.leave()
            if site.waiting:
                site.room.freed()
        elif request.streaming:
            site.streams -= 1
        elif site.waiting:
            site.room.leave(request.connection)
        site.account(request)

    @staticmethod
    def _drop_sink(request: Request) -> None:
        if request.sink is not None:
            request.sink.cancel()

    # --- between requests

    def _take_next(self) -> None:
        self.active = None
        if self._queue:
            self._pump()
        elif self.site.draining:
            self.transport.close()
        else:
            self.deadline = self.site.now + self.site.table.limits.idle
            self.flow()

    def _pump(self) -> None:
        """Start what is queued, as long as that is answered at once and the client takes it."""
        if self._pumping:
            return
        self._pumping = True
        while self._queue and self.active is None and not self._writing_paused:
            item = self._queue.popleft()
            if isinstance(item, Malformed):
                self._answer_malformed(item)
            else:
                self.active = item
                self._start(item)
        self._pumping = False
        self.flow()

    def _close(self, request: Request) -> None:
        """End the connection; input that may still come is thrown away first, or a reset would eat the answer."""
        self._queue.clear()
        if request.complete:
            self.transport.close()
            return
        self.deaf = True
        self._discarded = 0
        self.deadline = self.site.now + LINGER_TIMEOUT
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()  # TLS knows no half of an end: there the client closes, or the deadline does
        self.flow()

    def is_full(self) -> bool:
        return self._reading_paused or self.transport.is_closing()

    @property
    def unread(self) -> bool:
        """Whether nothing is read from this client for now."""
        return self._reading_paused and not self.transport.is_closing()

    def read_on(self) -> None:
        """What was left comes first; only then is the socket read again."""
        super().read_on()
        if not self._unread and not self.is_full():
            self.transport.resume_reading()

    def hold(self, held: bool) -> None:
        """The upstream takes no more of the body (or does again)."""
        self._held = held
        self.flow()

    def flow(self) -> None:
        """Read from the socket, or not, as the states of body and queue ask for."""
        request = self.active
        full = bool(self._queue) or len(self._early) > HOLD_MAXIMUM
        if request is not None and not request.answered:
            full = full or self._held or (request.sink is None and request.waiting > HOLD_MAXIMUM)
        if full != self._reading_paused and not self.transport.is_closing():
            self._reading_paused = full
            if full:
                self.transport.pause_reading()
                return
            if self.read_deadline:  # the rest of a head could not come while we did not read
                self.read_deadline = self.site.now + self.site.table.limits.header
            if self._unread:
                self.site.loop.call_soon(self.read_on)
            else:
                self.transport.resume_reading()

    def close_if_idle(self) -> None:
        """The worker is draining."""
        if self.active is None and not self._queue and not self._earlier:
            self.transport.close()

    def retire(self) -> None:
        """Others may come than those that this connection was opened for: it ends with what it is doing."""
        if self.active is None and not self._queue:
            self.transport.close()
        for request in (self.active, *self._queue):
            if isinstance(request, Request):
                request.keep_alive = False
