"""`apigw rollback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format
from apigw_cli.errors import Exit

if TYPE_CHECKING:
    from apigw_cli.stages.rollback import Plan


def rollback(
    stage: Annotated[str, typer.Argument(help="The stage that is to go back.")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="RELEASE", help="A release that the stage has run. Default: the one before."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every change, with its reason.")] = False,
) -> None:
    """Let a stage run what it ran before, release and stage file together.

    Shows what that changes and asks. No gate stops it. Again: further back; forward again: promote, or --to.
    """
    from apigw_cli.stages import rollback as rollbacks

    plan = rollbacks.plan(rollbacks.RollbackOptions(stage, to, config))
    if output is Format.JSON:
        raise typer.Exit(_as_json(plan, yes))
    _as_text(plan, to, yes, verbose)


def _as_json(plan: Plan, yes: bool) -> int:
    from apigw_cli.cli import changes
    from apigw_cli.stages import report
    from apigw_cli.stages import rollback as rollbacks

    outcome = "identical" if plan.identical else "applied" if yes else "planned"
    if outcome == "applied":
        rollbacks.apply(plan)
    changes.print_json(report.moved_as_json("rollback", plan, outcome))
    return Exit.USAGE if outcome == "planned" else Exit.OK


def _as_text(plan: Plan, to: str | None, yes: bool, verbose: bool) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import rollback as rollbacks
    from apigw_cli.stages.releases import short

    stage = plan.stage
    if plan.identical:
        terminal.out(f"{terminal.symbol('ok')} {stage} already runs {short(plan.revision.digest)}: nothing changed")
        return
    changes.show(plan.comparison, verbose=verbose)
    if not yes:
        if not changes.can_ask():
            again = f"apigw rollback {stage}{f' --to {to}' if to else ''} --yes"
            terminal.note(f"nothing was changed: nobody can be asked here. To go ahead: {again}")
            raise typer.Exit(Exit.USAGE)
        if not changes.confirm("Roll back?"):
            terminal.out("nothing was changed")
            raise typer.Exit(Exit.BLOCKED)
    rollbacks.apply(plan)
    was, now = short(plan.base.digest), short(plan.revision.digest)
    terminal.out(f"{terminal.symbol('ok')} {stage} runs {now} again (before: {was})")
    changes.next_command(f"apigw serve --stage {stage} --released · apigw history {stage}")
