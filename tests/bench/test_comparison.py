"""Comparing runs: what is real, what is noise, and what cannot be told."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.bench import comparison
from apigw_cli.bench.comparison import Comparison, Figures, compare
from apigw_cli.errors import Exit
from tests.bench.server import OK, serving
from tests.bench.test_program import run


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """The bootstrap's interval is not what these tests are about: a rough one will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "_DRAWS", 400)
        yield


def figures(scale: float, trustworthy: bool = True) -> Figures:
    return Figures(1000 / scale, 1e6 * scale, 2e6 * scale, 5e6 * scale, 0, trustworthy)


def compared(a: list[float], b: list[float], tolerance: float = 0.05) -> Comparison:
    return compare(("a", "b"), [figures(one) for one in a], [figures(one) for one in b], tolerance)


def verdicts(found: Comparison) -> set[str]:
    return {metric.verdict for metric in found.metrics}


def noise(count: int, seed: int, spread: float = 0.02) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(1, spread) for _ in range(count)]


def test_a_slower_side_is_a_regression() -> None:
    found = compared(noise(8, 1), [1.2 * one for one in noise(8, 2)])
    assert verdicts(found) == {"real"}
    assert {metric.name for metric in found.regressions} == {"rate", "p50", "p95", "p99"}
    assert found.exit_code is Exit.BLOCKED
    for metric in found.metrics:
        assert metric.low is not None and metric.high is not None
        assert metric.low <= metric.change <= metric.high
        assert metric.low * metric.high > 0


def test_a_faster_side_is_none() -> None:
    found = compared(noise(8, 1), [0.8 * one for one in noise(8, 2)])
    assert verdicts(found) == {"real"}
    assert (found.regressions, found.exit_code) == ([], Exit.OK)


def test_what_is_tolerated_is_no_regression() -> None:
    slower = [1.04 * one for one in noise(12, 2, 0.001)]
    assert compared(noise(12, 1, 0.001), slower, 0.05).exit_code is Exit.OK
    assert compared(noise(12, 1, 0.001), slower, 0.02).exit_code is Exit.BLOCKED


@given(st.integers(0, 10_000))
def test_a_side_against_itself_is_noise(seed: int) -> None:
    runs = noise(8, seed)
    found = compared(runs, runs)
    assert verdicts(found) == {"noise"}
    assert all(metric.change == pytest.approx(0) and metric.p == 1 for metric in found.metrics)


def test_noise_is_seldom_taken_for_real() -> None:
    # At p < 0.05 one in twenty may be; 200 tries with 30 or more would be one in millions.
    wrong = sum("real" in verdicts(compared(noise(8, 2 * seed), noise(8, 2 * seed + 1))) for seed in range(200))
    assert wrong < 30


@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=9), st.lists(st.floats(0.1, 10), min_size=6, max_size=9))
def test_swapping_the_sides_turns_the_change_around(a: list[float], b: list[float]) -> None:
    there, back = compared(a, b), compared(b, a)
    for one, other in zip(there.metrics, back.metrics, strict=True):
        assert (1 + one.change) * (1 + other.change) == pytest.approx(1)
        assert one.p == pytest.approx(other.p)
        assert one.verdict == other.verdict


def test_too_few_runs_tell_nothing() -> None:
    found = compared([1, 1], [1.5, 1.5])
    assert verdicts(found) == {"unknown"}
    assert (found.regressions, found.exit_code) == ([], Exit.UNTRUSTWORTHY)
    assert compared([1], [1.01]).exit_code is Exit.OK


def test_runs_that_are_not_to_be_trusted_prove_nothing() -> None:
    good, bad = [figures(1)] * 8, [figures(2, trustworthy=False)] * 8
    found = compare(("a", "b"), good, bad, 0.05)
    assert found.reasons == ["b: a run was not trustworthy"]
    assert found.exit_code is Exit.UNTRUSTWORTHY


def test_many_pairs_are_sampled_alike_each_time() -> None:
    a, b = noise(30, 1), [1.1 * one for one in noise(30, 2)]
    assert compared(a, b) == compared(a, b)
    assert verdicts(compared(a, b)) == {"real"}


# --- the programs


def test_a_server_against_a_slower_one(tmp_path: Path) -> None:
    with serving(lambda asked: OK) as fast, serving(lambda asked: OK, after=0.1) as slow:
        load = ("--requests", "20", "--repeat", "6", "--concurrency", "4")
        done = run(slow.url, "--against", fast.url, *load)
        back = run(fast.url, "--against", slow.url, *load, "--format", "json")
        assert slow.asked == fast.asked == 240
    assert done.returncode == Exit.BLOCKED, done.stderr
    assert done.stdout.startswith("✗ a regression beyond 5 %: rate -")
    assert "6 pairs of runs in turn" in done.stderr
    result = json.loads(back.stdout)
    assert back.returncode == 0
    assert result["metrics"][0]["verdict"] == "real"
    assert (result["a"]["runs"], result["b"]["runs"]) == (6, 6)


def test_results_in_files(tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    with serving(lambda asked: OK) as fast, serving(lambda asked: OK, after=0.1) as slow:
        for server, file in ((fast, before), (slow, after)):
            done = run(
                server.url,
                "--requests",
                "20",
                "--repeat",
                "6",
                "--concurrency",
                "4",
                "--format",
                "json",
                "-o",
                str(file),
            )
            assert done.returncode == 0, done.stderr
    found = run(str(before), str(after), command="compare")
    assert found.returncode == Exit.BLOCKED
    assert found.stdout.startswith("✗ a regression beyond 5 %")
    assert run(str(after), str(before), command="compare").stdout.startswith("✓ better: ")
    assert run(str(before), str(before), command="compare").returncode == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "this is not JSON"),
        ("{}", "this is no result of apigw bench"),
        ('{"format": 1, "tool": "x", "runs": []}', "there is no run in it"),
        ("[]", "this is no result of apigw bench"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(content)
    done = run(str(file), str(file), command="compare")
    assert done.returncode == Exit.FAILED
    assert words in done.stderr
    assert str(file) in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--repeat", "3"], "a run without a URL has no meaning for runs that are compared"),
        (["http://127.0.0.1:9", "--tolerance", "5%"], "--tolerance has no meaning for a single run"),
        (["http://127.0.0.1:9", "--against", "http://127.0.0.1:9", "--tolerance", "5"], "expected a percentage"),
        (["http://127.0.0.1:9", "--against", "127.0.0.1:9"], "has no scheme"),
        (["http://127.0.0.1:9", "--repeat", "2", "--verify-limits"], "--verify-limits has no meaning"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == Exit.USAGE
    assert words in done.stderr
