from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.limits.bucket import FROZEN, NEVER, Decision, Limit, rescale, take
from apigw_cli.limits.rate import parse

SECOND = 1_000_000_000
MS = 1_000_000


def limit(rate: str = "5/s", burst: int = 10) -> Limit:
    return Limit("api:route", parse(rate), burst)


def run(one: Limit, times: list[int], tat: int = 0) -> list[Decision]:
    decisions = []
    for now in times:
        tat, decision = take(one, tat, now)
        decisions.append(decision)
    return decisions


def admitted(one: Limit, times: list[int]) -> str:
    return "".join("1" if decision.allowed else "0" for decision in run(one, times))


# The golden vectors: rate 5/s, burst 10; times on a clock that has run for a while.
START = 77 * SECOND + 123


def test_golden_vector_twenty_at_once_then_one_every_100_ms() -> None:
    times = [START] * 20 + [START + n * 100 * MS for n in range(1, 21)]
    assert admitted(limit(), times) == "1111111111000000000001010101010101010101"


def test_golden_vector_ten_at_once_and_fifteen_ten_seconds_later() -> None:
    times = [START] * 10 + [START + 10 * SECOND] * 15
    assert admitted(limit(), times).count("1") == 20


def test_golden_vector_no_burst_at_a_window_boundary() -> None:
    # A fixed window of one second and 5 requests admits all ten of these.
    times = [START + 900 * MS] * 5 + [START + 1000 * MS] * 5
    assert admitted(limit(burst=5), times) == "1111100000"


def test_what_is_left_and_when_there_is_more() -> None:
    one, decisions = limit(burst=3), []
    tat = 0
    for now in (0, 0, 100 * MS, 100 * MS, 150 * MS, 200 * MS):
        tat, decision = take(one, tat, START + now)
        decisions.append((decision.allowed, decision.remaining, decision.reset, decision.retry_after))
    assert decisions == [
        (True, 2, 1, 0),
        (True, 1, 1, 0),
        (True, 0, 1, 0),
        (False, 0, 1, 1),
        (False, 0, 1, 1),
        (True, 0, 1, 0),
    ]


def test_seconds_are_rounded_up() -> None:
    slow = limit("10/m", 1)  # a token every 6 s
    assert run(slow, [START, START, START + 1, START + 5 * SECOND + 1]) == [
        Decision(True, 0, 6, 0),
        Decision(False, 0, 6, 6),
        Decision(False, 0, 6, 6),
        Decision(False, 0, 1, 1),
    ]


def test_a_refused_request_changes_nothing() -> None:
    one = limit(burst=1)
    tat, _ = take(one, 0, START)
    assert all(take(one, tat, START + n)[0] == tat for n in range(5))
    assert take(one, tat, START + 200 * MS)[1].allowed


def test_a_burst_of_zero_admits_nothing_and_a_rate_of_zero_never_refills() -> None:
    assert run(limit("5/s", 0), [START, START + 99 * SECOND]) == [Decision(False, 0, NEVER, NEVER)] * 2
    years = 60 * 366 * 86_400 * SECOND
    assert run(limit("0/s", 2), [START, START + years, START + years, START]) == [
        Decision(True, 1, NEVER, 0),
        Decision(True, 0, NEVER, 0),
        Decision(False, 0, NEVER, NEVER),
        Decision(False, 0, NEVER, NEVER),
    ]
    assert run(limit("0/s", 0), [START])[0] == Decision(False, 0, NEVER, NEVER)


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    one = limit(burst=2)
    assert admitted(one, [START + SECOND, START, START, START + SECOND]) == "1001"


