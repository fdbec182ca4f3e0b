"""`apigw deploy STAGE`: the working files become an immutable release, and the stage points at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apigw_cli.stages import comparison, deployments, diff
from apigw_cli.stages.comparison import Comparison, Subject
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.store import Change, Move, entry
from apigw_cli.stages.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DeployOptions:
    stage: str
    config: Path | None = None


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

    @property
    def identical(self) -> bool:
        return (
            self.base is not None
            and self.base.digest == self.revision.digest
            and self.base.stage_file == self.revision.stage_file
        )


def plan(options: DeployOptions) -> Plan:
    """Compile the working files for the stage and compare. Raises InputError with every problem; nothing changes."""
    workspace = Workspace(options.config)
    stage = options.stage
    pointer = workspace.pointer(stage) if workspace.stage_file(stage) else None
    revision = deployments.working(workspace, stage)
    base = deployments.deployed(workspace, stage)
    compared = comparison.make(
        diff.subject(workspace, stage, base),
        Subject("the working files", revision.digest, revision.routes),
        comparison.of_deployments(base, revision),
    )
    generation = pointer.generation if pointer else 0
    return Plan(workspace, stage, compared, base, revision, generation, workspace.is_target(stage))


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
    )
    move = Move(plan.stage, plan.revision.digest, plan.revision.stage_file)
    release = (plan.workspace.release, origin)
    expected = {plan.stage: plan.generation}
    plan.workspace.store.commit(Change(f"deploy {plan.stage}", (done,), (move,), (release,), expected))
