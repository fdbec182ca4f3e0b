"""Latencies as a result tells them."""

from __future__ import annotations

import msgspec

from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.tally import Pairs

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99, "max": 100.0}


class Latency(msgspec.Struct, frozen=True):
    """Nanoseconds, within 0.05 %. `histogram`: bucket and count, buckets as in bench/histogram.py."""

    count: int
    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    p99_9: int
    p99_99: int
    max: int
    histogram: Pairs

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        values = dict(zip(PERCENTILES, histogram.percentiles(PERCENTILES.values()), strict=True))
        return cls(histogram.total, histogram.mean(), **values, histogram=histogram.pairs())


class Latencies(msgspec.Struct, frozen=True):
    """`service`: sent to last byte. `response`: from when it should have been sent (closed model: the same)."""

    service: Latency
    response: Latency


def latencies(service: dict[str, Histogram], response: dict[str, Histogram]) -> dict[str, Latencies]:
    """By class of answer, those that occurred. The same histograms twice: both latencies are the same."""
    found = {}
    for name, histogram in service.items():
        own = Latency.of(histogram)
        if own.count:
            found[name] = Latencies(own, own if response is service else Latency.of(response[name]))
    return found
