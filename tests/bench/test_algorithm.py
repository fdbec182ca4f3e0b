"""Which algorithm admissions fit: what a limiter really is, is never taken to be refuted."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench import algorithm
from apigw_cli.bench.admission import SECOND, Event
from apigw_cli.bench.algorithm import FIXED, SLIDING, Windowed, refuted
from apigw_cli.bench.limit import BUCKET
from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import Limit, take

MS = 1_000_000
SLOT = 20 * MS
Decide = Callable[[int], bool]


def bucket(rate: str, burst: int) -> Decide:
    limit, tat = Limit("test", rates.parse(rate), burst), 0

    def decide(now: int) -> bool:
        nonlocal tat
        tat, decision = take(limit, tat, now)
        return decision.allowed

    return decide


def fixed(count: int, offset: int) -> Decide:
    used: dict[int, int] = {}

    def decide(now: int) -> bool:
        window = (now + offset) // SECOND
        used[window] = used.get(window, 0) + 1
        return used[window] <= count

    return decide


def sliding(count: int) -> Decide:
    log: deque[int] = deque()

    def decide(now: int) -> bool:
        while log and log[0] <= now - SECOND:
            log.popleft()
        if len(log) < count:
            log.append(now)
            return True
        return False

    return decide


def run(decide: Decide, seconds: float, seed: int, every: int = MS) -> tuple[list[Event], list[int]]:
    """Admissions, and slots with a refusal, of steady demand whose times we only see through a jittery network."""
    draw = random.Random(seed)
    events: list[Event] = []
    slots: set[int] = set()
    for now in range(SECOND, SECOND + int(seconds * SECOND), every):
        sent, received = now - draw.randrange(2 * MS), now + draw.randrange(1, 2 * MS)
        if decide(now):
            events.append((sent, received))
        elif sent >= received // SLOT * SLOT:
            slots.add(received // SLOT)
    return events, sorted(slots)


def of(decide: Decide, count: int, seconds: float = 2.5, seed: int = 1, every: int = MS) -> set[str]:
    return refuted(*run(decide, seconds, seed, every), SLOT, Windowed(count, SECOND))


@pytest.mark.parametrize(("rate", "burst"), [("5/s", 5), ("10/s", 10), ("10/s", 3), ("50/s", 20)])
def test_a_token_bucket_is_no_window(rate: str, burst: int) -> None:
    assert of(bucket(rate, burst), int(rate[:-2])) == {FIXED, SLIDING}


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(0, SECOND), st.integers(0, 1000), st.sampled_from([MS, 3 * MS, 40 * MS]))
def test_a_fixed_window_is_never_refuted_as_one(count: int, offset: int, seed: int, every: int) -> None:
    assert FIXED not in of(fixed(count, offset), count, 3.2, seed, every)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(0, 1000), st.sampled_from([MS, 3 * MS, 40 * MS]))
def test_a_sliding_window_is_never_refuted_as_one(count: int, seed: int, every: int) -> None:
    assert SLIDING not in of(sliding(count), count, 3.2, seed, every)


def test_a_fixed_window_shows_that_it_is_no_sliding_one_at_its_edge() -> None:
    assert of(fixed(20, SECOND - 10 * MS), 20) == {SLIDING}


def test_words() -> None:
    window = Windowed(5, SECOND)
    assert Windowed.of(rates.parse("5/s")) == window
    assert algorithm.in_words(BUCKET, {FIXED, SLIDING}, window, 5, fits=True).endswith("nor a sliding window")
    same = algorithm.in_words(BUCKET, {SLIDING}, window, 5, fits=True)
    assert "a fixed window of 5 in 1 s would look the same" in same
    assert algorithm.in_words(BUCKET, {SLIDING}, window, 9, fits=False).startswith("no token bucket; a fixed window")
    assert Windowed.of(rates.parse("0.5/s")) is None
    assert str(Windowed.of(rates.parse("100/m"))) == "100 in 60 s"


def test_nothing_seen_refutes_nothing() -> None:
    assert refuted([], [], SLOT, Windowed(5, SECOND)) == set()
