"""`apigw verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.cli.formats import Format
from apigw_cli.errors import Exit


def verify(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """Check that releases, pointers, evidence and the audit log are as they were written; exit 4 where not.

    The log is a chain of hashes: a line that was changed, taken out or put in later is located.
    """
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import catalogue

    found = catalogue.verify(catalogue.CatalogueOptions(config))
    if output is Format.JSON:
        changes.print_json(catalogue.verified_as_json(found))
    else:
        looked = (
            f"{terminal.plural(found.releases, 'release')}, {terminal.plural(found.stages, 'stage')}, "
            f"{terminal.plural(found.lines, 'line')} of the audit log, {found.evidence} attached as evidence"
        )
        if found.problems:
            terminal.out(f"{terminal.symbol('bad')} {terminal.plural(len(found.problems), 'problem')} in {looked}")
        else:
            terminal.out(f"{terminal.symbol('ok')} all is as it was written: {looked}")
        for problem in found.problems:
            terminal.out(f"  {terminal.symbol('bad')} {problem.place}  {problem.message}")
        if found.problems:
            changes.next_command("restore .apigw from version control: git log -- .apigw")
    if found.problems:
        raise typer.Exit(Exit.BLOCKED)
