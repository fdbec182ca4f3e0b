"""The ways to count that a limit may have. All are pure, exact integers, with the clock handed in.

A key's state is one number, `tat` (`kinds` says how each reads it), so that one write of a machine word commits it.

    ask(tat, now, cost) -> (tat to keep, Decision)     a refusal returns the `tat` it was given
    adopt(tat, kind, now) -> tat                       of a limit that was changed: the same share stays used

    gcra, token_bucket   `bucket`: the two are one thing, seen from its two sides
    leaky                nginx's limit_req: a bucket with room for one more than its burst; those beyond `delay` wait
    fixed_window         at most `size` in each of the seconds, minutes … that follow one another on the clock
    sliding_window       the window before counts for the share of it that is still within one length, rounded down

What each admits at the most in any time of t seconds, with r requests a second:

    gcra, token_bucket   burst + floor(t * r)
    leaky                burst + 1 + floor(t * r)
    sliding_window       size + ceil(t * r)
    fixed_window         size * (windows that t touches): twice `size` around a boundary

Under more requests than are admitted, each gives its rate (buckets lose the rounding of their interval).
"""

from __future__ import annotations

from typing import Protocol

from apigw_cli.limits import kinds
from apigw_cli.limits.bucket import NEVER, Decision, Limit, rescale
from apigw_cli.limits.rate import SECONDS, Rate

_SECOND = 1_000_000_000


class Delayed(Decision, frozen=True, gc=False):
    """An admission that takes effect after `wait` nanoseconds."""

    wait: int = 0


class Algorithm(Protocol):
    """A limit as stores use it."""

    identity: bytes
    burst: int  # what is admitted at once, from rest
    kind: int

    def ask(self, tat: int, now: int, cost: int) -> tuple[int, Decision]:
        """Ask for `cost` at once. A cost of 0 asks for nothing: it tells what is left."""

    def adopt(self, tat: int, kind: int, now: int) -> int:
        """`tat` as this limit counts, where it was written by one of another `kind`."""


