"""The table of a run with several targets or operations: one line each, what went wrong first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.cli.terminal import count, duration, style

if TYPE_CHECKING:
    from apigw_cli.bench.mix import Portion
    from apigw_cli.bench.result import Result

MOST = 40


def lines(result: Result) -> list[str]:
    """The table; empty where there was one kind of request only. The JSON has those that do not fit."""
    if not result.mix:
        return []
    rows: list[tuple[str, ...]] = [("", "answers", "rate", "p50", "p99", "max", "refused", "failed", "errors")]
    worst = sorted(result.mix, key=lambda portion: -(portion.failed + sum(portion.errors.values())))
    rows += [_row(portion) for portion in worst[:MOST]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [_line(row, widths) for row in rows]
    more = [f"… and {len(worst) - MOST} more in --format json"] if len(worst) > MOST else []
    return ["", style(table[0], "dim"), *table[1:], *more]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells).rstrip()


def _row(portion: Portion) -> tuple[str, ...]:
    best = portion.latency.get("allowed") or next(iter(portion.latency.values()), None)
    times = ("", "", "") if best is None else (best.response.p50, best.response.p99, best.response.max)
    errors = sum(portion.errors.values())
    return (
        portion.name,
        f"{portion.answered:,}",
        f"{count(round(portion.throughput) if portion.throughput >= 100 else portion.throughput)}/s",
        *(time if isinstance(time, str) else duration(time / 1e9) for time in times),
        *(f"{number:,}" if number else "" for number in (portion.limited, portion.failed, errors)),
    )
