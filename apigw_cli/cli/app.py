"""The command line: one module per command, grouped; errors become messages and exit codes here only."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from apigw_cli import __version__
from apigw_cli.errors import ApigwError, Exit

app = typer.Typer(
    name="apigw",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="OpenAPI in, a gateway you can lint, run, measure, prove and promote out.",
    epilog="Start here: [bold]apigw init shop && cd shop && apigw serve --workers 2 --upstream[/bold]",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"apigw {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    pass


# Each module holds one command and imports its feature only when it runs: `apigw --help` stays fast.
# START, DEFINE, RUN, MEASURE, PROMOTE are the groups of `apigw --help`.
START, DEFINE, RUN, MEASURE, PROMOTE = "Start", "Define", "Run", "Measure", "Promote"

# COMMANDS (one import and one registration a command; keep the order of a newcomer's way)


def main() -> None:
    """Run the program and exit with its code. Nothing but an intended error is caught: a bug shows itself."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command line in this process and return its exit code."""
    from apigw_cli.cli import terminal

    try:
        app(args=arguments, standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except ApigwError as error:
        terminal.report(error)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FAILED
    return Exit.OK


if __name__ == "__main__":
    main()
