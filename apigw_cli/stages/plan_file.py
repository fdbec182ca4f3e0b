"""`plan.json`: a plan that was shown to somebody, to be carried out later just as it was shown, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.errors import InputError, Place, StaleError
from apigw_cli.stages.releases import label, short

FORMAT = 1
_MOST = 16 * 1024 * 1024


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that the plan accepts on the command line."""

    fingerprint: str
    reason: str


class PlannedCanary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    percent: float
    by: str


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan was made from, and what it was asked for.

    `release` is what `target` would run with its stage file of the digest `stage_file`; `base` and `base_stage_file`
    are what it ran then. `generations` are those of both stages. `findings` are the fingerprints of all of them.
    """

    format: int
    tool: str
    time: str
    who: str
    source: str
    target: str
    release: str
    stage_file: str
    base: str | None
    base_stage_file: str | None
    generations: dict[str, int]
    findings: tuple[str, ...]
    accept: tuple[Acceptance, ...] = ()
    expires: str = ""
    force: bool = False
    reason: str = ""
    canary: PlannedCanary | None = None

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def read(path: Path) -> PlanFile:
    """A plan from its file. Raises InputError for what cannot be read or is none."""
    try:
        data = path.read_bytes()
        if len(data) > _MOST:
            raise InputError(f"{label(path)} is too large for a plan")
        found = msgspec.json.decode(data, type=PlanFile)
    except OSError as error:
        raise InputError(f"cannot read {label(path)}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        hint = "apigw promote A B --plan-out FILE makes one"
        raise InputError(f"not a plan: {error}", place=Place(label(path)), hint=hint) from None
    if found.format != FORMAT:
        raise InputError(f"format {found.format} is not one that this version of apigw knows", place=Place(label(path)))
    return found


def digest(data: dict[str, Any] | None) -> str | None:
    """Names the content of a stage file."""
    if data is None:
        return None
    return hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()


def check(shown: PlanFile, now: PlanFile) -> None:
    """Raises StaleError, saying what moved, where the plan that was shown is not the one that is made now."""
    moved = [
        f"{stage} was moved{_between(shown.base, now.base) if stage == shown.target else ''}"
        for stage, generation in shown.generations.items()
        if now.generations.get(stage) != generation
    ]
    if shown.release != now.release:
        moved.append(f"{shown.source} has {short(now.release)}, not {short(shown.release)}")
    if shown.stage_file != now.stage_file:
        moved.append(f"{shown.target}'s stage file was edited")
    if shown.base_stage_file != now.base_stage_file and not moved:
        moved.append(f"{shown.target} ran with another stage file")
    if shown.findings != now.findings and not moved:
        moved.append("the changes are judged differently (another version of apigw?)")
    if moved:
        raise StaleError(
            f"the plan of {shown.time} by {shown.who} is out of date: {'; '.join(moved)}. Nothing was changed",
            hint=f"plan afresh: apigw promote {shown.source} {shown.target}",
        )


def _between(before: str | None, after: str | None) -> str:
    return f": {short(before)} → {short(after)}" if before and after and before != after else ""
