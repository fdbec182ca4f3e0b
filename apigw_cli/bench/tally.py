"""What a worker counted, and the sum over workers."""

from __future__ import annotations

import msgspec

from apigw_cli.bench.series import Series

ALLOWED, LIMITED, FAILED = "allowed", "limited", "failed"
CLASSES = (ALLOWED, LIMITED, FAILED)
NETWORK = {
    "refused": "connection refused",
    "reset": "connection reset",
    "closed": "closed before the answer was complete",
    "timeout": "no complete answer in time",
    "framing": "not a valid HTTP/1.1 answer",
    "connect": "no connection",
}

Pairs = list[tuple[int, int]]


def class_of(status: int) -> str:
    """'allowed' (2xx, 3xx), 'limited' (429) or 'failed' (every other status)."""
    if status == 429:
        return LIMITED
    return ALLOWED if 200 <= status < 400 else FAILED


class Seen(msgspec.Struct):
    """What was recorded for the limit's proof (bench/watch.py). Events are int64 pairs of send and receive time."""

    admitted: bytes = b""
    possible: bytes = b""
    overflow: bool = False
    slots: list[int] = []
    refused: int = 0
    without_retry_after: int = 0
    bad_retry_after: dict[str, int] = {}
    retry_after_low: int = 0
    retry_after_high: int = 0


class Tally(msgspec.Struct):
    """One worker's figures for the measured time. Times in nanoseconds, histograms as bucket and count."""

    statuses: dict[int, int]
    errors: dict[str, int]
    error_texts: dict[str, str]
    service: dict[str, Pairs]
    response: dict[str, Pairs]
    lag: Pairs
    series: Series
    elapsed: int
    in_window: int
    warmup: int
    bytes_in: int
    bytes_out: int
    opened: int
    unfinished: int
    late: int
    not_started: int
    cpu: int
    starved: int | None
    seen: Seen | None = None

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())


class Ready(msgspec.Struct, tag="ready"):
    """The worker has tried to open each of its connections once."""


class Progress(msgspec.Struct, tag="progress"):
    """Counts since the measurement began: by class of answer, and network errors."""

    counts: dict[str, int]
    errors: int
    measuring: bool


class Finished(msgspec.Struct, tag="finished"):
    tally: Tally


class Fatal(msgspec.Struct, tag="fatal"):
    """The worker cannot go on; for people."""

    message: str
    hint: str


Message = Ready | Progress | Finished | Fatal
