"""One request of the cache to an upstream, and the clients that wait for what comes of it.

    begin ─▶ head ─▶ part … ─▶ end ─▶ finish                  the answer, to be stored or not
      └────────┴───────┴─▶ fail · answer (the gateway's own)  no answer, or half of one

To the handler that sends it, the fetch is the request's connection; to the upstream's connection, its taker. The
client that asked first *leads*: the answer is passed on to it while it comes. Those that asked the same meanwhile
*follow*: they wait until the answer is stored, or until it is known that it will not be, and then each goes its own
way. What goes to a follower comes out of the store, never from the leader's answer: what may not be stored is seen by
the leader alone.

| the leader leaves      | with followers the fetch goes on, and is stored; without any it ends                     |
| the answer breaks off  | nothing is stored; the leader's breaks off too; followers: a stale answer, or an error   |
| no answer              | leader and followers: a stale answer where that is allowed, else the same error          |
| longer than max_object | passed on to the leader, not stored; followers go their own way                          |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apigw_cli.caching import completing, conditions, fields, status, storing
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.leases import Lease, Outcome
from apigw_cli.caching.ranges import Part
from apigw_cli.caching.storing import Asked, Came
from apigw_cli.gateway import answers
from apigw_cli.gateway.following import encoded
from apigw_cli.gateway.guest import FOREVER, Guest
from apigw_cli.gateway.queueing import Queued
from apigw_cli.gateway.request import Request
from apigw_cli.integrations.trouble import Failure, failure
from apigw_cli.policies.answer_filter import Head, Unfit

if TYPE_CHECKING:
    from apigw_cli.gateway.caching import CachedRoute
    from apigw_cli.gateway.request import Header

ERRORS = frozenset((500, 502, 503, 504))  # RFC 5861, section 4
_RANGE = frozenset((b"range", b"if-range"))


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it is asked: `why` as Cache-Status says it; `entry` what was found, to be validated.

    `rest`: a stored part, and which bytes are missing: they are asked for alone.
    """

    why: bytes
    entry: Entry | None = None
    rest: tuple[Entry, Part] | None = None


