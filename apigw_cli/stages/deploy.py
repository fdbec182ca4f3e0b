"""`apigw deploy STAGE`: the working files become an immutable release, and the stage points at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.config.located import Located
from apigw_cli.errors import InputError
from apigw_cli.stages import canary, comparison, deployments, diff, stage_files
from apigw_cli.stages.comparison import Comparison, Subject
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.records import Linted
from apigw_cli.stages.store import Change, Move, entry
from apigw_cli.stages.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """`lint` looks at the working files: what it finds is recorded for the gates of later promotions."""

    stage: str
    config: Path | None = None
    lint: Callable[[], Linted] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment would do. `guarded`: a promotion leads to the stage, and deploying passes its gates by."""

    workspace: Workspace
    stage: str
    comparison: Comparison
    base: Deployment | None
    revision: Deployment
    generation: int
    guarded: bool
    linted: Linted | None = None

    @property
    def identical(self) -> bool:
        return deployments.identical(self.base, self.revision)


def plan(options: DeployOptions) -> Plan:
    """Compile the working files for the stage and compare. Raises InputError with every problem; nothing changes."""
    workspace = Workspace(options.config)
    stage = options.stage
    workspace.stage_file(stage)
    state = workspace.store.state()
    canary.check_none(state, stage)
    pointer = state.stages.get(stage)
    revision = deployments.working(workspace, stage)
    base = deployments.deployed(workspace, stage)
    compared = comparison.make(
        diff.subject(workspace, stage, base),
        Subject("the working files", revision.digest, revision.routes),
        comparison.of_deployments(base, revision),
    )
    generation = pointer.generation if pointer else 0
    linted = options.lint() if options.lint is not None and _is_asked_for(workspace, stage) else None
    return Plan(workspace, stage, compared, base, revision, generation, workspace.is_target(stage), linted)


def _is_asked_for(workspace: Workspace, stage: str) -> bool:
    """Whether a promotion may lead from here to a stage with a lint gate."""
    reached, left = set[str](), [stage]
    while left:
        ahead = [one for one in workspace.promotions.get(left.pop(), ()) if one not in reached]
        reached.update(ahead)
        left += ahead
    known = (workspace.project.stages[one] for one in reached if one in workspace.project.stages)
    return any(_lints(file) for file in known)


def _lints(file: Located) -> bool:
    try:
        return stage_files.gates(file).lint != "off"
    except InputError:  # said when somebody promotes there
        return True


def apply(plan: Plan) -> None:
    """Store the release and move the stage. Raises StaleError where the stage moved since, or somebody is at it."""
    origin = plan.workspace.origin(plan.revision.compiled, plan.stage)
    done = entry(
        action="deploy",
        stage=plan.stage,
        source="working files",
        before=plan.base.digest if plan.base else None,
        to=plan.revision.digest,
        verdict="applied",
        stage_file=plan.revision.stage_file,
        lint=plan.linted,
    )
    move = Move(plan.stage, plan.revision.digest, plan.revision.stage_file)
    release = (plan.workspace.release, origin)
    expected = {plan.stage: plan.generation}
    plan.workspace.store.commit(Change(f"deploy {plan.stage}", (done,), (move,), (release,), expected))
