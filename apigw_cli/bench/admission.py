"""The proof that a limit holds: pure functions over what was observed. The argument is in docs/bench.md.

A request that was let through was decided somewhere between its sending and its answer. So a window [s, t] surely
contains every admission that was sent at or after s and answered at or before t, whatever the network did. A
limiter of rate r and burst b admits at most b + r * (t - s) in any window: more than that is a counter-example.

For the other side, a token bucket that refuses has less than one token. Between two refusals u < v it admits at
least r * (v - u) - 1, provided that it was not full in between, and every admission of that time was sent by v
and answered after u. Windows, and layers of both, owe something similar (bench/owed.py).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from apigw_cli.bench.owed import Owed

SECOND = 1_000_000_000
Event = tuple[int, int]  # sent, received; nanoseconds


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end` (nanoseconds) `count` requests were let through; `bound` is how many may, or must, be."""

    start: int
    end: int
    count: int
    bound: Fraction

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SECOND


def tightest_window(events: Sequence[Event], rate: Fraction, burst: Fraction | int) -> Window | None:
    """Of all windows the one that comes closest to `burst + rate * length`, or exceeds it by most.

    Exact, in O(n log n). Only windows that begin with a sending and end with an answer need a look: any other can
    be shortened to one of these without losing an event. Answers are taken in order of time; for each start so far,
    a tree holds `rate * start + events since`, the largest of which is the worst start for this end.
    """
    if not events:
        return None
    by_answer = sorted(events, key=lambda event: event[1])
    position = _positions(by_answer)
    unit = rate.denominator * SECOND  # all in units of 1 / (denominator * 1e9) requests: integers
    tree = _SuffixMaximum(len(events))
    worst, end = None, 0
    for number, (sent, received) in enumerate(by_answer):
        tree.add(position[number], unit, rate.numerator * sent)
        excess = tree.maximum - rate.numerator * received
        if worst is None or excess > worst:
            worst, end = excess, received
    return _window_ending(end, by_answer, rate, burst)


def _positions(events: Sequence[Event]) -> list[int]:
    """The place of each event in the order of sending."""
    order = sorted(range(len(events)), key=lambda number: events[number][0])
    position = [0] * len(events)
    for place, number in enumerate(order):
        position[number] = place
    return position


def _window_ending(end: int, events: Iterable[Event], rate: Fraction, burst: Fraction | int) -> Window:
    """The worst of the windows that end at `end`."""
    best: tuple[Fraction, int, int] | None = None
    for count, sent in enumerate(sorted((s for s, r in events if r <= end), reverse=True), 1):
        excess = count - rate * (end - sent) / SECOND
        if best is None or excess > best[0]:
            best = (excess, sent, count)
    assert best is not None
    return Window(best[1], end, best[2], burst + rate * (end - best[1]) / SECOND)


class _SuffixMaximum:
    """Places 0 … n-1, each with a base and a weight once added; `maximum` of base + sum of weights from there on."""

    def __init__(self, places: int) -> None:
        self._size = 1 << (places - 1).bit_length() if places > 1 else 1
        self._sum = [0] * (2 * self._size)
        self._best = [-(1 << 200)] * (2 * self._size)

    def add(self, place: int, weight: int, base: int) -> None:
        sums, bests = self._sum, self._best
        node = self._size + place
        sums[node], bests[node] = weight, base + weight
        while node > 1:
            node >>= 1
            left, right = 2 * node, 2 * node + 1
            sums[node] = sums[left] + sums[right]
            through, later = bests[left] + sums[right], bests[right]
            bests[node] = through if through > later else later

    @property
    def maximum(self) -> int:
        return self._best[1]


@dataclass(frozen=True, slots=True)
class Floor:
    """`window` is where the fewest were let through compared with what must be; `longest` the longest stretch of
    proved demand, which lasted for `proved` nanoseconds at least. None: no demand was proved at any time.
    """

    window: Window | None = None
    longest: Window | None = None
    proved: int = 0


def scarcest_window(events: Sequence[Event], slots: Sequence[int], slot: int, owed: Owed, apart: int = 1) -> Floor:
    """Where a limiter let through least, against what it must. `slots` are the slots of `slot` ns with a refusal.

    Of a run of slots neighbours are at most `apart` slots apart: two refusals are then never apart + 1 slots apart, and
    `owed` allows for what may get lost in that time.
    """
    sent, received = sorted(s for s, _ in events), sorted(r for _, r in events)
    window = longest = least = None
    proved = 0
    for run in runs(slots, apart):
        pair, slack = _least_in(run, slot, sent, received, owed)
        if least is None or slack < least:
            least, window = slack, _between(*pair, slot, sent, received, owed)
        if longest is None or (run[-1] - run[0] - 1) * slot > proved:
            proved = max(0, (run[-1] - run[0] - 1) * slot)
            longest = _between(run[0], run[-1], slot, sent, received, owed)
    return Floor(window, longest, proved)


def runs(slots: Sequence[int], apart: int) -> Iterator[Sequence[int]]:
    """The longest runs of numbers whose neighbours differ by at most `apart`."""
    begin = 0
    for number in range(1, len(slots) + 1):
        if number == len(slots) or slots[number] > slots[number - 1] + apart:
            yield slots[begin:number]
            begin = number


def widest_step(slots: Sequence[int], apart: int) -> int:
    """How far apart neighbours really are in runs of those that are at most `apart`; 1 at least."""
    return max((b - a for run in runs(slots, apart) for a, b in pairwise(run)), default=1)


def touching(start: int, end: int, sent: Sequence[int], received: Sequence[int]) -> int:
    """How many events may have been decided in [start, end]: sent by its end and answered after its start."""
    return bisect_right(sent, end) - bisect_left(received, start)


def _between(first: int, last: int, slot: int, sent: Sequence[int], received: Sequence[int], owed: Owed) -> Window:
    """From a refusal in the slot `first` to one in `last`: how many may have been let through, and how many must."""
    required = Fraction((last - first - 1) * slot / owed.period - owed.debt)
    start, end = first * slot, (last + 1) * slot
    return Window(start, end, touching(start, end, sent, received), required)


def _least_in(
    run: Sequence[int], slot: int, sent: Sequence[int], received: Sequence[int], owed: Owed
) -> tuple[tuple[int, int], float]:
    """The two slots of one run between which the fewest were let through, and how many more than must be.

    One pass over the slots: the count between two of them is a term of the second less a term of the first.
    """
    period = owed.period
    ended = began = 0
    best_start, best_value = run[0], float("-inf")
    worst, pair = float("inf"), (run[0], run[0])
    for number in run:
        start, end = number * slot, (number + 1) * slot
        while ended < len(received) and received[ended] < start:
            ended += 1
        while began < len(sent) and sent[began] <= end:
            began += 1
        value = ended - start / period
        if value > best_value:
            best_start, best_value = number, value
        slack = began - (start - slot) / period + owed.debt - best_value
        if slack < worst:
            worst, pair = slack, (best_start, number)
    return pair, worst
