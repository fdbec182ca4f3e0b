"""`apigw gc`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format

if TYPE_CHECKING:
    from apigw_cli.stages.catalogue import Sweep


def gc(
    keep: Annotated[int, typer.Option(min=1, help="So many releases of each stage's history are left.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, remove nothing.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """Remove releases that no stage runs, no canary is, and no rollback to the last ones needs."""
    from apigw_cli.cli import changes
    from apigw_cli.stages import catalogue

    found = catalogue.sweep(catalogue.CatalogueOptions(config, keep))
    if found.unwanted and not dry_run:
        catalogue.collect(found)
    if output is Format.JSON:
        changes.print_json(catalogue.swept_as_json(found, removed=not dry_run))
    else:
        _show(found, "would remove" if dry_run else "removed")


def _show(found: Sweep, done: str) -> None:
    from apigw_cli.cli import terminal
    from apigw_cli.stages.releases import short

    left = terminal.plural(found.left, "release")
    if not found.unwanted:
        terminal.out(f"{terminal.symbol('ok')} nothing to remove: all of {left} may still be needed")
        return
    many = terminal.plural(len(found.unwanted), "release")
    terminal.out(f"{terminal.symbol('ok')} {done} {many}, {terminal.size(found.size)}; {left} left")
    for one in found.unwanted:
        terminal.out(f"  {terminal.symbol('dot')} {short(one.digest)}  {one.origin.time if one.origin else '?'}")
