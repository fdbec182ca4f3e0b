"""A canary: a release that gets a share of a stage's requests beside the one that the stage runs.

                     set m %
                      ┌──┐
    runs R ──promote --canary n %──▶ runs R, canary C
      ▲                                │        │
      └──────────── abort ─────────────┘        └─ promote, where C does no worse ──▶ runs C

It is part of the stage's pointer and changes in the same transaction. While there is one, the stage takes no other
release: finish it or abort it first. What cannot be told yet never promotes (exit 7), what is worse neither (exit 4).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.config.values import parse_percent
from apigw_cli.errors import Blocked, EnvironmentFailure, InputError, RolledBack, StaleError, Untrustworthy, UsageError
from apigw_cli.snapshot import running
from apigw_cli.stages import canary_judgement
from apigw_cli.stages.canary_judgement import INCONCLUSIVE, WORSE, Judgement, Side
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.plan_file import PlannedCanary
from apigw_cli.stages.records import Canary, Pointer, State
from apigw_cli.stages.releases import short
from apigw_cli.stages.store import Change, Move, entry
from apigw_cli.stages.workspace import Workspace

_BY = re.compile(r"random|ip|(header|cookie):[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
POLL_SECONDS = 0.25


def planned(percent: str, by: str) -> PlannedCanary:
    """From `--canary 10%` and `--canary-by`. Raises UsageError."""
    if not _BY.fullmatch(by):
        raise UsageError(f'--canary-by takes random, ip, header:NAME or cookie:NAME, not "{by}"')
    kind, colon, name = by.partition(":")
    return PlannedCanary(share(percent), by if kind != "header" else kind + colon + name.lower())


def share(text: str) -> float:
    """Percent of the requests, more than none and less than all. Raises UsageError."""
    try:
        percent = parse_percent(text if text.endswith("%") else text + "%") * 100
    except ValueError as error:
        raise UsageError(f"the canary's share: {error}") from None
    if not 0 < percent < 100:
        raise UsageError(f"a canary gets more than 0% and less than 100%, not {text}")
    return round(percent, 3)


def check_none(state: State, stage: str) -> None:
    """Raises StaleError while a canary runs in the stage."""
    pointer = state.stages.get(stage)
    if pointer is not None and pointer.canary is not None:
        what = f"{short(pointer.canary.release)} at {pointer.canary.percent:g} %"
        raise StaleError(
            f"a canary runs in {stage} ({what}): it takes no other release meanwhile",
            hint=f"apigw canary {stage} promote, or apigw canary {stage} abort",
        )


def check_possible(wanted: PlannedCanary | None, base: Deployment | None, stage: str) -> None:
    """Raises UsageError for a canary beside nothing."""
    if wanted is not None and base is None:
        raise UsageError(f"{stage} has no release yet that a canary could run beside", hint="leave out --canary")


# --- what a canary is asked


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    stage: str
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A stage with a canary: the pointer, how both sides do, over how many gateways."""

    workspace: Workspace
    stage: str
    pointer: Pointer
    canary: Canary
    stable: Side
    beside: Side
    gateways: int
    judgement: Judgement


def look(options: CanaryOptions) -> View:
    """How the canary does. Raises InputError where there is none."""
    workspace = Workspace(options.config)
    workspace.stage_file(options.stage)
    pointer = workspace.pointer(options.stage)
    if pointer is None or pointer.canary is None:
        hint = f"start one: apigw promote … {options.stage} --canary 10%"
        raise InputError(f"no canary runs in {options.stage}", hint=hint)
    told = _told(workspace, options.stage, pointer.canary.began)
    stable, beside = (canary_judgement.total(one[name] for one in told) for name in ("stable", "canary"))
    judged = canary_judgement.judge(stable, beside)
    return View(workspace, options.stage, pointer, pointer.canary, stable, beside, len(told), judged)


