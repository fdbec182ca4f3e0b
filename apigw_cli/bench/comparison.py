"""Two ways to serve the same load, compared run by run: is one faster, or was it noise?

The unit is the run, not the request: requests of one run share what the machine did meanwhile, so 100,000 of them
are not 100,000 proofs. Pairs of runs that follow each other share most of it, so what is compared is the ratio
within each pair, B over A:

    change    the geometric mean of the ratios, less 1
    interval  95 %, by resampling pairs (bootstrap)
    p         the share of all 2^n ways to swap A and B within pairs in which any figure looks at least as different
              (sign-flip test; the largest of all figures counts, so four of them do not mean four chances to be wrong)
    verdict   real: p < 0.05 · noise: not so · unknown: too few runs for any p below 0.05 (fewer than 6 pairs)
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from operator import mul

import msgspec

from apigw_cli import __version__
from apigw_cli.bench.result import Result
from apigw_cli.errors import Exit

FORMAT = 1
REAL, NOISE, UNKNOWN = "real", "noise", "unknown"
LEAST_PAIRS = 6  # 2 of 2^6 ways: p = 0.03
_SIGNIFICANT = 0.05
_EXACT = 14  # up to so many pairs every way is tried
_DRAWS = 10_000
_METRICS = ("rate", "p50", "p95", "p99")


class Figures(msgspec.Struct, frozen=True):
    """What one run says: answers a second, and the response latency of what was let through in nanoseconds."""

    rate: float
    p50: float
    p95: float
    p99: float
    failed: int
    trustworthy: bool

    @classmethod
    def of(cls, result: Result) -> Figures:
        both = result.latency.get("allowed") or next(iter(result.latency.values()), None)
        latency = (float(both.response.p50), float(both.response.p95), float(both.response.p99)) if both else (0.0,) * 3
        failed = result.requests.failed + result.requests.errors
        return cls(result.throughput.answered, *latency, failed, result.verdict.trustworthy)


class Metric(msgspec.Struct, frozen=True):
    """One figure of both sides: medians, and the change from A to B as a part (0.05 is 5 % more)."""

    name: str
    a: float
    b: float
    change: float
    low: float | None
    high: float | None
    p: float | None
    verdict: str
    worse: bool
    regression: bool


class Side(msgspec.Struct, frozen=True):
    """Where the runs came from, and how many they are."""

    name: str
    runs: int
    failed: int


class Comparison(msgspec.Struct, frozen=True):
    """What `apigw compare` and `apigw bench --against` tell. A is the base. `reasons`: why it is not to be trusted."""

    format: int
    tool: str
    a: Side
    b: Side
    tolerance: float
    metrics: list[Metric]
    reasons: list[str]
    interrupted: bool = False

    @property
    def regressions(self) -> list[Metric]:
        return [metric for metric in self.metrics if metric.regression]

    @property
    def undecided(self) -> list[Metric]:
        """What is worse than tolerated, with too few runs to tell whether that is real."""
        return [m for m in self.metrics if m.verdict == UNKNOWN and m.worse and abs(m.change) > self.tolerance]

    @property
    def exit_code(self) -> Exit:
        """130 interrupted; 7 where the runs are not to be trusted, or too few to tell; 4 for a regression; else 0."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.reasons or self.undecided:
            return Exit.UNTRUSTWORTHY
        return Exit.BLOCKED if self.regressions else Exit.OK

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def compare(
    names: tuple[str, str],
    a: Sequence[Figures],
    b: Sequence[Figures],
    tolerance: float,
    *,
    interrupted: bool = False,
) -> Comparison:
    """Compare the runs of both sides, pair by pair; where one side has more, its last ones have no partner."""
    return Comparison(
        format=FORMAT,
        tool=f"apigw {__version__}",
        a=Side(names[0], len(a), sum(run.failed for run in a)),
        b=Side(names[1], len(b), sum(run.failed for run in b)),
        tolerance=tolerance,
        metrics=_metrics(a, b, tolerance) if a and b else [],
        reasons=[*_reasons(names[0], a), *_reasons(names[1], b)],
        interrupted=interrupted,
    )


