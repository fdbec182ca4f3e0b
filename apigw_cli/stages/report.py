"""What a comparison says, in words and as data; how it looks on a terminal is the command line's business."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apigw_cli.stages import people
from apigw_cli.stages.comparison import Comparison, Counts, Subject, Verdict
from apigw_cli.stages.finding import Finding, Level, Location, locate_all
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


# --- as data


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as `--format json` prints it (docs/stages.md)."""
    locate_all(comparison.findings)
    return {
        "version": 1,
        "base": _subject(comparison.base),
        "revision": _subject(comparison.revision),
        "verdict": comparison.verdict.value,
        "counts": {name: getattr(comparison.counts, name) for name in Counts.__slots__},
        "findings": [finding(found, group) for group in groups(comparison.findings) for found in group.findings],
        "stage_differences": [_difference(found) for found in comparison.differences],
        "notes": list(comparison.notes),
        "next": comparison.next or None,
    }


def _subject(subject: Subject) -> dict[str, Any]:
    return {"title": subject.title, "release": subject.digest, "routes": subject.routes, "time": subject.time}


def finding(found: Finding, group: Group) -> dict[str, Any]:
    """One finding; `group` is the fingerprint that it shares with the same change of other operations."""
    return {
        "id": found.id,
        "axis": found.axis.value,
        "level": found.level.value,
        "api": found.api or None,
        "operation": found.operation or None,
        "path": found.path,
        "message": found.message,
        "why": found.why,
        "old": found.old,
        "new": found.new,
        "locations": [_location(location) for location in found.locations],
        "fingerprint": found.fingerprint,
        "group": group.fingerprint,
    }


def _location(location: Location) -> dict[str, Any]:
    plain = {
        "side": location.side.value,
        "file": location.file,
        "line": location.line,
        "column": location.column,
        "pointer": location.pointer,
    }
    return {key: value for key, value in plain.items() if value is not None}


def _difference(found: StageDifference) -> dict[str, Any]:
    place = str(found.place) if found.place else None
    return {"path": found.path, "old": found.old, "new": found.new, "expected": found.expected, "place": place}


# --- for a pull request

_SIGNS = {"bad": "❌", "warn": "⚠️", "ok": "✅", "dot": "·"}


def markdown(comparison: Comparison) -> str:
    """The comparison as a comment for a pull request."""
    locate_all(comparison.findings)
    lines = [f"### {_SIGNS[SYMBOLS[comparison.verdict]]} {verdict(comparison)}", "", sides(comparison), ""]
    important = [f for f in comparison.findings if f.level in (Level.WEAKEN, Level.ERR, Level.WARN)]
    rest = [f for f in comparison.findings if f not in important]
    lines += _table(rows(important))
    if rest:
        lines += [
            "<details>",
            f"<summary>{len(rest)} that hurt nobody</summary>",
            "",
            *_table(rows(rest)),
            "</details>",
            "",
        ]
    lines += _differences(comparison.differences)
    lines += [f"> {note}" for note in comparison.notes]
    return "\n".join(lines).rstrip() + "\n"


def _table(listed: Sequence[Row]) -> Iterator[str]:
    if not listed:
        return
    yield "| | Operation | Change | Where | Fingerprint |"
    yield "|---|---|---|---|---|"
    for row in listed:
        cells = (
            f"{_SIGNS[row.symbol]} {row.word}",
            f"`{row.group.subject}`",
            row.first.message,
            f"`{row.group.place}`" if row.group.place else "",
            f"`{row.group.fingerprint}`",
        )
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _differences(differences: Sequence[StageDifference]) -> Iterator[str]:
    if not differences:
        return
    yield "Between the two stage files:"
    yield ""
    for found in differences:
        word = "expected" if found.expected else "**not expected**"
        yield f"- {word}: `{difference(found)}`"
    yield ""
