"""`apigw deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format
from apigw_cli.errors import Exit

if TYPE_CHECKING:
    from apigw_cli.stages.deploy import Plan


def deploy(
    stage: Annotated[str, typer.Argument(help="The stage that is to run the working files.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every change, with its reason.")] = False,
) -> None:
    """Make an immutable release of the working files and let a stage run it.

    The files are compiled with the stage's own file first: an error changes nothing. A stage that others are
    promoted to has gates, which deploying passes by: that is shown and asked (without a terminal: --yes, or exit 2).
    """
    from apigw_cli.cli import lint_gate
    from apigw_cli.stages import deploy as deployment

    plan = deployment.plan(deployment.DeployOptions(stage, config, lint_gate.of(config)))
    if output is Format.JSON:
        raise typer.Exit(_as_json(plan, yes))
    _as_text(plan, yes, verbose)


def _as_json(plan: Plan, yes: bool) -> int:
    """Nobody is asked: what would pass gates by stays a plan without --yes."""
    from apigw_cli.cli import changes
    from apigw_cli.stages import deploy as deployment
    from apigw_cli.stages import report

    outcome = "identical" if plan.identical else "planned" if plan.guarded and not yes else "applied"
    if outcome == "applied":
        deployment.apply(plan)
    changes.print_json(report.moved_as_json("deploy", plan, outcome))
    return Exit.USAGE if outcome == "planned" else Exit.OK


def _as_text(plan: Plan, yes: bool, verbose: bool) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import deploy as deployment
    from apigw_cli.stages.releases import short

    stage = plan.stage
    if plan.identical:
        terminal.out(f"{terminal.symbol('ok')} {stage} already runs {short(plan.revision.digest)}: nothing changed")
        changes.next_command(_onward(plan))
        return
    changes.show(plan.comparison, verbose=verbose)
    if plan.guarded and not yes:
        _ask(plan)
    deployment.apply(plan)
    before = f" (before: {short(plan.base.digest)})" if plan.base else ""
    terminal.out(f"{terminal.symbol('ok')} {stage} runs {short(plan.revision.digest)}{before}")
    changes.next_command(_onward(plan))


def _ask(plan: Plan) -> None:
    from apigw_cli.cli import changes, terminal

    terminal.note(f"promotions lead to {plan.stage}; deploying passes their gates by")
    if not changes.can_ask():
        terminal.note(f"nothing was changed: nobody can be asked here. To go ahead: apigw deploy {plan.stage} --yes")
        raise typer.Exit(Exit.USAGE)
    if not changes.confirm("Deploy?"):
        terminal.out("nothing was changed")
        raise typer.Exit(Exit.BLOCKED)


def _onward(plan: Plan) -> str:
    targets = plan.workspace.promotions.get(plan.stage, ())
    if targets:
        return f"apigw diff {plan.stage} {targets[-1]} · apigw promote {plan.stage} {targets[-1]}"
    return f"apigw serve --stage {plan.stage} --released"
