"""Where the reports of lint go: several at once, each to a file, one of them to stdout."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apigw_cli.cli import terminal
from apigw_cli.errors import Exit, UsageError

if TYPE_CHECKING:
    from apigw_cli.lint.report import Report

FORMATS = ("stylish", "json", "sarif", "junit", "html", "markdown", "github", "gitlab")


@dataclass(frozen=True, slots=True)
class Output:
    """One report: its format, and the file it goes to; None: stdout."""

    form: str
    file: Path | None = None


def outputs(formats: list[str], file: Path | None) -> tuple[Output, ...]:
    """What `--format NAME[=FILE] …` and `-o FILE` ask for. Raises UsageError for what makes no sense."""
    found = []
    for text in formats or ["stylish"]:
        form, has_file, name = text.partition("=")
        if form not in FORMATS:
            raise UsageError(
                f'there is no format "{form}"', hint=f"known: {', '.join(FORMATS)}; each also as NAME=FILE"
            )
        if has_file and not name:
            raise UsageError(f"--format {text} names no file", hint=f"write --format {form}=FILE")
        found.append(Output(form, Path(name) if has_file else None))
    return _distinct(tuple(found), file)


def _distinct(found: tuple[Output, ...], file: Path | None) -> tuple[Output, ...]:
    open_ones = [output for output in found if output.file is None]
    if len(open_ones) > 1:
        forms = " and ".join(output.form for output in open_ones)
        raise UsageError(f"{forms} cannot both go to stdout", hint=f"write --format {open_ones[0].form}=FILE")
    if file is not None and not open_ones:
        raise UsageError("every --format has its own file: -o has none to write")
    found = tuple(Output(output.form, output.file or file) for output in found)
    files = [output.file.resolve() for output in found if output.file is not None]
    if len(set(files)) < len(files):
        raise UsageError("two reports cannot go to one file")
    return found


def write(report: Report, wanted: tuple[Output, ...], *, verbose: bool, quiet: bool) -> None:
    """Every report to its place; the verdict is for people: it goes to stderr unless stylish has stdout."""
    for output in wanted:
        if output.file is not None:
            _to_file(report, output, verbose=verbose, quiet=quiet)
    shown = next((output for output in wanted if output.file is None), None)
    if shown is not None and shown.form == "stylish":
        _stylish(report, verbose=verbose, quiet=quiet)
        return
    if shown is not None:
        terminal.out(_text(report, shown.form))
    if not quiet or shown is None:
        from apigw_cli.lint.reports.stylish import Look, verdict

        terminal.note(verdict(report, Look(terminal.style, terminal.symbol, quiet=True)))


def write_diff(report: Report, *, quiet: bool) -> int:
    """What would be fixed, as a diff on stdout; the exit code."""
    for file in report.fixed:
        for line in file.diff():
            sys.stdout.write(line)
    note_fixes(report, quiet=quiet, done="can be fixed")
    return Exit.DIFFERENT if any(file.is_changed for file in report.fixed) else Exit.OK


def note_fixes(report: Report, *, quiet: bool, done: str = "fixed") -> None:
    """How much was fixed, and what was not although its rule has a fix, on stderr."""
    changed = [file for file in report.fixed if file.is_changed]
    if changed and not quiet:
        count = sum(file.fixes for file in changed)
        terminal.note(
            f"{terminal.symbol('ok', sys.stderr)} {count:,} {done} in {terminal.plural(len(changed), 'file')}"
        )
    for file in report.fixed if not quiet else ():
        for (place, code), reason in sorted(file.left.items()):
            terminal.note(f"{place}  not fixed  {code}  {reason}")


def note_timings(report: Report) -> None:
    """How long each rule took, on stderr, where that was asked for."""
    for line in report.stopwatch.lines() if report.stopwatch is not None else ():
        terminal.note(line)


def _stylish(report: Report, *, verbose: bool, quiet: bool) -> None:
    from apigw_cli.lint.reports.stylish import WIDTH, Look, render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    for line in render(report, Look(terminal.style, terminal.symbol, verbose, quiet, width)):
        terminal.out(line)


def _to_file(report: Report, output: Output, *, verbose: bool, quiet: bool) -> None:
    from apigw_cli.lint.files import replace
    from apigw_cli.lint.reports.stylish import Look, render

    assert output.file is not None
    if output.form == "stylish":
        text = "\n".join(render(report, Look(verbose=verbose, quiet=quiet)))
    else:
        text = _text(report, output.form)
    replace(output.file, (text + "\n").encode("utf-8", "replace"))


def _text(report: Report, form: str) -> str:
    from apigw_cli.lint.reports.formats import text_of

    return text_of(report, form)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on a terminal's stderr: shown after half a second, gone when done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    doing = ["reading"]
    finished = threading.Event()

    def show() -> None:
        if finished.wait(0.5):
            return
        with terminal.console().status(doing[0]) as status:
            while not finished.wait(0.1):
                status.update(doing[0])

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield lambda text: doing.__setitem__(0, text)
    finally:
        finished.set()
        thread.join()
