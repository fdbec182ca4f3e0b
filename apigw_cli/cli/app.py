"""The command line: one module per command, grouped; errors become messages and exit codes here only."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from apigw_cli import __version__
from apigw_cli.cli.help import GroupedCommands
from apigw_cli.errors import ApigwError, Exit

# The groups of `apigw --help`, each command with its example, in the order of a newcomer's way. A command is the
# function of that name in the module of that name, and imports its feature only when it runs.
COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "apigw init shop && cd shop && apigw lint",
        "demo": "apigw demo",
    },
    "Define": {
        "lint": "apigw lint openapi.yaml --fail-severity warn",
        "routes": "apigw routes --stage prod",
        "explain": "apigw explain GET /v1/pets/7",
        "generate": "apigw generate nginx -o nginx.conf",
    },
    "Run": {
        "serve": "apigw serve --workers 2 --upstream",
        "top": "apigw top --once --format json",
        "limiter": "apigw limiter --workers 2",
        "upstream": "apigw upstream --port 9001 --latency 5",
    },
    "Measure": {
        "bench": "apigw bench --verify-limits --workers 2",
        "compare": "apigw compare before.json after.json --tolerance 10%",
    },
    "Credentials": {
        "passwd": "apigw passwd alice",
    },
    "Promote": {
        "deploy": "apigw deploy qa",
        "diff": "apigw diff qa prod",
        "promote": "apigw promote qa prod",
        "canary": "apigw canary prod status",
        "rollback": "apigw rollback prod",
        "history": "apigw history prod",
        "releases": "apigw releases",
        "verify": "apigw verify",
        "gc": "apigw gc --keep 5 --dry-run",
    },
}
# Commands with commands of their own, by their group.
FAMILIES = {"cache": "Run", "keys": "Credentials", "token": "Credentials"}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"apigw {__version__}")
        raise typer.Exit


def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    pass


def program(only: str = "") -> typer.Typer:
    """The command line with every command; with that one alone if `only` names one: it starts in half the time."""
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
    app.callback()(root)
    every = only not in FAMILIES and not any(only in commands for commands in COMMANDS.values())
    for group, commands in COMMANDS.items():
        for name, example in commands.items():
            if every or name == only:
                style = {"cls": _found(name, "COMMAND"), "rich_help_panel": group, "epilog": f"Example: {example}"}
                app.command(name, **style)(_found(name))
    for name, group in FAMILIES.items():
        if every or name == only:
            app.add_typer(_found(name), rich_help_panel=group)
    return app


def _found(name: str, what: str = "") -> Any:
    """A command's function, or something else of its module (`COMMAND`: how its words are read); None: it has none."""
    return getattr(import_module(f"apigw_cli.cli.{name}"), what or name, None)


def main() -> None:
    """Run the program and exit with its code. Nothing but an intended error is caught: a bug shows itself."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command line in this process and return its exit code."""
    from apigw_cli.cli import terminal

    given = sys.argv[1:] if arguments is None else arguments
    try:
        program(*given[:1])(args=given, prog_name="apigw", standalone_mode=True)
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
