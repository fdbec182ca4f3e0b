"""The universal scalability law: published fits, laws that it must find again, and what it must not claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.bench import scalability
from apigw_cli.bench.scalability import Law, fit

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)


def law(base: float, sigma: float, kappa: float) -> list[tuple[float, float]]:
    return [(n, Law(base, sigma, kappa, 1).at(n)) for n in COUNTS]


def test_the_published_fit_of_a_rising_and_falling_curve() -> None:
    # The example of https://github.com/codahale/usl
    points = [(1, 65), (18, 996), (36, 1652), (72, 1853), (108, 1829), (144, 1775), (216, 1702)]
    found = fit(points)
    assert found is not None
    assert found.sigma == pytest.approx(0.0277299, rel=1e-4)
    assert found.kappa == pytest.approx(0.000104343, rel=1e-4)
    assert found.lambda_ == pytest.approx(89.9878, rel=1e-4)
    assert found.peak == pytest.approx(96.5, abs=0.1)
    assert found.at(96) == pytest.approx(1883.76, rel=1e-4)
    assert scalability.peak_within(found, 216) == found.peak
    assert scalability.peak_within(found, 72) is None


def test_the_published_fit_of_a_curve_that_rises() -> None:
    points = [(1, 4227), (2, 8382), (4, 16479), (8, 31856), (16, 59564), (32, 104462), (64, 162985)]
    found = fit(points)
    assert found is not None
    assert (found.sigma, found.kappa) == (pytest.approx(0.008550, abs=1e-6), pytest.approx(0.000030, abs=1e-6))
    assert scalability.peak_within(found, 64) is None


@given(st.floats(1, 1e6), st.floats(0, 0.9) | st.just(0.0), st.floats(1e-6, 0.01) | st.just(0.0))
def test_a_law_is_found_again(base: float, sigma: float, kappa: float) -> None:
    found = fit(law(base, sigma, kappa))
    assert found is not None
    for n, x in law(base, sigma, kappa):
        assert found.at(n) == pytest.approx(x, rel=1e-3)


@given(st.lists(st.floats(0.01, 1e7), min_size=len(COUNTS), max_size=len(COUNTS)))
def test_noise_gives_no_negative_coefficient(throughputs: list[float]) -> None:
    found = fit(list(zip(COUNTS, throughputs, strict=True)))
    assert found is None or (found.lambda_ > 0 and found.sigma >= 0 and found.kappa >= 0 and found.r_squared <= 1)


def test_a_curve_better_than_linear_is_taken_for_linear() -> None:
    found = fit([(n, 10.0 * n**1.2) for n in COUNTS])
    assert found is not None
    assert (found.sigma, found.kappa, found.peak) == (0, 0, None)


@pytest.mark.parametrize("points", [[], [(1, 5.0)], [(1, 5.0), (2, 9.0), (4, 15.0)], [(1, 0.0)] * 9])
def test_too_few_points_have_no_law(points: list[tuple[float, float]]) -> None:
    assert fit(points) is None


def test_the_knee_is_the_fewest_that_are_nearly_as_good_as_the_best() -> None:
    assert scalability.knee([(1, 10), (2, 19), (4, 36), (8, 40), (16, 39)]) == 4
    assert scalability.knee([(1, 10), (2, 10), (4, 10)]) == 1
    assert scalability.knee([(1, 0.0)]) is None
