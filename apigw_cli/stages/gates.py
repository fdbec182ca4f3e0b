"""Gates: what must hold before a release may move, as the target's stage file says (`gates`).

A person can accept a finding by name, with a reason: on the command line for one promotion, or in the stage file
until a day. Pure: the time is given, evidence and lint were looked up before.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from apigw_cli.config.located import Located
from apigw_cli.config.model import AcceptedConfig, GatesConfig
from apigw_cli.errors import UsageError
from apigw_cli.stages.finding import Finding
from apigw_cli.stages.grouping import groups
from apigw_cli.stages.records import Accepted, Linted

_LEAST = 4  # digits that name a fingerprint
_DAYS = re.compile(r"([0-9]{1,4})d")


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. `holds`: nothing stands against it that was not accepted. `why`: in words, where it needs some."""

    name: str
    holds: bool
    why: str = ""


def judge(config: GatesConfig, findings: Sequence[Finding], accepted: Sequence[Accepted]) -> tuple[Gate, ...]:
    """The gates of a promotion that compiles, but for lint and evidence."""
    left = blocking(config, findings, accepted)
    gates = [Gate("compiles", True)]
    if config.breaking == "block":
        gates.append(Gate("no breaking change", not any(finding.breaks for finding in left)))
    if config.weakening == "block":
        gates.append(Gate("no weakening", not any(finding.weakens for finding in left)))
    return tuple(gates)


def blocking(config: GatesConfig, findings: Sequence[Finding], accepted: Sequence[Accepted]) -> list[Finding]:
    """The findings that a gate stops at and nobody has accepted."""
    passed = {entry.fingerprint for entry in accepted}
    return [
        finding
        for finding in findings
        if finding.fingerprint not in passed
        and ((finding.breaks and config.breaking == "block") or (finding.weakens and config.weakening == "block"))
    ]


def lint(config: GatesConfig, found: Linted | None) -> tuple[Gate, ...]:
    """The lint gate; `found` None: nobody has linted the release."""
    if config.lint == "off":
        return ()
    if found is None:
        return (Gate("lint", False, "the release was not linted: deploy it again from its files"),)
    counts = ((found.errors, "error"), (found.warnings if config.lint == "warn" else 0, "warning"))
    words = [f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in counts if number]
    return (Gate("lint", not words, f"{' and '.join(words)}: apigw lint" if words else ""),)


# --- acceptances


def accept(
    findings: Sequence[Finding], wanted: Sequence[str], reasons: Sequence[str], expires: str = ""
) -> tuple[Accepted, ...]:
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
        _accepted(finding, reason.strip(), expires)
        for fingerprint, reason in zip(wanted, spread, strict=True)
        for finding in _named(findings, fingerprint)
    )


def _accepted(finding: Finding, reason: str, expires: str, place: str = "") -> Accepted:
    return Accepted(finding.fingerprint, finding.id, finding.where, finding.message, reason, expires, place)


def _named(findings: Sequence[Finding], prefix: str) -> tuple[Finding, ...]:
    """The finding, or all findings of the group, whose fingerprint begins with `prefix`."""
    if len(prefix) < _LEAST:
        raise UsageError(f'"{prefix}" is too short', hint=f"give at least {_LEAST} digits of the fingerprint")
    named = _by_fingerprint(findings)
    found = [fingerprint for fingerprint in named if fingerprint.startswith(prefix.lower())]
    if len(found) == 1:
        return named[found[0]]
    if found:
        raise UsageError(f'several findings begin with "{prefix}"', hint=f"give more digits: {', '.join(found)}")
    stopping = groups(finding for finding in findings if finding.blocks)
    listed = ", ".join(f"{group.fingerprint} ({group.subject})" for group in stopping[:5])
    hint = f"these need accepting: {listed}" if listed else "nothing needs accepting: leave --accept out"
    raise UsageError(f'no finding that needs accepting has the fingerprint "{prefix}"', hint=hint)


def _by_fingerprint(findings: Sequence[Finding]) -> dict[str, tuple[Finding, ...]]:
    """What can be accepted: each finding that stops a promotion, and each group of them."""
    stopping = groups(finding for finding in findings if finding.blocks)
    named = {group.fingerprint: group.findings for group in stopping}
    for group in stopping:
        named |= {finding.fingerprint: (finding,) for finding in group.findings}
    return named


def accepted_in(
    file: Located, listed: Sequence[AcceptedConfig], findings: Sequence[Finding], today: str
) -> tuple[tuple[Accepted, ...], tuple[str, ...]]:
    """What a stage file lets pass today (`2027-01-31`); and a note for each entry that has expired."""
    named = _by_fingerprint(findings)
    passed, notes = [], []
    for number, one in enumerate(listed):
        if one.fingerprint not in named:
            continue
        place = str(file.place(("gates", "accept", number)))
        if one.expires < today:
            notes.append(f"{one.fingerprint} was accepted until {one.expires}, which is over  {place}")
            continue
        passed += [_accepted(found, one.reason, one.expires, place) for found in named[one.fingerprint]]
    return tuple(passed), tuple(notes)


def until(text: str | None, today: str) -> str:
    """The last day of `--expires`: a day that is not over, or `30d` from today. Raises UsageError."""
    if text is None:
        return ""
    days = _DAYS.fullmatch(text)
    try:
        first = datetime.date.fromisoformat(today)
        last = first + datetime.timedelta(days=int(days[1])) if days else datetime.date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f'--expires takes a day or a number of days, not "{text}"', hint="2027-01-31, or 30d"
        ) from None
    if last < first:
        raise UsageError(f"--expires {text} is over already", hint="name a day that is still to come")
    return last.isoformat()
