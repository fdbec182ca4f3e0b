"""`apigw gc`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def gc(
    keep: Annotated[int, typer.Option(min=1, help="So many releases of each stage's history are left.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, remove nothing.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
) -> None:
    """Remove releases that no stage runs, no canary is, and no rollback to the last ones needs."""
    from apigw_cli.cli import terminal
    from apigw_cli.stages import catalogue
    from apigw_cli.stages.releases import short

    found = catalogue.sweep(catalogue.CatalogueOptions(config, keep))
    left = terminal.plural(found.left, "release")
    if not found.unwanted:
        terminal.out(f"{terminal.symbol('ok')} nothing to remove: all of {left} may still be needed")
        return
    if not dry_run:
        catalogue.collect(found)
    done = "would remove" if dry_run else "removed"
    many = terminal.plural(len(found.unwanted), "release")
    terminal.out(f"{terminal.symbol('ok')} {done} {many}, {terminal.size(found.size)}; {left} left")
    for one in found.unwanted:
        terminal.out(f"  {terminal.symbol('dot')} {short(one.digest)}  {one.origin.time if one.origin else '?'}")
