"""When the requests of an open model are due."""

from __future__ import annotations

import itertools
import json
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench.arrivals import Profile, Schedule
from apigw_cli.bench.plan import SECOND, Plan, Share
from apigw_cli.errors import Exit
from tests.bench.server import OK, serving
from tests.bench.test_plan import TARGET
from tests.bench.test_program import run

STAGES = st.lists(st.tuples(st.integers(1, 10**10), st.floats(0, 10_000)), max_size=4)
RATES = st.floats(0.001, 10_000)


def shares(workers: int = 1, **options: Any) -> list[Share]:
    values: dict[str, Any] = {"rate": 100.0, "duration": 2.0, "warmup": 0.0} | options
    warmup = values.pop("warmup")
    return Plan(TARGET, "GET", b"", workers, workers, 10.0, warmup, **values).shares()


def due(workers: int = 1, **options: Any) -> list[int]:
    return sorted(time for share in shares(workers, **options) for time in Schedule(share).due())


# --- the rate over time


@given(RATES | st.just(0.0), STAGES, st.integers(-(10**10), 10**11))
def test_the_time_of_a_count_is_where_so_many_have_come(
    rate: float, stages: list[tuple[int, float]], time: int
) -> None:
    profile = Profile(rate, stages)
    count = profile.count(time)
    again = profile.due(count)
    if again is not None:
        assert profile.count(again) == pytest.approx(count, rel=1e-6, abs=1e-4)


@given(RATES | st.just(0.0), STAGES, st.lists(st.integers(-100, 10**6), min_size=2))
def test_later_arrivals_are_due_later(rate: float, stages: list[tuple[int, float]], counts: list[int]) -> None:
    profile = Profile(rate, stages)
    times = [profile.due(count) for count in sorted(counts)]
    known = [time for time in times if time is not None]
    assert known == sorted(known)


def test_a_ramp_sends_the_area_below_it() -> None:
    profile = Profile(0.0, [(10 * SECOND, 100.0), (10 * SECOND, 100.0)])
    assert profile.count(10 * SECOND) == 500
    assert profile.due(125) == 5 * SECOND
    assert profile.due(1500) == 20 * SECOND
    assert profile.count(30 * SECOND) == 2500
    assert Profile(100.0, [(10 * SECOND, 0.0)]).due(501) is None


# --- evenly


@given(st.integers(1, 5), st.integers(1, 300))
@settings(deadline=None)
def test_all_workers_together_keep_the_beat(workers: int, rate: int) -> None:
    times = due(workers, rate=float(rate), duration=1.0)
    assert len(times) == rate
    assert times == [round(k / rate * SECOND) for k in range(rate)]


def test_what_is_due_before_the_measurement_is_warm_up() -> None:
    times = due(2, warmup=0.5)
    assert len([time for time in times if time < 0]) == 50
    assert times[0] == -SECOND // 2


def test_so_many_requests_are_so_many() -> None:
    assert len(due(3, requests=100, duration=None)) == 100
    assert len(due(3, requests=100, duration=None, poisson=True)) == 100


# --- Poisson


def test_poisson_gaps_are_those_of_independent_clients() -> None:
    times = due(2, rate=2000.0, duration=20.0, poisson=True, seed=7)
    assert len(times) == pytest.approx(40_000, abs=1000)  # 5 standard deviations
    gaps = [(b - a) / SECOND for a, b in itertools.pairwise(times)]
    # An exponential distribution: its deviation is its mean, and 1/e of the gaps are longer than that.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)
    assert sum(gap > 1 / 2000 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


def test_the_seed_decides() -> None:
    assert due(2, poisson=True, seed=1) == due(2, poisson=True, seed=1)
    assert due(2, poisson=True, seed=1) != due(2, poisson=True, seed=2)
    first, second = (list(Schedule(share).due()) for share in shares(2, poisson=True))
    assert first != second


def test_a_ramp_of_poisson_arrivals_grows() -> None:
    times = due(rate=0.0, duration=10.0, stages=((10.0, 400.0),), poisson=True)
    first, second = (len([t for t in times if a <= t < a + 5 * SECOND]) for a in (0, 5 * SECOND))
    assert first == pytest.approx(500, abs=120)
    assert second == pytest.approx(1500, abs=200)


# --- the program


def test_a_ramp_is_carried_out_and_told() -> None:
    with serving(lambda asked: OK) as server:
        done = run(
            server.url, "--ramp", "500ms:100,500ms:100", "--arrivals", "poisson", "--seed", "3", "--format", "json"
        )
        asked = server.asked
    result = json.loads(done.stdout)
    assert "open model 0/s → 100/s in 0.5 s → 100/s in 0.5 s, Poisson" in done.stderr
    assert (result["plan"]["model"], result["plan"]["arrivals"], result["plan"]["seed"]) == ("open", "poisson", 3)
    assert result["plan"]["ramp"] == [[0.5, 100.0], [0.5, 100.0]]
    assert result["plan"]["duration_s"] == 1.0
    assert (
        asked
        == result["requests"]["answered"]
        == len(due(rate=0.0, stages=((0.5, 100.0), (0.5, 100.0)), duration=1.0, poisson=True, seed=3))
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ramp", "10s"], "'10s' is no stage"),
        (["--ramp", "10:100"], "--ramp"),
        (["--ramp", "10s:fast"], "'10s:fast' is no stage"),
        (["--ramp", "10s:0"], "nothing would be sent"),
        (["--ramp", "10s:2000000"], "at most 1,000,000"),
        (["--arrivals", "poisson"], "--arrivals poisson is for the open model"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str) -> None:
    done = run("http://127.0.0.1:9", *arguments)
    assert done.returncode == Exit.USAGE
    assert words in done.stderr
