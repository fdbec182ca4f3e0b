"""`apigw promote`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format
from apigw_cli.errors import Exit, RolledBack, UsageError

if TYPE_CHECKING:
    from apigw_cli.stages.planning import Plan


def promote(
    source: Annotated[str | None, typer.Argument(metavar="A", help="The stage whose release moves on.")] = None,
    target: Annotated[str | None, typer.Argument(metavar="B", help="The stage that gets it.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, change and log nothing.")] = False,
    plan_out: Annotated[
        Path | None,
        typer.Option(
            "--plan-out", metavar="FILE", help="Write a plan that may go ahead there, change and log nothing."
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Carry out this plan; exit 5 where anything moved since."),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="FINGERPRINT", help="Let this finding pass; needs --reason, may be repeated."),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="TEXT", help="Why: one for all, or one for each --accept. It is logged."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Until when --accept holds: 2027-01-31, or 30d. It is logged."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote although stages.promote does not declare it; needs --reason.")
    ] = False,
    canary: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Give B's release this share of the requests beside what B runs: 10%."),
    ] = None,
    canary_by: Annotated[
        str,
        typer.Option(metavar="KEY", help="What keeps a caller on one side: ip, header:NAME, cookie:NAME; else random."),
    ] = "random",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the running gateways; roll back (exit 6) unless all is well.")
    ] = False,
    timeout: Annotated[str, typer.Option(help="With --wait: how long that may take.")] = "60s",
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every change, with its reason.")] = False,
) -> None:
    """Move the release of one stage to another: plan, gates, question, one atomic step.

    B keeps its own stage file, which also says what its gates ask for. Breaking and weakening changes stop it (exit
    4) unless they are accepted by fingerprint with a reason. Without a terminal nobody can be asked: give --yes, or
    it ends with exit 2.
    """
    from apigw_cli.cli import lint_gate
    from apigw_cli.config.values import parse_duration
    from apigw_cli.stages import canary as canaries
    from apigw_cli.stages import planning

    wanted = canaries.planned(canary, canary_by) if canary is not None else None
    if wanted is None and canary_by != "random":
        raise UsageError("--canary-by has a meaning only with --canary")
    if expires is not None and not accept:
        raise UsageError("--expires has a meaning only with --accept")
    try:
        seconds = parse_duration(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from None
    lint = lint_gate.of(config)
    if plan is not None:
        _alone_with_plan(source, target, accept, reason, expires, force, canary, plan_out)
        made = planning.from_file(plan, planning.PromoteOptions("", "", config, lint=lint))
    else:
        if source is None or target is None:
            raise UsageError("name both stages", hint="apigw promote qa prod")
        accepted, reasons = tuple(accept or ()), tuple(reason or ())
        options = planning.PromoteOptions(source, target, config, accepted, reasons, force, expires, wanted, lint)
        made = planning.plan(options)
    way = _Way(yes, dry_run, verbose, plan_out, seconds if wait else None, plan)
    raise typer.Exit(_as_json(made, way) if output is Format.JSON else _as_text(made, way))


@dataclass(frozen=True, slots=True)
class _Way:
    """How the plan is gone about. `wait` in seconds, None: not at all; `came_from` is the file of the plan."""

    yes: bool
    dry_run: bool
    verbose: bool
    plan_out: Path | None
    wait: float | None
    came_from: Path | None

    @property
    def only_plans(self) -> bool:
        return self.dry_run or self.plan_out is not None


def _alone_with_plan(*given: object) -> None:
    """A plan says all of this itself."""
    if any(value is not None and value is not False for value in given):
        raise UsageError("--plan carries out what the plan says", hint="apigw promote --plan FILE [--yes] [--wait]")


def _as_text(plan: Plan, way: _Way) -> int:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import promotion

    if plan.identical:
        _say_identical(plan)
        return Exit.OK
    _show(plan, way.verbose)
    if not plan.allowed:
        if not way.only_plans:
            promotion.refuse(plan)
        unwritten = "" if way.plan_out is None else f": no plan was written to {way.plan_out}, for it would be blocked"
        terminal.out(f"nothing was changed{unwritten}")
        changes.next_command(_way_out(plan))
        return Exit.BLOCKED
    if way.plan_out is not None:
        _write(plan, way.plan_out)
        terminal.out(f"{terminal.symbol('ok')} the plan was written to {way.plan_out}; nothing was changed")
        changes.next_command(f"apigw promote --plan {shlex.quote(str(way.plan_out))} --yes")
        return Exit.OK
    if way.dry_run:
        terminal.out("nothing was changed: this was --dry-run")
        return Exit.OK
    if not way.yes:
        if not changes.can_ask():
            again = _command(plan) if way.came_from is None else f"apigw promote --plan {way.came_from}"
            terminal.note(f"nothing was changed: nobody can be asked here. To go ahead: {again} --yes")
            return Exit.USAGE
        if not changes.confirm("Promote?"):
            terminal.out("nothing was changed")
            return Exit.BLOCKED
    _apply(plan, way)
    _say_done(plan, waited=way.wait is not None)
    return Exit.OK


def _apply(plan: Plan, way: _Way) -> None:
    """Make the move and, where that was asked for, follow it."""
    from apigw_cli.cli import terminal
    from apigw_cli.stages import promotion, waiting

    if way.wait is None:
        promotion.apply(plan)
    else:
        waiting.promote(plan, way.wait, terminal.note)


def _write(plan: Plan, path: Path) -> None:
    from apigw_cli.stages import durable

    durable.replace(path, plan.file.encode())


def _show(plan: Plan, verbose: bool) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import waiting

    lead, sign = ("ready", "warn" if plan.accepted else "") if plan.allowed else ("blocked", "")
    sign = sign or ("bad" if not plan.allowed else "")
    changes.show(plan.comparison, verbose=verbose, lead=lead, sign=sign)
    if plan.forced:
        terminal.out(f"  note  {plan.source} to {plan.target} is not declared under stages.promote: forced")
    for accepted in plan.accepted:
        until = f"  until {accepted.expires}" if accepted.expires else ""
        place = f"  {accepted.place}" if accepted.place else ""
        terminal.out(f"  {terminal.symbol('ok')} accepted  {accepted.fingerprint}  {accepted.reason}{until}{place}")
    changes.gates(plan.gates)
    terminal.out(f"gateway  {waiting.foretold(plan)}")


def _say_identical(plan: Plan) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages.releases import short

    what = short(plan.revision.digest)
    terminal.out(f"{terminal.symbol('ok')} {plan.target} already runs {what}, which is what {plan.source} has")
    for note in plan.comparison.notes:
        terminal.out(f"  note  {note}")
    undeployed = any("working files" in note for note in plan.comparison.notes)
    changes.next_command(f"apigw deploy {plan.source}" if undeployed else f"apigw history {plan.target}")


def _say_done(plan: Plan, *, waited: bool) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages.releases import short

    what, where = short(plan.revision.digest), plan.target
    if plan.first:
        terminal.out(f"{terminal.symbol('ok')} {plan.source} runs {what}, made from the working files")
    if plan.canary is not None and plan.base is not None:
        share = f"{plan.canary.percent:g} % of the requests ({plan.canary.by})"
        terminal.out(
            f"{terminal.symbol('ok')} {where} gives {what} {share}; the rest stays with {short(plan.base.digest)}"
        )
        changes.next_command(f"apigw canary {where} status · apigw canary {where} promote · apigw canary {where} abort")
        return
    before = f" (before: {short(plan.base.digest)})" if plan.base else ""
    seen = ", and every worker serves it" if waited else ""
    terminal.out(f"{terminal.symbol('ok')} {where} runs {what}{seen}{before}")
    undo = f" · apigw rollback {where}" if plan.base else ""
    changes.next_command(f"apigw serve --stage {where} --released · apigw history {where}{undo}")


def _command(plan: Plan) -> str:
    return f"apigw promote {shlex.quote(plan.source)} {shlex.quote(plan.target)}"


def _way_out(plan: Plan) -> str:
    """What to type where gates stop it: a finding can be accepted, evidence and lint can be mended."""
    from apigw_cli.stages import promotion

    blockers = promotion.blockers(plan)
    if not blockers:
        return " · ".join(gate.why.rpartition(": ")[2] for gate in plan.gates if not gate.holds)
    flags = " ".join(f"--accept {group.fingerprint}" for group in blockers[:8])
    more = f" … and {len(blockers) - 8} more" if len(blockers) > 8 else ""
    return f'fix it, or accept it: {_command(plan)} {flags}{more} --reason "…"'


def _applied(plan: Plan, way: _Way) -> tuple[str, Exit]:
    from apigw_cli.cli import terminal

    try:
        _apply(plan, way)
    except RolledBack as error:
        terminal.report(error)
        return "rolled_back", Exit.ROLLED_BACK
    return "applied", Exit.OK


def _as_json(plan: Plan, way: _Way) -> int:
    from apigw_cli.cli import changes
    from apigw_cli.stages import promotion

    outcome, code = "planned", Exit.OK if way.only_plans else Exit.USAGE
    if plan.identical:
        outcome, code = "identical", Exit.OK
    elif not plan.allowed:
        outcome, code = "blocked", Exit.BLOCKED
        if not way.only_plans:
            promotion.refuse(plan)
    elif way.plan_out is not None:
        _write(plan, way.plan_out)
    elif way.yes and not way.dry_run:
        outcome, code = _applied(plan, way)
    changes.print_json(promotion.as_json(plan, outcome))
    return code
