"""Which algorithm the admissions fit: pure functions over what was observed. The argument is in docs/bench.md.

A token bucket fits when both of its bounds hold (bench/admission.py). The windows are told apart by what they
cannot do:

- A *sliding window* of n in W never lets more than n through in less than W.
- A *fixed window* that has refused at u lets nothing through until its next window begins. So a refusal u, an
  admission after it, another refusal and another admission a, in this order, have two beginnings of windows between
  u and a: a - u is W at least.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from apigw_cli.bench.admission import SECOND, Event
from apigw_cli.limits.rate import SECONDS, Rate

FIXED, SLIDING = "fixed window", "sliding window"
_NAMES = {"token_bucket": "token bucket", "leaky": "leaky bucket", "fixed_window": FIXED, "sliding_window": SLIDING}


@dataclass(frozen=True, slots=True)
class Windowed:
    """So many in so many nanoseconds: the windows that a rate would be counted in."""

    count: int
    length: int

    @classmethod
    def of(cls, rate: Rate) -> Windowed | None:
        """5/s as 5 in 1 s; None for a rate that is no whole number in its unit."""
        if rate.count < 1 or rate.count.denominator != 1:
            return None
        return cls(int(rate.count), SECONDS[rate.unit] * SECOND)

    def __str__(self) -> str:
        return f"{self.count:,} in {self.length // SECOND:,} s"


def most_within(events: Sequence[Event], length: int) -> int:
    """How many were surely let through in less than `length` nanoseconds, at the most; a lower bound of it.

    Those sent at s or later and answered before s + length were decided in between, whatever the network did. They
    are all that were answered by then, less those sent before s at the most.
    """
    sent, received = sorted(s for s, _ in events), sorted(r for _, r in events)
    return max((bisect_left(received, s + length) - number for number, s in enumerate(sent)), default=0)


def shortest_cycle(events: Sequence[Event], slots: Sequence[int], slot: int) -> int | None:
    """The least time in which: refused, let through, refused, let through. None where that never happened.

    `slots` are those of `slot` nanoseconds that wholly contain a refusal, ascending.
    """
    admissions = _Admissions(events)
    best: int | None = None
    for number in slots:
        first = admissions.after((number + 1) * slot)
        again = bisect_left(slots, -(-first // slot)) if first is not None else len(slots)  # surely after `first`
        second = admissions.after((slots[again] + 1) * slot) if again < len(slots) else None
        if second is None:
            break
        best = second - number * slot if best is None else min(best, second - number * slot)
    return best


class _Admissions:
    """Finds what was let through after a time."""

    def __init__(self, events: Sequence[Event]) -> None:
        ordered = sorted(events)
        self._sent = [sent for sent, _ in ordered]
        earliest = list(accumulate((received for _, received in reversed(ordered)), min))
        self._earliest = earliest[::-1]  # the earliest answer of this one and all that were sent later

    def after(self, time: int) -> int | None:
        """By when a request was surely let through of those sent at `time` or later; None where there is none."""
        at = bisect_left(self._sent, time)
        return self._earliest[at] if at < len(self._earliest) else None


def refuted(events: Sequence[Event], slots: Sequence[int], slot: int, window: Windowed) -> set[str]:
    """Which of the fixed and the sliding window are surely not behind these admissions."""
    most = most_within(events, window.length)
    cycle = shortest_cycle(events, slots, slot)
    found = set()
    if most > 2 * window.count or (cycle is not None and cycle < window.length):
        found.add(FIXED)
    if most > window.count:
        found.add(SLIDING)
    return found


def in_words(declared: str, others: set[str], window: Windowed | None, most: int, *, fits: bool) -> str:
    """What the admissions fit. `others` are the windows that are refuted, `fits` says whether the declared one holds.

    `most` were surely let through in less than one window's length: over its number, that is the burst at a boundary.
    """
    name = _NAMES[declared]
    left = [] if window is None else [one for one in (FIXED, SLIDING) if one not in others and one != name]
    if not fits:
        words = f"no {name}" if left or window is None else f"neither a {name} nor a window of {window}"
        return f"{words}; a {' or a '.join(left)} of {window} would look like this" if left else words
    words = f"fits a {name}"
    if window is None:
        return words
    if name == FIXED and most > window.count:
        return f"{words}, which lets a double burst through at its boundary: {most:,} in less than one window"
    if left:
        return f"{words}; a {' or a '.join(left)} of {window} would look the same"
    told = [one for one in (FIXED, SLIDING) if one != name]
    return f"{words}; neither a {' nor a '.join(told)}" if len(told) > 1 else f"{words}, no {told[0]}"
