"""Where a value stands in a text: offsets, and the lines and columns that editors count."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

Steps = tuple[str | int, ...]


class Spot(NamedTuple):
    """Offsets (in characters, ends exclusive) of a value and of its key; -1 where it has no key.

    A YAML collection ends with its last content, in flow style too: the bracket may be lines away."""

    start: int
    end: int
    key_start: int = -1
    key_end: int = -1


class Lines:
    """Turns offsets of a text into lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1) without its end; empty where there is none."""
        if not 1 <= number <= len(self.starts):
            return ""
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : end].rstrip("\r\n")
