from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.balance import ALGORITHMS, Balancer, Target

THREE = ["http://a", "http://b", "http://c"]


def picks(balancer: Balancer, times: int) -> str:
    return "".join(balancer.pick().url[-1] for _ in range(times))


@pytest.mark.parametrize("algorithm", ["round_robin", "least_outstanding", "hash"])
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
            assert algorithm != "least_outstanding" or target.outstanding == least + 1
            under_way.append(target)
        elif under_way:
            balancer.done(under_way.pop(0))
    assert [target.outstanding for target in balancer.targets] == [under_way.count(t) for t in balancer.targets]


def test_what_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Balancer([], "round_robin")
    with pytest.raises(ValueError, match="none of"):
        Balancer(THREE, "random")


@pytest.mark.parametrize("algorithm", ["round_robin", "least_outstanding"])
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


WEIGHTS = (5, 1, 2)


def test_weighted_turns_are_smooth() -> None:
    balancer = Balancer(THREE, "round_robin", weights=WEIGHTS)
    found = picks(balancer, 80)
    assert [found.count(name) for name in "abc"] == [50, 10, 20]
    assert found[:8] == "acaabaca"


def test_the_least_outstanding_by_weight() -> None:
    balancer = Balancer(THREE, "least_outstanding", weights=WEIGHTS)
    assert sorted(picks(balancer, 16)) == sorted("abcac" + "a" * 8 + "bcc")
    assert [target.outstanding for target in balancer.targets] == [10, 2, 4]


def test_at_low_load_the_light_ones_get_their_share() -> None:
    balancer = Balancer(THREE, "least_outstanding", weights=WEIGHTS)
    found = ""
    for _ in range(80):
        target = balancer.pick()
        balancer.done(target)
        found += target.url[-1]
    assert [found.count(name) for name in "abc"] == [50, 10, 20]


def test_of_two_that_are_drawn_the_less_busy() -> None:
    balancer = Balancer(THREE[:2], "random_two")
    balancer.targets[0].outstanding = 50
    assert picks(balancer, 50) == "b" * 50
    balancer = Balancer(THREE, "random_two")
    balancer.targets[1].outstanding = 1000  # the busiest of all is never the less busy of two
    assert "b" not in picks(balancer, 300)


KEYS = [b"key %d" % number for number in range(3000)]


def homes(balancer: Balancer) -> dict[bytes, str]:
    return {key: balancer.pick_for(key).url for key in KEYS}


def test_a_key_has_one_target_and_keys_are_spread() -> None:
    balancer = Balancer(THREE, "hash", weights=(1, 1, 2))
    first = homes(balancer)
    assert homes(Balancer(THREE, "hash", weights=(1, 1, 2))) == first
    counts = [list(first.values()).count(url) for url in THREE]
    assert all(abs(count - expected) < 150 for count, expected in zip(counts, (750, 750, 1500), strict=True))


def test_a_target_that_goes_moves_only_its_own_keys() -> None:
    balancer = Balancer(THREE, "hash")
    before = homes(balancer)
    balancer.set_up(balancer.targets[1], False)
    after = homes(balancer)
    assert {key for key in KEYS if before[key] != after[key]} == {key for key in KEYS if before[key] == THREE[1]}
    balancer.set_up(balancer.targets[1], True)
    assert homes(balancer) == before
