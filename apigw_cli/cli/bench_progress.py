"""What is seen while a bench runs: one line on a terminal's stderr, gone when it is done."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from apigw_cli.cli import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from apigw_cli.bench.coordinator import Live
    from apigw_cli.bench.plan import Plan


class Quiet:
    """Says nothing."""

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
    """A line that moves: how far, how fast, and what the answers are."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._plan: Plan | None = None
        self._began = 0.0
        self._before = (0.0, 0)

    def begin(self, plan: Plan) -> None:
        self._plan = plan
        self._began = time.monotonic()
        total = plan.requests if plan.duration is None else plan.duration + plan.warmup
        self._task = self._progress.add_task("warming up" if plan.warmup else "measuring", total=total, figures="")
        self._progress.start()

    def show(self, live: Live) -> None:
        if self._task is None or self._plan is None:
            return
        now = time.monotonic()
        answers = sum(live.counts.values())
        then, before = self._before
        speed = max(0.0, answers - before) / (now - then) if then else 0.0
        self._before = (now, answers)
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

    def cell(self, done: int, total: int, words: str) -> None:
        """One of many short measurements begins."""
        if self._task is None:
            self._task = self._progress.add_task("sweeping", total=total, figures="")
            self._progress.start()
        self._progress.update(self._task, completed=done, figures=words)


@contextlib.contextmanager
def shown(*, quiet: bool) -> Iterator[Quiet]:
    """What to tell about a run: nothing with `quiet`, lines through a pipe, a moving line on a terminal."""
    if quiet:
        yield Quiet()
    elif not sys.stderr.isatty():
        yield Notes()
    else:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        progress = Progress(*columns, console=terminal.console(), transient=True, refresh_per_second=4)
        try:
            yield Bar(progress)
        finally:
            progress.stop()
