"""`apigw diff`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.errors import Exit


class Format(enum.StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class FailOn(enum.StrEnum):
    BREAKING = "breaking"
    WEAKENING = "weakening"
    WARN = "warn"


class Stability(enum.StrEnum):
    DRAFT = "draft"
    ALPHA = "alpha"
    BETA = "beta"
    STABLE = "stable"


def _rules(wanted: str | None) -> None:
    """Print the table of rules and end."""
    if wanted is None:
        return
    from apigw_cli.cli import terminal
    from apigw_cli.stages.contract import table

    if wanted not in ("text", "markdown"):
        raise typer.BadParameter("text or markdown", param_hint="--rules")
    terminal.out(table.markdown().rstrip() if wanted == "markdown" else "\n".join(table.plain()))
    raise typer.Exit


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A stage, release:DIGEST, git:REV:PATH, a file or a URL.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 where anything differs.")] = False,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option("--fail-on", help="Exit 4 where there is such a change; may be repeated.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every change, with its reason.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The verdict only.")] = False,
    levels: Annotated[
        Path | None, typer.Option("--levels", help="A file of lines `RULE err|warn|info|none` (oasdiff's form).")
    ] = None,
    sunset_days: Annotated[
        int | None, typer.Option("--sunset-days", min=0, help="Days that a deprecation must give until its x-sunset.")
    ] = None,
    stability: Annotated[
        Stability | None, typer.Option("--stability", help="Lowest x-stability-level whose changes can break [beta].")
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="text|markdown", is_eager=True, callback=_rules, help="List the rules; end."),
    ] = None,
) -> None:
    """Show what changes for clients and for protection.

    Two stages: what promoting A to B would change (B as it is, against A's release with B's own stage file). Two
    files, releases or git revisions: from A to B. A bare word is a declared stage, else a path.
    """
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import report
    from apigw_cli.stages.diff import DiffOptions
    from apigw_cli.stages.diff import diff as compare

    comparison = compare(DiffOptions(a, b, config, levels, sunset_days, stability))
    if output is Format.JSON:
        changes.print_json(report.as_json(comparison))
    elif output is Format.MARKDOWN:
        terminal.out(report.markdown(comparison).rstrip())
    else:
        changes.show(comparison, verbose=verbose, quiet=quiet)
        if not quiet:
            changes.next_command(comparison.next)
    counts = comparison.counts
    hit = {
        FailOn.BREAKING: counts.breaking,
        FailOn.WEAKENING: counts.weakening,
        FailOn.WARN: counts.breaking + counts.weakening + counts.warnings,
    }
    if any(hit[level] for level in fail_on or ()):
        raise typer.Exit(Exit.BLOCKED)
    if exit_code and comparison.findings:
        raise typer.Exit(Exit.DIFFERENT)
