"""`--wait`: from the pointer to every worker of every running gateway, or back.

    gateways found ─▶ moved ─▶ all serve it? ─▶ well for as long as health checks need ─▶ done
                                  │ refused, gone, unwell, too late
                                  └─▶ pointer back (audited, only if nobody moved it since) ─▶ exit 6

A gateway is asked at its admin port: what it serves is what all its workers serve, for they swap together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apigw_cli.errors import ApigwError, EnvironmentFailure, InputError, RolledBack
from apigw_cli.snapshot import running
from apigw_cli.snapshot.model import Snapshot
from apigw_cli.snapshot.running import Running
from apigw_cli.stages import promotion
from apigw_cli.stages.planning import Plan
from apigw_cli.stages.releases import short
from apigw_cli.stages.store import Change, Move, entry

POLL_SECONDS = 0.1
SETTLE_MOST = 30.0  # seconds that health checks are waited for at the most

Say = Callable[[str], None]


def foretold(plan: Plan) -> str:
    """What the running gateways will do, in a line of the plan."""
    found = running.gateways(plan.workspace.project.root, plan.target)
    if not found:
        return f"none runs what is deployed to {plan.target}: apigw serve --stage {plan.target} --released"
    many = "1 running gateway" if len(found) == 1 else f"{len(found)} running gateways"
    where = ", ".join(gateway.admin for gateway in found[:3])
    does = "swaps" if len(found) == 1 else "swap"
    share = f" for {plan.canary.percent:g} % of the requests" if plan.canary else ""
    return f"{many} ({where}) {does} to it{share}, all workers at once; requests under way finish as they began"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a gateway has to serve."""

    generation: int
    settle: float
    out: frozenset[tuple[str, str]]  # gateways and upstreams that were out before: not this release's doing


def promote(plan: Plan, seconds: float, say: Say) -> None:
    """Apply a plan and follow it for at most so many seconds.

    Raises InputError where no gateway runs (before anything was changed), RolledBack where the release was taken back.
    """
    found = running.gateways(plan.workspace.project.root, plan.target)
    if not found:
        raise InputError(
            f"no gateway runs what is deployed to {plan.target}, so there is nothing to wait for; nothing was changed",
            hint=f"apigw serve --stage {plan.target} --released, or leave out --wait",
        )
    out = frozenset((gateway.admin, name) for gateway in found for name in _out(gateway))
    promotion.apply(plan)
    pointer = plan.workspace.pointer(plan.target)
    assert pointer is not None
    say(f"waiting for {', '.join(gateway.admin for gateway in found)} …")
    wanted = _Wanted(pointer.generation, settling(plan.revision.compiled.snapshot), out)
    why = _follow(found, wanted, time.monotonic() + seconds)
    if why:
        _take_back(plan, pointer.generation, why)
        raise RolledBack(f"{plan.target} was taken back to {_before(plan)}: {why}", hint=f"apigw history {plan.target}")


def settling(snapshot: Snapshot) -> float:
    """How long health checks need to find out that a target is down, in seconds."""
    checks = (upstream.health for upstream in snapshot.upstreams.values() if upstream.health is not None)
    return min(max(((c.every + c.timeout) * c.unhealthy_after for c in checks), default=0.0), SETTLE_MOST)


def _before(plan: Plan) -> str:
    return short(plan.base.digest) if plan.base else "nothing"


def _follow(gateways: Sequence[Running], wanted: _Wanted, end: float) -> str:
    """Why it did not go well; '' where it did."""
    served_at: float | None = None
    while True:
        now = time.monotonic()
        states = [_state(gateway, wanted) for gateway in gateways]
        bad = next((why for kind, why in states if kind == "bad"), "")
        if bad:
            return bad
        waits = [why for kind, why in states if kind == "waits"]
        served_at = None if waits else served_at or now
        if served_at is not None and now - served_at >= wanted.settle:
            return ""
        if now >= end:
            return waits[0] if waits else f"health checks were not through in time ({wanted.settle:g} s)"
        time.sleep(POLL_SECONDS)


def _state(gateway: Running, wanted: _Wanted) -> tuple[str, str]:
    """`good`, `waits` or `bad`, and why."""
    name = gateway.admin
    try:
        served, health = gateway.ask("/snapshot"), gateway.ask("/health")
        out = _out(gateway)
    except EnvironmentFailure as error:
        return "bad", str(error)
    deployment = served.get("deployment") or {}
    if deployment.get("generation", 0) < wanted.generation:
        if served.get("refused"):
            return "bad", f"{name} refused it: {served['refused']}"
        return "waits", f"{name} still serves what it did before"
    if deployment["generation"] > wanted.generation:
        return "bad", f"{name} serves something newer: {short(str(deployment.get('release')))}"
    if health["serving"] < health["workers"]:
        return "waits", f"{name}: {health['serving']} of {health['workers']} workers serve"
    new = (why for upstream, why in out.items() if (name, upstream) not in wanted.out)
    return next((("bad", f"{name}: every target of upstream {why}") for why in new), ("good", ""))


def _out(gateway: Running) -> dict[str, str]:
    """The upstreams that have no target left, with the reason. Raises EnvironmentFailure."""
    targets: dict[str, list[dict[str, Any]]] = gateway.ask("/upstreams")
    out = {name: found for name, found in targets.items() if found and all(target["why"] for target in found)}
    return {name: f"{name} is out ({found[0]['why']})" for name, found in out.items()}


def _take_back(plan: Plan, generation: int, why: str) -> None:
    """The pointer as it was before. Raises StaleError where somebody moved it since: then it is theirs."""
    assert plan.base is not None
    what = Move(plan.target, plan.base.digest, plan.base.stage_file)
    if plan.canary is not None:
        done = entry(
            action="canary", stage=plan.target, source=plan.source, before=plan.base.digest, to=plan.revision.digest,
            verdict="applied", canary=0, reason=f"--wait: {why}",
        )  # fmt: skip
    else:
        done = entry(
            action="rollback", stage=plan.target, source="history", before=plan.revision.digest, to=plan.base.digest,
            verdict="applied", stage_file=plan.base.stage_file, reason=f"--wait: {why}",
        )  # fmt: skip
    change = Change(f"rollback {plan.target}", (done,), (what,), (), {plan.target: generation})
    try:
        plan.workspace.store.commit(change)
    except ApigwError as error:
        error.hint = f"{plan.target} runs {short(plan.revision.digest)} still, which did not go well: {why}"
        raise
