"""The command line: one module per command, grouped; errors become messages and exit codes here only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from apigw_cli import __version__

# Each module holds one command and imports its feature only when it runs: `apigw --help` stays fast.
from apigw_cli.cli.bench import bench
from apigw_cli.cli.compare import compare
from apigw_cli.cli.demo import demo
from apigw_cli.cli.deploy import deploy
from apigw_cli.cli.diff import diff
from apigw_cli.cli.explain import explain
from apigw_cli.cli.generate import generate
from apigw_cli.cli.help import GroupedCommands
from apigw_cli.cli.history import history
from apigw_cli.cli.init import init
from apigw_cli.cli.keys import keys
from apigw_cli.cli.limiter import limiter
from apigw_cli.cli.lint import lint
from apigw_cli.cli.passwd import passwd
from apigw_cli.cli.promote import promote
from apigw_cli.cli.rollback import rollback
from apigw_cli.cli.routes import routes
from apigw_cli.cli.serve import serve
from apigw_cli.cli.token import token
from apigw_cli.cli.top import top
from apigw_cli.cli.upstream import upstream
from apigw_cli.errors import ApigwError, Exit

app = typer.Typer(
    name="apigw",
    cls=GroupedCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="OpenAPI in, a gateway you can lint, run, measure, prove and promote out.",
    epilog="Start here: apigw init shop && cd shop && apigw serve --workers 2 --upstream",
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


# The groups of `apigw --help`, each command with its example, in the order of a newcomer's way.
COMMANDS: dict[str, list[tuple[Callable[..., None], str]]] = {
    "Start": [
        (init, "apigw init shop && cd shop && apigw lint"),
        (demo, "apigw demo"),
    ],
    "Define": [
        (lint, "apigw lint openapi.yaml --fail-severity warn"),
        (routes, "apigw routes --stage prod"),
        (explain, "apigw explain GET /v1/pets/7"),
        (generate, "apigw generate nginx -o nginx.conf"),
    ],
    "Run": [
        (serve, "apigw serve --workers 2 --upstream"),
        (top, "apigw top --once --format json"),
        (limiter, "apigw limiter --workers 2"),
        (upstream, "apigw upstream --port 9001 --latency 5"),
    ],
    "Measure": [
        (bench, "apigw bench --verify-limits --workers 2"),
        (compare, "apigw compare before.json after.json --tolerance 10%"),
    ],
    "Credentials": [
        (passwd, "apigw passwd alice"),
    ],
    "Promote": [
        (deploy, "apigw deploy qa"),
        (diff, "apigw diff qa prod"),
        (promote, "apigw promote qa prod"),
        (rollback, "apigw rollback prod"),
        (history, "apigw history prod"),
    ],
}

for _group, _commands in COMMANDS.items():
    for _command, _example in _commands:
        app.command(_command.__name__, rich_help_panel=_group, epilog=f"Example: {_example}")(_command)


for _commands_of in (keys, token):
    app.add_typer(_commands_of, rich_help_panel="Credentials")


def main() -> None:
    """Run the program and exit with its code. Nothing but an intended error is caught: a bug shows itself."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command line in this process and return its exit code."""
    from apigw_cli.cli import terminal

    try:
        app(args=arguments, prog_name="apigw", standalone_mode=True)
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
