"""The time series: rows add up to the totals, and never become too many."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench import series
from apigw_cli.bench.series import Sampler, Series, merged

row = st.tuples(*(st.integers(0, 50),) * 4)


def sampled(rows: list[tuple[int, ...]]) -> Series:
    sampler, totals = Sampler(), (0, 0, 0, 0)
    for one in rows:
        totals = tuple(a + b for a, b in zip(totals, one, strict=True))  # type: ignore[assignment]
        sampler.second(totals)
    return sampler.finish(totals)


@given(st.lists(row, max_size=30))
def test_each_second_becomes_a_row(rows: list[tuple[int, ...]]) -> None:
    result = sampled(rows)
    assert list(zip(*result.columns(), strict=True)) == rows


def test_what_comes_after_the_last_whole_second_has_a_row() -> None:
    sampler = Sampler()
    sampler.second((5, 0, 0, 0))
    assert sampler.finish((7, 1, 0, 0)).columns() == [[5, 2], [0, 1], [0, 0], [0, 0]]


@settings(max_examples=10)
@given(st.integers(1, 30_000))
def test_however_long_a_run_its_series_is_bounded_and_complete(seconds: int) -> None:
    result = sampled([(2, 1, 0, 0)] * seconds)
    assert len(result.allowed) <= series.MOST_ROWS
    assert (sum(result.allowed), sum(result.limited)) == (2 * seconds, seconds)
    assert len(result.allowed) * result.interval >= seconds > (len(result.allowed) - 1) * result.interval
    assert set(result.allowed[:-1]) <= {2 * result.interval}


@given(st.lists(st.lists(row, max_size=10), max_size=4))
def test_workers_are_added_second_by_second(parts: list[list[tuple[int, ...]]]) -> None:
    result = merged([sampled(rows) for rows in parts])
    for second in range(max((len(rows) for rows in parts), default=0)):
        assert result.allowed[second] == sum(rows[second][0] for rows in parts if second < len(rows))


def test_a_coarse_and_a_fine_series_meet_at_the_coarse_interval() -> None:
    result = merged([Series(2, [10], [0], [0], [0]), Series(1, [1, 2, 3], [0] * 3, [0] * 3, [0] * 3)])
    assert (result.interval, result.allowed) == (2, [13, 3])
