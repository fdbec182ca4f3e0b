"""The windows of the proof: exact against brute force, and never a false alarm about a correct limiter."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench.admission import SECOND, Event, scarcest_window, tightest_window
from apigw_cli.bench.limit import Declared
from apigw_cli.bench.owed import Owed, owed
from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import Limit, take

moments = st.integers(0, 3 * SECOND)
lengths = st.sampled_from([0, 1, 5_000_000, 200_000_000]) | st.integers(0, 500_000_000)
events = st.lists(st.builds(lambda s, d: (s, s + d), moments, lengths), max_size=25)
rate_values = st.builds(Fraction, st.integers(0, 40), st.sampled_from([1, 3, 60]))


def brute_force(found: list[Event], rate: Fraction, burst: int) -> Fraction:
    """The largest excess over all windows that begin with a sending and end with an answer."""
    return max(
        sum(s >= start and r <= end for s, r in found) - burst - rate * (end - start) / SECOND
        for start, _ in found
        for _, end in found
        if any(s >= start and r <= end for s, r in found)
    )


@given(events, rate_values, st.integers(0, 6))
def test_the_tightest_window_is_the_one_that_brute_force_finds(found: list[Event], rate: Fraction, burst: int) -> None:
    window = tightest_window(found, rate, burst)
    if not found:
        assert window is None
        return
    assert window is not None
    assert window.count - window.bound == brute_force(found, rate, burst)
    assert window.count == sum(s >= window.start and r <= window.end for s, r in found)
    assert window.bound == burst + rate * (window.end - window.start) / SECOND


def test_many_events_take_little_time_even_with_one_answer_that_took_the_whole_run() -> None:
    found = [(n * 50_000, n * 50_000 + 900_000) for n in range(40_000)] + [(0, 3 * SECOND)]
    window = tightest_window(found, Fraction(20_000), 10)
    assert window is not None
    assert window.count - window.bound < 0


# --- a correct limiter, seen through a network that delays as it likes

attempts = st.lists(
    st.tuples(st.integers(0, 60_000_000), st.integers(0, 30_000_000), st.integers(0, 30_000_000)),
    min_size=1,
    max_size=120,
)


def observed(limit: Limit, tries: list[tuple[int, int, int]]) -> tuple[list[Event], list[Event]]:
    """What a client sees of a limiter: each try is the pause before its decision, and the delays to and from it."""
    now, tat = 10 * SECOND, 0
    admitted, refused = [], []
    for pause, before, after in tries:
        now += pause
        tat, decision = take(limit, tat, now)
        (admitted if decision.allowed else refused).append((now - before - 9 * SECOND, now + after - 9 * SECOND))
    return admitted, refused


def due(rate: str, burst: int, slot: int) -> Owed:
    return owed([Declared(rates.parse(rate), burst, "route")], slot)


def slots_of(refused: list[Event], slot: int) -> list[int]:
    return sorted({r // slot for s, r in refused if s >= r // slot * slot})


@settings(max_examples=200)
@given(attempts, st.sampled_from(["1/s", "7/s", "50/s", "400/s", "2.5/s", "0/s"]), st.integers(0, 8))
def test_a_correct_limiter_is_never_above(tries: list[tuple[int, int, int]], rate: str, burst: int) -> None:
    admitted, _ = observed(Limit("x", rates.parse(rate), burst), tries)
    window = tightest_window(admitted, rates.parse(rate).per_second, burst)
    assert window is None or window.count <= window.bound


@settings(max_examples=200)
@given(
    attempts,
    st.sampled_from(["7/s", "50/s", "400/s", "2.5/s", "3/s"]),
    st.integers(1, 8),
    st.sampled_from([1_000_000, 20_000_000, 100_000_000]),
)
def test_a_correct_limiter_is_never_below(tries: list[tuple[int, int, int]], rate: str, burst: int, slot: int) -> None:
    limit = Limit("x", rates.parse(rate), burst)
    admitted, refused = observed(limit, tries * 3)
    floor = scarcest_window(admitted, slots_of(refused, slot), slot, due(rate, burst, slot))
    for window in (floor.window, floor.longest):
        assert window is None or window.count >= float(window.bound) - 1e-6


@given(
    events,
    st.lists(st.integers(0, 30), max_size=25, unique=True),
    st.sampled_from(["3/s", "20/s"]),
    st.integers(1, 4),
)
def test_the_scarcest_window_is_the_one_that_brute_force_finds(
    found: list[Event], slots: list[int], rate: str, burst: int
) -> None:
    slots.sort()
    slot = 100_000_000
    period = due(rate, burst, slot).period
    slacks = []
    for a in slots:
        b = a
        while b in slots:
            count = sum(s <= (b + 1) * slot and r >= a * slot for s, r in found)
            slacks.append(count - ((b - a - 1) * slot / period - 1))
            b += 1
    window = scarcest_window(found, slots, slot, due(rate, burst, slot)).window
    if not slots:
        assert window is None
        return
    assert window is not None
    assert abs(window.count - float(window.bound) - min(slacks)) < 1e-6


# --- wrong limiters


def steady(count: int, every: int) -> list[Event]:
    return [(n * every, n * every + 1000) for n in range(count)]


def test_one_request_too_many_is_seen() -> None:
    rate, burst = Fraction(5), 5
    exact = steady(5, 0) + [(n * 200_000_000, n * 200_000_000 + 1000) for n in range(1, 10)]
    assert not over(exact, rate, burst)
    assert over([*exact, (1_900_000_000, 1_900_001_000)], rate, burst)


def over(found: list[Event], rate: Fraction, burst: int) -> bool:
    window = tightest_window(found, rate, burst)
    return window is not None and window.count > window.bound


def test_what_may_have_happened_outside_of_a_window_is_not_counted_in_it() -> None:
    slow = [(0, 2 * SECOND)] * 10  # each may have been let through at any time in these two seconds
    assert not over(slow, Fraction(5), 5)


def test_half_of_the_rate_is_too_little() -> None:
    slot = 20_000_000
    slots = list(range(50))  # refusals all along one second
    right = scarcest_window(steady(20, 50_000_000), slots, slot, due("20/s", 5, slot)).window
    wrong = scarcest_window(steady(10, 100_000_000), slots, slot, due("20/s", 5, slot)).window
    assert right is not None
    assert right.count >= right.bound
    assert wrong is not None
    assert wrong.count < wrong.bound


def test_without_proved_demand_nothing_is_asked_of_a_limiter() -> None:
    floor = scarcest_window([], [], 20_000_000, due("20/s", 5, 20_000_000))
    assert (floor.window, floor.longest, floor.proved) == (None, None, 0)
    apart = scarcest_window([], [0, 10, 20], 20_000_000, due("20/s", 5, 20_000_000)).window
    assert apart is not None
    assert apart.bound <= 0
