"""`apigw canary`: what becomes of a release that gets a share of a stage's requests."""

from __future__ import annotations

import enum
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli.formats import Format
from apigw_cli.errors import RolledBack, UsageError

if TYPE_CHECKING:
    from apigw_cli.stages.canary import View
    from apigw_cli.stages.canary_judgement import Side


class Action(enum.StrEnum):
    STATUS = "status"
    SET = "set"
    PROMOTE = "promote"
    ABORT = "abort"


def canary(
    stage: Annotated[str, typer.Argument(help="The stage that it runs in.")],
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.STATUS,
    percent: Annotated[str | None, typer.Argument(help="With set: its share of the requests, 50%.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The apigw.yaml.")] = None,
    wait: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With promote: look for so long; abort (exit 6) where it is worse."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With promote: however it does; needs --reason, is logged.")
    ] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is logged.")] = "",
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """Look at the canary of a stage, change its share, let the stage run it, or end it.

    `apigw promote A B --canary 10%` starts one. It is promoted only where errors and latency are shown to be no worse
    than the stable side's: exit 4 where they are worse, 7 where that cannot be told yet.
    """
    from apigw_cli.config.values import parse_duration
    from apigw_cli.stages import canary as canaries

    _check(action, percent, wait, force, reason)
    view = canaries.look(canaries.CanaryOptions(stage, config))
    outcome = "status"
    try:
        if action is Action.SET:
            canaries.change_share(view, canaries.share(percent or ""), reason)
            outcome = "set"
        elif action is Action.ABORT:
            canaries.abort(view, reason)
            outcome = "aborted"
        elif action is Action.PROMOTE:
            if wait is not None:
                options = canaries.CanaryOptions(stage, config)
                view = canaries.follow(options, parse_duration(wait), _tell, time.sleep)
            else:
                canaries.promote(view, reason, force)
            outcome = "promoted"
    except RolledBack as error:
        outcome = "aborted"
        _deliver(view, outcome, output, percent)
        raise error from None
    _deliver(view, outcome, output, percent)


def _check(action: Action, percent: str | None, wait: str | None, force: bool, reason: str) -> None:
    from apigw_cli.config.values import parse_duration

    if (action is Action.SET) != (percent is not None):
        raise UsageError("set takes a share, and nothing else does", hint="apigw canary prod set 50%")
    if action is not Action.PROMOTE and (wait is not None or force):
        raise UsageError("--wait and --force have a meaning only with promote")
    if wait is not None and force:
        raise UsageError("--wait and --force exclude each other")
    if force and not reason.strip():
        raise UsageError("--force needs a reason", hint='say why: --reason "…"; it is logged')
    if wait is not None:
        try:
            parse_duration(wait)
        except ValueError as error:
            raise UsageError(f"--wait: {error}") from None


def _tell(view: View) -> None:
    """What the wait sees, where a person looks on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{view.judgement.words}")
        sys.stderr.flush()


def _deliver(view: View, outcome: str, output: Format, percent: str | None) -> None:
    from apigw_cli.cli import changes
    from apigw_cli.stages import canary as canaries

    if output is Format.JSON:
        changes.print_json(canaries.as_json(view, outcome))
        return
    _show(view, outcome, percent)


def _show(view: View, outcome: str, percent: str | None) -> None:
    from apigw_cli.cli import changes, terminal
    from apigw_cli.stages import canary as canaries
    from apigw_cli.stages.canary_judgement import HOLDS, WORSE
    from apigw_cli.stages.releases import short

    stage, what, stable = view.stage, short(view.canary.release), short(view.pointer.release)
    given = canaries.share(percent) if percent else 0.0
    done = {
        "set": f"{stage} gives {what} {given:g} % of the requests; the rest stays with {stable}",
        "aborted": f"{stage} runs {stable} alone; {what} gets nothing any more",
        "promoted": f"{stage} runs {what} (before: {stable})",
    }
    if outcome in done:
        terminal.out(f"{terminal.symbol('ok')} {done[outcome]}")
    if outcome == "status":
        verdict = view.judgement.verdict
        words = {HOLDS: "does no worse", WORSE: "does worse"}.get(verdict, "it cannot be told yet")
        sign = {HOLDS: "ok", WORSE: "bad"}.get(verdict, "warn")
        share = f"{what} gets {view.canary.percent:g} % ({view.canary.by}) beside {stable}"
        terminal.out(f"{terminal.symbol(sign)} {terminal.style(f'{words}: {share}', 'bold')}")
    if view.gateways:
        _sides(view)
    else:
        terminal.out(f"  no running gateway of {stage} knows of it: apigw serve --stage {stage} --released")
    changes.next_command(_next(view, outcome))


def _next(view: View, outcome: str) -> str:
    if outcome == "promoted":
        return f"apigw history {view.stage} · apigw rollback {view.stage}"
    if outcome == "aborted":
        return f"apigw history {view.stage}"
    more = next((share for share in (5, 10, 25, 50, 75) if share > view.canary.percent), None)
    words = [*([f"set {more}%"] if more else []), "promote", "abort"]
    return " · ".join(f"apigw canary {view.stage} {word}" for word in words)


def _sides(view: View) -> None:
    from apigw_cli.cli import terminal

    head = ("", "requests", "refused (4xx)", "failed (5xx)", "p50", "p95", "p99")
    rows = [head, _row("stable", view.stable), _row("canary", view.beside)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        terminal.out("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    for check in view.judgement.checks:
        sign = {"holds": "ok", "worse": "bad"}.get(check.verdict, "warn")
        terminal.out(f"  {terminal.symbol(sign)} {check.words}")


def _row(name: str, side: Side) -> tuple[str, ...]:
    from apigw_cli.stages import canary_judgement

    of = ((side.refused, side.requests), (side.failed, side.admitted))
    shares = (f"{100 * count / total:.1f} %" if total else "-" for count, total in of)
    bounds = [canary_judgement.percentile(side, part) for part in (0.5, 0.95, 0.99)]
    return (
        name,
        f"{side.requests:,}",
        *shares,
        *(f"≤ {bound * 1000:g} ms" if bound is not None else "-" for bound in bounds),
    )
