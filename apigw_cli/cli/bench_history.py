"""Throughput over time in one line: small bars, the lowest and the highest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from apigw_cli.cli import terminal

if TYPE_CHECKING:
    from apigw_cli.bench.series import Series

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_FEWEST = 3


def bars(values: Sequence[float], stream: IO[str] | None = None) -> str:
    """The values as bars from 0 to the highest; empty where the terminal has no such signs."""
    if not terminal.speaks_unicode(stream or sys.stdout):
        return ""
    most = max(values, default=0.0) or 1.0
    return "".join(_BARS[min(7, int(8 * value / most))] for value in values)


def rows(series: Series, measured: float) -> list[tuple[str, str]]:
    """The line of the table, where there are enough whole intervals; `measured` (seconds) tells whether the last is."""
    counts = [sum(row) for row in zip(series.allowed, series.limited, series.failed, strict=True)]
    whole = counts[: int(measured / series.interval + 0.05)]
    if len(whole) < _FEWEST:
        return []
    rates = [count / series.interval for count in whole]
    step = -(-len(rates) // _WIDTH)
    drawn = [sum(part) / len(part) for part in (rates[at : at + step] for at in range(0, len(rates), step))]
    low, high = (terminal.count(round(value)) for value in (min(rates), max(rates)))
    picture = bars(drawn)
    words = f"{low}/s to {high}/s, every {series.interval} s"
    return [("", f"{picture} {words}" if picture else words)]
