"""The limiter's arithmetic: a token bucket kept as one number, in exact integers, with the clock handed in.

GCRA (generic cell rate algorithm, ITU-T I.371) is the continuous token bucket seen from the other side. Instead
of tokens and a time stamp it keeps `tat`, the time at which the bucket will be full again:

    interval   T = ceil(1e9 / rate)    nanoseconds until one token is back
    capacity   burst * T               nanoseconds from empty to full
    debt       tat - now, at least 0   what is missing, in nanoseconds of refill
    admit      when debt + T <= capacity; then tat = now + debt + T
    remaining  (capacity - debt) // T  whole tokens

A refused request changes nothing. In every window of w seconds at most burst + floor(w * rate) are admitted.
A rate of zero never refills: `tat` then counts requests from `FROZEN` on, a time that no clock reaches.
"""

from __future__ import annotations

import hashlib

import msgspec

from apigw_cli.limits.kinds import FROZEN, used
from apigw_cli.limits.kinds import TORN as TORN
from apigw_cli.limits.rate import Rate

BURST_MAXIMUM = 1_000_000_000
CAPACITY_MAXIMUM = 1 << 61  # nanoseconds, 73 years: sums with a monotonic clock stay below FROZEN
NEVER = (1 << 31) - 1  # seconds, as `reset` and `retry_after`: more requests will not be admitted by waiting

_SECOND = 1_000_000_000


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What became of one request.

    `remaining`: requests that would be admitted at once after it. `reset`: seconds until there is one more
    (0 where the bucket is full). `retry_after`: 0 where it was admitted, else the seconds to wait, at least 1.
    """

    allowed: bool
    remaining: int
    reset: int
    retry_after: int


class Limit:
    """One declared limit, ready for the arithmetic. `identity` tells it from every other one, across reloads."""

    __slots__ = ("burst", "capacity", "identity", "interval", "kind", "origin", "rate", "threshold")

    def __init__(self, name: str, rate: Rate, burst: int) -> None:
        """Raises ValueError where `burst` is out of range or would take over 73 years to refill."""
        if not 0 <= burst <= BURST_MAXIMUM:
            raise ValueError(f"a burst lies between 0 and {BURST_MAXIMUM:,}")
        frozen = rate.interval == 0
        self.rate = rate
        self.burst = burst
        self.identity = hashlib.blake2b(name.encode(), digest_size=16).digest()
        # A request costs `interval` and the bucket holds `capacity`; where nothing refills, both count requests.
        self.interval = 1 if frozen else rate.interval
        self.capacity = burst * self.interval
        self.threshold = self.capacity - self.interval
        self.origin = FROZEN if frozen else 0
        # What a stored `tat` is measured with: two limits with the same `kind` understand each other's.
        self.kind = self.origin | self.capacity
        if self.capacity > CAPACITY_MAXIMUM:
            raise ValueError(f"burst {burst:,} at {rate} would take over 73 years to refill")

    def __repr__(self) -> str:
        return f"Limit({self.rate} burst {self.burst})"


def take(limit: Limit, tat: int, now: int) -> tuple[int, Decision]:
    """Ask for one request at `now` (nanoseconds, monotonic). Returns the `tat` to keep and the decision.

    `tat` is what the last call returned for this key, 0 where there is none. The same `tat` comes back from a
    refusal: nothing to write.
    """
    base = limit.origin or now
    debt = tat - base if tat > base else 0
    if debt > limit.threshold:
        return tat, _refused(limit, debt)
    debt += limit.interval
    left = limit.capacity - debt
    if limit.origin:
        return base + debt, Decision(True, left, NEVER, 0)
    wait = debt % limit.interval or limit.interval
    return base + debt, Decision(True, left // limit.interval, -(-wait // _SECOND), 0)


def _refused(limit: Limit, debt: int) -> Decision:
    if limit.origin or not limit.burst:
        return Decision(False, 0, NEVER, NEVER)
    wait = max(1, -(-(debt - limit.threshold) // _SECOND))
    return Decision(False, 0, wait, wait)


def rescale(limit: Limit, tat: int, kind: int, now: int) -> int:
    """`tat` as `limit` counts, where it was written by a limit of another `kind`: the same share is used up.

    A key that had used 3 of 4 tokens has used three quarters of the new capacity too, rounded up: a changed
    limit never refills anything, and a key at its end stays there until the new rate gives it tokens. Between the
    change and the key's next request its debt shrinks at the old rate.
    """
    part, whole = used(tat, kind, now)
    if not part or not limit.capacity:
        return 0
    return (limit.origin or now) + -(-part * limit.capacity // whole)
