"""`apigw history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format
from apigw_cli.errors import Exit

if TYPE_CHECKING:
    from apigw_cli.stages.history import Event, History


def history(
    stage: Annotated[str, typer.Argument(help="The stage.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """Show what a stage has run and what was refused, newest first.

    The log is a chain: a line that was changed or taken out is found, and the command ends with exit 4.
    """
    from apigw_cli.cli import changes
    from apigw_cli.stages import history as histories

    found = histories.history(histories.HistoryOptions(stage, config))
    if output is Format.JSON:
        changes.print_json(histories.as_json(found))
    else:
        _show(found)
    if found.broken is not None:
        raise typer.Exit(Exit.BLOCKED)


def _show(found: History) -> None:
    from apigw_cli.cli import changes, terminal

    if found.broken is not None:
        words = f"the audit log is broken: line {found.broken} does not follow from the line before it"
        terminal.out(f"{terminal.symbol('bad')} {words}")
    if not found.events:
        terminal.out(f"{terminal.symbol('dot')} {found.stage} has no history yet")
    rows = [_cells(event) for event in found.events]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    for event, row in zip(found.events, rows, strict=True):
        sign = "ok" if event.current else "dot" if event.entry.verdict == "applied" else "bad"
        cells = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        terminal.out(f"{terminal.symbol(sign)} {cells.rstrip()}")
        if event.entry.reason and not event.entry.accepted:
            terminal.out(f"    reason  {event.entry.reason}")
        for accepted in event.entry.accepted:
            until = f" until {accepted.expires}" if accepted.expires else ""
            terminal.out(f"    accepted  {accepted.operation}: {accepted.message}  “{accepted.reason}”{until}")
    changes.next_command(found.next)


_WORDS = {"rollback": "rollback", "evidence": "bench result"}


def _cells(event: Event) -> tuple[str, str, str, str, str]:
    from apigw_cli.stages.releases import short

    entry = event.entry
    verdict: str = "now" if event.current else entry.verdict
    if entry.verdict == "blocked":
        verdict = f"blocked by {len(entry.blocked_by)}"
    what = _WORDS.get(entry.action) or f"{entry.action} from {entry.source}"
    if entry.action == "canary":
        what = f"canary at {entry.canary:g} %" if entry.canary else "canary ended"
    if entry.evidence is not None:
        what += " that held" if entry.evidence.holds else " that did not hold"
    if entry.forced:
        what += " (forced)"
    return short(entry.to), entry.time, entry.who, what, verdict
