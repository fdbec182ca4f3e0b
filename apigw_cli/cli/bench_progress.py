"""What is seen while a bench runs: three lines on a terminal's stderr, gone when it is done.

measuring ━━━━━━━━━━━━━━━━━━━━━━━━ 12.4k/s · 51,003 allowed · 3 errors 0:00:06
  latency so far  p50 1.31 ms  p99 4.02 ms  max 17.3 ms    rate ▂▅▇▇█▇▆▇
  200: 51,003 · 3 connection reset
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from apigw_cli.cli import bench_history, terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live as LiveDisplay
    from rich.progress import Progress, TaskID

    from apigw_cli.bench.coordinator import Live
    from apigw_cli.bench.plan import Plan


_HISTORY = 24  # rates that are drawn
_MOST = 6  # statuses and classes of errors that are shown


class Quiet:
    """Says nothing. `watched`: somebody sees what `show` is told."""

    watched = False

    def note(self, text: str) -> None:
        pass

    def begin(self, plan: Plan) -> None:
        pass

    def show(self, live: Live) -> None:
        pass

    def cell(self, done: int, total: int, words: str) -> None:
        pass


class Notes(Quiet):
    """The lines about the work, without a bar: stderr is not a terminal."""

    def note(self, text: str) -> None:
        terminal.note(text)


class Bar(Notes):
    """Lines that move: how far, how fast, how long answers take, and what they are."""

    watched = True

    def __init__(self, progress: Progress, live: LiveDisplay) -> None:
        self._progress, self._live = progress, live
        self._task: TaskID | None = None
        self._plan: Plan | None = None
        self._began = 0.0
        self._before = (0.0, 0)
        self._rates: list[float] = []

    def begin(self, plan: Plan) -> None:
        self._plan = plan
        self._began = time.monotonic()
        total = plan.requests if plan.duration is None else plan.duration + plan.warmup
        self._task = self._progress.add_task("warming up" if plan.warmup else "measuring", total=total, figures="")
        self._live.start()

    def show(self, live: Live) -> None:
        if self._task is None or self._plan is None:
            return
        now = time.monotonic()
        answers = sum(live.counts.values())
        then, before = self._before
        speed = max(0.0, answers - before) / (now - then) if then else 0.0
        self._before = (now, answers)
        if live.measuring and then:
            self._rates = [*self._rates, speed][-_HISTORY:]
        parts = [f"{terminal.count(round(speed))}/s"]
        parts += [f"{terminal.count(count)} {name}" for name, count in live.counts.items() if count]
        parts += [f"{terminal.count(live.errors)} errors"] if live.errors else []
        done = answers if self._plan.duration is None else now - self._began
        self._progress.update(
            self._task,
            completed=done,
            description="measuring" if live.measuring else "warming up",
            figures=" · ".join(parts) if live.measuring else "",
        )
        self._live.update(self._screen(live), refresh=True)

    def _screen(self, live: Live) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        lines = [line for line in (_latency(live, self._rates), _answers(live)) if line]
        return Group(self._progress, *(Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in lines))

    def cell(self, done: int, total: int, words: str) -> None:
        """One of many short measurements begins."""
        if self._task is None:
            self._task = self._progress.add_task("sweeping", total=total, figures="")
            self._live.start()
        self._progress.update(self._task, completed=done, figures=words)


def _latency(live: Live, rates: list[float]) -> str:
    total = live.latency.total
    if not total:
        return ""
    values = live.latency.percentiles([50.0, 99.0, 100.0])
    words = "  ".join(f"{n} {terminal.duration(v / 1e9)}" for n, v in zip(("p50", "p99", "max"), values, strict=True))
    return f"  latency so far  {words}{_drawn(rates)}"


def _drawn(rates: list[float]) -> str:
    """The rate over the last seconds."""
    picture = bench_history.bars(rates, sys.stderr) if len(rates) > 1 else ""
    return f"    rate {picture}" if picture else ""


def _answers(live: Live) -> str:
    from apigw_cli.bench.tally import NETWORK

    statuses = sorted(live.statuses.items(), key=lambda pair: -pair[1])[:_MOST]
    parts = [f"{status}: {count:,}" for status, count in statuses]
    parts += [f"{count:,} {NETWORK[kind]}" for kind, count in list(live.classes.items())[:_MOST]]
    return "  " + " · ".join(parts) if parts else ""


@contextlib.contextmanager
def shown(*, quiet: bool) -> Iterator[Quiet]:
    """What to tell about a run: nothing with `quiet`, lines through a pipe, a moving line on a terminal."""
    if quiet:
        yield Quiet()
    elif not sys.stderr.isatty():
        yield Notes()
    else:
        from rich.live import Live as LiveDisplay
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        console = terminal.console()
        progress = Progress(*columns, console=console)
        live = LiveDisplay(progress, console=console, transient=True, refresh_per_second=4)
        try:
            yield Bar(progress, live)
        finally:
            live.stop()
