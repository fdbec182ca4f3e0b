"""A rate as a person writes it: `5/s`, `100/m`, `2.5/s`, `1000/h`, `10/d`. Exact, never a float."""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PATTERN = r"^[0-9]{1,10}(\.[0-9]{1,6})?/(s|m|h|d)$"
MAXIMUM = 1_000_000_000  # a second: the limiter's clock counts nanoseconds

_TEXT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,6}))?/([smhd])")


@functools.total_ordering
class Rate:
    """`count` requests per `unit`. Compares by the rate itself: `60/m` equals `1/s`; `str` keeps the unit."""

    __slots__ = ("count", "unit")

    def __init__(self, count: Fraction, unit: str) -> None:
        """Raises ValueError for an unknown unit, a negative rate or one over 1,000,000,000 a second."""
        if unit not in SECONDS:
            raise ValueError(f"unit {unit!r} is none of {', '.join(SECONDS)}")
        if not 0 <= count / SECONDS[unit] <= MAXIMUM:
            raise ValueError(f"a rate lies between 0 and {MAXIMUM:,} a second")
        self.count = count
        self.unit = unit

    @property
    def per_second(self) -> Fraction:
        return self.count / SECONDS[self.unit]

    @property
    def interval(self) -> int:
        """Nanoseconds between two requests, rounded up so that no more is admitted than declared; 0: never."""
        return math.ceil(1_000_000_000 / self.per_second) if self.count else 0

    def __str__(self) -> str:
        digits = f"{self.count.numerator * 10**6 // self.count.denominator:07d}"
        whole, decimals = digits[:-6], digits[-6:].rstrip("0")
        return f"{whole}{'.' + decimals if decimals else ''}/{self.unit}"

    def __repr__(self) -> str:
        return f"Rate({self})"

    def __eq__(self, other: object) -> bool:
        return self.per_second == other.per_second if isinstance(other, Rate) else NotImplemented

    def __lt__(self, other: Rate) -> bool:
        return self.per_second < other.per_second

    def __hash__(self) -> int:
        return hash(self.per_second)


def parse(text: str) -> Rate:
    """The rate that `text` says. Raises ValueError with what is expected."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a rate such as 5/s, 2.5/s, 100/m, 1000/h or 10/d, got {text[:60]!r}")
    decimals = match[2] or ""
    return Rate(Fraction(int(match[1] + decimals), 10 ** len(decimals)), match[3])
