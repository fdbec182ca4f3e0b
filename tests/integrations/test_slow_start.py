"""A target that comes back gets a share that grows; time is an argument."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.balance import FIRST_SHARE, Balancer, Target, ramp
from apigw_cli.integrations.breaker import HALF_OPEN, Ejection

THREE = ["http://a", "http://b", "http://c"]
DURATION = 10_000


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**12))
def test_the_ramp_never_falls_and_ends_at_one(early: int, later: int, duration: int) -> None:
    early, later = sorted((early, later))
    assert FIRST_SHARE <= ramp(early, duration) <= ramp(later, duration) <= 1
    assert ramp(duration, duration) == 1


def returned(algorithm: str, weights: tuple[int, ...] = ()) -> tuple[Balancer, Target]:
    """Three targets, of which the first was down until time 0."""
    balancer = Balancer(THREE, algorithm, weights=weights, slow_start=DURATION)
    target = balancer.targets[0]
    balancer.set_up(target, False)
    balancer.set_up(target, True)
    return balancer, target


@given(st.integers(0, 2 * DURATION), st.tuples(*[st.integers(1, 5)] * 3))
def test_turns_keep_the_growing_share(elapsed: int, weights: tuple[int, int, int]) -> None:
    balancer, target = returned("round_robin", weights)
    balancer.wake(elapsed)
    found = [balancer.pick() for _ in range(600)].count(target)
    share = weights[0] * ramp(elapsed, DURATION)
    assert found == pytest.approx(600 * share / (share + weights[1] + weights[2]), abs=3)


def test_random_two_draws_it_as_rarely_as_its_share_says() -> None:
    random.seed(1)
    balancer, target = returned("random_two")
    counts = []
    for elapsed in (0, DURATION // 2, DURATION):
        balancer.wake(elapsed)
        found = 0
        for _ in range(3000):
            picked = balancer.pick()
            balancer.done(picked)
            found += picked is target
        counts.append(found)
    assert counts[0] < 0.25 * counts[2]
    assert counts[0] < counts[1] < counts[2]


@given(st.integers(0, DURATION - 1))
def test_least_outstanding_gives_it_as_many_at_once_as_its_share(elapsed: int) -> None:
    balancer, target = returned("least_outstanding")
    balancer.wake(elapsed)
    for _ in range(300):
        balancer.pick()
    share = ramp(elapsed, DURATION)
    assert target.outstanding == pytest.approx(300 * share / (share + 2), abs=2)


@pytest.mark.parametrize("algorithm", ["round_robin", "least_outstanding", "random_two"])
def test_afterwards_nothing_is_left_of_it(algorithm: str) -> None:
    balancer, target = returned(algorithm)
    balancer.wake(DURATION)
    assert (target.share, target.since) == (1, None)
    fresh = Balancer(THREE, algorithm)
    assert balancer._choose.__func__ is fresh._choose.__func__  # type: ignore[attr-defined]


def test_the_first_start_is_not_slow_and_newcomers_are() -> None:
    before = Balancer(THREE[:2], "round_robin", slow_start=DURATION)
    assert [target.share for target in before.targets] == [1, 1]
    after = Balancer(THREE, "round_robin", slow_start=DURATION)
    after.inherit(before, 500, ejections=True)
    assert [target.share for target in after.targets] == [1, 1, FIRST_SHARE]
    again = Balancer(THREE, "round_robin", slow_start=DURATION)
    again.inherit(after, 500 + DURATION // 2, ejections=True)  # a reload does not begin it anew
    assert [target.share for target in again.targets] == [1, 1, 0.5]


def test_what_was_ejected_starts_slowly() -> None:
    balancer = Balancer(THREE, "round_robin", Ejection(1, 100, 100), slow_start=DURATION)
    target = balancer.targets[0]
    balancer.failed(target, 0)
    balancer.wake(100)
    assert target.breaker is not None
    assert target.breaker.state == HALF_OPEN
    balancer.succeeded(target)
    assert (target.since, target.share) == (100, FIRST_SHARE)


EJECTION = Ejection(after=2, first=10**9, longest=4 * 10**9)


def test_refusing_lets_one_request_through_when_half_open() -> None:
    balancer = Balancer(THREE[:1], "round_robin", EJECTION, refuse=True)
    target = balancer.targets[0]
    for _ in range(2):
        assert balancer.pick_any() is target
        balancer.failed(target, 0)
        balancer.done(target)
    assert balancer.pick_any() is None
    assert balancer.pick_for(b"key") is None
    assert [balancer.retry_after(now) for now in (0, 1, 10**9 - 1, 10**9)] == [1, 1, 1, 1]
    balancer.wake(10**9)
    assert balancer.pick_any() is target
    assert balancer.pick_any() is None
    balancer.failed(target, 10**9)
    balancer.done(target)
    assert balancer.pick_any() is None
    assert balancer.retry_after(10**9) == 2
    balancer.wake(3 * 10**9)
    assert balancer.pick_any() is target
    balancer.succeeded(target)
    assert balancer.pick_any() is target


@given(st.lists(st.tuples(st.sampled_from(["pick", "fail", "succeed", "wake", "down", "up"]), st.integers(0, 2))))
def test_what_is_refused_is_refused_because_all_are_out(moves: list[tuple[str, int]]) -> None:
    """One request at a time where half open, and none to what is ejected or down."""
    balancer = Balancer(THREE, "least_outstanding", EJECTION, refuse=True)
    under_way: list[Target] = []
    now = 0
    for move, index in moves:
        target = balancer.targets[index]
        match move:
            case "pick":
                picked = balancer.pick_any()
                open_ones = [t for t in balancer.targets if t.up and t.breaker is not None and t.breaker.state == 0]
                assert picked is not None or not open_ones
                if picked is not None:
                    assert picked.up
                    under_way.append(picked)
            case "fail" | "succeed" if target in under_way:
                under_way.remove(target)
                if move == "fail":
                    balancer.failed(target, now)
                else:
                    balancer.succeeded(target)
                balancer.done(target)
            case "wake":
                now += (index + 1) * 10**9
                balancer.wake(now)
            case "down" | "up":
                balancer.set_up(target, move == "up")
        assert [t.outstanding for t in balancer.targets] == [under_way.count(t) for t in balancer.targets]
