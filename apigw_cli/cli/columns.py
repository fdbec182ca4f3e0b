"""Rows as aligned columns that fit the terminal; through a pipe nothing is cut."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from apigw_cli.cli import terminal

GAP = 2
NARROW = 12  # a column is not cut below this


def available() -> int | None:
    """The width to fit into: COLUMNS, else the terminal's; None through a pipe."""
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"])
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def widths(rows: Sequence[Sequence[str]], limit: int | None, cut: Sequence[int]) -> list[int]:
    """The width of each column. What does not fit `limit` is taken from the columns `cut`, the first one first."""
    found = [max(map(len, column)) for column in zip(*rows, strict=True)]
    excess = sum(found) + GAP * (len(found) - 1) - limit if limit else 0
    for column in cut:
        taken = min(max(excess, 0), max(found[column] - NARROW, 0))
        found[column] -= taken
        excess -= taken
    return found


def line(cells: Sequence[str], to: Sequence[int]) -> str:
    """One row; a cell that is too long ends in an ellipsis."""
    cut = "…" if terminal.speaks_unicode() else "~"  # one character in both, or columns would not line up
    shown = [cell if len(cell) <= width else cell[: width - 1] + cut for cell, width in zip(cells, to, strict=True)]
    return (" " * GAP).join(cell.ljust(width) for cell, width in zip(shown, to, strict=True)).rstrip()