def _reasons(name: str, runs: Sequence[Figures]) -> list[str]:
    found = []
    if any(run.rate <= 0 for run in runs):
        found.append(f"{name}: a run had no answer")
    if not all(run.trustworthy for run in runs):
        found.append(f"{name}: a run was not trustworthy")
    return found


def _metrics(a: Sequence[Figures], b: Sequence[Figures], tolerance: float) -> list[Metric]:
    logs = {name: _logs(name, a, b) for name in _METRICS}
    chances = _chances(list(logs.values()))
    return [_metric(name, a, b, tolerance, found, p) for (name, found), p in zip(logs.items(), chances, strict=True)]


def _logs(name: str, a: Sequence[Figures], b: Sequence[Figures]) -> list[float]:
    """The logarithm of the ratio within each pair; 0 where a side has nothing to compare."""
    pairs = ((float(getattr(x, name)), float(getattr(y, name))) for x, y in zip(a, b, strict=False))
    return [math.log(y / x) if x > 0 and y > 0 else 0.0 for x, y in pairs]


def _metric(
    name: str, a: Sequence[Figures], b: Sequence[Figures], tolerance: float, logs: list[float], p: float | None
) -> Metric:
    left, right = ([float(getattr(run, name)) for run in side] for side in (a, b))
    change = math.exp(_mean(logs)) - 1 if logs else 0.0
    interval = _interval(logs) if len(logs) > 1 else None
    verdict = UNKNOWN if p is None else REAL if p < _SIGNIFICANT else NOISE
    worse = change < 0 if name == "rate" else change > 0
    return Metric(
        name=name,
        a=_median(left),
        b=_median(right),
        change=change,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        p=p,
        verdict=verdict,
        worse=worse,
        regression=verdict == REAL and worse and abs(change) > tolerance,
    )


def _interval(logs: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of the means of resampled pairs; the same pairs always give the same interval."""
    draw = random.Random(1)
    means = sorted(_mean(draw.choices(logs, k=len(logs))) for _ in range(_DRAWS))
    return math.exp(means[int(0.025 * _DRAWS)]) - 1, math.exp(means[int(0.975 * _DRAWS) - 1]) - 1


def _chances(logs: Sequence[Sequence[float]]) -> list[float | None]:
    """For each figure: how many ways to swap within pairs make any of them at least as different as this one is.

    Each sum is measured by its own scale, which no swap changes (Westfall and Young, "Resampling-Based Multiple
    Testing", 1993: the largest statistic). None with too few pairs.
    """
    pairs = len(logs[0])
    if pairs < LEAST_PAIRS:
        return [None] * len(logs)
    scaled = [[log / (math.hypot(*one) or 1.0) for log in one] for one in logs]
    seen = [abs(sum(one)) * (1 - 1e-9) for one in scaled]
    extreme = [0] * len(logs)
    total = 0
    for largest in _all_swaps(scaled) if pairs <= _EXACT else _some_swaps(scaled):
        total += 1
        for number, value in enumerate(seen):
            extreme[number] += largest >= value
    return [count / total for count in extreme]


def _all_swaps(scaled: Sequence[Sequence[float]]) -> Iterable[float]:
    """The largest of the sums for every way to swap; one swap at a time, in the order of Gray's code.

    The first pair stays: to swap all pairs only turns the signs around.
    """
    signs = [1] * len(scaled[0])
    sums = [sum(one) for one in scaled]
    yield max(map(abs, sums))
    for number in range(1, 1 << (len(signs) - 1)):
        at = (number & -number).bit_length()
        signs[at] = -signs[at]
        for which, one in enumerate(scaled):
            sums[which] += 2 * signs[at] * one[at]
        yield max(map(abs, sums))


def _some_swaps(scaled: Sequence[Sequence[float]]) -> Iterable[float]:
    draw = random.Random(1)
    yield max(abs(sum(one)) for one in scaled)  # what was seen is one of the ways
    for _ in range(_DRAWS):
        signs = draw.choices((1, -1), k=len(scaled[0]))
        yield max(abs(sum(map(mul, signs, one))) for one in scaled)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
