"""The load that one worker makes: its connections, when each sends, and what is counted.

    connect -> start -> [warm-up] -> measure -> drain -> done

In the closed model a connection sends its next request as soon as it has its answer. In the open model requests
have appointed times, whatever the answers do: one that finds no free connection starts late, and its *response*
latency counts from when it should have started. Its *service* latency counts from when it was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from apigw_cli.bench.alarm import alarm
from apigw_cli.bench.book import Book, in_turn
from apigw_cli.bench.connection import Connection, clock, kind_for
from apigw_cli.bench.dial import Dialer
from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.plan import SECOND, Share
from apigw_cli.bench.series import Sampler
from apigw_cli.bench.tally import CLASSES, NETWORK, Pairs, Seen, Tally
from apigw_cli.bench.values import Values
from apigw_cli.bench.vitals import Vitals
from apigw_cli.bench.watch import Watcher

_NEVER = 1 << 62
_STATUSES = 1000


class Load:
    """What both models have in common. `finished` is set when nothing is left to do."""

    def __init__(self, share: Share, values: Values | None = None) -> None:
        self.share = share
        calls, values = share.kinds, values or Values(0, 1, None)
        self.books = [Book(call.name, call.method, values.maker(call.messages)) for call in calls]
        self.book = self.books[0]
        self._turns = in_turn(calls, self.books, share.offset)
        # The one request where all are the same; where they differ, empty, and each is drawn.
        only = calls[0].messages[0] if len(calls) == len(calls[0].messages) == 1 else None
        self.request = b"" if only is None or only.values else only.head + only.body
        self.bytes_in = self._bytes_out = 0
        self.since = _NEVER  # requests that begin before it are warm-up
        self.statuses = [0] * _STATUSES
        self.watcher: Watcher | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._errors = dict.fromkeys(NETWORK, 0)
        self._texts: dict[str, str] = {}
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._opened = self._warm = self._in_flight = 0
        self._alone_since = 0  # when the last connection was lost, 0 while there is one
        self._running = self._over = False
        kind = kind_for(any(book.head for book in self.books), share.watch is not None)
        self._dialer = Dialer(share.target, share.timeout / SECOND, lambda dialed: kind(self, dialed), self._count)
        self._vitals = Vitals()
        self._begin, self._end = alarm(self._begin_measuring), alarm(self._end_measuring)
        self._sampler = Sampler()
        self._elapsed = self._in_window = 0
        self._bytes_before = self._bytes_after = self._warm_before = self._out_before = 0

    # -- connecting

    async def connect(self) -> None:
        """Try to open each connection once; those that fail are tried again later.

        Raises OutOfFiles where the process may not have so many.
        """
        await self._dialer.dial(self.share.connections)

    def _count(self, kind: str, text: str) -> None:
        if self._running and clock() >= self.since:
            self._errors[kind] += 1
            if len(self.books) == 1:
                self.book.errors[kind] += 1
        self._texts[kind] = text

    # -- the run

    def start(self, zero: int) -> None:
        """Begin at `zero`, nanoseconds of CLOCK_MONOTONIC, which is now or just past."""
        self._running = True
        if self.share.watch is not None:
            self.watcher = Watcher(self.share.watch, zero)
        begin = zero + self.share.warmup
        if self.share.warmup:
            self._begin.at(begin)
        else:
            self._begin_measuring()
        self._sweep()
        self._go()
        self._check_done()

    def _go(self) -> None:
        """Give idle connections their requests, where there are requests to be sent."""
        raise NotImplementedError

    def _call_at(self, name: str, when: int, action: Callable[[], None]) -> None:
        seconds = max(0.0, (when - clock()) / SECOND)
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, action)

    def _origin(self) -> int:
        """From which moment on requests are measured; asked at that moment."""
        return clock()

    def _begin_measuring(self) -> None:
        self.since = self._origin()
        if self.share.duration is not None:
            self._end.at(self.since + self.share.duration)
        self._bytes_before, self._warm_before, self._out_before = self.bytes_in, self._warm, self._bytes_out
        self._vitals.begin()
        self._call_at("second", self.since + SECOND, self._each_second)

    def _each_second(self) -> None:
        if not self._over and not self._elapsed:
            self._sampler.second(self.totals())
            self._call_at("second", self.since + (self._sampler.seconds + 1) * SECOND, self._each_second)

    def _end_measuring(self) -> None:
        """No more requests from here on; what is under way may still be answered."""
        if not self._elapsed:
            self._elapsed = max(1, clock() - self.since)  # 1 ns: interrupted before the measurement began
            if self._elapsed > 1:
                # What was sent before the measurement and answered in it makes up for what is answered after it.
                self._in_window = sum(self.statuses) + self._warm - self._warm_before
                self._bytes_after = self.bytes_in
            self._vitals.end()
            self._close_shop()
        self._check_done()

    def _close_shop(self) -> None:
        """Start no further request."""
        raise NotImplementedError

    def stop(self) -> None:
        """End at once: what is under way is not waited for."""
        if not self._over:
            self._end_measuring()
        if not self._over:  # with nothing under way, the end of the measurement is the end
            self._finish()

    def _exhausted(self) -> bool:
        """Whether there is nothing more to be sent."""
        raise NotImplementedError

    def _check_done(self) -> None:
        if self._in_flight == 0 and not self._over and self._exhausted():
            if self._elapsed:
                self._finish()
            else:
                self._end_measuring()

    def _finish(self) -> None:
        self._over = True
        for one in (self._begin, self._end, self._vitals):
            one.close()
        for timer in self._timers.values():
            timer.cancel()
        self._dialer.close()
        for connection in list(self._connections):
            connection.close()
        if not self.finished.done():
            self.finished.set_result(None)

    def _sweep(self) -> None:
        """Give up on requests that take too long: one timer for all, so each is late by a tenth at most."""
        now, timeout = clock(), self.share.timeout
        for connection in [c for c in self._connections if 0 < c.sent < now - timeout]:
            connection.give_up("timeout", f"no complete answer in {timeout / SECOND:g} s")
        if self._connections:
            self._alone_since = 0
        elif not self._alone_since:
            self._alone_since = now
        elif self.share.requests is not None and now - self._alone_since > timeout:
            self.stop()  # nobody is left to send the rest of the requests to
        if not self._over:
            self._call_at("sweep", now + min(max(timeout // 10, SECOND // 100), SECOND // 10), self._sweep)

    # -- what connections ask for and report

    def drawn(self, connection: Connection) -> bytes:
        """The next request, where they differ; `connection` is told where it is counted."""
        book = next(self._turns)
        connection.book = book
        request = book.make()
        self._bytes_out += len(request)
        return request

    def opened(self, connection: Connection) -> None:
        self._opened += 1
        self._connections.add(connection)
        self._idle[connection] = None
        if self._running and not self._over:
            self._go()

    def answered(self, connection: Connection, status: int, now: int) -> None:
        raise NotImplementedError

    def failed(self, connection: Connection, kind: str, text: str) -> None:
        """The request under way came to nothing."""
        if self._over or not connection.sent:
            return
        if connection.intended >= self.since:
            self._errors[kind] += 1
            connection.book.errors[kind] += 1
        self._texts[kind] = text
        if self.watcher is not None:
            self.watcher.maybe(connection.sent, clock())
        self._in_flight -= 1
        self._replace(connection)

    def lost(self, connection: Connection) -> None:
        if connection in self._connections:  # it was idle: nothing failed
            self._replace(connection)

    def _replace(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._idle.pop(connection, None)
        self._dialer.redial()
        self._check_done()

    def _rest(self, connection: Connection) -> None:
        """The answer is there and no request follows on this connection for now."""
        self._in_flight -= 1
        if connection.keep and self.share.keep_alive:
            connection.sent = 0
            self._idle[connection] = None
        else:
            self._connections.discard(connection)
            connection.close()
            if not self._exhausted():
                self._dialer.redial()
        self._check_done()

    # -- figures

    def totals(self) -> tuple[int, int, int, int]:
        """Answers so far by class, and network errors: the columns of the series."""
        limited, answers = self.statuses[429], sum(self.statuses)
        allowed = sum(self.statuses[200:400]) + sum(self.statuses[status] for status in self.share.expected)
        return allowed, limited, answers - allowed - limited, sum(self._errors.values())

    @property
    def errors(self) -> dict[str, int]:
        """Requests without an answer so far, by class."""
        return {kind: count for kind, count in self._errors.items() if count}

    @property
    def measuring(self) -> bool:
        return self._running and clock() >= self.since

    def tally(self) -> Tally:
        """Everything counted; valid once `finished`."""
        seen: Seen | None = self.watcher.result() if self.watcher is not None else None
        parts = [book.part(self.share.expected) for book in self.books]
        return Tally(
            statuses={status: count for status, count in enumerate(self.statuses) if count},
            errors=self.errors,
            error_texts=self._texts,
            service=_merged([part.service for part in parts]),
            response=_merged([part.response for part in parts]),
            lag=self._vitals.lag.pairs(),
            series=self._sampler.finish(self.totals()),
            elapsed=self._elapsed,
            in_window=self._in_window,
            warmup=self._warm,
            bytes_in=self._bytes_after - self._bytes_before,
            bytes_out=self._bytes_out - self._out_before or self._sent_since() * len(self.request),
            opened=self._opened,
            unfinished=self._in_flight,
            late=self._late(),
            not_started=self._not_started(),
            cpu=self._vitals.cpu,
            starved=self._vitals.starved,
            seen=seen,
            parts=parts if self.share.calls else [],
        )

    def _sent_since(self) -> int:
        return sum(self.statuses) + sum(self._errors.values()) + self._in_flight

    def _late(self) -> int:
        return 0

    def _not_started(self) -> int:
        return 0


def _merged(parts: list[dict[str, Pairs]]) -> dict[str, Pairs]:
    return {name: Histogram.of(part.get(name, ()) for part in parts).pairs() for name in CLASSES}
