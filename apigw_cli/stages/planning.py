"""What a promotion would do, and whether its gates let it.

`plan` is the only way to a Plan, also for one that was written to a file: that is made anew and compared.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from apigw_cli import __version__
from apigw_cli.config.model import GatesConfig
from apigw_cli.errors import StaleError, UsageError
from apigw_cli.stages import canary, deployments, diff, evidence, gates, people, plan_file, stage_files
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.gates import Gate
from apigw_cli.stages.plan_file import Acceptance, PlanFile, PlannedCanary
from apigw_cli.stages.records import Accepted, Linted, State
from apigw_cli.stages.workspace import Workspace

Lint = Callable[[], Linted]


@dataclass(frozen=True, slots=True)
class PromoteOptions:
    """`lint` looks at the working files: the command line supplies it, since rooms do not import each other."""

    source: str
    target: str
    config: Path | None = None
    accept: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    force: bool = False
    expires: str | None = None
    canary: PlannedCanary | None = None
    lint: Lint | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a promotion would do. `first` says that the source gets its first release by it."""

    workspace: Workspace
    source: str
    target: str
    comparison: Comparison
    config: GatesConfig
    gates: tuple[Gate, ...]
    accepted: tuple[Accepted, ...]
    base: Deployment | None
    revision: Deployment
    expected: dict[str, int]
    first: bool
    reason: str
    forced: bool
    linted: Linted | None
    canary: PlannedCanary | None
    file: PlanFile

    @property
    def identical(self) -> bool:
        """Whether the target already runs exactly this, stage file included."""
        return deployments.identical(self.base, self.revision)

    @property
    def same_stage_file(self) -> bool:
        return deployments.same_stage_file(self.base, self.revision)

    @property
    def allowed(self) -> bool:
        return all(gate.holds for gate in self.gates)


def from_file(path: Path, options: PromoteOptions | None = None) -> Plan:
    """The plan in a file, made anew. Raises StaleError where it is not the same any more, saying what moved."""
    shown = plan_file.read(path)
    options = replace(
        options or PromoteOptions("", ""),
        source=shown.source,
        target=shown.target,
        accept=tuple(one.fingerprint for one in shown.accept),
        reasons=tuple(one.reason for one in shown.accept) or ((shown.reason,) if shown.reason else ()),
        force=shown.force,
        canary=shown.canary,
    )
    return plan(options, shown)


def plan(options: PromoteOptions, shown: PlanFile | None = None) -> Plan:
    """Plan a promotion. Raises ApigwError where it is not declared, or either stage would not compile.

    With `shown`, StaleError where that is not what would be planned now.
    """
    workspace = Workspace(options.config)
    source, target = options.source, options.target
    _check(workspace, options)
    state = workspace.store.state()
    canary.check_none(state, target)
    base = deployments.deployed(workspace, target)
    first = source not in state.stages
    if first and source == workspace.default_stage:
        workspace.compile(source)  # the release goes to the source too: it has to work there
    revision, notes = diff.candidate(workspace, source, target)
    canary.check_possible(options.canary, base, target)
    found = diff.compare(workspace, source, target, base, revision, notes)
    today = people.today()
    expires = shown.expires if shown is not None else gates.until(options.expires, today)
    file = _file(options, state, base, revision, found, expires)
    if shown is not None:
        plan_file.check(shown, file)
    stage_file = workspace.stage_file(target)
    config = stage_files.gates(stage_file)
    by_flag = _by_flag(found, options, expires, today)
    by_file, expired = gates.accepted_in(stage_file, config.accept, found.findings, today)
    accepted = tuple({one.fingerprint: one for one in (*by_file, *by_flag)}.values())
    linted = _linted(workspace, revision.digest, options.lint) if config.lint != "off" else None
    judged = (*gates.judge(config, found.findings, accepted), *gates.lint(config, linted))
    return Plan(
        workspace,
        source,
        target,
        replace(found, notes=(*found.notes, *expired, *_gate_notes(config, base, stage_file.label, target))),
        config,
        (*judged, *_bench(workspace, config, source, first)),
        accepted,
        base,
        revision,
        {name: _generation(state, name) for name in (source, target)},
        first,
        "; ".join(text.strip() for text in options.reasons),
        options.force and not _declared(workspace, source, target),
        linted,
        options.canary,
        accepting(file, by_flag),
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


def _generation(state: State, stage: str) -> int:
    return state.stages[stage].generation if stage in state.stages else 0


def _file(
    options: PromoteOptions,
    state: State,
    base: Deployment | None,
    revision: Deployment,
    found: Comparison,
    expires: str,
) -> PlanFile:
    """The plan as `--plan-out` writes it, but for what it accepts."""
    stage_file = plan_file.digest(revision.stage_file)
    assert stage_file is not None
    return PlanFile(
        plan_file.FORMAT,
        __version__,
        people.now(),
        people.who(),
        options.source,
        options.target,
        revision.digest,
        stage_file,
        base.digest if base else None,
        plan_file.digest(base.stage_file if base else None),
        {name: _generation(state, name) for name in (options.source, options.target)},
        tuple(sorted(finding.fingerprint for finding in found.findings)),
        expires=expires,
        force=options.force,
        reason="; ".join(text.strip() for text in options.reasons),
        canary=options.canary,
    )


def accepting(file: PlanFile, accepted: tuple[Accepted, ...]) -> PlanFile:
    """The same, with what it accepts."""
    return msgspec.structs.replace(file, accept=tuple(Acceptance(one.fingerprint, one.reason) for one in accepted))


def _by_flag(found: Comparison, options: PromoteOptions, expires: str, today: str) -> tuple[Accepted, ...]:
    """What is accepted on the command line, or was in the plan's file: that may be over meanwhile."""
    accepted = gates.accept(found.findings, options.accept, options.reasons, expires)
    if expires and expires < today:
        raise StaleError(
            f"what the plan accepts was accepted until {expires}, which is over; nothing was changed",
            hint=f"plan afresh: apigw promote {options.source} {options.target}",
        )
    return accepted


def _linted(workspace: Workspace, digest: str, lint: Lint | None) -> Linted | None:
    """What lint finds in the release: in the working files where they are it, else what it found when it was made."""
    if lint is not None and digest == workspace.digest:
        return lint()
    entries = workspace.store.log().entries
    return next((e.lint for e in reversed(entries) if e.to == digest and e.lint is not None), None)


def _bench(workspace: Workspace, config: GatesConfig, source: str, first: bool) -> tuple[Gate, ...]:
    if config.bench is None:
        return ()
    deployed = None if first else deployments.deployed(workspace, source)
    snapshot = deployed.compiled.snapshot.digest if deployed else ""
    now = datetime.datetime.now(datetime.UTC)
    store = workspace.store
    return (evidence.gate(config.bench, store, store.log().entries, source, snapshot, now),)


def _gate_notes(config: GatesConfig, base: Deployment | None, label: str, target: str) -> list[str]:
    """What to know about the gates themselves."""
    notes = []
    allowed = [what for what in ("breaking", "weakening") if getattr(config, what) == "allow"]
    if allowed:
        notes.append(f"{label} lets {' and '.join(allowed)} changes pass (gates)")
    if base is not None and stage_files.asks_less(base.stage_file.get("gates"), config):
        notes.append(f"{label} asks less of a release than when {target} was moved last (gates)")
    return notes
