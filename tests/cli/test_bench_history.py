"""Throughput over time in one line."""

from __future__ import annotations

import io

from apigw_cli.bench.series import Series
from apigw_cli.cli.bench_history import bars, rows


def test_bars_go_from_nothing_to_the_highest() -> None:
    assert bars([0, 1, 4, 8], io.TextIOWrapper(io.BytesIO(), "utf-8")) == "▁▂▅█"
    assert bars([0, 0], io.TextIOWrapper(io.BytesIO(), "utf-8")) == "▁▁"
    assert bars([1, 2], io.TextIOWrapper(io.BytesIO(), "ascii")) == ""


def test_only_whole_intervals_count_and_few_are_not_drawn() -> None:
    series = Series(2, [10, 2000, 30, 1], [0, 0, 0, 0], [0, 0, 10, 0], [5, 5, 5, 5])
    assert rows(series, 7.0)[0][1].endswith("5/s to 1,000/s, every 2 s")
    assert rows(series, 5.0) == []
    long = Series(1, list(range(600)), [0] * 600, [0] * 600, [0] * 600)
    (line,) = rows(long, 600.0)
    assert line[1].endswith("0/s to 599/s, every 1 s")
    assert len(line[1].split(" ")[0]) <= 60
