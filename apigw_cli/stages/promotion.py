"""`apigw promote A B`: plan, gates, and the move itself. The plan that was shown is the one that is applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.errors import UsageError
from apigw_cli.snapshot.release import Release
from apigw_cli.stages import deployments, diff, gates, report
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.gates import Gate
from apigw_cli.stages.grouping import Group, groups
from apigw_cli.stages.records import Accepted, Entry, Origin
from apigw_cli.stages.store import Change, Move, entry
from apigw_cli.stages.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PromoteOptions:
    source: str
    target: str
    config: Path | None = None
    accept: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a promotion would do. `first` says that the source gets its first release by it."""

    workspace: Workspace
    source: str
    target: str
    comparison: Comparison
    gates: tuple[Gate, ...]
    accepted: tuple[Accepted, ...]
    base: Deployment | None
    revision: Deployment
    expected: dict[str, int]
    first: bool
    reason: str
    forced: bool

    @property
    def identical(self) -> bool:
        """Whether the target already runs exactly this, stage file included."""
        return (
            self.base is not None
            and self.base.digest == self.revision.digest
            and self.base.stage_file == self.revision.stage_file
        )

    @property
    def allowed(self) -> bool:
        return all(gate.holds for gate in self.gates)


def plan(options: PromoteOptions) -> Plan:
    """Plan a promotion. Raises ApigwError where it is not declared, or either stage would not compile."""
    workspace = Workspace(options.config)
    source, target = options.source, options.target
    _check(workspace, options)
    state = workspace.store.state()
    expected = {name: state.stages[name].generation if name in state.stages else 0 for name in (source, target)}
    base = deployments.deployed(workspace, target)
    first = source not in state.stages
    if first and source == workspace.default_stage:
        workspace.compile(source)  # the release goes to the source too: it has to work there
    revision, notes = diff.candidate(workspace, source, target)
    comparison = diff.compare(workspace, source, target, base, revision, notes)
    accepted = gates.accept(comparison.findings, options.accept, options.reasons)
    judged = gates.judge(comparison.findings, accepted)
    reason = "; ".join(text.strip() for text in options.reasons)
    forced = options.force and not _declared(workspace, source, target)
    return Plan(
        workspace, source, target, comparison, judged, accepted, base, revision, expected, first, reason, forced
    )


def _check(workspace: Workspace, options: PromoteOptions) -> None:
    source, target = options.source, options.target
    workspace.stage_file(source)
    workspace.stage_file(target)
    if source == target:
        raise UsageError(f"{source} cannot be promoted to itself", hint=f"apigw deploy {source} deploys the files")
    if _declared(workspace, source, target):
        return
    if options.force:
        if not any(text.strip() for text in options.reasons):
            raise UsageError("--force needs a reason", hint='say why: --reason "…"; it is logged')
        return
    pairs = [f"{a} to {b}" for a, targets in workspace.promotions.items() for b in targets]
    declared = f"declared: {', '.join(pairs)}" if pairs else "none is declared"
    raise UsageError(
        f"promoting {source} to {target} is not declared",
        hint=f"{declared} (stages.promote in {workspace.project.config.label}); "
        'once only: --force --reason "…", which is logged',
    )


def _declared(workspace: Workspace, source: str, target: str) -> bool:
    return target in workspace.promotions.get(source, ())


def apply(plan: Plan) -> None:
    """Make the move, as it was planned. Raises StaleError where a stage moved since, or somebody else is at it."""
    moves = [Move(plan.target, plan.revision.digest, plan.revision.stage_file)]
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


def refuse(plan: Plan) -> None:
    """Log an attempt that the gates stopped."""
    doing = f"promote {plan.source} {plan.target}"
    plan.workspace.store.commit(Change(doing, (_entry(plan, applied=False),)))


def blockers(plan: Plan) -> list[Group]:
    """What stands in the way."""
    passed = {accepted.fingerprint for accepted in plan.accepted}
    return groups(f for f in plan.comparison.findings if f.blocks and f.fingerprint not in passed)


def _entry(plan: Plan, *, applied: bool) -> Entry:
    return entry(
        action="promote",
        stage=plan.target,
        source=plan.source,
        before=plan.base.digest if plan.base else None,
        to=plan.revision.digest,
        verdict="applied" if applied else "blocked",
        stage_file=plan.revision.stage_file if applied else None,
        blocked_by=() if applied else tuple(group.fingerprint for group in blockers(plan)),
        accepted=plan.accepted,
        forced=plan.forced,
        reason=plan.reason,
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
        "gates": [{"name": gate.name, "holds": gate.holds} for gate in plan.gates],
        "accepted": msgspec.to_builtins(plan.accepted),
        "forced": plan.forced,
        "diff": report.as_json(plan.comparison),
    }
