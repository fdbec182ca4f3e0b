"""Why a target is out, as one number: a word of the memory that a worker tells the supervisor with.

bits 0 to 3    what took it out: a health check, or ejection (0: it is well)
bits 4 to 11   the last failure's kind
bits 12 to 43  its number: an errno, or a status
"""

from __future__ import annotations

import os
from enum import IntEnum

WELL = 0
_NUMBERS = (1 << 32) - 1


class By(IntEnum):
    """What took a target out."""

    HEALTH = 1
    EJECTION = 2


class Failure(IntEnum):
    """Kinds of failures."""

    ERRNO = 1
    NO_CONNECTION = 2
    LATE = 3
    STATUS = 4
    INVALID = 5
    CLOSED = 6
    UNPROVEN = 7
    TLS = 8
    NAME = 9
    STALLED = 10
    UNKNOWN = 11


_TEXTS: dict[int, str] = {
    Failure.NO_CONNECTION: "no connection in time",
    Failure.LATE: "no answer in time",
    Failure.INVALID: "an answer that is no HTTP",
    Failure.CLOSED: "the connection was closed without an answer",
    Failure.UNPROVEN: "it did not prove who it is",
    Failure.TLS: "the TLS handshake failed",
    Failure.NAME: "its name cannot be resolved",
    Failure.STALLED: "it stalled in its answer",
    Failure.UNKNOWN: "not reached",
}


def failure(kind: Failure, number: int = 0) -> int:
    """A failure as a number, never 0."""
    return kind << 4 | (number & _NUMBERS) << 12


def of_error(error: Exception) -> int:
    """The failure that an error of the system is."""
    number = getattr(error, "errno", None)
    return failure(Failure.ERRNO, number) if isinstance(number, int) and number > 0 else failure(Failure.UNKNOWN)


def taken_out(by: By, failure: int) -> int:
    return by | failure


def text(trouble: int, after: int = 0) -> str | None:
    """Why, for people; None where the target is well. `after`: how many failures eject one."""
    if trouble & 15 == WELL:
        return None
    kind, number = trouble >> 4 & 255, trouble >> 12
    if kind == Failure.ERRNO:
        last = os.strerror(number).lower()
    elif kind == Failure.STATUS:
        last = f"answered {number}"
    else:
        last = _TEXTS.get(kind, _TEXTS[Failure.UNKNOWN])
    if trouble & 15 == By.HEALTH:
        return f"health check failed: {last}"
    return f"ejected after {after} failure{'s' if after != 1 else ''}, the last: {last}"
