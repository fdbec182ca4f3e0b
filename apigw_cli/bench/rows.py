"""The rows of a CSV file (RFC 4180) for requests that differ: `{{csv.COLUMN}}`."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from apigw_cli.errors import InputError, Place

MOST_BYTES = 64 * 1024 * 1024


class Rows(msgspec.Struct, frozen=True):
    """The first line's names, the cells of the others, and on which line of the file each of these begins."""

    name: str
    columns: list[str]
    cells: list[list[str]]
    lines: list[int] = []

    def of_worker(self, number: int, workers: int) -> Rows:
        """Every `workers`-th row from `number` on: no two workers send the same one, unless there are too few."""
        start = number % len(self.cells)
        return Rows(self.name, self.columns, self.cells[start::workers])

    def column(self, name: str) -> list[str]:
        at = self.columns.index(name)
        return [row[at] for row in self.cells]

    def place(self, row: int) -> Place:
        return Place(self.name, self.lines[row])


def read(path: Path) -> Rows:
    """The file's rows. Raises InputError where it cannot be read, has no rows, or one of another length."""
    place = Place(str(path))
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError("a CSV file of more than 64 MiB is not taken", place=place, hint="fewer rows will do")
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _rows(path, csv.reader(file, strict=True))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError("this is not UTF-8", place=place) from None


def _rows(path: Path, reader: csv._reader) -> Rows:  # type: ignore[name-defined]
    columns: list[str] = []
    cells: list[list[str]] = []
    lines: list[int] = []
    before = 0
    try:
        for row in reader:
            begins, before = before + 1, reader.line_num
            if not row:
                continue
            if not columns:
                columns = [name.strip() for name in row]
                continue
            if len(row) != len(columns):
                words = f"{len(row)} cells, but there are {len(columns)} columns"
                raise InputError(words, place=Place(str(path), begins))
            cells.append(row)
            lines.append(begins)
    except csv.Error as error:
        raise InputError(f"this is not CSV: {error}", place=Place(str(path), before + 1)) from None
    if not cells:
        hint = "the first line names the columns, each other line is one request's values"
        raise InputError("there is no row in it", place=Place(str(path)), hint=hint)
    return Rows(str(path), columns, cells, lines)
