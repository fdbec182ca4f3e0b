"""One client's connection: requests are routed and answered here, one after the other, in order.

    opened(request) ─▶ [an earlier one unanswered? queue] ─▶ route ─▶ steps ─▶ integration
                                                                                  │
    next request ◀─ answered and read to its end ◀─ our own answer, or the upstream's ┘

No task, future or coroutine is made for a request, but where a step has to wait. A request is done when it is both
`answered` and `complete` (read to its end); whichever comes second takes the next one from the queue. While a
request waits in the queue the socket is not read, and of what one read brought only a slice is taken for requests
(`Reader`), so a client that pipelines fills its own buffers, not ours.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from apigw_cli.gateway import client_certificate, forward, gathering, tracing
from apigw_cli.gateway.accesslog import client_fields
from apigw_cli.gateway.answering import DISCARD_MAXIMUM, SECOND, Answering
from apigw_cli.gateway.framing import HOLD_MAXIMUM, METHODS, Malformed
from apigw_cli.gateway.gathering import Gathering
from apigw_cli.gateway.guest import Guest
from apigw_cli.gateway.queueing import Queued
from apigw_cli.gateway.request import Request
from apigw_cli.gateway.table import Plan
from apigw_cli.gateway.tunnel import Tunnel
from apigw_cli.integrations.trouble import Failure, failure
from apigw_cli.policies.interface import Refusal, Whole
from apigw_cli.routing.router import MethodNotAllowed

if TYPE_CHECKING:
    from apigw_cli.gateway.forwarding import Forwarding
    from apigw_cli.gateway.handlers import UpstreamHandler
    from apigw_cli.gateway.site import Site
    from apigw_cli.policies.interface import ClientCertificate, Step, Waiting

STEP_TIMEOUT = 30 * SECOND  # for steps that wait; each has a shorter timeout of its own

_OVERLOADED = (b"Retry-After: 1\r\n",)


def _from(plan: Plan, step: Step) -> tuple[Step, ...]:
    """A step and those after it."""
    return plan.steps[next(at for at, one in enumerate(plan.steps) if one is step) :]


class ClientConnection(Answering):
    """The routing half: see the module's docstring."""

    __slots__ = (
        "_forwarding",
        "_told_at_once",
        "authorities",
        "certificate",
        "log_fields",
        "presented",
        "scheme",
        "trusted",
    )

    def __init__(self, site: Site, authorities: str = "") -> None:
        super().__init__(site)
        self.authorities = authorities  # whose certificates this client may show (`tls.Listening`)
        self.certificate: ClientCertificate | None = None  # the one that it has shown
        self.presented = b""  # header lines that tell an upstream about it
        self.scheme = b"http"
        self.trusted = False  # the other end is a proxy whose word about the client counts
        self._forwarding: Forwarding | None = None  # the settings that `trusted` and `_told_at_once` come from
        self._told_at_once = True  # `forwarded` holds for every request

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.client_ip = peer[0] if isinstance(peer, tuple) else ""
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self.scheme = b"https"
            self.certificate = client_certificate.of(secured)
        self.log_fields = client_fields(self.client_ip)
        site = self.site
        self.deadline = site.now + site.table.limits.idle
        site.connections.add(self)
        if len(site.connections) + len(site.tunnels) > site.table.limits.connections:
            self._turn_away()
        elif self.authorities != site.authorities:  # they changed during the handshake
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.deaf = True
        self._unread = b""
        self._queue.clear()
        self.site.connections.discard(self)
        if self.active is not None and not self.active.answered:
            self._abandon(self.active, "client_gone")

    def eof_received(self) -> None:
        """A client that stops sending has left: the transport closes, `connection_lost` cancels the exchange."""

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self.active is not None and self.active.sink is not None:
            self.active.sink.pause()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self.active is not None and self.active.sink is not None:
            self.active.sink.resume()
        self._pump()

    # --- what the reader found

    def opened(self, request: Request) -> None:
        if self.active is None and not self._queue and not self._writing_paused:
            self.active = request
            self._start(request)
        else:
            self._queue.append(request)
            self.flow()

    def part(self, request: Request, data: bytes) -> None:
        if request.answered:
            self._throw_away(len(data))
            return
        maximum = min(self.site.table.limits.max_body, request.body_maximum)
        if request.bytes_in > maximum and request is self.active:
            self._refuse_body(request, maximum)
            return
        request.waiting += len(data)
        sink = request.sink
        if sink is None:
            request.body.append(data)
            if request.waiting > HOLD_MAXIMUM:
                self.flow()
            return
        if request.waiting <= HOLD_MAXIMUM:
            request.body.append(data)
        sink.send(data)

    def ended(self, request: Request) -> None:
        if request.answered:
            self._take_next()
        elif not request.has_body:
            return
        elif request.sink is not None:
            request.sink.end()
        elif request.plan is not None and request.deciding is None:
            request.plan.integration.ended(request)

    def diverted(self, data: bytes) -> None:
        if self.handshake is None:
            self._throw_away(len(data))
        else:
            self._early += data
            self.flow()

    def _throw_away(self, size: int) -> None:
        self._discarded += size
        if self._discarded > DISCARD_MAXIMUM:
            self.transport.abort()

    def broken(self, malformed: Malformed) -> None:
        """Answer what cannot be read after all that came before it, then close."""
        request: Request | None = self.parsing
        self.parsing = None
        if self._queue and self._queue[-1] is request:
            self._queue.pop()
        if request is not None and request is self.active:
            self._break_off(request, malformed)
        else:
            self._queue.append(malformed)
            self._pump()

    def _break_off(self, request: Request, malformed: Malformed) -> None:
        """The body of the request being served turned out to be malformed."""
        request.keep_alive = False
        if request.answered:
            self._close(request)
        else:
            self._drop_sink(request)
            self.fail(request, malformed.status, malformed.message, "malformed")

    # --- one request

    def _start(self, request: Request) -> None:
        """Route a request and take it through its plan's steps to what answers it."""
        site = self.site
        if not request.counted:  # else it has waited for its turn
            if site.export is not None or b"traceparent" in request.fields:
                tracing.join(request, site.export)
            if site.waiting or not site.inflight.enter():
                self._wait(request)
                return
            request.counted = True
        table = site.table
        if request.has_body and max(request.length, request.bytes_in) > table.limits.max_body:
            self._refuse_body(request, table.limits.max_body)
            return
        if table.forwarding is not self._forwarding:
            self._settle_trust(table.forwarding)
        if not self._told_at_once:
            try:
                table.forwarding.apply(request, self)
            except Malformed as malformed:
                request.keep_alive = False
                self.answer(request, malformed.status, malformed.message, (), "malformed")
                return
        if table.canary is not None:
            table = table.canary(request)
        plan = table.known.get((request.host, request.method, request.path))
        if plan is None:
            found = table.find(request) if request.method != b"OPTIONS" else table.options(request)
            if not isinstance(found, Plan):
                self._answer_unrouted(request, found)
                return
            plan = found
        request.plan = plan
        self._take(request, plan, plan.steps)

    def _take(self, request: Request, plan: Plan, steps: tuple[Step, ...]) -> None:
        """Take a request through (what is left of) its plan's steps to what answers it."""
        try:
            for step in steps:
                outcome = step(request)
                if outcome is not None:
                    if isinstance(outcome, Refusal):
                        self._refuse(request, outcome)
                    elif isinstance(outcome, Whole):
                        self._gather(request, plan, step, outcome)
                    else:
                        self._decide_later(request, plan, step, outcome)
                    return
            if request.expects:
                self._expected(request)
            plan.integration.start(request)
        except Exception as error:  # a bug: one request is lost, not the worker
            self._lose(request, error)

    def _expected(self, request: Request) -> None:
        """The client waits for that before it sends its body."""
        request.expects = False
        self.transport.write(forward.CONTINUE)

    def _gather(self, request: Request, plan: Plan, step: Step, whole: Whole) -> None:
        """A step has to see the whole body: it and those after it go on when that has come."""
        steps = _from(plan, step)

        def too_large() -> None:
            if whole.skip:
                self._take(request, plan, steps[1:])
            else:
                self._refuse_body(request, whole.maximum)

        if request.length > whole.maximum:
            too_large()
            return
        if request.expects:
            self._expected(request)
        self.deadline = request.started + gathering.TIMEOUT
        request.sink = Gathering(request, whole.maximum, lambda: self._take(request, plan, steps), too_large)
        self.flow()

    def _wait(self, request: Request) -> None:
        """No place is free among those in flight."""
        limits = self.site.table.limits
        if self.site.room.join(self, limits.queue_length):
            self.deadline = request.started + limits.queue_time
        else:
            self.overloaded(request)

    def take_turn(self, waited: int) -> None:
        """The active request has a place now, after so many nanoseconds."""
        request = self.active
        assert request is not None
        request.counted = True
        request.waited = waited
        request.started += waited  # an upstream has its whole time
        self.deadline = self.site.now + self.site.table.limits.idle
        try:
            self._start(request)
        except Exception as error:
            self._lose(request, error)

    def overloaded(self, request: Request) -> None:
        self._belongs_to(request)
        message = "the gateway has all the requests in flight that it may"
        self.answer(request, 503, message, _OVERLOADED, "overloaded")

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        if refusal.body is None:
            self.answer(request, refusal.status, refusal.message, refusal.headers, refusal.reason)
        else:
            request.reason = refusal.reason
            self.respond(request, refusal.status, refusal.headers, refusal.body, own=True)

    def _lose(self, request: Request, error: Exception) -> None:
        self.site.report(error)
        self._drop_sink(request)
        self.fail(request, 500, "the gateway failed on this request", "bug")

    def _decide_later(self, request: Request, plan: Plan, step: Step, waiting: Waiting) -> None:
        """A step has to wait: it and those after it go on in a task, which ends with the request at the latest."""
        self.deadline = request.started + STEP_TIMEOUT
        left = _from(plan, step)[1:]
        request.deciding = self.site.loop.create_task(self._go_on(request, plan, left, waiting))
        request.deciding.add_done_callback(lambda _: waiting.close())  # where the task was cancelled before it began

    async def _go_on(self, request: Request, plan: Plan, left: tuple[Step, ...], waiting: Waiting) -> None:
        try:
            refusal = await waiting
        except Exception as error:
            request.deciding = None
            self._lose(request, error)
            return
        request.deciding = None
        if refusal is not None:
            self._refuse(request, refusal)
        else:
            self._take(request, plan, left)

    def _settle_trust(self, forwarding: Forwarding) -> None:
        """For the first request, and for the first one after a reload."""
        self._forwarding = forwarding
        self.trusted = forwarding.trusts_peer(self.client_ip)
        self._told_at_once = forwarding.plain and not self.trusted
        self.log_fields = client_fields(self.client_ip)
        told = b"X-Forwarded-For: %b\r\n" % self.client_ip.encode() if self.client_ip else b""
        self.presented = forwarding.presented(self.certificate)
        self.forwarded = b"%bX-Forwarded-Proto: %b\r\n%b" % (told, self.scheme, self.presented)

    def _turn_away(self) -> None:
        """The worker has all the connections that it may have."""
        self.deaf = True
        request = self.active = Request(self, b"", b"", [], {}, self.site.clock(), self.client_ip)
        request.id = self.site.new_id()
        request.complete, request.keep_alive = True, False
        self.answer(request, 503, "the gateway has all the connections that it may", _OVERLOADED, "overloaded")

    def _belongs_to(self, request: Request) -> None:
        """A request is refused before it was routed: the answer passes through its route's filters all the same."""
        if request.plan is None and request.path:
            request.filters = self.site.table.filters(request)

    def _refuse_body(self, request: Request, maximum: int) -> None:
        self._belongs_to(request)
        request.keep_alive = False
        self._drop_sink(request)
        message = f"the request's body is larger than {maximum} bytes"
        self.fail(request, 413, message, "too_large")

    def _answer_unrouted(self, request: Request, found: object) -> None:
        if isinstance(found, MethodNotAllowed):
            request.filters = self.site.table.filters(request)
            message = f"{METHODS[request.method]} is not among the methods of this path"
            allow = b"Allow: %b\r\n" % found.allow_value
            self.answer(request, 405, message, (allow,), "method_not_allowed")
        else:
            self.answer(request, 404, "no route has this host and path", (), "no_route")

    def _answer_malformed(self, malformed: Malformed) -> None:
        request = self.active = Request(self, b"", b"", [], {}, self.site.clock(), self.client_ip)
        request.id = self.site.new_id()
        request.keep_alive = False
        self.log_fields = client_fields(self.client_ip)
        self.answer(request, malformed.status, malformed.message, (), "malformed")

    # --- WebSocket

    def undecided(self, early: bytes) -> None:
        """Keep what follows a handshake until it is answered, unless that has been done already."""
        request = self.handshake
        if request is not None and request.answered:
            self.handshake = None
            if early:
                self.data_received(early)
        else:
            self.deaf = True
            self.diverted(early)

    def _declined(self, request: Request) -> None:
        """The handshake had an ordinary answer: what follows is HTTP as before."""
        self.handshake = None
        if not request.keep_alive:
            self._close(request)
            return
        self._unread, self._early = bytes(self._early) + self._unread, bytearray()
        self.deaf = False
        self._take_next()
        self.flow()
        self.read_on()

    def switch(self, request: Request, upstream: asyncio.Transport, answer: bytes, rest: bytes) -> None:
        """The upstream agreed: write its answer and let the bytes of both pass. `rest` came behind the answer."""
        early, self._early = bytes(self._early) + self._unread, bytearray()
        self._unread = b""
        request.answered = True
        self._leave_those_in_flight(request)
        self.handshake = self.active = None
        self.flow()
        self.site.connections.discard(self)
        self.transport.write(answer)
        Tunnel(self.site, request, self.transport, upstream).open(early, rest, self._writing_paused)

    def stream(self, request: Request) -> bool:
        """The answer is a stream of events, without a foreseeable end. Says whether there is room for one more."""
        if self.site.streams_are_full:
            return False
        self._leave_those_in_flight(request)
        request.streaming = True
        self.site.streams += 1
        return True

    def _leave_those_in_flight(self, request: Request) -> None:
        if request.counted:
            request.counted = False
            self.site.inflight.leave()
            if self.site.waiting:
                self.site.room.freed()

    # --- time

    def expire(self, now: int) -> None:
        """Called from time to time: act on deadlines that have passed."""
        if self.deadline < now:
            self._deadline_passed()
        if self.read_deadline and self.read_deadline < now and self.active is None:
            self.stop_reading(Malformed(408, "the request's headers did not arrive in time"))

    def _deadline_passed(self) -> None:
        request = self.active
        if request is None or request.answered:
            self._give_up()
            return
        if self in self.site.waiting:
            request.keep_alive = request.keep_alive and request.complete
            self.overloaded(request)
            return
        if isinstance(request.sink, Queued | Guest):
            request.keep_alive = request.keep_alive and request.complete
            request.sink.expire()
            return
        self._drop_sink(request)
        request.keep_alive = request.keep_alive and request.complete
        if request.handler is not None:
            self._upstream_is_late(request, request.handler)
        elif request.deciding is not None:
            self.fail(request, 504, "the gateway could not decide on this request in time", "policy_timeout")
        else:
            self.fail(request, 408, "the request's body did not arrive in time", "client_timeout")

    def _upstream_is_late(self, request: Request, handler: UpstreamHandler) -> None:
        """Without an answer, or (`timeout.idle`) in the middle of one."""
        stalled = request.head_sent and handler.idle > 0 and self.site.clock() < request.started + handler.total
        if stalled:
            handler.failed(request.target, failure(Failure.STALLED))
            self.fail(request, 504, "the upstream stalled in its answer", "upstream_stalled")
            return
        if request.complete and not request.head_sent:  # else the client may be the slow one
            handler.failed(request.target, failure(Failure.LATE))
            if handler.again(request, "timeout"):
                return
        self.fail(request, 504, "the upstream did not answer in time", "upstream_timeout")

    def _give_up(self) -> None:
        """Idle too long, or still sending what nobody reads."""
        if self.active is not None or self.deaf:
            self.transport.abort()
        elif not self._earlier:
            self.transport.close()
