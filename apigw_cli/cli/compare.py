"""`apigw compare`: two results of `apigw bench`, and whether they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from apigw_cli.cli import terminal
from apigw_cli.errors import UsageError

TOLERANCE = "5%"


def compare(
    base: Annotated[Path, typer.Argument(metavar="A.json", help="The base.")],
    revision: Annotated[Path, typer.Argument(metavar="B.json", help="What is compared with it.")],
    tolerance: Annotated[str, typer.Option(metavar="PERCENT", help="How much worse is no regression.")] = TOLERANCE,
    output: Annotated[Literal["text", "json"], typer.Option("--format", help="How to print the result.")] = "text",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the verdict.")] = False,
) -> None:
    """Compare two results of `apigw bench --format json`: how much changed, and whether that is real or noise.

    The unit is the run. One run each shows a change, six pairs or more can show that it is real: make them with
    `apigw bench --repeat 8`, or better in turn with `apigw bench URL --against BASE`.

    Exit codes: 0, 4 a regression beyond the tolerance, 7 not trustworthy or too few runs to tell, 1 no result.
    """
    from apigw_cli.bench import comparison, results
    from apigw_cli.bench.comparison import Figures
    from apigw_cli.cli import compare_report

    a, b = ([Figures.of(run) for run in results.read(path)] for path in (base, revision))
    found = comparison.compare((str(base), str(revision)), a, b, part_of(tolerance))
    terminal.out(found.encode().decode() if output == "json" else compare_report.text(found, quiet=quiet))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def part_of(percent: str) -> float:
    """`5%` as 0.05. Raises UsageError."""
    from apigw_cli.config.values import parse_percent

    try:
        return float(parse_percent(percent))
    except ValueError as error:
        raise UsageError(f"--tolerance: {error}") from None