@pytest.mark.parametrize(
    ("rate", "burst", "message"),
    [
        ("5/s", -1, "between 0 and"),
        ("5/s", 10**9 + 1, "between 0 and"),
        ("0.000001/d", 10**9, "73 years"),
        ("1/d", 100_000, "73 years"),
    ],
)
def test_limits_that_cannot_be_kept(rate: str, burst: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        limit(rate, burst)


# --- against a token bucket of rational numbers, which is what a person means by "5/s burst 10"


class Tokens:
    def __init__(self, one: Limit) -> None:
        self.rate = Fraction(SECOND, one.interval)  # what the rate became when it was rounded down to nanoseconds
        self.burst = one.burst
        self.tokens = Fraction(one.burst)
        self.last = 0

    def take(self, now: int) -> tuple[bool, int, int, int]:
        self.tokens = min(Fraction(self.burst), self.tokens + Fraction(now - self.last, SECOND) * self.rate)
        self.last = now
        allowed = self.tokens >= 1
        self.tokens -= allowed
        whole = math.floor(self.tokens)
        until_next = (whole + 1 - self.tokens) / self.rate
        return allowed, whole, math.ceil(until_next), 0 if allowed else max(1, math.ceil(until_next))


_rates = st.sampled_from(["5/s", "3/s", "2.5/s", "100/m", "7/m", "1000/h", "10/d", "12345.678/s", "700000000/s"])
_gaps = st.lists(st.integers(0, 3 * SECOND) | st.sampled_from([0, 0, 1, 199_999_999, 200_000_000, 10**13]), max_size=60)


@given(_rates, st.integers(1, 20), st.integers(0, 10**17), _gaps)
def test_it_is_the_token_bucket_exactly(rate: str, burst: int, start: int, gaps: list[int]) -> None:
    one = limit(rate, burst)
    oracle, tat, now = Tokens(one), 0, start
    for gap in gaps:
        now += gap
        tat, decision = take(one, tat, now)
        assert (decision.allowed, decision.remaining, decision.reset, decision.retry_after) == oracle.take(now)


@given(_rates, st.integers(1, 20), _gaps)
def test_no_window_admits_more_than_burst_and_rate(rate: str, burst: int, gaps: list[int]) -> None:
    one, now, tat = limit(rate, burst), START, 0
    times = []
    for gap in gaps:
        now += gap
        tat, decision = take(one, tat, now)
        if decision.allowed:
            times.append(now)
    for first in range(len(times)):
        for last in range(first, len(times)):
            window = Fraction(times[last] - times[first], SECOND)
            assert last - first + 1 <= burst + math.floor(window * one.rate.per_second)


@given(_rates, st.integers(1, 20), _gaps)
def test_whoever_waits_as_told_is_admitted(rate: str, burst: int, gaps: list[int]) -> None:
    one, now, tat = limit(rate, burst), START, 0
    for gap in gaps:
        now += gap
        tat, decision = take(one, tat, now)
        if not decision.allowed:
            assert take(one, tat, now + decision.retry_after * SECOND)[1].allowed
            assert decision.retry_after == 1 or not take(one, tat, now + (decision.retry_after - 1) * SECOND)[1].allowed


# --- a limit that changes


def left(one: Limit, tat: int) -> int:
    """How many would be admitted at START."""
    decision = take(one, tat, START)[1]
    return decision.remaining + decision.allowed


def test_a_changed_limit_keeps_the_share_that_is_used() -> None:
    old, new = limit("5/s", 4), limit("50/s", 40)
    tat = 0
    for _ in range(3):
        tat, _ = take(old, tat, START)
    assert left(new, rescale(new, tat, old.kind, START)) == 10
    for _ in range(1):
        tat, _ = take(old, tat, START)
    assert left(new, rescale(new, tat, old.kind, START)) == 0


def test_the_same_limit_understands_its_own_state() -> None:
    assert limit("5/s", 10).kind == limit("5/s", 10).kind
    assert limit("5/s", 10).kind != limit("5/s", 11).kind
    assert limit("0/s", 10).kind != limit("1000000000/s", 10).kind


_limits = st.builds(limit, st.sampled_from(["0/s", "5/s", "3/s", "100/m", "10/d", "1000000/s"]), st.integers(0, 20))


@given(_limits, _limits, st.integers(0, 25))
def test_a_change_never_refills(old: Limit, new: Limit, used: int) -> None:
    tat = 0
    for _ in range(used):
        tat, _ = take(old, tat, START)
    before = left(old, tat) if old.burst else 0
    scaled = rescale(new, tat, old.kind, START)
    after = left(new, scaled)
    if old.burst and new.burst:
        assert Fraction(after, new.burst) <= Fraction(before, old.burst)
        assert after >= math.floor(Fraction(before, old.burst) * new.burst) - 1
    assert scaled == 0 or scaled <= max(new.origin, START) + new.capacity


@given(_limits, st.integers(0, FROZEN * 2 - 1), st.integers(0, FROZEN * 2 - 1), st.integers(0, 10**17))
def test_whatever_stands_in_the_memory_is_brought_into_bounds(one: Limit, tat: int, kind: int, now: int) -> None:
    scaled = rescale(one, tat, kind, now)
    assert 0 <= scaled <= (one.origin or now) + one.capacity