class Bucket(Limit):
    """A token bucket, or GCRA."""

    __slots__ = ()

    def ask(self, tat: int, now: int, cost: int) -> tuple[int, Decision]:
        base = self.origin or now
        debt = tat - base if tat > base else 0
        asked = debt + cost * self.interval
        if asked > self.capacity:
            return tat, self._refused(debt, asked)
        if not cost:
            return tat, Decision(True, *self._left(debt), 0)
        return base + asked, Decision(True, *self._left(asked), 0)

    def _refused(self, debt: int, asked: int) -> Decision:
        """A request that costs more than there ever is will never be admitted."""
        remaining, reset = self._left(debt)
        if self.origin or asked - debt > self.capacity:
            return Decision(False, remaining, reset, NEVER)
        wait = max(1, -(-(asked - self.capacity) // _SECOND))
        return Decision(False, remaining, reset, wait)

    def _left(self, debt: int) -> tuple[int, int]:
        remaining = (self.capacity - debt) // self.interval if debt < self.capacity else 0
        if self.origin or not self.burst:
            return remaining, NEVER if debt or not self.burst else 0
        wait = debt + (remaining + 1) * self.interval - self.capacity if debt else 0
        return remaining, -(-wait // _SECOND)

    def adopt(self, tat: int, kind: int, now: int) -> int:
        return rescale(self, tat, kind, now)


class Leaky(Bucket):
    """nginx's limit_req: `burst` + 1 at once from rest. Of the burst, those beyond `delay` wait for their turn."""

    __slots__ = ("delay",)

    def __init__(self, name: str, rate: Rate, burst: int, delay: int | None) -> None:
        """`delay` None: none waits (nginx's `nodelay`). Raises ValueError as `Limit` does."""
        super().__init__(name, rate, burst + 1)
        self.delay = delay

    def ask(self, tat: int, now: int, cost: int) -> tuple[int, Decision]:
        later, decision = super().ask(tat, now, cost)
        if self.delay is None or not decision.allowed or not cost or self.origin:
            return later, decision
        wait = later - now - (self.delay + 1) * self.interval
        if wait <= 0:
            return later, decision
        return later, Delayed(True, decision.remaining, decision.reset, 0, wait)


class Window:
    """What both windows are: `size` requests in a length of time."""

    __slots__ = ("burst", "identity", "kind", "length", "rate")

    sliding = False

    def __init__(self, name: str, rate: Rate) -> None:
        """Raises ValueError for a rate that is no whole number of requests, or one that the window cannot count."""
        self.rate = rate
        self.identity = Limit(name, rate, 0).identity
        self.length = SECONDS[rate.unit] * _SECOND
        if rate.count.denominator != 1 or not rate.count:
            raise ValueError(f"a window holds a whole number of requests, at least 1, not {rate}")
        self.burst = int(rate.count)
        most = largest(self.length) if self.sliding else self.length
        if self.burst > most:
            raise ValueError(f"a sliding window holds at most {most:,} requests per {rate.unit}, not {rate}")
        self.kind = kinds.of_window(self.length, self.burst, sliding=self.sliding)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.rate})"

    def _share(self, tat: int, kind: int, now: int) -> int:
        """How many of `size` are the share that another limit says is used."""
        part, whole = kinds.used(tat, kind, now)
        return -(-part * self.burst // whole) if whole else 0


class FixedWindow(Window):
    """At most `size` requests in each window; a new window begins with nothing used."""

    __slots__ = ()

    def ask(self, tat: int, now: int, cost: int) -> tuple[int, Decision]:
        end, count = kinds.counted(tat, self.length, now)
        ends = -(-(end - now) // _SECOND)
        left = self.burst - count
        if cost > left:
            return tat, Decision(False, max(left, 0), ends, NEVER if cost > self.burst else ends)
        if not cost:
            return tat, Decision(True, left, ends if count else 0, 0)
        return end + count + cost, Decision(True, left - cost, ends, 0)

    def adopt(self, tat: int, kind: int, now: int) -> int:
        count = self._share(tat, kind, now)
        return (now // self.length + 1) * self.length + count if count else 0


class SlidingWindow(Window):
    """At most `size` requests in this window and the share of the one before that is less than a length ago."""

    __slots__ = ()

    sliding = True

    def ask(self, tat: int, now: int, cost: int) -> tuple[int, Decision]:
        end, before, count = kinds.slid(tat, self.length, self.burst, now)
        ahead = min(end - now, self.length)  # nanoseconds of this window that are to come
        left = max(0, self.burst - count - before * ahead // self.length)
        if cost > left:
            wait = NEVER if cost > self.burst else max(1, self._wait(before, count, ahead, cost))
            return tat, Decision(False, left, self._more(before, count, ahead, left), wait)
        left -= cost
        count += cost
        decision = Decision(True, left, self._more(before, count, ahead, left), 0)
        return (end + self.length + before * (self.burst + 1) + count if cost else tat), decision

    def _more(self, before: int, count: int, ahead: int, left: int) -> int:
        """Seconds until there is more than `left`."""
        return self._wait(before, count, ahead, left + 1) if left < self.burst else 0

    def _wait(self, before: int, count: int, ahead: int, need: int) -> int:
        """Seconds until there is room for `need`, at most `size`, if nothing else comes."""
        left = self.burst - count - need
        if left >= 0:
            wait = max(0, ahead - (self.length - self._room(before, left)))
        else:
            wait = ahead + self._room(count, self.burst - need)
        return -(-wait // _SECOND)

    def _room(self, before: int, left: int) -> int:
        """How far into a window what was counted `before` it weighs no more than `left`."""
        return max(0, self.length - ((left + 1) * self.length - 1) // before) if before else 0

    def adopt(self, tat: int, kind: int, now: int) -> int:
        count = self._share(tat, kind, now)
        return (now // self.length + 2) * self.length + count if count else 0


def largest(length: int) -> int:
    """The most requests that a sliding window of so many nanoseconds counts: two counts fit into its word."""
    size = int(length**0.5)
    while (size + 1) ** 2 - 1 > length:
        size -= 1
    return size
