"""The client watches itself: its CPU time, its wait for a CPU, and how late its event loop is."""

from __future__ import annotations

import time
from pathlib import Path

from apigw_cli.bench.alarm import alarm
from apigw_cli.bench.histogram import Histogram

_PROBE = 10_000_000  # nanoseconds between two looks at the loop's lateness


class Vitals:
    """Figures between `begin` and `end`. `starved`: nanoseconds spent ready to run but without a CPU (Linux)."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self.cpu = 0
        self.starved: int | None = None
        self._alarm = alarm(self._probe)
        self._due = 0
        self._running = False

    def begin(self) -> None:
        self._running = True
        self.cpu = time.process_time_ns()
        self.starved = _run_queue_wait()
        self._next()

    def end(self) -> None:
        if self._running:
            self._running = False
            self.cpu = time.process_time_ns() - self.cpu
            waited = _run_queue_wait()
            self.starved = None if waited is None or self.starved is None else waited - self.starved

    def close(self) -> None:
        self._alarm.close()

    def _next(self) -> None:
        self._due = time.monotonic_ns() + _PROBE
        self._alarm.at(self._due)

    def _probe(self) -> None:
        if self._running:
            self.lag.record(time.monotonic_ns() - self._due)
            self._next()


def _run_queue_wait() -> int | None:
    """Nanoseconds that this thread has waited for a CPU (Documentation/scheduler/sched-stats.rst)."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
