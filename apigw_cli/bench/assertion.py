"""Thresholds that a run has to keep: `p99<20ms`, `errors<0.1%`, `rate>=5000`.

    METRIC    p50 p90 p95 p99 p99.9 p99.99 max mean    latency: response time of what was let through
              service.p99, limited.p99, …               another latency, or another class of answers
              errors, failed, limited                   as a part of all requests: 0.1%
              rate, allowed                             answers a second: all, or those let through
    OP        < <= > >=

A latency that nothing was measured for breaks its threshold: silence is no proof.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from apigw_cli.bench.histogram import Histogram
from apigw_cli.errors import UsageError

if TYPE_CHECKING:
    from apigw_cli.bench.result import Result

_FORM = re.compile(r"\s*([a-z0-9_.]+)\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*(ns|us|µs|ms|s|m|%|/s|)\s*")
_PERCENTILE = re.compile(r"p[0-9]{1,2}(\.[0-9]{1,4})?")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SECONDS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9}
_SHARES = ("errors", "failed", "limited")
_RATES = ("rate", "allowed")
_CLASSES = ("allowed", "limited", "failed")
_KINDS = ("service", "response")


class Assertion(msgspec.Struct, frozen=True):
    """A threshold as typed and as understood: `value` in nanoseconds, as a part of 1, or a second."""

    text: str
    metric: str
    kind: str  # service or response, for a latency
    of: str  # the class of answers, for a latency
    operator: str
    value: float


class Outcome(msgspec.Struct, frozen=True):
    """`actual` in the same unit as the threshold, null where nothing was measured; `detail` for people."""

    assertion: str
    holds: bool
    actual: float | None
    detail: str


def parse(text: str) -> Assertion:
    """A threshold as typed. Raises UsageError for what is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no threshold", hint="write 'p99<20ms', 'errors<0.1%' or 'rate>=5000'")
    name, sign, number, unit = found.groups()
    if name in _SHARES:
        return Assertion(text, name, "", "", sign, _checked(text, number, unit, {"%": 0.01}, "a part such as 0.1%"))
    if name in _RATES:
        return Assertion(text, name, "", "", sign, _checked(text, number, unit, {"": 1, "/s": 1}, "answers a second"))
    kind, of, metric = _latency(text, name)
    return Assertion(text, metric, kind, of, sign, _checked(text, number, unit, _SECONDS, "a time such as 20ms"))


def _checked(text: str, number: str, unit: str, units: dict[str, float], wanted: str) -> float:
    if unit not in units:
        raise UsageError(f"{text!r}: {number}{unit} is not {wanted}")
    return float(number) * units[unit]


def _latency(text: str, name: str) -> tuple[str, str, str]:
    kind, of = "response", "allowed"
    first, dot, rest = name.partition(".")
    while dot and first in (*_KINDS, *_CLASSES):
        kind, of = (first, of) if first in _KINDS else (kind, first)
        name = rest
        first, dot, rest = name.partition(".")
    if name not in ("max", "mean") and not _PERCENTILE.fullmatch(name):
        known = "p50, p99, p99.9, max, mean, errors, failed, limited, rate, allowed"
        raise UsageError(f"{text!r}: {name} is not measured", hint=f"known are {known}")
    return kind, of, name


def judge(assertion: Assertion, result: Result) -> Outcome:
    """Whether `result` keeps the threshold."""
    actual = _actual(assertion, result)
    if actual is None:
        return Outcome(assertion.text, False, None, f"no answer was {assertion.of}, so there is no latency")
    holds = _OPERATORS[assertion.operator](actual, assertion.value)
    return Outcome(assertion.text, holds, actual, _words(assertion, actual))


def _actual(assertion: Assertion, result: Result) -> float | None:
    requests, rates = result.requests, result.throughput
    if assertion.metric in _RATES:
        return rates.answered if assertion.metric == "rate" else rates.allowed
    if assertion.metric in _SHARES:
        all_of_them = requests.answered + requests.errors
        counts = {"errors": requests.errors + requests.failed, "failed": requests.failed, "limited": requests.limited}
        return counts[assertion.metric] / all_of_them if all_of_them else 1.0
    both = result.latency.get(assertion.of)
    if both is None:
        return None
    latency = both.service if assertion.kind == "service" else both.response
    if assertion.metric == "mean":
        return latency.mean
    if assertion.metric == "max":
        return latency.max
    return Histogram(latency.histogram).percentiles([float(assertion.metric[1:])])[0]


def _words(assertion: Assertion, actual: float) -> str:
    if assertion.metric in _RATES:
        return f"{actual:,.0f}/s"
    if assertion.metric in _SHARES:
        return f"{100 * actual:.3g} %"
    return f"{actual / 1e9:.3g} s" if actual >= 1e9 else f"{actual / 1e6:.3g} ms"
