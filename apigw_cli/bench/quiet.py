"""A quiet key beside a noisy one: it asks for half of its rate, so not one of its requests may be refused.

While the load runs on one key, a thread asks with another one, well below the declared rate: whatever the times on
the way, no two of its requests are decided closer together than half an interval too soon for a limiter that keeps
keys apart.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from apigw_cli.bench.limit import Declared
from apigw_cli.bench.lone import Lone
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.retry_after import LIMITED, seconds_told

LEAST_ASKED = 3  # fewer tell nothing
_FASTEST = SECOND // 200  # the load needs the CPU


@dataclass(slots=True)
class Heard:
    """How many were asked with the quiet key, and how many of these were refused, or failed otherwise; the longest
    wait in seconds that a refusal told."""

    asked: int = 0
    refused: int = 0
    failed: int = 0
    broken: str = ""
    longest_told: int = 0


def pause_of(layers: Sequence[Declared]) -> int | None:
    """Nanoseconds between two requests of the quiet key; None where none may ever be let through."""
    if any(not layer.rate.interval or not layer.burst for layer in layers):
        return None
    return max(*(2 * layer.rate.interval for layer in layers), _FASTEST)


class Quiet:
    """The thread that asks, from `start` to `stop`."""

    def __init__(self, lone: Lone, pause: int) -> None:
        self._lone, self._pause = lone, pause
        self._heard = Heard()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> Heard:
        """What was heard; the thread is given `patience` seconds for the answer that it waits for."""
        self._stopping.set()
        self._thread.join(patience)
        return self._heard

    def _go(self) -> None:
        try:
            while not self._stopping.is_set():
                answer = self._lone.ask()
                heard = self._heard
                heard.asked += 1
                if answer.status == LIMITED:
                    heard.refused += 1
                    heard.longest_told = max(heard.longest_told, seconds_told(answer) or 0)
                heard.failed += answer.status >= 400 and answer.status != LIMITED
                # From the answer on, so that two decisions are a pause apart at least.
                self._stopping.wait(max(0.0, (answer.received + self._pause - self._lone.now()) / SECOND))
        except OSError as error:
            self._heard.broken = str(error)
