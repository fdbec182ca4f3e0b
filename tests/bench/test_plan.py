"""A plan divides totals over workers: nothing is multiplied, no remainder is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.bench.plan import Plan, Target
from apigw_cli.bench.spread import in_words, spread

TARGET = Target("http://h/", "h", 80, False, "/")


def plan(workers: int, concurrency: int, **more: object) -> Plan:
    return Plan(TARGET, "GET", b"", workers, concurrency, 10.0, 0.0, **more)  # type: ignore[arg-type]


@given(st.integers(0, 10**6), st.integers(1, 300))
def test_spreading_keeps_the_total_and_differs_by_one_at_most(total: int, workers: int) -> None:
    shares = spread(total, workers)
    assert sum(shares) == total
    assert len(shares) == workers
    assert max(shares) - min(shares) <= 1


def test_32_over_3() -> None:
    assert spread(32, 3) == [11, 11, 10]
    assert in_words([11, 11, 10]) == "11/11/10"
    assert in_words([16, 16]) == "16"
    assert in_words(spread(30, 20)) == "2 or 1"


@given(st.integers(1, 8), st.integers(0, 100), st.integers(1, 500))
def test_connections_and_requests_are_divided_completely(workers: int, more: int, requests: int) -> None:
    shares = plan(workers, workers + more, requests=requests).shares()
    assert sum(share.connections for share in shares) == workers + more
    assert min(share.connections for share in shares) >= 1
    assert sum(share.requests or 0 for share in shares) == requests


@given(st.integers(1, 8), st.integers(1, 200))
def test_the_arrivals_of_an_open_model_are_each_made_by_one_worker(workers: int, requests: int) -> None:
    shares = plan(workers, workers, requests=requests, rate=50.0).shares()
    made = [k for share in shares for k in range(share.offset, share.requests or 0, share.stride)]
    assert sorted(made) == list(range(requests))


def test_the_plan_in_words() -> None:
    closed = plan(2, 32, duration=10.0)
    assert closed.in_words() == "2 workers × 16 in flight = 32 connections · closed model · 10 s · GET http://h/"
    uneven = plan(3, 32, requests=5000, rate=1000.0)
    assert uneven.in_words() == (
        "3 workers × 11/11/10 in flight = 32 connections · open model 1,000/s (333.333/s per worker) · "
        "5,000 requests · GET http://h/"
    )
