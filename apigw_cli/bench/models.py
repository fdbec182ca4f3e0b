"""The two models of load: what a connection does when its answer has come."""

from __future__ import annotations

from apigw_cli.bench.alarm import alarm
from apigw_cli.bench.arrivals import Schedule
from apigw_cli.bench.connection import Connection, clock
from apigw_cli.bench.histogram import MAXIMUM, index_of
from apigw_cli.bench.load import Load
from apigw_cli.bench.plan import Share
from apigw_cli.bench.values import Values

LATE = 2_000_000  # nanoseconds after its appointed time from which a start counts as late
_UNLIMITED = 1 << 62
_FINEST_ALARM = 100_000
_COUNTED = 100_000  # arrivals that did not start are counted one by one up to here


class ClosedLoad(Load):
    """A fixed number in flight: the next request follows the answer at once."""

    def __init__(self, share: Share, values: Values | None = None) -> None:
        super().__init__(share, values)
        self._left = _UNLIMITED
        self._keeps = share.keep_alive

    def _go(self) -> None:
        while self._idle and self._left:
            connection, _ = self._idle.popitem()
            self._in_flight += 1
            self._left -= 1
            connection.send()
            if not self._keeps:
                connection.sent = self._begun(connection)
            connection.intended = connection.sent

    def _begun(self, connection: Connection) -> int:
        """When a request began that has a connection of its own: with that, but not before the measurement."""
        since = self.since
        return since if connection.sent >= since > connection.dialed else connection.dialed

    def _begin_measuring(self) -> None:
        super()._begin_measuring()
        if self.share.requests is not None:
            self._left = self.share.requests
            self._go()

    def answered(self, connection: Connection, status: int, now: int) -> None:
        sent = connection.sent
        if sent >= self.since:
            self.statuses[status] += 1
            # index_of(), inlined: a call would cost as much as the rest of this method
            value = now - sent
            shift = value.bit_length() - 11
            connection.book.service[status][(shift << 10) + (value >> shift) if shift > 0 else value] += 1
        else:
            self._warm += 1
        if self.watcher is not None:
            self.watcher.answered(status, sent, now, connection.retry_after)
        if self._left and connection.keep and self._keeps:
            self._left -= 1
            request = self.request or self.drawn(connection)
            connection.sent = connection.intended = clock()
            connection.write(request)
        else:
            self._rest(connection)

    def _close_shop(self) -> None:
        self._left = 0

    def _exhausted(self) -> bool:
        return not self._left


class OpenLoad(Load):
    """Requests at appointed times (bench/arrivals.py).

    No queue is kept of those that wait for a connection: only the next one due is known, so a server that stands
    still costs no memory.
    """

    def __init__(self, share: Share, values: Values | None = None) -> None:
        super().__init__(share, values)
        self._schedule = Schedule(share)
        self._times = self._schedule.due()
        self._due = _UNLIMITED
        self._first = 0
        self._late_starts = self._never_started = 0
        self._alarm = alarm(self._go)

    def start(self, zero: int) -> None:
        self._first = self.since = zero + self.share.warmup
        self._appoint()
        super().start(zero)

    def _origin(self) -> int:
        return self._first  # the appointed time decides what is measured

    def _appoint(self) -> None:
        """Work out when the next arrival is due; never, when it was the last."""
        time = next(self._times, None)
        self._due = _UNLIMITED if time is None else self._first + time

    def _go(self) -> None:
        now = clock()
        while self._due <= now and self._idle:
            connection, _ = self._idle.popitem()
            self._in_flight += 1
            self._send(connection, now)
        if now < self._due < _UNLIMITED and not self._alarm.armed:
            self._alarm.at(max(self._due, now + _FINEST_ALARM))

    def _send(self, connection: Connection, now: int) -> None:
        connection.intended = self._due
        if now - self._due > LATE and self._due >= self.since:
            self._late_starts += 1
        self._appoint()
        connection.send()

    def answered(self, connection: Connection, status: int, now: int) -> None:
        intended, sent = connection.intended, connection.sent
        if intended >= self.since:
            self.statuses[status] += 1
            connection.book.service[status][index_of(now - sent)] += 1
            connection.book.response[status][index_of(min(now - intended, MAXIMUM))] += 1
        else:
            self._warm += 1
        if self.watcher is not None:
            self.watcher.answered(status, sent, now, connection.retry_after)
        if self._due <= now and connection.keep and self.share.keep_alive:
            self._send(connection, now)
        else:
            self._rest(connection)
            self._go()

    def _close_shop(self) -> None:
        self._go()
        end = clock()
        while self._due < end and self._never_started < _COUNTED:
            self._never_started += 1
            self._appoint()
        if self._due < end:
            self._never_started += self._schedule.expected(self._due - self._first, end - self._first)
        self._due = _UNLIMITED

    def _exhausted(self) -> bool:
        # A run of so many seconds lasts that long, even where the last arrival comes a moment before its end.
        return self._due == _UNLIMITED and (self.share.duration is None or self._elapsed > 0)

    def _finish(self) -> None:
        self._alarm.close()
        super()._finish()

    def _late(self) -> int:
        return self._late_starts

    def _not_started(self) -> int:
        return self._never_started


def load_for(share: Share, values: Values | None = None) -> Load:
    """The load that a share asks for; `values` are what its requests differ in."""
    return ClosedLoad(share, values) if share.rate is None else OpenLoad(share, values)
