"""A result for other programs: the series over time as CSV, the figures in Prometheus's text format."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from apigw_cli.bench.series import COLUMNS

if TYPE_CHECKING:
    from apigw_cli.bench.latency import Latency
    from apigw_cli.bench.result import Result

_QUANTILES = {
    "0.5": "p50",
    "0.9": "p90",
    "0.95": "p95",
    "0.99": "p99",
    "0.999": "p99_9",
    "0.9999": "p99_99",
    "1": "max",
}
_HELP = {
    "requests_total": ("counter", "Answers by status, and requests without one by what went wrong."),
    "rate": ("gauge", "Answers a second within the measured time, by class."),
    "latency_seconds": ("summary", "Latency by class: service from sending, response from when it was due."),
    "measured_seconds": ("gauge", "How long was measured."),
    "in_flight": ("gauge", "Requests in flight: asked for, and on average."),
    "client_cpu_seconds": ("gauge", "CPU time of the client for one request."),
    "late_starts_total": ("counter", "Requests that left over 2 ms after they were due."),
    "not_started_total": ("counter", "Requests that were due and never left."),
    "trustworthy": ("gauge", "Whether the figures are to be believed."),
    "limit_check": ("gauge", "A check of a limit: 1 pass, 0 fail, -1 neither."),
    "assertion": ("gauge", "A threshold: 1 kept, 0 broken."),
}
_VERDICTS = {"pass": 1, "fail": 0}

Sample = tuple[str, dict[str, str], float]


def as_csv(result: Result) -> str:
    """One row for each interval: its end in seconds since the beginning, and the answers of each class in it.

    The last interval may be cut short.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("second", *COLUMNS))
    series = result.series
    for number, row in enumerate(zip(*series.columns(), strict=True), 1):
        writer.writerow((number * series.interval, *row))
    return text.getvalue().rstrip("\n")


def as_prometheus(result: Result) -> str:
    """https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format, each name `apigw_bench_…`."""
    lines = []
    for family, samples in _by_family(result).items():
        kind, words = _HELP[family]
        lines += [f"# HELP apigw_bench_{family} {words}", f"# TYPE apigw_bench_{family} {kind}"]
        lines += [f"apigw_bench_{name}{_labels(labels)} {value:.10g}" for name, labels, value in samples]
    return "\n".join(lines)


def _by_family(result: Result) -> dict[str, list[Sample]]:
    requests, client = result.requests, result.client
    found: dict[str, list[Sample]] = {
        "requests_total": [
            *(("requests_total", {"status": status}, count) for status, count in result.statuses.items()),
            *(("requests_total", {"error": kind}, error.count) for kind, error in result.errors.items()),
        ],
        "rate": [
            ("rate", {"class": name}, getattr(result.throughput, name)) for name in ("allowed", "limited", "failed")
        ],
        "latency_seconds": list(_latencies(result)),
        "measured_seconds": [("measured_seconds", {}, result.measured_s)],
        "in_flight": [
            ("in_flight", {"kind": "asked"}, client.asked_in_flight),
            ("in_flight", {"kind": "mean"}, client.mean_in_flight),
        ],
        "client_cpu_seconds": [("client_cpu_seconds", {}, client.cpu_per_request_us / 1e6)],
        "late_starts_total": [("late_starts_total", {}, requests.late_starts)],
        "not_started_total": [("not_started_total", {}, requests.not_started)],
        "trustworthy": [("trustworthy", {}, result.verdict.trustworthy)],
        "limit_check": [
            (
                "limit_check",
                {"key": proof.key, "policy": proof.policy, "check": one.name},
                _VERDICTS.get(one.verdict, -1),
            )
            for proof in result.limits
            for one in proof.checks
        ],
        "assertion": [("assertion", {"assertion": one.assertion}, one.holds) for one in result.assertions],
    }
    return {family: samples for family, samples in found.items() if samples}


def _latencies(result: Result) -> Iterator[Sample]:
    for name, both in result.latency.items():
        for kind, latency in (("service", both.service), ("response", both.response)):
            yield from _latency({"class": name, "kind": kind}, latency)


def _latency(labels: dict[str, str], latency: Latency) -> Iterator[Sample]:
    for quantile, field in _QUANTILES.items():
        yield "latency_seconds", labels | {"quantile": quantile}, getattr(latency, field) / 1e9
    yield "latency_seconds_sum", labels, latency.mean * latency.count / 1e9
    yield "latency_seconds_count", labels, latency.count


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
