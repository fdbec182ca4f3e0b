"""Bounds of a fixed window of n in W, whenever its windows begin: pure functions over what was observed.

Windows may follow one another by the clock, or begin with the first request after the last one has ended: two
beginnings are W apart at least. So in less than k·W at most k + 1 windows have a part, and at most n (k + 1) are let
through. And who was refused at u met a window that was used up: in less than k·W from then on at most n k are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction

from apigw_cli.bench.admission import Event, Window, runs, touching

_MOST_WINDOWS = 20


def fullest(
    events: Sequence[Event], refusals: Sequence[int], slot: int, count: int, length: int, grain: int
) -> Window | None:
    """The time in which most were surely let through beside what a fixed window of `count` in `length` may.

    `refusals` are the slots of `slot` ns that wholly contain a refusal by this window. Its clock may be `grain` behind.
    """
    if not events:
        return None
    sent, received = sorted(s for s, _ in events), sorted(r for _, r in events)
    most = min(_MOST_WINDOWS, (received[-1] - sent[0]) // length + 2)
    found = (
        window
        for windows in range(1, most + 1)
        for window in (
            _most_anywhere(sent, received, windows * length - grain, count * (windows + 1)),
            _most_after(sent, received, refusals, slot, windows * length - grain, count * windows),
        )
        if window is not None
    )
    return max(found, key=lambda window: window.count - window.bound, default=None)


def _most_anywhere(sent: Sequence[int], received: Sequence[int], length: int, bound: int) -> Window | None:
    counted = ((bisect_left(received, start + length) - number, start) for number, start in enumerate(sent))
    return _window(counted, length, bound)


def _most_after(
    sent: Sequence[int], received: Sequence[int], refusals: Sequence[int], slot: int, length: int, bound: int
) -> Window | None:
    counted = (
        (bisect_left(received, number * slot + length) - bisect_left(sent, (number + 1) * slot), number * slot)
        for number in refusals
    )
    return _window(counted, length, bound)


def _window(counted: Iterator[tuple[int, int]], length: int, bound: int) -> Window | None:
    best = max(counted, default=None)
    if best is None or best[0] <= 0:
        return None
    return Window(best[1], best[1] + length, best[0], Fraction(bound))


def emptiest(
    events: Sequence[Event], refusals: Sequence[int], slot: int, count: int, length: int, apart: int
) -> Window | None:
    """The time with refusals all along in which fewest may have been let through, beside what a window of `count` in
    `length` owes: `count` for each beginning, and one comes, with the next request, soon after the last one's end.

    Refusals of one run are at most `apart` slots apart, so a request comes within apart + 1 slots.
    """
    sent, received = sorted(s for s, _ in events), sorted(r for _, r in events)
    cycle = length + (apart + 1) * slot
    found = (
        window
        for run in runs(refusals, apart)
        for number in range(1, min(_MOST_WINDOWS, (run[-1] - run[0]) * slot // length) + 1)
        for window in _owing(run, number * cycle, number * count, slot, sent, received)
    )
    return min(found, key=lambda window: window.count - window.bound, default=None)


def _owing(
    run: Sequence[int], length: int, owing: int, slot: int, sent: Sequence[int], received: Sequence[int]
) -> Iterator[Window]:
    """From each refusal of a run to the next one that surely came `length` later."""
    slots = -(-length // slot) + 1
    for first in run:
        at = bisect_left(run, first + slots)
        if at == len(run):
            return
        begin, end = first * slot, (run[at] + 1) * slot
        yield Window(begin, end, touching(begin, end, sent, received), Fraction(owing))
