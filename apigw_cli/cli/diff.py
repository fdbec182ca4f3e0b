"""`apigw diff`."""

from __future__ import annotations

import enum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from apigw_cli.errors import ApigwError, EnvironmentFailure, Exit, UsageError

if TYPE_CHECKING:
    from apigw_cli.stages.comparison import Comparison, Counts
    from apigw_cli.stages.diff import DiffOptions


class Format(enum.StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"
    GITHUB = "github"
    SARIF = "sarif"
    GITLAB = "gitlab"


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


class ExitStyle(enum.StrEnum):
    """Whose exit codes tell of differences: `terraform plan -detailed-exitcode`'s, or those of `diff` and kubectl."""

    HOUSE = "house"
    TERRAFORM = "terraform"
    DIFF = "diff"

    @property
    def different(self) -> int:
        return {ExitStyle.HOUSE: int(Exit.DIFFERENT), ExitStyle.TERRAFORM: 2, ExitStyle.DIFF: 1}[self]

    def failed(self, house: int) -> int:
        """The code of a failure, wrong usage included: never the one that says that something differs."""
        return {ExitStyle.HOUSE: house, ExitStyle.TERRAFORM: 1, ExitStyle.DIFF: 2}[self]


class DiffCommand(TyperCommand):
    """Wrong usage ends with the code that the exit style has for failures."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        style = _style_in(list(args))
        try:
            return super().make_context(info_name, args, parent, **extra)
        except Exception as error:
            if getattr(error, "exit_code", None) == Exit.USAGE:
                error.exit_code = style.failed(Exit.USAGE)  # type: ignore[attr-defined]
            raise


COMMAND = DiffCommand


def _style_in(args: list[str]) -> ExitStyle:
    """What was asked for, on a command line that cannot be understood otherwise."""
    words = " ".join(args).replace("--exit-style=", "--exit-style ").split()
    asked = [after for before, after in pairwise(words) if before == "--exit-style"]
    return ExitStyle(asked[-1]) if asked and asked[-1] in list(ExitStyle) else ExitStyle.HOUSE


def diff(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="A stage, release:DIGEST, git:REV:PATH, a file or a URL.", show_default=False),
    ] = "",
    b: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.", show_default=False)] = "",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it.", show_default="stdout")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 where anything differs.")] = False,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option("--fail-on", help="Exit 4 where there is such a change; may be repeated.")
    ] = None,
    exit_style: Annotated[
        ExitStyle,
        typer.Option(
            "--exit-style",
            help="terraform: 0 same, 1 failed, 2 differs. diff: 0 same, 1 differs, 2 failed. Both imply --exit-code.",
        ),
    ] = ExitStyle.HOUSE,
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
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of --format json and stop.")] = False,
) -> None:
    """Show what changes for clients and for protection.

    Two stages: what promoting A to B would change (B as it is, against A's release with B's own stage file). Two
    files, releases or git revisions: from A to B. A bare word is a declared stage, else a path.
    """
    if schema:
        _print_schema()
        return
    from apigw_cli.stages.diff import DiffOptions

    try:
        options = DiffOptions(a, b, config, levels, sunset_days, stability)
        comparison = _compare(options, exit_style, fails=bool(fail_on))
        _write(comparison, form, output, verbose=verbose, quiet=quiet)
    except ApigwError as error:
        error.exit_code = exit_style.failed(error.exit_code)  # type: ignore[assignment]
        raise
    if any(_hit(comparison.counts)[level] for level in fail_on or ()):
        raise typer.Exit(Exit.BLOCKED)
    if (exit_code or exit_style is not ExitStyle.HOUSE) and comparison.findings:
        raise typer.Exit(exit_style.different)


def _print_schema() -> None:
    from apigw_cli.cli import changes
    from apigw_cli.stages.reports.document import schema

    changes.print_json(schema())


def _compare(options: DiffOptions, style: ExitStyle, *, fails: bool) -> Comparison:
    from apigw_cli.stages.diff import diff as compare

    if not options.a or not options.b:
        raise UsageError("diff compares two things", hint="as in: apigw diff qa prod, or apigw diff old.yaml new.yaml")
    if fails and style is not ExitStyle.HOUSE:
        raise UsageError(
            f"--fail-on has no exit code of its own in --exit-style {style}",
            hint="leave one of the two out: --fail-on ends with 4",
        )
    return compare(options)


def _write(comparison: Comparison, form: Format, output: Path | None, *, verbose: bool, quiet: bool) -> None:
    from apigw_cli.cli import changes, terminal

    if form is not Format.TEXT:
        from apigw_cli.stages.reports.formats import FORMATS

        _put(FORMATS[form](comparison), output)
    elif output is not None:
        raise UsageError("-o writes reports, not text for a terminal", hint="choose one with --format")
    if form is Format.TEXT or (output is not None and not quiet):
        changes.show(comparison, verbose=verbose, quiet=quiet or form is not Format.TEXT)
    if form is Format.TEXT and not quiet:
        changes.next_command(comparison.next)
    if form is not Format.TEXT and output is not None and not quiet:
        terminal.out(f"wrote {output}")


def _put(text: str, output: Path | None) -> None:
    from apigw_cli.cli import terminal

    if output is None:
        if text:
            terminal.out(text.removesuffix("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {output}: {error.strerror}") from None


def _hit(counts: Counts) -> dict[FailOn, int]:
    return {
        FailOn.BREAKING: counts.breaking,
        FailOn.WEAKENING: counts.weakening,
        FailOn.WARN: counts.breaking + counts.weakening + counts.warnings,
    }
