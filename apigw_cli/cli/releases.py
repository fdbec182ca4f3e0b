"""`apigw releases`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format

if TYPE_CHECKING:
    from apigw_cli.stages.catalogue import Kept


def releases(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """List the releases that are kept, newest first: what runs them, who made them, from which commit."""
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import catalogue

    found = catalogue.releases(catalogue.CatalogueOptions(config))
    if output is Format.JSON:
        changes.print_json(catalogue.as_json(found))
        return
    if not found:
        terminal.out(f"{terminal.symbol('dot')} there are no releases yet")
        changes.next_command("apigw deploy STAGE")
        return
    rows = [_cells(one) for one in found]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for one, row in zip(found, rows, strict=True):
        sign = "ok" if one.stages else "warn" if one.canaries else "dot"
        cells = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        terminal.out(f"{terminal.symbol(sign)} {cells}  {_runs(one)}".rstrip())


def _cells(one: Kept) -> tuple[str, str, str, str]:
    from apigw_cli.stages.releases import short

    origin = one.origin
    git = origin.git if origin else None
    commit = f"git {git.commit[:7]}{' and edits' if git.dirty else ''}" if git else "no git"
    return short(one.digest), origin.time if origin else "?", origin.who if origin else "?", commit


def _runs(one: Kept) -> str:
    return ", ".join((*one.stages, *(f"{stage} (canary)" for stage in one.canaries)))
