"""Charts of a result or a sweep, as Vega-Lite specifications: plain data, drawn by bench/drawing.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.latency import Latency
from apigw_cli.bench.proof import Proof
from apigw_cli.bench.result import Result
from apigw_cli.bench.series import COLUMNS, Series
from apigw_cli.bench.sweep import Grid, Sweep

_WIDTH, _HEIGHT = 620, 260
# Colours of Okabe and Ito, which colour-blind people can tell apart.
_COLOURS = {"allowed": "#0072B2", "limited": "#E69F00", "failed": "#D55E00", "errors": "#CC79A7"}
_PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 100)
_NAMES = "{'1':'min','2':'p50','10':'p90','100':'p99','1000':'p99.9','10000':'p99.99'}[datum.value]"
_LAST = 99.995  # where the maximum stands on a scale that has no 100


@dataclass(frozen=True, slots=True)
class Chart:
    """A title, a sentence on how to read it, and the specification."""

    title: str
    words: str
    spec: dict[str, Any]


def of_result(result: Result) -> list[Chart]:
    """Latency, answers over time, and each limit that was proved."""
    charts = [_latency(result), _over_time(result)] if result.latency else []
    return [*charts, *(_limit(result, proof) for proof in result.limits if result.series.allowed and proof.seconds)]


def of_sweep(sweep: Sweep) -> list[Chart]:
    """A heat map for each grid."""
    return [_heat(grid) for grid in sweep.grids if grid.rows]


def joined(charts: list[Chart]) -> dict[str, Any]:
    """One picture with all of them, one below the other."""
    apart = {"scale": {"color": "independent", "strokeDash": "independent"}}
    return {"vconcat": [c.spec | {"title": c.title} for c in charts], "resolve": apart, "config": _config()}


def alone(chart: Chart) -> dict[str, Any]:
    return chart.spec | {"config": _config()}


def _config() -> dict[str, Any]:
    return {"view": {"stroke": None}, "axis": {"gridColor": "#ddd"}, "font": "sans-serif", "background": "white"}


def _chart(title: str, words: str, values: list[dict[str, Any]], **spec: Any) -> Chart:
    return Chart(title, words, {"data": {"values": values}, "width": _WIDTH, "height": _HEIGHT} | spec)


def _latency(result: Result) -> Chart:
    values = list(_percentiles(result))
    encoding = {
        "x": {
            "field": "nines",
            "type": "quantitative",
            "scale": {"type": "log", "domain": [1, 20_000]},
            "axis": {
                "title": "percentile",
                "values": [1, 2, 10, 100, 1000, 10_000],
                "labelExpr": _NAMES,
            },
        },
        "y": {"field": "ms", "type": "quantitative", "scale": {"type": "log"}, "axis": {"title": "ms"}},
        "color": {"field": "answers", "type": "nominal", "scale": _scale(), "legend": {"title": None}},
        "strokeDash": {"field": "latency", "type": "nominal", "legend": {"title": None}},
    }
    words = "How long answers took: the higher on the right, the longer the slowest wait. Both axes are logarithmic."
    return _chart("Latency by percentile", words, values, mark={"type": "line", "point": True}, encoding=encoding)


def _scale() -> dict[str, Any]:
    return {"domain": list(_COLOURS), "range": list(_COLOURS.values())}


def _percentiles(result: Result) -> Iterator[dict[str, Any]]:
    for name, both in result.latency.items():
        for kind in ("service", "response") if result.plan.model == "open" else ("service",):
            latency: Latency = getattr(both, kind)
            found = Histogram(latency.histogram).percentiles(float(p) for p in _PERCENTILES)
            for percent, value in zip(_PERCENTILES, found, strict=True):
                nines = 1 / (1 - min(percent, _LAST) / 100)
                yield {"nines": nines, "ms": max(value, 1) / 1e6, "answers": name, "latency": kind}


def _over_time(result: Result) -> Chart:
    encoding = {
        "x": {"field": "from", "type": "quantitative", "axis": {"title": "s", "tickMinStep": 1}},
        "x2": {"field": "to"},
        "y": {"field": "low", "type": "quantitative", "axis": {"title": "answers a second"}},
        "y2": {"field": "high"},
        "color": {"field": "answers", "type": "nominal", "scale": _scale(), "legend": {"title": None}},
    }
    words = "Answers by class, and requests without one. The last interval may be cut short."
    return _chart("Over time", words, list(_stacked(result.series)), mark="rect", encoding=encoding)


def _stacked(series: Series) -> Iterator[dict[str, Any]]:
    """One rectangle for each class and interval, those of an interval one on top of the other."""
    for number, row in enumerate(zip(*series.columns(), strict=True)):
        rates = [count / series.interval for count in row]
        for name, rate, high in zip(COLUMNS, rates, accumulate(rates), strict=True):
            if rate:
                times = {"from": number * series.interval, "to": (number + 1) * series.interval}
                yield times | {"answers": name, "low": high - rate, "high": high}


def _limit(result: Result, proof: Proof) -> Chart:
    series = result.series
    double = "fixed_window" in proof.policy
    at_rest = proof.at_once * (2 if double else 1)
    values = [
        {"second": 0, "requests": at_rest, "line": "at most"},
        {"second": 0, "requests": 0, "line": "let through"},
    ]
    for number, admitted in enumerate(accumulate(series.allowed), 1):
        second = number * series.interval
        values.append({"second": second, "requests": at_rest + proof.per_second * second, "line": "at most"})
        values.append({"second": second, "requests": admitted, "line": "let through"})
    values += _windows(proof)
    encoding = {
        "x": {"field": "second", "type": "quantitative", "axis": {"title": "s"}},
        "y": {"field": "requests", "type": "quantitative", "axis": {"title": "requests"}},
        "color": {"field": "line", "type": "nominal", "legend": {"title": None}},
    }
    line = {
        "mark": {"type": "line", "point": True},
        "encoding": encoding,
        "transform": [{"filter": "!isValid(datum.end)"}],
    }
    window = {
        "mark": {"type": "rect", "opacity": 0.2},
        "transform": [{"filter": "isValid(datum.end)"}],
        "encoding": {"x": encoding["x"], "x2": {"field": "end"}, "color": encoding["color"]},
    }
    verdict = f"{proof.route or 'The limit'}, {proof.policy} per {proof.key}: {proof.verdict}."
    words = f"{verdict} Shaded: the window of each check that came closest, or its counter-example."
    return _chart(f"Let through, and what may be: {proof.policy}", words, values, layer=[window, line])


def _windows(proof: Proof) -> list[dict[str, Any]]:
    """The tightest window of each check, or its counter-example."""
    return [
        {"second": check.window.start_s, "end": check.window.end_s, "line": f"{check.name}: {check.verdict}"}
        for check in proof.checks
        if check.window is not None
    ]


def _heat(grid: Grid) -> Chart:
    cells = [cell for row in grid.rows for cell in row.cells]
    best = max(cell.throughput for cell in cells)
    values = [
        {"workers": cell.workers, "in flight": cell.concurrency, "rate": cell.throughput}
        | {"words": f"{cell.throughput:,.0f}", "dark": cell.throughput < best / 2}
        for cell in cells
    ]
    axes = {
        "x": {"field": "in flight", "type": "ordinal", "axis": {"labelAngle": 0}},
        "y": {"field": "workers", "type": "ordinal", "sort": "ascending"},
    }
    scale = {"scheme": "viridis", "domain": [0, best]}
    colour = {"field": "rate", "type": "quantitative", "scale": scale, "legend": {"title": "answers/s"}}
    ink = {"condition": {"test": "datum.dark", "value": "white"}, "value": "black"}
    layer = [
        {"mark": "rect", "encoding": axes | {"color": colour}},
        {"mark": "text", "encoding": axes | {"text": {"field": "words"}, "color": ink}},
    ]
    return _chart(grid.name, " ".join(grid.words), values, layer=layer, height={"step": 50})
