"""`apigw rollback STAGE`: back to what the stage ran before, release and stage file together.

Going back again goes further back: a rollback undoes the change it undid, it is not itself undone by the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.errors import InputError
from apigw_cli.stages import canary, comparison, deployments, diff
from apigw_cli.stages.comparison import Comparison, Subject
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.records import Entry, Pointer
from apigw_cli.stages.releases import short
from apigw_cli.stages.store import Change, Move, entry, moves
from apigw_cli.stages.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RollbackOptions:
    stage: str
    to: str | None = None
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    workspace: Workspace
    stage: str
    comparison: Comparison
    base: Deployment
    revision: Deployment
    generation: int

    @property
    def identical(self) -> bool:
        same = self.base.digest == self.revision.digest
        return same and self.base.stage_file == self.revision.stage_file


def plan(options: RollbackOptions) -> Plan:
    """Find what to go back to and compare. Raises InputError where there is nothing, or it does not compile."""
    workspace = Workspace(options.config)
    stage = options.stage
    workspace.stage_file(stage)
    state = workspace.store.state()
    canary.check_none(state, stage)
    pointer = state.stages.get(stage)
    base = deployments.deployed(workspace, stage)
    if pointer is None or base is None:
        raise InputError(
            f"{stage} has no release yet, so there is nothing to go back from",
            hint=f"give it one: {diff.how_to_fill(workspace, stage)}",
        )
    log = workspace.store.log()
    entries = moves(log.entries, stage)
    wanted = _named(workspace, stage, entries, options.to) if options.to else _before(stage, entries, pointer)
    data = wanted.stage_file or {}
    release = workspace.store.releases.get(wanted.to)
    revision = deployments.build(workspace, release, wanted.to, stage, data)
    notes = [] if log.broken is None else [f"the audit log is broken at line {log.broken}: see apigw history {stage}"]
    if data != workspace.stage_data(stage):
        label = workspace.stage_file(stage).label
        notes.append(f"with the stage file as it was recorded then; {label} says something else now")
    compared = comparison.make(
        diff.subject(workspace, stage, base),
        Subject("history", wanted.to, revision.routes, wanted.time),
        comparison.of_deployments(base, revision),
        (),
        notes,
    )
    return Plan(workspace, stage, compared, base, revision, pointer.generation)


def _before(stage: str, entries: Sequence[Entry], pointer: Pointer) -> Entry:
    """What the stage ran before what it runs now, rollbacks followed back."""
    stack: list[Entry] = []
    for move in entries:
        if move.action == "rollback":
            depth = next((i for i in range(len(stack) - 1, -1, -1) if _same(stack[i], move)), None)
            if depth is not None:
                del stack[depth + 1 :]
                continue
        if not stack or not _same(stack[-1], move):
            stack.append(move)
    while stack and (stack[-1].to, stack[-1].stage_file or {}) == (pointer.release, pointer.stage_file):
        stack.pop()
    if not stack:
        raise InputError(
            f"{stage} has run nothing before {short(pointer.release)}",
            hint=f"its history: apigw history {stage}",
        )
    return stack[-1]


def _same(one: Entry, other: Entry) -> bool:
    return one.to == other.to and (one.stage_file or {}) == (other.stage_file or {})


def _named(workspace: Workspace, stage: str, entries: Sequence[Entry], prefix: str) -> Entry:
    """The newest time that the stage ran the release."""
    digest = workspace.store.releases.find(prefix)
    for move in reversed(entries):
        if move.to == digest:
            return move
    ran = dict.fromkeys(short(move.to) for move in reversed(entries))
    raise InputError(f"{stage} has never run {short(digest)}", hint=f"it has run: {', '.join(ran)}")


def apply(plan: Plan) -> None:
    """Move the stage back. Raises StaleError where it moved since, or somebody else is at it."""
    done = entry(
        action="rollback",
        stage=plan.stage,
        source="history",
        before=plan.base.digest,
        to=plan.revision.digest,
        verdict="applied",
        stage_file=plan.revision.stage_file,
    )
    move = Move(plan.stage, plan.revision.digest, plan.revision.stage_file)
    expected = {plan.stage: plan.generation}
    plan.workspace.store.commit(Change(f"rollback {plan.stage}", (done,), (move,), (), expected))
