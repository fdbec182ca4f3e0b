"""What limited a run, and whether it is to be believed."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.bench.histogram import index_of
from apigw_cli.bench.plan import SECOND, Plan, Target
from apigw_cli.bench.series import Series
from apigw_cli.bench.tally import Tally
from apigw_cli.bench.verdict import judge

TARGET = Target("http://h/", "h", 80, False, "/")


def plan(rate: float | None = None) -> Plan:
    return Plan(TARGET, "GET", b"", 1, 8, 10.0, 0.0, duration=10.0, rate=rate)


def tally(statuses: dict[int, int], cpu: float = 0.5, starved: float | None = 0.0, **more: Any) -> Tally:
    values: dict[str, Any] = {
        "errors": {}, "error_texts": {}, "service": {}, "response": {}, "lag": [], "series": Series(), "in_window": 0,
        "warmup": 0, "bytes_in": 0, "bytes_out": 0, "opened": 8, "unfinished": 0, "late": 0, "not_started": 0,
    } | more  # fmt: skip
    waited = None if starved is None else int(starved * 10 * SECOND)
    return Tally(statuses=statuses, elapsed=10 * SECOND, cpu=int(cpu * 10 * SECOND), starved=waited, **values)


@pytest.mark.parametrize(
    ("rate", "one", "bound", "trustworthy"),
    [
        (None, tally({200: 1000}), "server-bound", True),
        (None, tally({200: 1000}, cpu=0.97), "client-bound", False),
        (None, tally({200: 1000}, cpu=0.5, starved=0.48), "client-bound", True),
        (None, tally({200: 1000}, cpu=0.5, starved=None), "server-bound", True),
        (None, tally({200: 10, 429: 990}), "limit-bound", True),
        (None, tally({200: 10, 429: 990}, cpu=0.99), "client-bound", True),
        (100.0, tally({200: 1000}), "rate-bound", True),
        (100.0, tally({200: 100, 429: 900}), "limit-bound", True),
        (100.0, tally({200: 1000}, cpu=0.97), "rate-bound", True),
        (100.0, tally({200: 1000}, cpu=0.97, late=100), "client-bound", False),
        (100.0, tally({200: 1000}, late=100), "rate-bound", True),
        (100.0, tally({200: 900}, not_started=100), "server-bound", False),
        (100.0, tally({200: 900}, cpu=0.97, not_started=100), "client-bound", False),
        (100.0, tally({200: 800}, errors={"timeout": 40}, unfinished=160), "rate-bound", True),
        (100.0, tally({200: 500}, errors={"timeout": 300}, unfinished=200), "rate-bound", False),
        (None, tally({200: 1000}, errors={"reset": 100}), "server-bound", False),
        (None, tally({200: 1000}, errors={"files": 1}), "server-bound", False),
        (None, tally({200: 1000}, errors={"ports": 1}), "server-bound", False),
        (None, tally({200: 1000}, opened=1000), "server-bound", False),
        (None, tally({200: 1000}, opened=400), "server-bound", True),
        (100.0, tally({200: 1000}, lag=[(1, 98), (index_of(200_000_000), 2)]), "rate-bound", False),
        (100.0, tally({200: 1000}, lag=[(index_of(200_000_000), 2)]), "rate-bound", True),
    ],
)
def test_verdicts(rate: float | None, one: Tally, bound: str, trustworthy: bool) -> None:
    verdict = judge(plan(rate), [one], 8.0)
    assert (verdict.bound, verdict.trustworthy) == (bound, trustworthy)
    assert bool(verdict.reasons) == (not trustworthy)


def test_a_reason_says_what_to_do() -> None:
    slow = judge(plan(100.0), [tally({200: 900}, not_started=100)], 8.0)
    assert "900 of 1,000" in slow.reasons[0]
    assert "--concurrency" in slow.reasons[0]
    busy = judge(plan(100.0), [tally({200: 900}, cpu=0.97, not_started=100)], 8.0)
    assert "--workers" in busy.reasons[0]


def test_warnings() -> None:
    assert judge(plan(), [tally({200: 10}, opened=5)], 5.0).warnings == ["only 5 of 8 connections could be opened"]
    assert judge(plan(), [tally({200: 10})], 4.0).warnings == ["on average 4 of 8 were in flight"]
    assert judge(plan(), [tally({200: 10})], 7.9).warnings == []
    late = judge(plan(), [tally({200: 10}, lag=[(1, 98), (index_of(200_000_000), 2)])], 7.9)
    assert late.trustworthy and "event loop was 200 ms late" in late.warnings[0]
