"""A promotion: the move that was planned, in one step, or the attempt that the gates stopped; both are logged."""

from __future__ import annotations

from typing import Any

import msgspec

from apigw_cli.snapshot.release import Release
from apigw_cli.stages import gates, report
from apigw_cli.stages.grouping import Group, groups
from apigw_cli.stages.planning import Plan
from apigw_cli.stages.records import Canary, Entry, Origin
from apigw_cli.stages.store import Change, Move, entry


def apply(plan: Plan) -> None:
    """Make the move, as it was planned. Raises StaleError where a stage moved since, or somebody else is at it."""
    moves = [_move(plan)]
    entries = [_entry(plan, applied=True)]
    releases: list[tuple[Release, Origin]] = []
    if plan.first:
        workspace = plan.workspace
        data = workspace.stage_data(plan.source)
        moves.insert(0, Move(plan.source, plan.revision.digest, data))
        entries.insert(0, _first(plan))
        origin = workspace.origin(workspace.compile(plan.source), plan.source)
        releases.append((workspace.release, origin))
    doing = f"promote {plan.source} {plan.target}"
    change = Change(doing, tuple(entries), tuple(moves), tuple(releases), plan.expected)
    plan.workspace.store.commit(change)


def _move(plan: Plan) -> Move:
    if plan.canary is None or plan.base is None:
        return Move(plan.target, plan.revision.digest, plan.revision.stage_file)
    beside = Canary(plan.revision.digest, plan.revision.stage_file, plan.canary.percent, plan.canary.by, plan.source)
    return Move(plan.target, plan.base.digest, plan.base.stage_file, beside)


def refuse(plan: Plan) -> None:
    """Log an attempt that the gates stopped."""
    doing = f"promote {plan.source} {plan.target}"
    plan.workspace.store.commit(Change(doing, (_entry(plan, applied=False),)))


def blockers(plan: Plan) -> list[Group]:
    """The findings that stand in the way."""
    return groups(gates.blocking(plan.config, plan.comparison.findings, plan.accepted))


def _entry(plan: Plan, *, applied: bool) -> Entry:
    failed = tuple(gate.name for gate in plan.gates if not gate.holds and gate.why)
    return entry(
        action="canary" if plan.canary else "promote",
        stage=plan.target,
        source=plan.source,
        before=plan.base.digest if plan.base else None,
        to=plan.revision.digest,
        verdict="applied" if applied else "blocked",
        stage_file=plan.revision.stage_file if applied else None,
        blocked_by=() if applied else (*(group.fingerprint for group in blockers(plan)), *failed),
        accepted=plan.accepted,
        forced=plan.forced,
        reason=plan.reason,
        lint=plan.linted,
        canary=plan.canary.percent if plan.canary else None,
    )


def _first(plan: Plan) -> Entry:
    return entry(
        action="deploy",
        stage=plan.source,
        source="working files",
        before=None,
        to=plan.revision.digest,
        verdict="applied",
        stage_file=plan.workspace.stage_data(plan.source),
    )


def as_json(plan: Plan, outcome: str) -> dict[str, Any]:
    """The plan and what became of it, as `--format json` prints it (docs/stages.md)."""
    return {
        "version": 1,
        "action": "promote",
        "source": plan.source,
        "target": plan.target,
        "outcome": outcome,
        "gates": [{"name": gate.name, "holds": gate.holds, "why": gate.why} for gate in plan.gates],
        "accepted": msgspec.to_builtins(plan.accepted),
        "forced": plan.forced,
        "canary": msgspec.to_builtins(plan.canary) if plan.canary else None,
        "diff": report.as_json(plan.comparison),
    }
