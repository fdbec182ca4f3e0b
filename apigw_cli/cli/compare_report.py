"""A comparison for people: the verdict first, then each figure of both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.cli import terminal
from apigw_cli.cli.terminal import count, duration, style, symbol

if TYPE_CHECKING:
    from apigw_cli.bench.comparison import Comparison, Metric


def text(found: Comparison, *, quiet: bool = False) -> str:
    """The lines to print; with `quiet` only the verdict."""
    lines = [_verdict(found)]
    lines += [f"  {symbol('bad')} {reason}" for reason in found.reasons]
    if not quiet and found.metrics:
        lines += ["", *_table(found), "", *_sides(found)]
        if any(metric.verdict == "unknown" for metric in found.metrics):
            lines.append("six pairs of runs or more tell real from noise: apigw bench URL --against BASE")
    return "\n".join(lines)


def _verdict(found: Comparison) -> str:
    tolerance = f"{100 * found.tolerance:g} %"
    if found.interrupted:
        return f"{symbol('warn')} interrupted after {terminal.plural(min(found.a.runs, found.b.runs), 'pair')} of runs"
    if found.reasons:
        return f"{symbol('bad')} not trustworthy"
    if found.regressions:
        return f"{symbol('bad')} a regression beyond {tolerance}: {', '.join(map(_change, found.regressions))}"
    if found.undecided:
        worse = ", ".join(map(_change, found.undecided))
        return f"{symbol('warn')} worse, but too few runs to tell real from noise: {worse}"
    better = [metric for metric in found.metrics if metric.verdict == "real" and not metric.worse]
    if better:
        return f"{symbol('ok')} better: {', '.join(map(_change, better))}"
    return f"{symbol('ok')} no regression beyond {tolerance}"


def _change(metric: Metric) -> str:
    return f"{metric.name} {_percent(metric.change)}"


def _percent(part: float) -> str:
    return f"{100 * part:+.1f} %"


def _table(found: Comparison) -> list[str]:
    rows = [("", "A", "B", "change", "95 % interval", "p", "")]
    for metric in found.metrics:
        interval = (
            f"[{_percent(metric.low)}, {_percent(metric.high)}]"
            if metric.low is not None and metric.high is not None
            else ""
        )
        p = f"{metric.p:.3f}" if metric.p is not None else ""
        values = (_value(metric, metric.a), _value(metric, metric.b))
        rows.append((metric.name, *values, _percent(metric.change), interval, p, metric.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)),
        ]
        line = "  ".join([*cells, row[-1]]).rstrip()
        lines.append("  " + (style(line, "dim") if number == 0 else line))
    return lines


def _value(metric: Metric, value: float) -> str:
    if metric.name == "rate":
        return f"{count(round(value) if value >= 100 else value)}/s"
    return duration(value / 1e9)


def _sides(found: Comparison) -> list[str]:
    lines = []
    for letter, side in (("A", found.a), ("B", found.b)):
        failed = f", {side.failed:,} failed" if side.failed else ""
        lines.append(f"  {letter}  {side.name}  {terminal.plural(side.runs, 'run')}{failed}")
    return lines
