"""`apigw lint`: check the configuration and the specifications."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli import lint_output, terminal
from apigw_cli.errors import Exit

if TYPE_CHECKING:
    from apigw_cli.lint.report import Report


class Level(enum.StrEnum):
    error = "error"
    warn = "warn"
    info = "info"
    hint = "hint"


def lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Specifications, configurations or stage files; - is stdin. "
            "None: the configuration, its stages and their specifications.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="The configuration to lint without paths.")
    ] = None,
    stdin_file: Annotated[
        str,
        typer.Option("--stdin-filepath", metavar="FILE", help="What stdin is called, and relative to what it refers."),
    ] = "",
    ruleset: Annotated[
        str,
        typer.Option(
            help="apigw:recommended, spectral:oas, apigw:gateway, owasp:api, or a file or URL in Spectral's form.",
            show_default=".spectral.yaml here, else apigw:recommended",
        ),
    ] = "",
    fail_severity: Annotated[Level, typer.Option(help="Exit with 4 for a finding this bad or worse.")] = Level.error,
    max_warnings: Annotated[
        int | None, typer.Option(metavar="N", help="Exit with 4 for more warnings than this.", show_default=False)
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only findings that are not in this file count.")
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option(help="Write what is found now to the baseline (default: .apigw-lint-baseline.json)."),
    ] = False,
    target: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Also what this gateway cannot express: aws-rest, aws-http, kong, nginx, envoy, google, azure, tyk, "
            "traefik.",
        ),
    ] = "",
    check_upstreams: Annotated[
        bool, typer.Option("--check-upstreams", help="Also connect to the upstreams' targets, 2 s each at most.")
    ] = False,
    workers: Annotated[int, typer.Option(metavar="N", help="Lint several files in so many processes.")] = 1,
    cache: Annotated[bool, typer.Option(help="Take the findings of unchanged files from the last run.")] = True,
    timings: Annotated[
        bool,
        typer.Option("--timings", help="Say on stderr how long each rule took (one process, no cache)."),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Lint again whenever a file changes that takes part, until Ctrl-C.")
    ] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can safely be mended, then report the rest.")] = False,
    fix_dry_run: Annotated[
        bool, typer.Option("--fix-dry-run", help="Print what --fix would change, as a diff; exit 3 if anything.")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME[=FILE]",
            help=f"{', '.join(lint_output.FORMATS)}. Repeat it for several at once, each to its file.",
            show_default="stylish",
        ),
    ] = None,
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

        terminal.out(explained(explain, ruleset))
        return
    from apigw_cli.lint.model import Severity
    from apigw_cli.lint.options import Options, checked
    from apigw_cli.lint.run import run

    wanted = lint_output.outputs(formats or [], output)
    options = checked(
        Options(
            tuple(paths or ()),
            config,
            stdin_file,
            ruleset,
            full,
            Severity[fail_severity.name.upper()],
            max_warnings,
            baseline,
            update_baseline,
            target,
            check_upstreams,
            workers,
            cache,
            timings,
            watch,
            fix and not fix_dry_run,
            fix_dry_run,
        )
    )

    def once() -> Report:
        with lint_output.progress() as progress:
            report = run(options, progress)
        if not fix_dry_run:
            lint_output.note_fixes(report, quiet=quiet)
            lint_output.write(report, wanted, verbose=verbose, quiet=quiet)
            lint_output.note_timings(report)
        return report

    if options.watch:
        from apigw_cli.cli.lint_watch import watch as watching

        watching(once, options, [output.file for output in wanted if output.file is not None])
        return
    report = once()
    if fix_dry_run:
        raise typer.Exit(lint_output.write_diff(report, quiet=quiet))
    if report.blocked:
        raise typer.Exit(Exit.BLOCKED)
