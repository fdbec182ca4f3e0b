"""Gates: what must hold before a release may move. A person can accept a finding by name, with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apigw_cli.errors import UsageError
from apigw_cli.stages.finding import Finding
from apigw_cli.stages.grouping import groups
from apigw_cli.stages.records import Accepted

_LEAST = 4  # digits that name a fingerprint


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. `holds`: nothing stands against it that was not accepted."""

    name: str
    holds: bool


def judge(findings: Sequence[Finding], accepted: Sequence[Accepted]) -> tuple[Gate, ...]:
    """The gates of a promotion that compiles."""
    passed = {entry.fingerprint for entry in accepted}
    left = [finding for finding in findings if finding.blocks and finding.fingerprint not in passed]
    return (
        Gate("compiles", True),
        Gate("no breaking change", not any(finding.breaks for finding in left)),
        Gate("no weakening", not any(finding.weakens for finding in left)),
    )


def accept(findings: Sequence[Finding], wanted: Sequence[str], reasons: Sequence[str]) -> tuple[Accepted, ...]:
    """The findings named by (the beginnings of) their fingerprints or their group's, each with its reason.

    One reason stands for all, or there is one for each, in order. Raises UsageError for anything else.
    """
    if not wanted:
        return ()
    if not any(reason.strip() for reason in reasons):
        raise UsageError("--accept needs a reason", hint='say why it is all right: --reason "…"')
    if len(reasons) not in (1, len(wanted)):
        raise UsageError(
            f"{len(wanted)} findings accepted, {len(reasons)} reasons given",
            hint="give one --reason for all, or one after each --accept",
        )
    spread = list(reasons) * len(wanted) if len(reasons) == 1 else reasons
    return tuple(
        Accepted(finding.fingerprint, finding.id, finding.where, finding.message, reason.strip())
        for fingerprint, reason in zip(wanted, spread, strict=True)
        for finding in _named(findings, fingerprint)
    )


def _named(findings: Sequence[Finding], prefix: str) -> tuple[Finding, ...]:
    """The finding, or all findings of the group, whose fingerprint begins with `prefix`."""
    if len(prefix) < _LEAST:
        raise UsageError(f'"{prefix}" is too short', hint=f"give at least {_LEAST} digits of the fingerprint")
    blocking = groups(finding for finding in findings if finding.blocks)
    named = {group.fingerprint: group.findings for group in blocking}
    for group in blocking:
        named |= {finding.fingerprint: (finding,) for finding in group.findings}
    found = [fingerprint for fingerprint in named if fingerprint.startswith(prefix.lower())]
    if len(found) == 1:
        return named[found[0]]
    if found:
        raise UsageError(f'several findings begin with "{prefix}"', hint=f"give more digits: {', '.join(found)}")
    listed = ", ".join(f"{group.fingerprint} ({group.subject})" for group in blocking[:5])
    hint = f"these need accepting: {listed}" if listed else "nothing needs accepting: leave --accept out"
    raise UsageError(f'no finding that needs accepting has the fingerprint "{prefix}"', hint=hint)