def _told(workspace: Workspace, stage: str, began: int) -> list[dict[str, Side]]:
    """What each running gateway counted since the canary began there. One that does not answer tells nothing."""
    found = []
    for gateway in running.gateways(workspace.project.root, stage):
        try:
            page: Any = gateway.ask("/canary")
            if page.get("began") == began:
                found.append({name: msgspec.convert(page["sides"][name], Side) for name in ("stable", "canary")})
        except (EnvironmentFailure, AttributeError, KeyError, msgspec.ValidationError):
            continue
    return found


def change_share(view: View, percent: float, reason: str = "") -> None:
    """Give the canary another share."""
    moved = msgspec.structs.replace(view.canary, percent=percent)
    _commit(view, Move(view.stage, view.pointer.release, view.pointer.stage_file, moved), percent, reason)


def abort(view: View, reason: str = "") -> None:
    """All requests go to what the stage runs."""
    _commit(view, Move(view.stage, view.pointer.release, view.pointer.stage_file), 0, reason)


def promote(view: View, reason: str = "", force: bool = False) -> None:
    """The stage runs the canary. Raises Blocked where it does worse, Untrustworthy where that cannot be told yet."""
    if not force:
        _check(view)
    beside = view.canary
    done = entry(
        action="promote",
        stage=view.stage,
        source="canary",
        before=view.pointer.release,
        to=beside.release,
        verdict="applied",
        stage_file=beside.stage_file,
        forced=force,
        reason=reason or view.judgement.words,
    )
    move = Move(view.stage, beside.release, beside.stage_file)
    expected = {view.stage: view.pointer.generation}
    view.workspace.store.commit(Change(f"canary {view.stage} promote", (done,), (move,), (), expected))


def _check(view: View) -> None:
    hint = (
        f'all the same: apigw canary {view.stage} promote --force --reason "…"; back: apigw canary {view.stage} abort'
    )
    if view.judgement.verdict == WORSE:
        raise Blocked(f"the canary does worse: {view.judgement.words}", hint=hint)
    if view.judgement.verdict == INCONCLUSIVE:
        raise Untrustworthy(
            f"it cannot be told yet: {view.judgement.words}", hint=f"give it time or a larger share; {hint}"
        )


def _commit(view: View, move: Move, percent: float, reason: str) -> None:
    done = entry(
        action="canary",
        stage=view.stage,
        source=view.canary.source,
        before=view.pointer.release,
        to=view.canary.release,
        verdict="applied",
        canary=percent,
        reason=reason,
    )
    expected = {view.stage: view.pointer.generation}
    view.workspace.store.commit(Change(f"canary {view.stage}", (done,), (move,), (), expected))


def follow(
    options: CanaryOptions, seconds: float, show: Callable[[View], None], sleep: Callable[[float], None]
) -> View:
    """Look until it can be told, then promote it, or abort it and raise RolledBack.

    Raises Untrustworthy where it cannot be told after so many seconds: the canary stays as it is.
    """
    end = time.monotonic() + seconds
    view = look(options)
    began = view.canary.began
    while view.judgement.verdict == INCONCLUSIVE and time.monotonic() < end:
        show(view)
        sleep(POLL_SECONDS)
        view = look(options)
        if view.canary.began != began:
            raise StaleError(f"another canary runs in {options.stage} now", hint="look at it first")
    if view.judgement.verdict == WORSE:
        abort(view, f"did worse: {view.judgement.words}")
        raise RolledBack(
            f"the canary did worse and was aborted: {view.judgement.words}",
            hint=f"{options.stage} runs {short(view.pointer.release)} alone",
        )
    promote(view)
    return view


def as_json(view: View, outcome: str) -> dict[str, Any]:
    """As `--format json` prints it (docs/stages.md)."""
    return {
        "version": 1,
        "action": "canary",
        "stage": view.stage,
        "outcome": outcome,
        "release": view.pointer.release,
        "canary": {name: getattr(view.canary, name) for name in ("release", "percent", "by", "source", "began")},
        "gateways": view.gateways,
        "sides": {name: canary_judgement.as_json(side) for name, side in _sides(view)},
        "verdict": view.judgement.verdict,
        "checks": [msgspec.to_builtins(check) for check in view.judgement.checks],
    }


def _sides(view: View) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("stable", view.stable), ("canary", view.beside)
