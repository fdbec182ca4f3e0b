"""Every algorithm against a slow model of it, in rational numbers and with all that was ever admitted at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.limits.algorithms import Algorithm, Bucket, Delayed, FixedWindow, Leaky, SlidingWindow, largest
from apigw_cli.limits.bucket import NEVER, TORN, Decision
from apigw_cli.limits.rate import parse

SECOND = 1_000_000_000
MS = 1_000_000
START = 77 * SECOND + 123

MAKE: dict[str, Callable[[str, int], Algorithm]] = {
    "gcra": lambda rate, burst: Bucket("x", parse(rate), burst),
    "leaky": lambda rate, burst: Leaky("x", parse(rate), burst, None),
    "fixed_window": lambda rate, _: FixedWindow("x", parse(rate)),
    "sliding_window": lambda rate, _: SlidingWindow("x", parse(rate)),
}


def run(one: Algorithm, times: list[int], tat: int = 0) -> str:
    seen = ""
    for now in times:
        tat, decision = one.ask(tat, now, 1)
        seen += "01"[decision.allowed]
    return seen


# limiter.md's golden vectors: 5/s burst 10; 20 at once, then one every 100 ms. They begin where a window does.
VECTOR = [100 * SECOND] * 20 + [100 * SECOND + n * 100 * MS for n in range(1, 21)]


@pytest.mark.parametrize(
    ("one", "seen"),
    [
        (Bucket("x", parse("5/s"), 10), "1111111111000000000001010101010101010101"),
        (Leaky("x", parse("5/s"), 10, None), "1111111111100000000001010101010101010101"),
        (Leaky("x", parse("5/s"), 0, None), "1000000000000000000001010101010101010101"),
        (FixedWindow("x", parse("5/s")), "1111100000000000000000000000011111000001"),
    ],
)
def test_golden_vectors(one: Algorithm, seen: str) -> None:
    assert run(one, VECTOR) == seen


def test_the_burst_at_a_windows_boundary() -> None:
    times = [100 * SECOND + 900 * MS] * 5 + [101 * SECOND] * 5
    assert run(FixedWindow("x", parse("5/s")), times) == "1111111111"
    assert run(SlidingWindow("x", parse("5/s")), times) == "1111100000"
    # Half a second into the next window the five still count for half of it: two and a half, so two.
    assert run(SlidingWindow("x", parse("5/s")), [*times[:5], *[101 * SECOND + 500 * MS] * 5]) == "1111111100"


# --- the models


class Model:
    """All that was admitted, as (time, cost)."""

    def __init__(self, rate: Fraction, size: int, length: int) -> None:
        self.rate, self.size, self.length = rate, size, length
        self.tokens, self.at = Fraction(size), 0
        self.counts: dict[int, int] = {}

    def bucket(self, now: int, cost: int) -> bool:
        self.tokens = min(Fraction(self.size), self.tokens + self.rate * (now - self.at) / SECOND)
        self.at = now
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def fixed(self, now: int, cost: int) -> bool:
        index = now // self.length
        if self.counts.get(index, 0) + cost > self.size:
            return False
        self.counts[index] = self.counts.get(index, 0) + cost
        return True

    def sliding(self, now: int, cost: int) -> bool:
        index = now // self.length
        weight = 1 - Fraction(now % self.length, self.length)
        if math.floor(self.counts.get(index - 1, 0) * weight) + self.counts.get(index, 0) + cost > self.size:
            return False
        self.counts[index] = self.counts.get(index, 0) + cost
        return True


STEPS = st.lists(
    st.tuples(st.sampled_from([0, 1, 10 * MS, 125 * MS, 200 * MS, SECOND, 2 * SECOND + 7]), st.integers(1, 4)),
    max_size=120,
)
RATES = st.sampled_from(["1/s", "5/s", "8/s", "10/m", "125/s", "40/h"])


def check(one: Algorithm, ask: Callable[[int, int], bool], steps: list[tuple[int, int]]) -> None:
    tat, now = 0, START
    for gap, cost in steps:
        now += gap
        later, decision = one.ask(tat, now, cost)
        assert decision.allowed == ask(now, cost)
        truthful(one, tat, later, decision, now, cost)
        tat = later


def truthful(one: Algorithm, tat: int, later: int, decision: Decision, now: int, cost: int) -> None:
    """What a decision promises is what later ones do: remaining, reset and Retry-After, each neither more nor less."""
    left = decision.remaining
    assert not left or one.ask(later, now, left)[1].allowed
    assert not one.ask(later, now, left + 1)[1].allowed
    if left < one.burst:
        assert one.ask(later, now + decision.reset * SECOND, left + 1)[1].allowed
        if decision.reset > 1:
            assert not one.ask(later, now + (decision.reset - 1) * SECOND, left + 1)[1].allowed
    if decision.allowed:
        assert decision.retry_after == 0
        return
    assert later == tat
    assert decision.retry_after >= max(decision.reset, 1) or decision.retry_after == NEVER
    if cost > one.burst:
        assert decision.retry_after == NEVER
        return
    assert one.ask(tat, now + decision.retry_after * SECOND, cost)[1].allowed
    if decision.retry_after > 1:
        assert not one.ask(tat, now + (decision.retry_after - 1) * SECOND, cost)[1].allowed


@given(RATES, st.integers(1, 6), STEPS)
def test_a_bucket_is_a_token_bucket(rate: str, burst: int, steps: list[tuple[int, int]]) -> None:
    one = Bucket("x", parse(rate), burst)
    # The interval is rounded up to a whole nanosecond: the model has the rate that this makes.
    check(one, Model(Fraction(SECOND, one.interval), burst, 0).bucket, steps)


@given(RATES, st.integers(0, 6), STEPS)
def test_leaky_is_nginx(rate: str, burst: int, steps: list[tuple[int, int]]) -> None:
    """ngx_http_limit_req_module: excess = max(0, excess - rate * elapsed + 1), refused where it is above burst."""
    one = Leaky("x", parse(rate), burst, 0)
    excess, last, tat, now = None, 0, 0, START
    for gap, _ in steps:
        now += gap
        new = Fraction(0) if excess is None else max(Fraction(0), excess - Fraction(now - last, one.interval) + 1)
        tat, decision = one.ask(tat, now, 1)
        assert decision.allowed == (new <= burst)
        if new <= burst:
            excess, last = new, now
            assert getattr(decision, "wait", 0) == new * one.interval


@given(RATES, STEPS)
def test_a_fixed_window(rate: str, steps: list[tuple[int, int]]) -> None:
    one = FixedWindow("x", parse(rate))
    check(one, Model(Fraction(0), one.burst, one.length).fixed, steps)


@given(RATES, STEPS)
def test_a_sliding_window(rate: str, steps: list[tuple[int, int]]) -> None:
    one = SlidingWindow("x", parse(rate))
    check(one, Model(Fraction(0), one.burst, one.length).sliding, steps)


# --- bounds


def at_most(name: str, one: Algorithm, nanoseconds: int, rate: Fraction, length: int) -> int:
    if name in ("gcra", "leaky"):
        return one.burst + math.floor(rate * nanoseconds / SECOND)
    if name == "sliding_window":
        return one.burst + math.ceil(rate * nanoseconds / SECOND)
    return one.burst * (nanoseconds // length + 2)


@pytest.mark.parametrize("name", MAKE)
@given(RATES, st.integers(1, 6), STEPS)
def test_no_time_admits_more_than_the_bound(name: str, rate: str, burst: int, steps: list[tuple[int, int]]) -> None:
    one = MAKE[name](rate, burst)
    length = getattr(one, "length", SECOND)
    admitted: list[int] = []
    tat, now = 0, START
    for gap, cost in steps:
        now += gap
        tat, decision = one.ask(tat, now, cost)
        admitted += [now] * (cost if decision.allowed else 0)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            span = admitted[last] - admitted[first]
            assert last - first + 1 <= at_most(name, one, span, parse(rate).per_second, length)


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("rate", ["1/s", "7/s", "100/s", "30/m"])
def test_under_excess_the_rate_is_given(name: str, rate: str) -> None:
    one, tat, admitted = MAKE[name](rate, 3), 0, 0
    seconds = 400
    for step in range(seconds * 250):
        tat, decision = one.ask(tat, START + step * 4 * MS, 1)
        admitted += decision.allowed
    assert admitted >= 0.99 * parse(rate).per_second * seconds


# --- changes, clocks, corners

CHANGED: list[Callable[[], Algorithm]] = [
    lambda: Bucket("x", parse("5/s"), 8),
    lambda: Bucket("x", parse("0/s"), 8),
    lambda: Leaky("x", parse("1/m"), 3, 0),
    lambda: FixedWindow("x", parse("4/m")),
    lambda: FixedWindow("x", parse("1000/h")),
    lambda: SlidingWindow("x", parse("4/m")),
    lambda: SlidingWindow("x", parse("100/s")),
]


@pytest.mark.parametrize("old", CHANGED)
@pytest.mark.parametrize("new", CHANGED)
def test_a_changed_limit_gives_nothing_away(old: Callable[[], Algorithm], new: Callable[[], Algorithm]) -> None:
    before, after = old(), new()
    half = 0
    for _ in range(-(-before.burst // 2)):
        half, decision = before.ask(half, START, 1)
        assert decision.allowed
    assert after.ask(after.adopt(half, before.kind, START), START, 0)[1].remaining <= after.burst // 2
    full, decision = before.ask(0, START, before.burst)
    assert decision.allowed
    assert not after.ask(after.adopt(full, before.kind, START), START, 1)[1].allowed
    assert after.adopt(0, before.kind, START) == 0
    assert not after.ask(after.adopt(0, TORN, START), START, 1)[1].allowed


@pytest.mark.parametrize("name", MAKE)
def test_a_clock_that_steps_back_gives_nothing_away(name: str) -> None:
    one = MAKE[name]("5/s", 5)
    tat, decision = one.ask(0, START + 3600 * SECOND, one.burst)
    assert decision.allowed
    for now in (START, START + 1800 * SECOND, START + 3600 * SECOND):
        assert not one.ask(tat, now, 1)[1].allowed
    assert one.ask(tat, START + 3602 * SECOND, 1)[1].allowed


@pytest.mark.parametrize("name", MAKE)
def test_what_costs_nothing_or_too_much_changes_nothing(name: str) -> None:
    one = MAKE[name]("5/s", 5)
    tat, _ = one.ask(0, START, 2)
    for state in (0, tat):
        assert one.ask(state, START, 0)[0] == state
        refused = one.ask(state, START, one.burst + 1)
        assert refused[0] == state and (refused[1].allowed, refused[1].retry_after) == (False, NEVER)


def test_the_largest_sliding_window_counts_to_its_end() -> None:
    size = largest(SECOND)
    one, tat = SlidingWindow("x", parse(f"{size}/s")), 0
    tat, _ = one.ask(tat, 100 * SECOND, size)
    tat, decision = one.ask(tat, 102 * SECOND - 1, size)
    assert decision.allowed
    assert not one.ask(tat, 102 * SECOND - 1, 1)[1].allowed
    assert one.ask(tat, 103 * SECOND, size)[1].allowed


@pytest.mark.parametrize("rate", ["2.5/s", "0/s", "40000/s"])
def test_windows_that_cannot_be_kept(rate: str) -> None:
    with pytest.raises(ValueError, match="window holds"):
        SlidingWindow("x", parse(rate))


def test_a_leaky_bucket_spreads_its_burst() -> None:
    one, tat, waits = Leaky("x", parse("5/s"), 4, 2), 0, []
    for _ in range(6):
        tat, decision = one.ask(tat, START, 1)
        waits.append(decision.wait // MS if isinstance(decision, Delayed) else decision.allowed)
    assert waits == [True, True, True, 200, 400, False]
