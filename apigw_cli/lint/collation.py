"""Text in the order in which JavaScript's localeCompare puts it: by letters first, then accents, then case."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

# Before digits and letters, in the order of the Unicode collation's root table.
_MARKS = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_WEIGHTS = {mark: index + 1 for index, mark in enumerate(_MARKS)}


def _weight(char: str) -> tuple[int, str]:
    if char.isspace():
        return 0, char
    return (_WEIGHTS[char], "") if char in _WEIGHTS else (len(_MARKS) + 1 + char.isalpha(), char)


def collation_key(text: str) -> tuple[Any, ...]:
    """Sorts as localeCompare does."""
    spelt = unicodedata.normalize("NFD", text)
    letters = [char for char in spelt if not unicodedata.combining(char)]
    accents = [char for char in spelt if unicodedata.combining(char)]
    return [_weight(char) for char in "".join(letters).casefold()], accents, [char.isupper() for char in letters]


def after(a: str | float, b: str | float) -> bool:
    """Whether `a` belongs behind `b`: numbers by value where only one side is text that is none."""
    if (not isinstance(a, str) or math.isnan(_number(a))) and (not isinstance(b, str) or not math.isnan(_number(b))):
        return _number(a) - _number(b) >= 1 if not math.isnan(_number(a) - _number(b)) else False
    if isinstance(a, str) and isinstance(b, str):
        return collation_key(a) > collation_key(b)
    return False


def _number(value: str | float) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return math.nan
