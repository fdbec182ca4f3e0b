"""What a worker counted, and the sum over workers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

import msgspec

from apigw_cli.bench.series import Series, merged

ALLOWED, LIMITED, FAILED = "allowed", "limited", "failed"
CLASSES = (ALLOWED, LIMITED, FAILED)
NETWORK = {
    "refused": "connection refused",
    "reset": "connection reset",
    "closed": "closed before the answer was complete",
    "timeout": "no complete answer in time",
    "framing": "not a valid HTTP/1.1 answer",
    "connect": "no connection",
    "files": "no connection: too many open files here",
    "ports": "no connection: no local port left here",
}

Pairs = list[tuple[int, int]]


def class_of(status: int, expected: Collection[int] = ()) -> str:
    """'allowed' (2xx, 3xx, and what was expected), 'limited' (429) or 'failed' (every other status)."""
    if status == 429:
        return LIMITED
    return ALLOWED if 200 <= status < 400 or status in expected else FAILED


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


class Part(msgspec.Struct):
    """What was counted of one kind of request; of errors those that befell a request under way."""

    name: str
    statuses: dict[int, int]
    errors: dict[str, int]
    service: dict[str, Pairs]
    response: dict[str, Pairs]


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
    parts: list[Part] = []

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())


def joined(tallies: list[Tally]) -> Tally:
    """The figures of several loads of one worker: their sum. CPU time and waiting are the worker's, so not added."""
    first, *others = tallies
    if not others:
        return first
    return Tally(
        statuses=added(tally.statuses for tally in tallies),
        errors=added(tally.errors for tally in tallies),
        error_texts={kind: text for tally in reversed(tallies) for kind, text in tally.error_texts.items()},
        service={name: _merged([t.service.get(name, []) for t in tallies]) for name in CLASSES},
        response={name: _merged([t.response.get(name, []) for t in tallies]) for name in CLASSES},
        lag=first.lag,
        series=merged([tally.series for tally in tallies]),
        elapsed=max(tally.elapsed for tally in tallies),
        **{name: sum(getattr(tally, name) for tally in tallies) for name in _SUMS},
        cpu=max(tally.cpu for tally in tallies),
        starved=first.starved,
        seen=first.seen,
        parts=[part for tally in tallies for part in tally.parts],
    )


_SUMS = ("in_window", "warmup", "bytes_in", "bytes_out", "opened", "unfinished", "late", "not_started")
_Key = TypeVar("_Key", int, str)


def added(parts: Iterable[dict[_Key, int]]) -> dict[_Key, int]:
    """The sum of several counts."""
    total: dict[_Key, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total


def _merged(parts: list[Pairs]) -> Pairs:
    return sorted(added(dict(pairs) for pairs in parts).items())


class Ready(msgspec.Struct, tag="ready"):
    """The worker has tried to open each of its connections once."""


class Progress(msgspec.Struct, tag="progress"):
    """Counts since the measurement began: by class of answer, and network errors. Where somebody watches: by status,
    errors by class, and the latencies so far, of the first kinds of requests only."""

    counts: dict[str, int]
    errors: int
    measuring: bool
    statuses: dict[int, int] = {}
    classes: dict[str, int] = {}
    latency: Pairs = []


class Finished(msgspec.Struct, tag="finished"):
    tally: Tally


class Fatal(msgspec.Struct, tag="fatal"):
    """The worker cannot go on; for people."""

    message: str
    hint: str


Message = Ready | Progress | Finished | Fatal
