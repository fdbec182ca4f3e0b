"""What a comparison says in words; how it looks on a terminal is the command line's business."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from apigw_cli.stages import people
from apigw_cli.stages.comparison import Comparison, Counts, Subject, Verdict
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.finding import Finding, Level
from apigw_cli.stages.grouping import Group, groups
from apigw_cli.stages.releases import short
from apigw_cli.stages.stage_files import StageDifference

_WORDS = {
    Level.WEAKEN: ("bad", "weakens"),
    Level.ERR: ("bad", "breaks"),
    Level.WARN: ("warn", "careful"),
    Level.STRENGTHEN: ("ok", "strengthens"),
    Level.NEUTRAL: ("dot", "neutral"),
    Level.INFO: ("dot", "safe"),
}


class Moved(Protocol):
    """A plan that moves one stage: of `deploy` or `rollback`."""

    @property
    def stage(self) -> str: ...
    @property
    def comparison(self) -> Comparison: ...
    @property
    def base(self) -> Deployment | None: ...
    @property
    def revision(self) -> Deployment: ...


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report."""

    symbol: str  # of cli/terminal.py: bad, warn, ok, dot
    word: str
    group: Group

    @property
    def first(self) -> Finding:
        return self.group.first


def rows(findings: Iterable[Finding]) -> list[Row]:
    """The findings as lines, in their order."""
    return [_row(group) for group in groups(findings)]


def _row(group: Group) -> Row:
    symbol, word = _WORDS[group.first.level]
    if group.first.id in ("endpoint-added", "api-added"):
        word = "adds"
    return Row(symbol, word, group)


# --- words


def headline(counts: Counts) -> str:
    """`1 weakening, 2 breaking, 7 safe changes`; '' where nothing changes."""
    pieces = [
        f"{counts.weakening} weakening" if counts.weakening else "",
        f"{counts.breaking} breaking" if counts.breaking else "",
        f"{counts.warnings} warning{'s' if counts.warnings > 1 else ''}" if counts.warnings else "",
        f"{counts.strengthening} strengthening" if counts.strengthening else "",
        f"{counts.safe} safe change{'s' if counts.safe > 1 else ''}" if counts.safe else "",
    ]
    return ", ".join(piece for piece in pieces if piece)


SYMBOLS = {
    Verdict.IDENTICAL: "ok",
    Verdict.SAFE: "ok",
    Verdict.CAREFUL: "warn",
    Verdict.BLOCKING: "bad",
}


def verdict(comparison: Comparison) -> str:
    """The first line, without its sign."""
    return headline(comparison.counts) or "no difference that a client or the gateway's protection would notice"


def sides(comparison: Comparison) -> str:
    """What is compared: `prod now 7c1e90a (3 days ago, 6 routes) → 3f9c2d1 from qa (7 routes)`."""
    base, revision = comparison.base, comparison.revision
    if revision.digest is None:
        return f"{base.title} → {revision.title}"
    if any(side.title.startswith("release ") for side in (base, revision)):
        return f"{base.title}{_about(base)} → {revision.title}{_about(revision)}"
    after = f"{short(revision.digest)} from {revision.title}{_about(revision)}"
    if base.digest is None:
        return f"{base.title} has no release yet → {after}"
    return f"{base.title} now {short(base.digest)}{_about(base)} → {after}"


def _about(subject: Subject) -> str:
    age = people.age(subject.time) if subject.time else ""
    routes = "" if subject.routes is None else f"{subject.routes:,} route{'' if subject.routes == 1 else 's'}"
    both = ", ".join(piece for piece in (age, routes) if piece)
    return f" ({both})" if both else ""


def difference(found: StageDifference) -> str:
    """`variables.pets_url: http://a → http://b`."""
    absent = "not set" if found.path.startswith("variables.") else "as in apigw.yaml"
    old, new = (absent if value is None else _flow(value) for value in (found.old, found.new))
    return f"{found.path}: {old} → {new}"


def _flow(value: Any) -> str:
    """A value as it is written in YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def fix(found: Finding, comparison: Comparison, fingerprint: str = "") -> str:
    """What to do about a finding that stops a promotion: mend it, or say that it is meant; '' for any other.

    `fingerprint`: that of the group that it is shown for; default: its own.
    """
    if not found.blocks:
        return ""
    mend = _FIXES.get(found.id) or _FIX[found.level].format(path=found.path.removeprefix("policies.") or "it")
    if not comparison.next.startswith("apigw promote"):
        return mend
    return f'{mend}; or accept it: {comparison.next} --accept {fingerprint or found.fingerprint} --reason "…"'


_FIX = {
    Level.WEAKEN: "set {path} back to what it was",
    Level.ERR: "keep what clients rely on beside the new, or give the new a version of its own",
}
_FIXES = {
    "route-added-open": "give the operation `security`, as the other routes of its API have it",
    "route-takes-over": "give it the policies of the route whose requests it takes, or another path",
    "auth-weakened": "ask for the same schemes and scopes again",
    "hosts-weakened": "name the hosts that the API is for",
    "integration-changed": "let the same upstream answer",
    "upstream-host-changed": "name the same targets",
    "upstream-tls-removed": "write the targets with https://",
}


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as `--format json` prints it (docs/stages.md)."""
    from apigw_cli.stages.reports.document import document  # which needs the words here

    plain: dict[str, Any] = msgspec.to_builtins(document(comparison))
    return plain


def moved_as_json(action: str, plan: Moved, outcome: str) -> dict[str, Any]:
    """A deployment or rollback and what became of it, as `--format json` prints it (docs/stages.md)."""
    return {
        "version": 1,
        "action": action,
        "target": plan.stage,
        "outcome": outcome,
        "before": plan.base.digest if plan.base else None,
        "release": plan.revision.digest,
        "diff": as_json(plan.comparison),
    }
