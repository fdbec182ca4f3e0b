"""Several keys that each ask for more than they may have, at the same time: each in a thread, one request at a time.

Whoever keeps keys apart gives each what is declared, whatever the others do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from apigw_cli.bench.limit import Declared
from apigw_cli.bench.lone import Answer, Lone
from apigw_cli.bench.plan import SECOND

LEAST = 2  # fewer keys have nobody beside them
_EXCESS = 4  # times the rate
_SLOWEST, _FASTEST = 100, 400  # requests a second of one key; a thread that does more would only wait for the CPU
_INTERVALS = 5  # that each key is asked for, beyond its burst
_SHORTEST, _LONGEST = 0.6, 6.0  # seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How each key asks: nanoseconds between two requests, and for how many nanoseconds."""

    pause: int
    length: int


@dataclass(slots=True)
class Asker:
    """One key: its answers in order. `fresh`: nobody has used it before, so all of its burst is there."""

    fresh: bool
    answers: list[Answer] = field(default_factory=list)
    broken: str = ""


def pace_of(layers: Sequence[Declared]) -> Pace | str:
    """How to ask so that each key is refused in between; or why that cannot be done."""
    if any(not layer.rate.interval or not layer.burst for layer in layers):
        return "nothing is let through"
    rate = min(layer.rate.per_second for layer in layers)
    size = min(layer.burst for layer in layers)
    asking = min(max(_EXCESS * rate, Fraction(_SLOWEST)), Fraction(_FASTEST))
    if asking < 2 * rate:
        return f"{rate:g}/s for each of several keys are more than it asks for"
    seconds = float(size / (asking - rate)) + max(_SHORTEST, min(float(_INTERVALS / rate), _LONGEST / 2))
    if seconds > _LONGEST:
        return f"to use up {size:,} with each of several keys takes too long"
    return Pace(int(SECOND / asking), int(seconds * SECOND))


def asked(clients: Sequence[tuple[Lone, bool]], pace: Pace) -> list[Asker]:
    """Let all ask at once. The second of each pair says whether the key is fresh."""
    askers = [Asker(fresh) for _, fresh in clients]
    stopping = threading.Event()
    threads = [
        threading.Thread(target=_ask, args=(client, asker, pace, stopping), daemon=True)
        for (client, _), asker in zip(clients, askers, strict=True)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stopping.set()
    return askers


def _ask(client: Lone, asker: Asker, pace: Pace, stopping: threading.Event) -> None:
    begin = client.now()
    due = begin
    try:
        while due < begin + pace.length and not stopping.is_set():
            client.wait_until(due)
            asker.answers.append(client.ask())
            due = max(due + pace.pause, client.now())
    except OSError as error:
        asker.broken = str(error) or "the connection broke"
