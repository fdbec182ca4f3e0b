"""The histogram: every value within its promised error, merging the same as recording in one place."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench.histogram import MAXIMUM, SIZE, Histogram, bounds_of, index_of, middle_of

values = st.integers(0, MAXIMUM) | st.integers(0, 10_000_000)


@given(values)
def test_a_bucket_holds_its_value_within_three_significant_digits(value: int) -> None:
    low, high = bounds_of(index_of(value))
    assert low <= value <= high
    assert high - low <= value / 1000
    assert abs(middle_of(index_of(value)) - value) <= value / 2000 + 0.5


def test_the_buckets_lie_side_by_side_from_zero_to_the_maximum() -> None:
    expected = 0
    for index in range(SIZE):
        low, high = bounds_of(index)
        assert low == expected
        assert index_of(low) == index_of(high) == index
        expected = high + 1
    assert expected == MAXIMUM + 1


def test_what_is_out_of_range_is_counted_at_the_edge() -> None:
    histogram = Histogram()
    histogram.record(-5)
    histogram.record(MAXIMUM * 3)
    assert histogram.pairs() == [(0, 1), (SIZE - 1, 1)]


@settings(max_examples=50)
@given(st.lists(values, min_size=1, max_size=60), st.lists(st.floats(0.1, 100), min_size=1, max_size=5))
def test_percentiles_are_those_of_the_values_by_nearest_rank(recorded: list[int], wanted: list[float]) -> None:
    wanted.sort()
    histogram = Histogram()
    for value in recorded:
        histogram.record(value)
    ordered = sorted(recorded)
    for percent, found in zip(wanted, histogram.percentiles(wanted), strict=True):
        exact = ordered[max(1, math.ceil(percent * len(ordered) / 100 - 1e-9)) - 1]
        assert abs(found - exact) <= exact / 2000 + 0.5
    assert histogram.total == len(recorded)
    assert abs(histogram.mean() - sum(recorded) / len(recorded)) <= sum(recorded) / len(recorded) / 2000 + 0.5


@settings(max_examples=30)
@given(st.lists(st.lists(values, max_size=20), max_size=5))
def test_merging_is_the_same_as_recording_in_one_place(parts: list[list[int]]) -> None:
    whole, merged = Histogram(), Histogram()
    for part in parts:
        own = Histogram()
        for value in part:
            own.record(value)
            whole.record(value)
        merged.add(own.pairs())
    assert merged.pairs() == whole.pairs()
    assert Histogram(merged.pairs()).pairs() == merged.pairs()


def test_an_empty_histogram_has_figures_too() -> None:
    assert Histogram().percentiles([50, 100]) == [0, 0]
    assert Histogram().mean() == 0
