from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.retry import CAPACITY, RetryBudget

SECOND = 10**9


def test_a_reserve_then_a_share() -> None:
    budget = RetryBudget(0.25, 0)
    assert sum(budget.take(0) for _ in range(200)) == CAPACITY
    for _ in range(40):
        budget.earn()
    assert sum(budget.take(0) for _ in range(40)) == 10


def test_time_refills_it_slowly_and_never_beyond_the_reserve() -> None:
    budget = RetryBudget(0.25, 0)
    while budget.take(0):
        pass
    assert [budget.take(3 * SECOND) for _ in range(4)] == [True, True, True, False]
    assert sum(budget.take(10_000 * SECOND) for _ in range(200)) == CAPACITY


@given(st.floats(0, 1), st.lists(st.tuples(st.booleans(), st.integers(0, SECOND)), max_size=400))
def test_an_outage_is_never_doubled(share: float, moves: list[tuple[bool, int]]) -> None:
    budget, now, requests, retries = RetryBudget(share, 0), 0, 0, 0
    for begins, passed in moves:
        now += passed
        if begins:
            budget.earn()
            requests += 1
        else:
            retries += budget.take(now)
        assert retries <= CAPACITY + share * requests + now / SECOND + 1e-6
