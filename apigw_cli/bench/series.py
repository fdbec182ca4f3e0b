"""Counts over time: one column for each class, one row a second, never more than MOST_ROWS rows."""

from __future__ import annotations

import msgspec

MOST_ROWS = 3600
COLUMNS = ("allowed", "limited", "failed", "errors")

Row = tuple[int, int, int, int]


class Series(msgspec.Struct):
    """`interval` seconds a row; when there are too many rows, two become one and the interval doubles."""

    interval: int = 1
    allowed: list[int] = []
    limited: list[int] = []
    failed: list[int] = []
    errors: list[int] = []

    def columns(self) -> list[list[int]]:
        return [self.allowed, self.limited, self.failed, self.errors]

    def coarser(self) -> None:
        """Halve the rows."""
        self.interval *= 2
        for column in self.columns():
            column[:] = [sum(column[at : at + 2]) for at in range(0, len(column), 2)]

    def append(self, row: Row) -> None:
        for column, value in zip(self.columns(), row, strict=True):
            column.append(value)
        if len(self.allowed) >= MOST_ROWS:
            self.coarser()


class Sampler:
    """Turns totals that only grow, read once a second, into rows."""

    def __init__(self) -> None:
        self.series = Series()
        self._before: Row = (0, 0, 0, 0)
        self._held: Row = (0, 0, 0, 0)
        self.seconds = 0

    def second(self, totals: Row) -> None:
        """One more second has passed; `totals` in the order of COLUMNS."""
        held, before = self._held, self._before
        self._held = tuple(h + now - was for h, now, was in zip(held, totals, before, strict=True))  # type: ignore[assignment]
        self._before = totals
        self.seconds += 1
        if self.seconds % self.series.interval == 0:
            self._flush()

    def finish(self, totals: Row) -> Series:
        """The last row holds what came after the last whole second, if anything did."""
        if totals != self._before:
            self.second(totals)
        if any(self._held):
            self._flush()
        return self.series

    def _flush(self) -> None:
        self.series.append(self._held)
        self._held = (0, 0, 0, 0)


def merged(parts: list[Series]) -> Series:
    """The sum of several workers' series, row by row, at the coarsest interval of them."""
    interval = max((part.interval for part in parts), default=1)
    result = Series(interval)
    for part in parts:
        while part.interval < interval:
            part.coarser()
    rows = max((len(part.allowed) for part in parts), default=0)
    for column, *own in zip(result.columns(), *(part.columns() for part in parts), strict=True):
        column.extend(sum(values[at] for values in own if at < len(values)) for at in range(rows))
    return result
