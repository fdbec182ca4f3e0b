"""Thresholds: how they are written, and what keeps or breaks them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.bench import assertion
from apigw_cli.bench.coordinator import Collected
from apigw_cli.bench.histogram import Histogram, index_of
from apigw_cli.bench.result import Result, assemble
from apigw_cli.bench.tally import class_of
from apigw_cli.errors import Exit, UsageError
from tests.bench.server import OK, REFUSED, serving
from tests.bench.test_program import run
from tests.bench.test_verdict import plan, tally

MS = 1_000_000


def result(statuses: dict[int, int] | None = None, errors: int = 0, milliseconds: tuple[int, ...] = (10,)) -> Result:
    histogram = Histogram()
    for one in milliseconds:
        histogram.record(one * MS)
    latencies = {"allowed": histogram.pairs()}
    for status, count in (statuses or {}).items():
        latencies[class_of(status)] = [(index_of(MS), count)]
    one = tally(
        {200: len(milliseconds)} if statuses is None else statuses,
        service=latencies,
        errors={"reset": errors} if errors else {},
        in_window=len(milliseconds),
    )
    return assemble(plan(), Collected([one], interrupted=False), [])


def holds(text: str, one: Result) -> bool:
    return assertion.judge(assertion.parse(text), one).holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p99<20ms", True),
        ("p99<9.9ms", False),
        ("p50 <= 10.1ms", True),
        ("max>9ms", True),
        ("mean>0.011s", False),
        ("service.p99.9<11ms", True),
        ("allowed.service.p50<11ms", True),
        ("service.allowed.p50<9000us", False),
        ("errors<0.1%", True),
        ("errors<=0%", True),
        ("limited<1%", True),
        ("rate>=0.1", True),
        ("rate>1/s", False),
        ("allowed<100", True),
    ],
)
def test_a_threshold_is_kept_or_broken(text: str, expected: bool) -> None:
    assert holds(text, result()) is expected


def test_failed_answers_and_broken_connections_are_errors() -> None:
    one = result({200: 90, 500: 5, 429: 4}, errors=1)
    assert holds("errors<=6%", one)
    assert not holds("errors<6%", one)
    assert holds("failed<=5%", one)
    assert holds("limited<=4%", one)
    assert not holds("limited<4%", one)


def test_a_latency_that_was_not_measured_breaks_its_threshold() -> None:
    outcome = assertion.judge(assertion.parse("limited.p99<1h".replace("1h", "60m")), result())
    assert (outcome.holds, outcome.actual) == (False, None)
    assert outcome.detail == "no answer was limited, so there is no latency"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no threshold"),
        ("p99", "is no threshold"),
        ("p99=20ms", "is no threshold"),
        ("p99<-20ms", "is no threshold"),
        ("p99<20", "20 is not a time such as 20ms"),
        ("p99<20%", "20% is not a time"),
        ("errors<1ms", "1ms is not a part such as 0.1%"),
        ("rate>5%", "5% is not answers a second"),
        ("p100<1ms", "p100 is not measured"),
        ("latency<1ms", "latency is not measured"),
        ("service<1ms", "service is not measured"),
    ],
)
def test_what_is_none_says_what_is_expected(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        assertion.parse(text)
    assert words in caught.value.message


@given(st.text(max_size=30))
def test_any_text_is_a_threshold_or_a_usage_error(text: str) -> None:
    try:
        assertion.judge(assertion.parse(text), result())
    except UsageError:
        pass


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50), st.integers(1, 10_000))
def test_less_than_and_at_least_are_opposites(milliseconds: list[int], bound: int) -> None:
    one = result(milliseconds=tuple(milliseconds))
    for metric in ("p50", "p99", "max", "mean", "p99.99"):
        assert holds(f"{metric}<{bound}ms", one) is not holds(f"{metric}>={bound}ms", one)


def test_figures_that_are_not_to_be_trusted_keep_no_threshold() -> None:
    one = result()
    outcomes = [assertion.judge(assertion.parse(text), one) for text in ("p99<1s", "p99<1ms")]
    untrusted = msgspec.structs.replace(one.verdict, trustworthy=False)
    for outcome in outcomes:
        judged = msgspec.structs.replace(one, assertions=[outcome])
        assert judged.exit_code is (Exit.OK if outcome.holds else Exit.BLOCKED)
        assert msgspec.structs.replace(judged, verdict=untrusted).exit_code is Exit.UNTRUSTWORTHY


# --- the program


def test_the_exit_code_says_whether_all_are_kept() -> None:
    with serving(lambda asked: OK) as server:
        kept = run(server.url, "--requests", "50", "--assert", "p99<10s", "--assert", "errors<=0%", "--format", "json")
        broken = run(server.url, "--requests", "50", "--assert", "p50<10s", "--assert", "max<1ns")
    assert kept.returncode == 0
    assert [one["holds"] for one in json.loads(kept.stdout)["assertions"]] == [True, True]
    assert broken.returncode == Exit.BLOCKED
    assert broken.stdout.index("max<1ns") < broken.stdout.index("p50<10s")


def test_refusals_count_as_limited() -> None:
    with serving(lambda asked: REFUSED) as server:
        done = run(server.url, "--requests", "10", "--assert", "limited<100%", "--assert", "errors<1%")
    assert done.returncode == Exit.BLOCKED
    assert "limited<100%  100 %" in done.stdout


def test_a_threshold_that_is_none_starts_nothing() -> None:
    done = run("http://127.0.0.1:9", "--assert", "p99<fast")
    assert done.returncode == Exit.USAGE
    assert "'p99<fast' is no threshold" in done.stderr
