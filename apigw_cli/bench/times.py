"""How long things last, from what was typed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apigw_cli.config.values import parse_duration
from apigw_cli.errors import UsageError

DEFAULT_DURATION, DEFAULT_WARMUP = 10.0, 1.0
MOST_RATE = 1_000_000
_LONGEST_RUN, _LONGEST_TIMEOUT = 12 * 3600.0, 3600.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. `duration` None: as long as the requests last; `warmup` None: as suits the run."""

    duration: float | None
    warmup: float | None
    timeout: float


def times_of(
    duration: str | None, warmup: str | None, timeout: str, *, of_requests: bool, default: float = DEFAULT_DURATION
) -> Times:
    """The times as typed. Raises UsageError for what is no duration, or out of bounds."""
    lasts = None if of_requests else _seconds("--duration", duration, default, _LONGEST_RUN)
    before = _seconds("--warmup", warmup, 0.0, _LONGEST_RUN, least=0.0) if warmup is not None else None
    return Times(lasts, before, _seconds("--timeout", timeout, 10.0, _LONGEST_TIMEOUT))


def stages_of(text: str) -> tuple[tuple[float, float], ...]:
    """`10s:100,30s:1000` as seconds and requests a second. Raises UsageError."""
    stages = []
    for part in text.replace(" ", "").split(","):
        length, colon, rate = part.partition(":")
        if not colon or not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,3})?", rate):
            raise UsageError(
                f"--ramp: {part!r} is no stage", hint="write 10s:100,30s:1000: how long, to how many a second"
            )
        stages.append((_seconds("--ramp", length, 0.0, _LONGEST_RUN), float(rate)))
    if max(rate for _, rate in stages) > MOST_RATE:
        raise UsageError(f"--ramp: at most {MOST_RATE:,} requests a second")
    if not any(rate for _, rate in stages):
        raise UsageError("--ramp: nothing would be sent")
    return tuple(stages)


def _seconds(flag: str, text: str | None, otherwise: float, most: float, least: float = 0.001) -> float:
    if text is None:
        return otherwise
    try:
        seconds = float(parse_duration(text))
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None
    if not least <= seconds <= most:
        raise UsageError(f"{flag} {text} is not between {least:g} s and {most:g} s")
    return seconds
