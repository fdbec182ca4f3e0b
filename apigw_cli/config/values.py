"""Scalar values with units, as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from msgspec import Meta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"


class Duration(float):
    """Seconds; written `250ms`, `1.5s`, `2m`, `1h` or `1d`."""


PERCENT = r"^[0-9]+(\.[0-9]+)?%$"


class Percent(float):
    """A share from 0 to 1; written `20%`."""


def parse_percent(text: object) -> Percent:
    """The share that a percentage is. Raises ValueError with what is expected."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", text) if isinstance(text, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError(f"expected a percentage such as 20%, at most 100%, got {text!r}")
    return Percent(float(match[1]) / 100)


def parse_duration(text: object) -> Duration:
    """Seconds of a duration. Raises ValueError with what is expected."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"expected a duration such as 250ms, 5s or 1m, got {text!r}")
    return Duration(float(match[1]) * _UNITS[match[2]])


SIZE = r"^[0-9]+(\.[0-9]+)?(B|[kK]B|MB|GB|KiB|MiB|GiB)$"
BYTES = {"unit": "bytes"}  # the `extra` of a Meta: a whole number, or text with a unit
_SIZES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def is_size(metas: Iterable[object]) -> bool:
    """Whether one of them says that a number is one of bytes."""
    return any(isinstance(meta, Meta) and meta.extra is not None and "unit" in meta.extra for meta in metas)


def parse_size(text: str) -> int:
    """Bytes of a size: `64KiB` is 64 × 1024, `64KB` 64 × 1000 (IEC 80000-13). Raises ValueError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)", text)
    if match is None or match[2] not in _SIZES:
        raise ValueError(f"expected bytes, or a size such as 64KiB or 10MiB (1024), 1MB (1000), got {text!r}")
    size = Fraction(match[1]) * _SIZES[match[2]]
    if size.denominator != 1:
        raise ValueError(f"{text} is no whole number of bytes")
    return int(size)
