"""What is printed is what the published schema says, and the schema is the one in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from apigw_cli.bench import comparison
from apigw_cli.bench.comparison import Figures
from apigw_cli.bench.results import Repeated
from apigw_cli.bench.schema import schema
from apigw_cli.bench.sweeping import Options, Talk, sweep_over
from tests.bench.running import measured
from tests.bench.server import OK, RESET, Bucket, serving

DOCUMENTED = Path(__file__).parents[2] / "docs" / "bench.schema.json"


@pytest.fixture(scope="module")
def judge() -> Any:
    return jsonschema_rs.Draft202012Validator(orjson.loads(DOCUMENTED.read_bytes()))


def test_the_documented_schema_is_that_of_the_program() -> None:
    assert orjson.loads(DOCUMENTED.read_bytes()) == schema(), (
        "the result has changed: .venv/bin/python -m apigw_cli.bench.schema > docs/bench.schema.json"
    )


def test_runs_of_every_kind_are_as_the_schema_says(judge: Any) -> None:
    answers = iter([OK, RESET] * 20)
    with serving(lambda asked: next(answers, OK)) as server:
        failing = measured(server.url, requests=20, concurrency=2, assertions=("p99<1ns",))
        several = measured(
            server.url, targets=(f"3@{server.url}", f"{server.url}x"), requests=20, rate=500.0, ramp="1s:500"
        )
        figures = [Figures.of(measured(server.url, requests=5, concurrency=1)) for _ in range(2)]
        grid = sweep_over(Options(server.url, "1", "1,2", "50ms", "0s"), Talk(lambda text: None, lambda *_: None))
    with serving(Bucket("50/s", 10)) as server:
        proved = measured(server.url, limit="50/s burst 10", duration="300ms")
    assert failing.errors and several.mix and proved.limits and grid.grids
    compared = comparison.compare(("a", "b"), figures, figures, 0.05, interrupted=False)
    for printed in (failing, several, proved, Repeated.of([failing, several]), grid, compared):
        data = orjson.loads(printed.encode())
        assert [str(error) for error in judge.iter_errors(data)] == []
    histogram = orjson.loads(failing.encode())["latency"]["allowed"]["service"]["histogram"]
    assert sum(count for _, count in histogram) == failing.requests.allowed


def test_what_is_no_result_is_refused(judge: Any) -> None:
    with serving(lambda asked: OK) as server:
        data = orjson.loads(measured(server.url, requests=5, concurrency=1).encode())
    assert judge.is_valid(data)
    for wrong in ({"measured_s": "1"}, {"statuses": {"200": -0.5}}, {"latency": []}, {"verdict": {}}):
        assert not judge.is_valid(data | wrong)
    assert not judge.is_valid({name: value for name, value in data.items() if name != "latency"})
