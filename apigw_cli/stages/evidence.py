"""Evidence: a result of `apigw bench` that belongs to what a stage runs, kept beside the release.

It counts only for the very Snapshot (release + stage file) that the measured gateway said it served, before and after
the load. The file is named by its SHA-256, which the audit line holds: what is exchanged afterwards is found out.

    bench ─ result with `served` ─▶ attach: served == what the stage runs? ─▶ evidence/<sha256>.json + audit line
    promote ─▶ the newest one of source's Snapshot ─▶ young enough, everything held? ─▶ the gate
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apigw_cli.config.model import BenchGateConfig
from apigw_cli.errors import InputError
from apigw_cli.stages import deployments, diff, people
from apigw_cli.stages.gates import Gate
from apigw_cli.stages.records import Entry, Evidence
from apigw_cli.stages.releases import short
from apigw_cli.stages.store import Change, Store, entry
from apigw_cli.stages.workspace import Workspace

MOST = 4 * 1024 * 1024  # bytes of a result that is kept


class _Served(msgspec.Struct, frozen=True):
    stage: str
    digest: str
    origin: str


class _Trust(msgspec.Struct, frozen=True):
    trustworthy: bool


class _Proof(msgspec.Struct, frozen=True):
    verdict: str


class _Outcome(msgspec.Struct, frozen=True):
    holds: bool


class _Requests(msgspec.Struct, frozen=True):
    allowed: int


class Measured(msgspec.Struct, frozen=True):
    """What the gate looks at in a result of `apigw bench --format json` (docs/bench.md)."""

    verdict: _Trust
    interrupted: bool
    requests: _Requests
    served: _Served | None = None
    limits: tuple[_Proof, ...] = ()
    assertions: tuple[_Outcome, ...] = ()

    @property
    def against(self) -> str:
        """What speaks against what was measured, in words; '' for nothing."""
        if self.interrupted:
            return "it was interrupted"
        if not self.requests.allowed:
            return "no request was let through"
        if any(proof.verdict == "fail" for proof in self.limits):
            return "a limit did not hold"
        if not all(outcome.holds for outcome in self.assertions):
            return "an assertion did not hold"
        # As `apigw bench` judges: a load that was refused on purpose need not be a trustworthy measure of speed.
        unsure = any(proof.verdict != "pass" for proof in self.limits)
        speed = not self.limits or bool(self.assertions)
        return "it is inconclusive" if unsure or (speed and not self.verdict.trustworthy) else ""

    def missing(self, wanted: BenchGateConfig) -> str:
        """What a gate asks for and nobody measured."""
        if wanted.limits and not self.limits:
            return "it proves no limit (--verify-limits)"
        return "it asserts nothing (--assert)" if wanted.assertions and not self.assertions else ""


def decode(data: bytes) -> Measured:
    """A result from its bytes. Raises InputError for anything else."""
    try:
        return msgspec.json.decode(data, type=Measured)
    except msgspec.MsgspecError as error:
        raise InputError(f"not a result of apigw bench: {error}", hint="apigw bench --format json makes one") from None


@dataclass(frozen=True, slots=True)
class Target:
    """What evidence is wanted for: what a stage runs, as it was when the measurement began."""

    workspace: Workspace
    stage: str
    release: str
    snapshot: str


def target(config: Path | None, stage: str) -> Target:
    """What the stage runs. Raises InputError where it has no release: said before anything is measured."""
    workspace = Workspace(config)
    workspace.stage_file(stage)
    deployed = deployments.deployed(workspace, stage)
    if deployed is None:
        hint = f"give it one: {diff.how_to_fill(workspace, stage)}"
        raise InputError(f"{stage} has no release yet, so there is nothing to attach a result to", hint=hint)
    return Target(workspace, stage, deployed.digest, deployed.compiled.snapshot.digest)


def attach(wanted: Target, data: bytes) -> Evidence:
    """Keep a result as evidence. Raises InputError where something else was measured than what the stage runs."""
    if len(data) > MOST:
        raise InputError(f"the result is larger than {MOST >> 20} MiB, so it was not attached")
    measured = decode(data)
    served, stage = measured.served, wanted.stage
    hint = f"measure a gateway that runs it: apigw serve --stage {stage} --released"
    if served is None:
        raise InputError("not attached: which release was measured is not known", hint=hint)
    if served.digest != wanted.snapshot:
        raise InputError(
            f"not attached: measured was stage {served.stage} ({served.origin}), Snapshot {short(served.digest)}, "
            f"but {stage} runs release {short(wanted.release)}, Snapshot {short(wanted.snapshot)}",
            hint=hint,
        )
    kept = Evidence(hashlib.sha256(data).hexdigest(), served.digest, not measured.against)
    done = entry(
        action="evidence",
        stage=stage,
        source="bench",
        before=None,
        to=wanted.release,
        verdict="applied",
        reason=measured.against,
        evidence=kept,
    )
    wanted.workspace.store.commit(Change(f"evidence {stage}", (done,), evidence=(data,)))
    return kept


# --- the gate

NAME = "bench evidence"


def gate(
    wanted: BenchGateConfig, store: Store, entries: Sequence[Entry], stage: str, snapshot: str, now: datetime.datetime
) -> Gate:
    """Whether the newest evidence for what `stage` runs is young enough, and all that it measured held."""
    newest = next(
        (e for e in reversed(entries) if e.stage == stage and e.evidence and e.evidence.snapshot == snapshot), None
    )
    how = "apigw bench --stage {0}{1}{2} --attach {0}".format(
        stage, " --verify-limits" if wanted.limits else "", " --assert 'errors<0.1%'" if wanted.assertions else ""
    )
    if newest is None or newest.evidence is None:
        return Gate(NAME, False, f"none for what {stage} runs: {how}")
    try:
        measured = decode(store.evidence.get(newest.evidence.sha256))
    except InputError as error:
        return Gate(NAME, False, str(error))
    age = (now - people.moment(newest.time)).total_seconds()
    if age < 0:
        return Gate(NAME, False, f"it is of {newest.time}, which is still to come: look at this machine's clock")
    against = measured.against or measured.missing(wanted)
    old = people.age(newest.time)
    if against:
        return Gate(NAME, False, f"{against} ({old}): {how}")
    if age > wanted.younger_than:
        return Gate(NAME, False, f"{old}, which is older than {wanted.younger_than / 3600:g} h: {how}")
    return Gate(NAME, True, old)
