"""Fairness between keys: keys of right limiters are never called unfairly treated, whatever pauses a client makes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench.crowd import Asker, Pace, pace_of
from apigw_cli.bench.limit import parse_all
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.neighbours import fairness, jain
from apigw_cli.bench.plan import SECOND
from tests.bench.test_windows import START, made, together

MS = 1_000_000
LIMITS = [
    "20/s burst 5",
    "20/s burst 1",
    "20/s leaky burst 4",
    "20/s fixed_window",
    "20/s sliding_window",
    "40/s burst 5 and 20/s burst 10",
    "30/s burst 4 and 20/s fixed_window",
    "100/s burst 3 and 300/m burst 12 and 20/s burst 6",
]


def asked(decide: Callable[[int], bool], pace: Pace, pauses: list[int], seed: int) -> Asker:
    """What a client gets that is now and then held up."""
    draw = random.Random(seed)
    asker = Asker(fresh=True)
    now = START + draw.randrange(SECOND)
    end = now + pace.length
    while now < end:
        decided = now + draw.randrange(2 * MS)
        received = decided + draw.randrange(1, 2 * MS)
        asker.answers.append(Answer(now, received, 200 if decide(decided) else 429, {}))
        now = received + pace.pause + (draw.choice(pauses) if draw.random() < 0.1 else 0)
    return asker


def verdict(declared: str, real: str, pauses: list[int], seed: int, keys: int = 3) -> str:
    layers = parse_all(f"{declared} key=header:X clock=0ms")
    pace = pace_of(layers)
    assert isinstance(pace, Pace)
    askers = [asked(together([made(one) for one in real.split(" and ")]), pace, pauses, seed + n) for n in range(keys)]
    return fairness(layers, askers, pace).verdict


pauses_made = st.lists(st.sampled_from([0, 5 * MS, 40 * MS, 80 * MS, 150 * MS, 400 * MS]), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LIMITS), pauses_made, st.integers(0, 10_000))
def test_a_right_limiter_is_never_called_unfair(text: str, pauses: list[int], seed: int) -> None:
    assert verdict(text, text, pauses, seed) != "fail"


@pytest.mark.parametrize("text", LIMITS)
def test_without_pauses_it_is_proved(text: str) -> None:
    assert verdict(text, text, [0], 1) == "pass"


@pytest.mark.parametrize(
    ("declared", "real"),
    [
        ("20/s burst 5", "10/s burst 5"),
        ("20/s burst 5", "20/s burst 4"),
        ("20/s burst 5", "20/s burst 6"),
        ("20/s sliding_window", "10/s sliding_window"),
        ("40/s burst 5 and 20/s burst 20", "20/s burst 5 and 20/s burst 20"),
    ],
)
def test_a_key_that_gets_something_else_is_found(declared: str, real: str) -> None:
    assert verdict(declared, real, [0], 1) == "fail"


def test_jains_index() -> None:
    assert jain([5, 5, 5]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([]) == jain([0, 0]) == 1
