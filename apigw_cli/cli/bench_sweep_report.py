"""A sweep for people: what it means first, then the heat maps, then the law of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.cli import terminal
from apigw_cli.cli.terminal import count, duration, style, symbol

if TYPE_CHECKING:
    from apigw_cli.bench.sweep import Grid, Row, Sweep

_SHADES, _ASCII_SHADES = " ░▒▓█", " .:*#"
_STEPS = (0.1, 0.3, 0.6, 0.9)  # of the grid's best throughput: where a darker shade begins


def text(sweep: Sweep, *, quiet: bool = False) -> str:
    """The lines to print; with `quiet` only what it means."""
    lines: list[str] = []
    if sweep.interrupted:
        lines.append(f"{symbol('warn')} interrupted: these cells were measured")
    for grid in sweep.grids:
        lines += [*_meaning(grid), *([] if quiet else ["", *_map(grid), "", *_laws(grid)]), ""]
    if not quiet and sweep.grids:
        lines.append(
            style("shade: throughput beside the best cell of its map; peaks outside a map are not claimed", "dim")
        )
    return "\n".join(lines).rstrip()


def _meaning(grid: Grid) -> list[str]:
    best = grid.recommended
    if best is None:
        return [f"{symbol('bad')} {style(grid.name, 'bold')}  nothing was answered"]
    workers = terminal.plural(best.workers, "worker" if grid.side == "client" else "server worker")
    verb = "reaches" if best.workers == 1 else "reach"
    reach = f"{workers} with {best.concurrency} in flight {verb} {_rate(best.throughput)}/s, within 5 % of the best"
    return [f"{symbol('ok')} {style(grid.name, 'bold')}  {reach}", *(f"  {sentence}" for sentence in grid.words)]


def _map(grid: Grid) -> list[str]:
    best = max((cell.throughput for row in grid.rows for cell in row.cells), default=0.0)
    table = [["workers", *(str(number) for number in grid.concurrency)]]
    for row in grid.rows:
        cells = {cell.concurrency: cell for cell in row.cells}
        found = [cells.get(number) for number in grid.concurrency]
        table.append(
            [
                str(row.workers),
                *("" if one is None else f"{_rate(one.throughput)} {_shade(one.throughput, best)}" for one in found),
            ]
        )
        latencies = ["" if one is None else f"{duration(one.p99_ns / 1e9)}  " for one in found]
        table.append(["p99", *latencies])
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = [f"  {'':{widths[0]}}  {style('requests/s by what is in flight ' + symbol('arrow'), 'dim')}"]
    for number, line in enumerate(table):
        joined = "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        lines.append("  " + (style(joined, "dim") if number == 0 or line[0] == "p99" else joined))
    return lines


def _shade(throughput: float, best: float) -> str:
    shades = _SHADES if terminal.speaks_unicode() else _ASCII_SHADES
    return shades[sum(throughput >= step * best for step in _STEPS)] if best else " "


def _laws(grid: Grid) -> list[str]:
    return [f"  {_law(row)}" for row in grid.rows if row.law is not None]


def _law(row: Row) -> str:
    assert row.law is not None
    law = row.law
    peak = f"peak at {row.peak:.0f} in flight" if row.peak is not None else "no peak in what was measured"
    return (
        f"USL, {terminal.plural(row.workers, 'worker')}: λ {_rate(law.lambda_)}/s, σ {law.sigma:.2g}, "
        f"κ {law.kappa:.2g}, R² {law.r_squared:.2f} · {peak}, knee at {row.knee}"
    )


def _rate(value: float) -> str:
    return count(round(value)) if value >= 10 else f"{value:.2g}"