class Fetch:
    """See the module's docstring."""

    def __init__(
        self,
        route: CachedRoute,
        key: bytes,
        request: Request,
        reason: Reason,
        leads: bool = True,
        lease: Lease | None = None,
    ) -> None:
        """`key`: where the answer is stored. `flight`: who may wait for it. `lease`: says so to other workers."""
        self.route = route
        self.site = route.site
        self.key = key
        self.flight = route.flight(key, request)
        self.reason = reason
        self.lease = lease
        self.deadline = FOREVER
        self.followers: list[Guest] = []
        self.forwarded = request.connection.forwarded
        self.certificate = request.connection.certificate
        self.asked: Asked = route.asked(request)
        self.mine = conditions.asking(reason.entry) if reason.entry is not None and route.rules.ttl is None else b""
        self.ask = self._copy(request)
        self.leader: Guest | None = Guest(self, request, True) if leads else None
        self._behind = not leads  # nobody waits for it from the beginning
        self.stored: Entry | None = None  # being received
        self._parts: list[bytes] = []
        self._held = 0
        self._paused = False
        self._plan: tuple[Entry, bytes, str] | None = None  # what answers the leader in place of the upstream's answer
        self._discards = False  # the upstream's body is of no use
        self._joined: Entry | None = None  # a stored part that what comes now makes whole
        self._again = False  # the leader's request is to be sent once more, without conditions

    def _copy(self, client: Request) -> Request:
        """The request to send: the client's, with our conditions for its own."""
        ask = Request(
            self,  # type: ignore[arg-type]
            client.method,
            client.url,
            client.headers,
            client.fields,
            self.site.clock(),
            client.client_ip,
            id=client.id,
            authority=client.authority,
            host=client.host,
            path=client.path,
            query=client.query,
            complete=True,
            passed=client.passed,
            principal=client.principal,
            extra=[*client.extra, *self.route.capability, self.mine, self._asking_for_rest()],
            remove=set(client.remove),
            rewrite=client.rewrite,
            plan=client.plan,
            forwarded=client.forwarded,
        )
        if self.route.capability:  # we say what we can; a client's word on that is not in the key
            ask.remove.add(b"surrogate-capability")
        if self.reason.why != b"bypass":
            ask.remove |= conditions.CONDITIONS
        if self.reason.entry is not None or self.reason.rest is not None:
            ask.remove |= _RANGE
        ask.taker = self
        return ask

    def _asking_for_rest(self) -> bytes:
        return completing.asking(*self.reason.rest) if self.reason.rest is not None else b""

    def begin(self) -> None:
        self.site.fetches.add(self)
        self.site.cache.background += self._behind
        self.route.inner.start(self.ask)

    def join(self, request: Request, deadline: int) -> None:
        """Another client asks the same, and waits until `deadline` at most."""
        guest = Guest(self, request, False)
        request.connection.deadline = deadline
        self.followers.append(guest)

    # --- taker: the upstream's answer

    def interim(self, data: bytes) -> None:
        if self.leader is not None and self.leader.writer is not None:
            self.leader.writer.interim(data)

    def head(self, head: Head) -> None:
        self.ask.head_sent = True  # from here on it is not sent again
        self._name_server()
        entry = self.reason.entry
        if entry is not None and self.mine and head.status == 304:
            self._validated(entry, head)
        elif entry is not None and head.status in ERRORS and self.route.may_replace_error(entry, self.ask):
            self._plan = (entry, status.forward(b"stale", status=head.status, detail="stale-if-error"), "stale")
            self._discards = True
        elif self.reason.rest is not None and head.status in (206, 416):
            self._rest(head, *self.reason.rest)
        else:
            self._new(head)

    def _rest(self, head: Head, entry: Entry, part: Part) -> None:
        """What was missing, or nothing that fits: then the leader asks for the whole."""
        found = fields.of_lines(head.lines)
        lines = completing.lines(entry, head.lines)
        came = self._came(200, b"OK", lines)
        fits = head.status == 206 and completing.fits(entry, part, found)
        if fits and not storing.mergeable(self.asked, 200, lines, head.lines, self.route.rules):
            self.stored = storing.entry(self.asked, came, self.route.rules)
        if self.stored is None:
            self._discards = self._again = True
        else:
            self._joined = entry

    def _join(self, part: Entry, sound: bool) -> None:
        """It has come: the whole is stored, and answers the leader."""
        entry, body = self.stored, completing.body(part, b"".join(self._parts))
        self._forget()
        if entry is None or body is None or not sound:
            self._again = True
            return
        entry.body = body
        self.route.put(self.key, entry)
        self._plan = (entry, status.forward(self.reason.why, True, 206), "miss")

    def _new(self, head: Head) -> None:
        """The answer itself, to be passed on and, where that may be, stored."""
        found = fields.of_lines(head.lines)
        why_not = (
            "method"
            if self.ask.method != b"GET"
            else storing.storable(self.asked, head.status, found, self.route.rules)
        )
        if not why_not and head.length is not None and head.length > self.route.rules.max_object:
            why_not = "too large"
        if not why_not:
            self.stored = storing.entry(self.asked, self._came(head.status, head.reason, head.lines), self.route.rules)
        if self.ask.method == b"HEAD":
            self.route.heed_head(self.key, self.asked, head, found)
        elif self.stored is None and head.status not in ERRORS and why_not != storing.THEIRS:
            self._outdate()
        if self.stored is None or not self._is_shared():
            self._dismiss()
        if b"surrogate-control" in found:  # it was for us
            head = Head(head.status, head.reason, storing.without_surrogate(head.lines), head.length)
        if self.leader is not None and self.leader.writer is not None:
            forwarded = head.status if self.reason.entry is not None else 0
            line = status.forward(self.reason.why, self.stored is not None, forwarded, detail=why_not)
            if self.stored is not None and self._has_it(self.leader.request, self.stored):
                self._plan = (self.stored, line, "miss")
            else:
                self.leader.writer.head(head, line)

    def _outdate(self) -> None:
        """What was stored is no longer what the upstream says to all."""
        if self.reason.entry is not None:
            self.route.store.drop(self.key, self.reason.entry)

    def _has_it(self, client: Request, entry: Entry) -> bool:
        """Whether the leader, whose conditions were not sent, has this very answer."""
        return (
            self.reason.why != b"bypass"
            and entry.status == 200
            and conditions.CONDITIONS.isdisjoint(client.remove)  # else they are not about what is stored
            and self.route.is_not_modified(client, entry)
        )

    def _came(self, code: int, reason: bytes, lines: Any) -> Came:
        return Came(code, reason, lines, self.route.wall(), self.route.now())

    def _is_shared(self) -> bool:
        """Whether followers will find the answer fresh."""
        entry = self.stored
        return entry is not None and entry.freshness(self.route.now()) > 0 and not entry.no_cache

    def _validated(self, entry: Entry, head: Head) -> None:
        """304: what is stored holds, with the header lines that came now (RFC 9111, section 4.3.4)."""
        self._discards = True
        found = fields.of_lines(head.lines)
        if not conditions.is_of(entry, found):
            self.route.store.drop(self.key, entry)
            self._again = True
            return
        fresh = self.route.freshened(self.asked, entry, self._came(entry.status, entry.reason, head.lines), self.key)
        self.site.cache.count("validated")
        self._plan = (fresh, status.forward(self.reason.why, True, 304), "validated")

    def part(self, data: bytes) -> None:
        if self._discards:
            return
        writes = self._plan is None and self._joined is None
        if writes and self.leader is not None and self.leader.writer is not None:
            self.leader.writer.part(data)
        if self.stored is not None:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        if self._held + len(data) > self.route.rules.max_object or not self.route.store.hold(len(data)):
            self._forget()
            self._dismiss()
            if self._paused:
                self._pause_upstream()
            return
        self._held += len(data)
        self._parts.append(data)

    def _forget(self) -> None:
        """It is not going to be stored."""
        self.stored = None
        self._parts = []
        self.route.store.release(self._held)
        self._held = 0

    def end(self, trailers: list[Header] | None, sound: bool) -> None:
        if self._joined is not None:
            self._join(self._joined, sound)
            return
        refused = False
        if self._plan is None and not self._again and self.leader is not None and self.leader.writer is not None:
            self.leader.writer.end(trailers, sound)
            refused = self.leader.writer.refused
        if self.stored is not None and refused:  # who waits asks for itself: what is refused to one may fit another
            self._forget()
            self._dismiss()
        elif self.stored is not None and sound:
            self._store(self.stored)
        self._forget()

    def _store(self, entry: Entry) -> None:
        entry.body = b"".join(self._parts)
        self._forget()
        if entry.part is None or entry.part[1] - entry.part[0] + 1 == len(entry.body):
            self.route.put(self.key, entry)

    def flush(self) -> None:
        if self.leader is not None and self.leader.writer is not None:
            self.leader.writer.flush()

    # --- connection: how the exchange ends

    def finish(self, request: Request) -> None:
        """The answer has come to its end."""
        self._settle(Outcome.STORED)
        leader, self.leader = self.leader, None
        if leader is not None:
            client = leader.leave()
            if self._again:
                self.route.alone(client)
            elif self._plan is not None:
                self.route.give(client, *self._plan)
            else:
                client.connection.finish(client)
        self._serve()

    def fail(self, request: Request, code: int, message: str, reason: str) -> None:
        self.answer(request, code, message, (), reason)

    def answer(
        self, request: Request, code: int, message: str, headers: tuple[bytes, ...] = (), reason: str = ""
    ) -> None:
        """The upstream gave no answer, or half of one: what to say in its place."""
        if request.answered:
            return
        self._forget()
        self._name_server()
        self._settle(Outcome.FAILED, encoded(code, message, headers, reason) if self.lease is not None else b"")
        guests = [*([self.leader] if self.leader is not None else []), *self.followers]
        self.leader, self.followers = None, []
        for guest in guests:
            client = guest.leave()
            client.detail = request.detail
            if client.head_sent:
                client.connection.fail(client, code, message, reason)
            else:
                self.route.fail(client, code, message, headers, reason)

    def respond(self, request: Request, code: int, headers: tuple[bytes, ...], body: bytes, own: bool = False) -> None:
        """A whole answer of the gateway's own making (a mock)."""
        lines = b"".join((self.site.date, *headers)).splitlines(keepends=True)
        try:
            self.head(Head(code, answers.REASONS.get(code, b""), lines, len(body)))
            self.part(body)
            self.end(None, True)
        except Unfit as unfit:
            self.fail(request, 502, f"the answer may not pass: {unfit}", "answer_unfit")
            return
        self.finish(request)

    def overloaded(self, request: Request) -> None:
        message = "the gateway has all the requests in flight that it may"
        self.answer(request, 503, message, (b"Retry-After: 1\r\n",), "overloaded")

    def stream(self, request: Request) -> bool:
        """The answer is a stream of events: only a leader's connection can have it."""
        leader = self.leader
        if leader is None or not leader.request.connection.stream(leader.request):
            return False
        request.streaming = True
        return True

    def persistence(self, request: Request) -> bytes:
        return b""

    def hold(self, held: bool) -> None:
        """There is no body to be held."""

    def flow(self) -> None:
        """There is no body to be read."""

    # --- time, and clients that leave

    def expire(self, now: int) -> None:
        """The upstream is late (`ClientConnection.expire`)."""
        ask, handler = self.ask, self.ask.handler
        if isinstance(ask.sink, Queued):
            ask.sink.expire()
            return
        if ask.sink is not None:
            ask.sink.cancel()
        if handler is None:
            self.fail(ask, 504, "the answer did not come in time", "upstream_timeout")
            return
        stalled = ask.head_sent and handler.idle > 0 and self.site.clock() < ask.started + handler.total
        if stalled or not ask.head_sent:
            handler.failed(ask.target, failure(Failure.STALLED if stalled else Failure.LATE))
        if not ask.head_sent and handler.again(ask, "timeout"):
            return
        what = "stalled in its answer" if stalled else "did not answer in time"
        reason = "upstream_stalled" if stalled else "upstream_timeout"
        self.fail(ask, 504, f"the upstream {what}", reason)

    def left(self, guest: Guest) -> None:
        """A client has gone."""
        if guest is self.leader:
            self._name_server()
            self.leader = None
            self.resume()
        elif guest in self.followers:
            self.followers.remove(guest)
        if self.leader is None and not self.followers and not self._behind and not self._is_followed():
            self.abandon()

    def _is_followed(self) -> bool:
        """Whether somebody waits for it in another worker."""
        leases = self.site.cache.leases
        return self.lease is not None and leases is not None and leases.is_followed(self.lease)

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        if self.ask.answered:
            return
        self._forget()
        if self.ask.sink is not None:
            self.ask.sink.cancel()
        self._settle(Outcome.LEFT)

    def pause(self) -> None:
        """The leader is slow. As long as the answer is stored that is its own affair: what waits is kept anyway."""
        self._paused = True
        if self.stored is None:
            self._pause_upstream()

    def _pause_upstream(self) -> None:
        if self.ask.sink is not None:
            self.ask.sink.pause()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self.ask.sink is not None:
                self.ask.sink.resume()

    def _name_server(self) -> None:
        """For the log: which server was asked in the leader's place."""
        handler = self.ask.handler
        if handler is not None and self.leader is not None:
            self.leader.request.asked = handler.labels[self.ask.target.index]

    # --- the others

    def _settle(self, outcome: Outcome, text: bytes = b"") -> None:
        """`outcome`, `text`: for those who wait in other workers."""
        ask = self.ask
        ask.answered = True
        self.site.fetches.discard(self)
        self.site.cache.background -= self._behind
        self.land(outcome, text)
        if ask.handler is not None:
            ask.handler.done(ask.target)
        ask.is_over()

    def land(self, outcome: Outcome, text: bytes = b"") -> bool:
        """Nobody new may wait for it. Says whether anybody here might have."""
        lease, self.lease = self.lease, None
        if lease is not None and self.site.cache.leases is not None:
            self.site.cache.leases.end(lease, outcome, text)
        return self.site.cache.land(self)

    def _dismiss(self) -> None:
        """The answer is not for others: let them go, and let nobody wait for the next one of its kind."""
        if self.land(Outcome.PASSED):
            self.site.cache.let_pass(self.flight)
        followers, self.followers = self.followers, []
        for guest in followers:
            self.route.alone(guest.leave())

    def _serve(self) -> None:
        """What they waited for is stored, or it came to nothing."""
        followers, self.followers = self.followers, []
        for guest in followers:
            self.route.resume(guest.leave())
