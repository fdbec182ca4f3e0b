from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.balance import ALGORITHMS, Balancer, Target

THREE = ["http://a", "http://b", "http://c"]


def picks(balancer: Balancer, times: int) -> str:
    return "".join(balancer.pick().url[-1] for _ in range(times))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_equals_take_turns(algorithm: str) -> None:
    assert picks(Balancer(THREE, algorithm), 7) == "abcabca"


def test_the_least_outstanding_is_picked() -> None:
    balancer = Balancer(THREE, "least_outstanding")
    a, b, c = (balancer.pick() for _ in range(3))
    assert (a.url, b.url, c.url) == tuple(THREE)
    balancer.done(b)
    assert balancer.pick() is b
    balancer.done(a)
    balancer.done(c)
    assert {balancer.pick().url, balancer.pick().url} == {"http://a", "http://c"}
    assert [target.outstanding for target in balancer.targets] == [1, 1, 1]


def test_a_slow_target_gets_less() -> None:
    balancer = Balancer(THREE, "least_outstanding")
    slow = balancer.targets[0]
    for _ in range(30):
        target = balancer.pick()
        if target is not slow:
            balancer.done(target)
    assert slow.outstanding == 1


def test_round_robin_does_not_look_at_what_is_under_way() -> None:
    balancer = Balancer(THREE, "round_robin")
    balancer.targets[0].outstanding = 99
    assert picks(balancer, 4) == "abca"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_single_target(algorithm: str) -> None:
    balancer = Balancer(["http://a"], algorithm)
    assert picks(balancer, 3) == "aaa"
    assert balancer.targets[0].outstanding == 3


@given(st.integers(1, 5), st.sampled_from(ALGORITHMS), st.lists(st.booleans(), max_size=60))
def test_what_is_under_way_is_what_was_picked_and_not_done(count: int, algorithm: str, moves: list[bool]) -> None:
    balancer = Balancer([f"http://{n}" for n in range(count)], algorithm)
    under_way: list[Target] = []
    for pick in moves:
        if pick:
            least = min(target.outstanding for target in balancer.targets)
            target = balancer.pick()
            assert algorithm == "round_robin" or target.outstanding == least + 1
            under_way.append(target)
        elif under_way:
            balancer.done(under_way.pop(0))
    assert [target.outstanding for target in balancer.targets] == [under_way.count(t) for t in balancer.targets]


def test_what_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Balancer([], "round_robin")
    with pytest.raises(ValueError, match="none of"):
        Balancer(THREE, "random")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_down_is_not_picked_and_when_all_are_all_are(algorithm: str) -> None:
    balancer = Balancer(THREE, algorithm)
    a, b, c = balancer.targets
    balancer.set_up(b, False)
    assert set(picks(balancer, 6)) == {"a", "c"}
    balancer.set_up(a, False)
    assert picks(balancer, 3) == "ccc"
    balancer.set_up(c, False)
    assert set(picks(balancer, 12)) == {"a", "b", "c"}
    balancer.set_up(b, True)
    assert picks(balancer, 2) == "bb"
