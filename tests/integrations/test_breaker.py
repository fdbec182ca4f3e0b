from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.balance import Balancer, Target
from apigw_cli.integrations.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Ejection

THREE = ["http://a", "http://b", "http://c"]
SETTINGS = Ejection(after=2, first=100, longest=350)


def eject(balancer: Balancer, index: int, now: int) -> None:
    for _ in range(SETTINGS.after):
        balancer.failed(balancer.targets[index], now)


def names(balancer: Balancer, times: int) -> str:
    found = ""
    for _ in range(times):
        target = balancer.pick()
        balancer.done(target)
        found += target.url[-1]
    return found


def test_failures_in_a_row_open_it_for_a_growing_time() -> None:
    breaker, now = Breaker(SETTINGS), 0
    breaker.failed(now, True)
    breaker.succeeded()
    breaker.failed(now, True)
    assert breaker.state == CLOSED
    for length in (100, 200, 350, 350):
        breaker.failed(now, True)
        assert (breaker.state, breaker.until) == (OPEN, now + length)
        breaker.wake(now + length - 1)
        assert breaker.state == OPEN
        now += length
        breaker.wake(now)
        assert breaker.state == HALF_OPEN
    breaker.succeeded()
    assert breaker.state == CLOSED
    breaker.failed(now, True)
    breaker.failed(now, True)
    assert breaker.until == now + 100


def test_an_answer_from_before_it_opened_changes_nothing() -> None:
    breaker = Breaker(SETTINGS)
    breaker.failed(0, True)
    breaker.failed(0, True)
    breaker.succeeded()
    assert breaker.state == OPEN


@pytest.mark.parametrize("algorithm", ["round_robin", "least_outstanding"])
def test_the_ejected_is_not_picked_until_one_request_has_tried_it(algorithm: str) -> None:
    balancer = Balancer(THREE, algorithm, SETTINGS)
    eject(balancer, 1, 0)
    balancer.wake(99)
    assert set(names(balancer, 6)) == {"a", "c"}
    balancer.wake(100)
    picked = [balancer.pick() for _ in range(9)]
    on_trial = [target for target in picked if target.url[-1] == "b"]
    assert len(on_trial) == 1
    balancer.done(on_trial[0])  # it ended without a verdict: the client left
    assert "b" in names(balancer, 3) + names(balancer, 3)
    balancer.succeeded(on_trial[0])
    assert on_trial[0].breaker is not None
    assert on_trial[0].breaker.state == CLOSED


def test_the_last_that_is_well_stays() -> None:
    balancer = Balancer(THREE, "round_robin", SETTINGS)
    for index in range(3):
        eject(balancer, index, 0)
    assert names(balancer, 3) == "ccc"
    alone = Balancer(["http://a"], "round_robin", SETTINGS)
    eject(alone, 0, 0)
    assert alone.targets[0].breaker is not None
    assert alone.targets[0].breaker.state == CLOSED


def test_a_health_check_that_brings_it_back_ends_the_ejection() -> None:
    balancer = Balancer(THREE, "round_robin", SETTINGS)
    eject(balancer, 0, 0)
    balancer.set_up(balancer.targets[0], False)
    balancer.set_up(balancer.targets[0], True)
    assert set(names(balancer, 3)) == {"a", "b", "c"}


def test_a_successor_knows_what_was_known() -> None:
    before, after = Balancer(THREE, "round_robin", SETTINGS), Balancer(THREE[:2], "least_outstanding", SETTINGS)
    eject(before, 0, 0)
    after.inherit(before, 0, ejections=True)
    assert names(after, 3) == "bbb"


def test_another_target_each_time() -> None:
    balancer = Balancer(THREE, "round_robin", SETTINGS)
    a, b, c = balancer.targets
    eject(balancer, 1, 0)
    assert balancer.pick_other((a,)) is c
    assert balancer.pick_other((a, c)) is None
    assert [target.outstanding for target in (a, b, c)] == [0, 0, 1]


MOVES = st.lists(
    st.tuples(st.sampled_from(["fail", "succeed", "wake", "pick", "done"]), st.integers(0, 2)), max_size=80
)


@given(MOVES)
def test_there_is_always_a_target_and_never_are_all_ejected(moves: list[tuple[str, int]]) -> None:
    balancer, now = Balancer(THREE, "round_robin", SETTINGS), 0
    under_way: list[Target] = []
    for move, index in moves:
        target = balancer.targets[index]
        if move == "fail":
            balancer.failed(target, now)
        elif move == "succeed":
            balancer.succeeded(target)
        elif move == "wake":
            now += 60
            balancer.wake(now)
        elif move == "pick":
            under_way.append(balancer.pick())
        elif under_way:
            balancer.done(under_way.pop())
        states = [one.breaker.state for one in balancer.targets if one.breaker is not None]
        assert CLOSED in states
    assert [one.outstanding for one in balancer.targets] == [under_way.count(one) for one in balancer.targets]
