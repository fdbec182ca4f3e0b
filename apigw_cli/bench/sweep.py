"""Throughput over a grid of workers and in flight: what is cured by concurrency, and what by parallelism.

    rows     workers: processes, so parallelism    (of the client, or of the servers: `Grid.side`)
    columns  in flight over all workers: concurrency
    cell     one run of the closed model, as `apigw bench` does it

Everything that is said about a grid is computed from its cells here; nothing is claimed outside what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from apigw_cli import __version__
from apigw_cli.bench import scalability
from apigw_cli.bench.result import Result
from apigw_cli.bench.scalability import Law
from apigw_cli.bench.verdict import CLIENT_BOUND
from apigw_cli.errors import Exit

FORMAT = 1
_ENOUGH = 0.95  # of the best cell: what is recommended need not be faster
_ADDS_UP = 0.6  # of each further worker's worth
_STILL = 1.5  # times the latency of one alone: as long as that, nobody queues


class Cell(msgspec.Struct, frozen=True):
    """One measurement: answers a second, latencies in nanoseconds, and how many requests came to nothing."""

    workers: int
    concurrency: int
    throughput: float
    p50_ns: int
    p99_ns: int
    failed: int
    bound: str

    @classmethod
    def of(cls, result: Result, workers: int) -> Cell:
        service = [both.service for both in result.latency.values()]
        most = max(service, key=lambda latency: latency.count, default=None)
        return cls(
            workers=workers,
            concurrency=result.plan.concurrency,
            throughput=result.throughput.answered,
            p50_ns=most.p50 if most else 0,
            p99_ns=most.p99 if most else 0,
            failed=result.requests.failed + result.requests.errors,
            bound=result.verdict.bound,
        )


class Row(msgspec.Struct, frozen=True):
    """The cells of so many workers, fewest in flight first; `law` null with too few of them.

    `peak` is where the law has its highest throughput, null where that was not within what was measured. `knee`:
    the fewest in flight that reach 90 % of the row's best.
    """

    workers: int
    cells: list[Cell]
    law: Law | None
    peak: float | None
    knee: int | None

    @property
    def best(self) -> Cell:
        return max(self.cells, key=lambda cell: cell.throughput)


class Recommended(msgspec.Struct, frozen=True):
    """The fewest workers, then the fewest in flight, that reach 95 % of the grid's best throughput."""

    workers: int
    concurrency: int
    throughput: float


class Grid(msgspec.Struct, frozen=True):
    """`side`: whose workers the rows are, 'client' or 'server'."""

    name: str
    side: str
    url: str
    workers: list[int]
    concurrency: list[int]
    rows: list[Row]
    recommended: Recommended | None
    words: list[str]


class Sweep(msgspec.Struct, frozen=True):
    """What `apigw bench --sweep --format json` prints."""

    format: int
    tool: str
    interrupted: bool
    seconds_each: float
    grids: list[Grid]

    @property
    def exit_code(self) -> Exit:
        """130 interrupted, 1 where nothing was answered anywhere, else 0."""
        if self.interrupted:
            return Exit.INTERRUPTED
        answered = any(cell.throughput for grid in self.grids for row in grid.rows for cell in row.cells)
        return Exit.OK if answered else Exit.FAILED

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def sweep_of(grids: list[Grid], seconds_each: float, *, interrupted: bool) -> Sweep:
    return Sweep(FORMAT, f"apigw {__version__}", interrupted, seconds_each, grids)


@dataclass(frozen=True, slots=True)
class Axes:
    """The values to measure, each ascending and without repeats."""

    workers: tuple[int, ...]
    concurrency: tuple[int, ...]

    def columns(self, workers: int, side: str) -> list[int]:
        """What can be asked of so many workers: a client needs at least one in flight for each of its own."""
        return [number for number in self.concurrency if side == "server" or number >= workers]

    def cells(self, side: str) -> int:
        return sum(len(self.columns(workers, side)) for workers in self.workers)


class Interrupted(Exception):
    """A cell was stopped by a signal."""


