"""`apigw promote`."""

from __future__ import annotations

import enum
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.errors import Exit

if TYPE_CHECKING:
    from apigw_cli.stages.promotion import Plan


class Format(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


def promote(
    source: Annotated[str, typer.Argument(metavar="A", help="The stage whose release moves on.")],
    target: Annotated[str, typer.Argument(metavar="B", help="The stage that gets it.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, change and log nothing.")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="FINGERPRINT", help="Let this finding pass; needs --reason, may be repeated."),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="TEXT", help="Why: one for all, or one for each --accept. It is logged."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote although stages.promote does not declare it; needs --reason.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every change, with its reason.")] = False,
) -> None:
    """Move the release of one stage to another: plan, gates, question, one atomic step.

    B keeps its own stage file. Breaking and weakening changes stop it (exit 4) unless they are accepted by
    fingerprint with a reason. Without a terminal nobody can be asked: give --yes, or it ends with exit 2.
    """
    from apigw_cli.stages import promotion

    options = promotion.PromoteOptions(source, target, config, tuple(accept or ()), tuple(reason or ()), force)
    plan = promotion.plan(options)
    if output is Format.JSON:
        raise typer.Exit(_as_json(plan, yes, dry_run))
    raise typer.Exit(_as_text(plan, yes, dry_run, verbose))


def _as_text(plan: Plan, yes: bool, dry_run: bool, verbose: bool) -> int:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import promotion

    if plan.identical:
        _say_identical(plan)
        return Exit.OK
    _show(plan, verbose)
    if not plan.allowed:
        if not dry_run:
            promotion.refuse(plan)
        terminal.out("nothing was changed")
        changes.next_command(_accept_command(plan))
        return Exit.BLOCKED
    if dry_run:
        terminal.out("nothing was changed: this was --dry-run")
        return Exit.OK
    if not yes:
        if not changes.can_ask():
            terminal.note(f"nothing was changed: nobody can be asked here. To go ahead: {_command(plan)} --yes")
            return Exit.USAGE
        if not changes.confirm("Promote?"):
            terminal.out("nothing was changed")
            return Exit.BLOCKED
    promotion.apply(plan)
    _say_done(plan)
    return Exit.OK


def _show(plan: Plan, verbose: bool) -> None:
    from apigw_cli.cli import changes, terminal

    lead, sign = ("ready", "warn" if plan.accepted else "") if plan.allowed else ("blocked", "")
    changes.show(plan.comparison, verbose=verbose, lead=lead, sign=sign)
    if plan.forced:
        terminal.out(f"  note  {plan.source} to {plan.target} is not declared under stages.promote: forced")
    for accepted in plan.accepted:
        terminal.out(f"  {terminal.symbol('ok')} accepted  {accepted.fingerprint}  {accepted.reason}")
    changes.gates(plan.gates)


def _say_identical(plan: Plan) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages.releases import short

    what = short(plan.revision.digest)
    terminal.out(f"{terminal.symbol('ok')} {plan.target} already runs {what}, which is what {plan.source} has")
    for note in plan.comparison.notes:
        terminal.out(f"  note  {note}")
    changed = f"apigw deploy {plan.source}" if plan.comparison.notes else f"apigw history {plan.target}"
    changes.next_command(changed)


def _say_done(plan: Plan) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages.releases import short

    what, where = short(plan.revision.digest), plan.target
    if plan.first:
        terminal.out(f"{terminal.symbol('ok')} {plan.source} runs {what}, made from the working files")
    before = f" (before: {short(plan.base.digest)})" if plan.base else ""
    terminal.out(f"{terminal.symbol('ok')} {where} runs {what}{before}")
    undo = f" · apigw rollback {where}" if plan.base else ""
    changes.next_command(f"apigw serve --stage {where} --released · apigw history {where}{undo}")


def _command(plan: Plan) -> str:
    return f"apigw promote {shlex.quote(plan.source)} {shlex.quote(plan.target)}"


def _accept_command(plan: Plan) -> str:
    from apigw_cli.stages import promotion

    blockers = promotion.blockers(plan)
    flags = " ".join(f"--accept {group.fingerprint}" for group in blockers[:8])
    more = f" … and {len(blockers) - 8} more" if len(blockers) > 8 else ""
    return f'fix it, or accept it: {_command(plan)} {flags}{more} --reason "…"'


def _as_json(plan: Plan, yes: bool, dry_run: bool) -> int:
    from apigw_cli.cli import changes
    from apigw_cli.stages import promotion

    outcome, code = "planned", Exit.OK if dry_run else Exit.USAGE
    if plan.identical:
        outcome, code = "identical", Exit.OK
    elif not plan.allowed:
        outcome, code = "blocked", Exit.BLOCKED
        if not dry_run:
            promotion.refuse(plan)
    elif yes and not dry_run:
        promotion.apply(plan)
        outcome, code = "applied", Exit.OK
    changes.print_json(promotion.as_json(plan, outcome))
    return code
