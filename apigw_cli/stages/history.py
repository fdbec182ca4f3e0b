"""`apigw history STAGE`: what it has run and what was refused, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.stages.records import Entry, Origin
from apigw_cli.stages.workspace import Workspace


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    stage: str
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a stage's history. `current`: this is what the stage runs."""

    entry: Entry
    origin: Origin | None
    current: bool


@dataclass(frozen=True, slots=True)
class History:
    """Events newest first; `broken` is the line of the audit log that does not follow from the one before it."""

    stage: str
    events: tuple[Event, ...]
    broken: int | None
    next: str = ""


def history(options: HistoryOptions) -> History:
    """The history of a stage. Raises UsageError for a stage that is not declared."""
    workspace = Workspace(options.config)
    workspace.stage_file(options.stage)
    log = workspace.store.log()
    pointer = workspace.pointer(options.stage)
    events = []
    found = pointer is None
    for entry in reversed([entry for entry in log.entries if entry.stage == options.stage]):
        now = not found and entry.moves and pointer is not None and entry.to == pointer.release
        found = found or now
        events.append(Event(entry, workspace.store.releases.origin(entry.to), now))
    return History(options.stage, tuple(events), log.broken)


def as_json(history: History) -> dict[str, Any]:
    """The history as `--format json` prints it (docs/stages.md)."""
    events = []
    for event in history.events:
        plain = msgspec.to_builtins(event.entry)
        commit = event.origin.git if event.origin else None
        events.append({**plain, "current": event.current, "git": msgspec.to_builtins(commit) if commit else None})
    return {"version": 1, "stage": history.stage, "broken_line": history.broken, "events": events}