def grid(name: str, side: str, url: str, axes: Axes, rows: Sequence[Row]) -> Grid:
    """What `rows` say together."""
    measured = [row for row in rows if row.cells]
    return Grid(
        name=name,
        side=side,
        url=url,
        workers=list(axes.workers),
        concurrency=list(axes.concurrency),
        rows=measured,
        recommended=_recommended(measured),
        words=_words(measured, side),
    )


def row(workers: int, columns: Sequence[int], measure: Callable[[int], Cell], into: list[Row]) -> None:
    """Measure one row and put it into `into`, also what there is of it when it is Interrupted."""
    cells: list[Cell] = []
    try:
        cells.extend(measure(concurrency) for concurrency in columns)
    finally:
        points = [(cell.concurrency, cell.throughput) for cell in cells]
        law = scalability.fit(points)
        peak = scalability.peak_within(law, points[-1][0]) if law else None
        into.append(Row(workers, cells, law, peak, scalability.knee(points)))


def _recommended(rows: Sequence[Row]) -> Recommended | None:
    cells = [cell for row in rows for cell in row.cells]
    best = max((cell.throughput for cell in cells), default=0.0)
    enough = [cell for cell in cells if cell.throughput >= _ENOUGH * best > 0]
    if not enough:
        return None
    least = min(enough, key=lambda cell: (cell.workers, cell.concurrency))
    return Recommended(least.workers, least.concurrency, least.throughput)


def _words(rows: Sequence[Row], side: str) -> list[str]:
    """Two sentences: what more in flight gained, and what more workers did."""
    if not rows or not rows[0].best.throughput:
        return ["Nothing was answered."]
    words = []
    first, last = rows[0], rows[-1]
    if len(first.cells) > 1:
        words.append(_on_concurrency(first))
    if len(rows) > 1:
        words.append(_on_parallelism(first, last, side))
    return words


def _on_concurrency(row: Row) -> str:
    one, best, most = row.cells[0], row.best, row.cells[-1]
    gain = best.throughput / one.throughput if one.throughput else 0.0
    who = _workers(row.workers)
    if gain >= 2:
        return (
            f"Concurrency: {who} answered {_times(gain)} as much with {best.concurrency} in flight as with "
            f"{one.concurrency}, because requests wait and waiting can be done side by side."
        )
    return (
        f"Concurrency: {who} gained nothing to speak of from more in flight ({_times(gain)} at best), they only "
        f"queue: the median went from {_ms(one.p50_ns)} to {_ms(most.p50_ns)}."
    )


def _on_parallelism(first: Row, last: Row, side: str) -> str:
    gain = last.best.throughput / first.best.throughput
    more = last.workers / first.workers
    who = f"{_workers(last.workers)} against {first.workers}"
    if gain >= 1 + _ADDS_UP * (more - 1):
        return f"Parallelism: {who} answered {_times(gain)} as much, because each computes on a CPU of its own."
    if gain >= 1.15:
        return f"Parallelism: {who} answered {_times(gain)} as much: a worker was a part of the limit, not all of it."
    return f"Parallelism: {who} gained nothing to speak of ({_times(gain)}): {_elsewhere(first, last, side)}."


def _elsewhere(first: Row, last: Row, side: str) -> str:
    """What is the limit where more workers are not the cure."""
    if CLIENT_BOUND in (first.best.bound, last.best.bound):
        return "the client is the limit, which had no more CPU"
    if side == "client":
        return "the limit is the server"
    best = first.best
    if best is first.cells[-1] and len(first.cells) > 1 and best.p50_ns < _STILL * first.cells[0].p50_ns:
        return "nobody was busy, requests only waited, and more of them in flight would still be answered"
    return "the limit is the CPUs that there are, or what the workers share"


def _workers(number: int) -> str:
    return "one worker" if number == 1 else f"{number} workers"


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.3g} s" if nanoseconds >= 1e9 else f"{nanoseconds / 1e6:.3g} ms"


def _times(gain: float) -> str:
    return f"{gain:.1f} times" if gain < 10 else f"{gain:.0f} times"
