"""What Retry-After promises, tried by a lone client against limiters right and wrong, on a clock of the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench.limit import parse
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.retry_after import MOST_TRIES, Tried, seconds_told, tried
from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import Decision, Limit, take

MS = 1_000_000


class Alone:
    """A lone client of a token bucket, with a way of `delay` each way; `told` makes the headers from a decision."""

    def __init__(
        self, rate: str, burst: int, told: Callable[[Decision], dict[str, str]] | None = None, delay: int = MS
    ) -> None:
        self._limit = Limit("test", rates.parse(rate), burst)
        self._told = told or (lambda decision: {"retry-after": str(decision.retry_after)})
        self._delay = delay
        self._now = 1_000 * SECOND
        self._tat = 0

    def now(self) -> int:
        return self._now

    def wait_until(self, moment: int) -> None:
        self._now = max(self._now, moment)

    def ask(self) -> Answer:
        sent = self._now
        self._tat, decision = take(self._limit, self._tat, sent + self._delay)
        self._now += 2 * self._delay
        headers = self._told(decision) if not decision.allowed else {}
        return Answer(sent, self._now, 200 if decision.allowed else 429, headers)


def attempt(alone: Alone, limit: str, seconds: int = 60) -> Tried:
    return tried(alone, [parse(limit)], seconds * SECOND)


@settings(deadline=None)
@given(st.sampled_from(["1/s", "5/s", "50/s", "20/m", "0.3/s"]), st.integers(1, 20), st.integers(1000, 80 * MS))
def test_a_right_limiter_keeps_its_word(rate: str, burst: int, delay: int) -> None:
    found = attempt(Alone(rate, burst, delay=delay), f"{rate} burst {burst}")
    assert (found.insufficient, found.too_long) == ([], [])
    if not found.left:
        assert found.sufficient == MOST_TRIES


def test_a_second_less_is_refused() -> None:
    found = attempt(Alone("20/m", 2), "20/m burst 2")
    assert (found.sufficient, found.tight) == (MOST_TRIES, MOST_TRIES)


def test_one_that_is_too_short_is_found_out() -> None:
    found = attempt(Alone("0.3/s", 1, lambda decision: {"retry-after": "1"}), "0.3/s burst 1")
    assert found.insufficient == [1] * len(found.insufficient)
    assert found.insufficient


def test_one_that_names_the_whole_window_is_found_out() -> None:
    found = attempt(Alone("1/s", 5, lambda decision: {"retry-after": "5"}), "1/s burst 5")
    assert found.too_long
    assert set(found.too_long) == {5}
    assert found.insufficient == []


@pytest.mark.parametrize(
    ("rate", "told", "left"),
    [
        ("1/h", None, "3600 s are too long to be waited for"),
        ("1/s", lambda decision: {}, "it says no time"),
        ("1/s", lambda decision: {"retry-after": "soon"}, "it says no time"),
        ("1/s", lambda decision: {"retry-after": "-5"}, "it says no time"),
        ("5000/s", None, "a lone client was not refused"),
    ],
)
def test_what_cannot_be_tried_is_said(rate: str, told: Callable[[Decision], dict[str, str]] | None, left: str) -> None:
    found = attempt(Alone(rate, 2, told), f"{rate} burst 2")
    assert (found.left, found.sufficient, found.insufficient) == (left, 0, [])


def test_a_connection_that_breaks_ends_the_tries() -> None:
    class Broken(Alone):
        def ask(self) -> Answer:
            raise ConnectionError("gone")

    assert attempt(Broken("1/s", 1), "1/s burst 1").left == "the connection broke: gone"


def test_a_date_counts_from_the_answers_own() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert seconds_told(Answer(0, 0, 429, headers)) == 30
    assert seconds_told(Answer(0, 0, 429, {"retry-after": headers["retry-after"]})) is None


# --- all of a burst after a rest


@pytest.mark.parametrize(("real", "rested"), [(5, 5), (4, 4), (6, 5)])
def test_after_a_rest_all_of_the_burst_is_there(real: int, rested: int) -> None:
    found = attempt(Alone("5/s", real), "5/s burst 5")
    assert (found.rested, found.too_slow) == (rested, False)


def test_a_client_that_is_too_slow_says_so() -> None:
    found = attempt(Alone("20/s", 4, delay=30 * MS), "20/s burst 5")
    assert (found.rested, found.too_slow) == (None, True)


def test_what_comes_back_faster_than_anybody_asks_is_not_claimed() -> None:
    found = attempt(Alone("5000/s", 100), "5000/s burst 100")
    assert (found.rested, found.too_slow) == (None, False)


def test_there_is_no_time_for_a_long_rest() -> None:
    found = attempt(Alone("1/m", 5), "1/m burst 5", seconds=10)
    assert (found.rested, found.too_slow) == (None, False)
