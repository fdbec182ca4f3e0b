"""What answers tell of a limit, and whether it is the truth."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench.limit import parse
from apigw_cli.bench.limit_headers import Told, told, untruth
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.plan import SECOND
from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import Limit, take

MS = 1_000_000


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit": '"default";r=3;t=1', "ratelimit-policy": '"default";q=5;w=1'}, Told(5, 3, 1)),
        ({"ratelimit": '"r=9";r=3, "b";r=2;t=7'}, Told(None, 2, 7)),
        ({"ratelimit": "limit=5, remaining=3, reset=1"}, Told(5, 3, 1)),
        ({"x-ratelimit-limit": "100", "x-ratelimit-remaining": "99", "x-ratelimit-reset": "12"}, Told(100, 99, 12)),
        ({"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "0"}, Told(100, 0, None)),
        ({"x-rate-limit-remaining": "-1"}, Told(None, -1, None)),
        ({"x-ratelimit-remaining": "many"}, None),
        ({}, None),
    ],
)
def test_reading(headers: dict[str, str], expected: Told | None) -> None:
    assert told(headers) == expected


def sequence(rate: str, burst: int, pauses: list[int], lie: int = 0, limit: int | None = None) -> list[Answer]:
    """What a lone client of a token bucket gets, with `lie` added to what remains."""
    bucket, tat, now = Limit("test", rates.parse(rate), burst), 0, 1_000 * SECOND
    answers = []
    draw = random.Random(1)
    for pause in pauses:
        sent = now
        decided = sent + draw.randrange(2 * MS)
        tat, decision = take(bucket, tat, decided)
        now = decided + draw.randrange(1, 2 * MS) + pause
        remaining = decision.remaining + lie
        headers = {"ratelimit": f'"d";r={remaining};t=1', "ratelimit-policy": f'"d";q={limit or burst};w=1'}
        answers.append(Answer(sent, now - pause, 200 if decision.allowed else 429, headers))
    return answers


PAUSES = st.lists(st.integers(0, 300 * MS) | st.just(0), min_size=1, max_size=60)


@settings(deadline=None)
@given(st.sampled_from(["1/s", "5/s", "50/s", "1000/s", "20/m"]), st.integers(1, 20), PAUSES)
def test_a_right_limiter_tells_the_truth(rate: str, burst: int, pauses: list[int]) -> None:
    assert untruth(sequence(rate, burst, pauses), [parse(f"{rate} burst {burst}")]) is None


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (sequence("5/s", 5, [0] * 8, lie=1), "5 were said to remain|a refusal that says 1 remain"),
        (sequence("5/s", 5, [0] * 8, limit=100), "the limit is said to be 100, declared is 5/s burst 5"),
        (sequence("5/s", 5, [0] * 8, lie=-5), "a negative number"),
    ],
)
def test_a_lie_is_found_out(answers: list[Answer], words: str) -> None:
    wrong = untruth(answers, [parse("5/s burst 5")])
    assert wrong is not None
    assert any(word in wrong for word in words.split("|"))


def test_nothing_said_to_remain_and_yet_let_through() -> None:
    answers = [Answer(n * MS, n * MS + 1, 200, {"x-ratelimit-remaining": "0"}) for n in range(5)]
    assert untruth(answers, [parse("1/s burst 5")]) == "0 were said to remain, and 2 were let through in 0.002 s"


def test_more_taken_than_one() -> None:
    answers = [Answer(n * MS, n * MS + 1, 200, {"x-ratelimit-remaining": str(9 - 2 * n)}) for n in range(3)]
    assert untruth(answers, [parse("1/s burst 10")]) == "one request took 2 of what was said to remain"
