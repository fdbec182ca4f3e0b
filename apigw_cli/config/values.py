"""Scalar values with units, as a person writes them."""

from __future__ import annotations

import re

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
