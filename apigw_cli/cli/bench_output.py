"""Where the results of `apigw bench` go: stdout or a file, pictures, and the evidence of a stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from apigw_cli.cli import terminal
from apigw_cli.errors import EnvironmentFailure

if TYPE_CHECKING:
    from apigw_cli.bench.charts import Chart
    from apigw_cli.bench.result import Result

_COLOUR = re.compile(r"\x1b\[[0-9]+m")


class Evidence:
    """What a result is to be attached to. A stage without a release is said before anything is measured."""

    def __init__(self, stage: str | None, config: Path | None) -> None:
        self._target = None
        if stage is not None:
            from apigw_cli.stages import evidence

            self._target = evidence.target(config, stage)

    def keep(self, result: Result) -> None:
        if self._target is None or result.interrupted:
            return
        from apigw_cli.stages import evidence
        from apigw_cli.stages.releases import short

        kept = evidence.attach(self._target, result.summary())
        words = "as evidence" if kept.holds else "as evidence against it"
        terminal.note(f"attached to {self._target.stage}'s release {short(self._target.release)} {words}")


class Pictures:
    """The page and the picture that were asked for. What cannot be drawn is said before anything is measured."""

    def __init__(self, report: Path | None, plot: Path | None) -> None:
        from apigw_cli.bench import drawing

        self._report, self._plot = report, plot
        self._page = drawing.page() if report is not None else None
        self._picture = drawing.picture(plot) if plot is not None else None

    def draw(self, title: str, text: str, charts: list[Chart]) -> None:
        if self._report is not None and self._page is not None:
            _write(self._report, self._page(title.strip(), _COLOUR.sub("", text), charts))
        if self._plot is not None and self._picture is not None:
            if not charts:
                raise EnvironmentFailure(f"{self._plot} was not written: nothing was measured")
            _write(self._plot, self._picture(charts))


def deliver(text: str, to: Path | None, code: int) -> None:
    if to is None:
        terminal.out(text)
    else:
        _write(to, text)
    if code:
        raise typer.Exit(code)


def _write(path: Path, content: str | bytes) -> None:
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(_COLOUR.sub("", content).rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror}") from None
