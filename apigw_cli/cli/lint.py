"""`apigw lint`: check the configuration and the specifications."""

from __future__ import annotations

import enum
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli import terminal
from apigw_cli.errors import EnvironmentFailure, Exit

if TYPE_CHECKING:
    from apigw_cli.lint.run import Report


class Format(enum.StrEnum):
    stylish = "stylish"
    json = "json"
    sarif = "sarif"
    github = "github"


class Level(enum.StrEnum):
    error = "error"
    warn = "warn"
    info = "info"
    hint = "hint"


def lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Specifications, configurations or stage files. "
            "None: the configuration, its stages and their specifications.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="The configuration to lint without paths.")
    ] = None,
    ruleset: Annotated[
        str, typer.Option(help="apigw:recommended, spectral:oas, apigw:gateway, or a file in Spectral's form.")
    ] = "apigw:recommended",
    fail_severity: Annotated[Level, typer.Option(help="Exit with 4 for a finding this bad or worse.")] = Level.error,
    output_format: Annotated[
        Format, typer.Option("--format", help="stylish for people; json is Spectral's.")
    ] = Format.stylish,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the report to this file.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Run the whole of openapi-spec-validator too (slow).")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Every finding, with its line and more.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only the verdict; beside other formats not even that.")
    ] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="RULE", help="Say what a rule checks, why, and how to fix it; then stop.")
    ] = None,
) -> None:
    """Check specifications and the gateway's configuration; every finding has file:line:column.

    Exit 0: nothing at or above --fail-severity; 4: something is; 1: a file cannot be read; 2: wrong usage.
    """
    if explain is not None:
        from apigw_cli.lint.explain import explain as explained

        terminal.out(explained(explain))
        return
    from apigw_cli.lint.model import Severity
    from apigw_cli.lint.run import Options, run

    options = Options(tuple(paths or ()), config, ruleset, full, Severity[fail_severity.name.upper()])
    with _progress() as progress:
        report = run(options, progress)
    _print(report, output_format, output, verbose=verbose, quiet=quiet)
    if report.blocked:
        raise typer.Exit(Exit.BLOCKED)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
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


def _print(report: Report, form: Format, output: Path | None, *, verbose: bool, quiet: bool) -> None:
    """The report to stdout or a file; the verdict is for people, so it goes to stderr beside other formats."""
    from apigw_cli.lint.reports import machine
    from apigw_cli.lint.reports.stylish import Look, render, verdict

    if form is Format.stylish and output is None:
        for line in render(report, Look(terminal.style, terminal.symbol, verbose, quiet)):
            terminal.out(line)
        return
    plain = Look(verbose=verbose, quiet=quiet)
    text = "\n".join(render(report, plain)) if form is Format.stylish else getattr(machine, form.name)(report)
    if output is None:
        terminal.out(text)
    else:
        _write(output, text + "\n")
    if not quiet or output is not None:
        terminal.note(verdict(report, Look(terminal.style, terminal.symbol, quiet=True)))


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {output}: {error.strerror}") from None
