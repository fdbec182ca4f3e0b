"""A comparison as data: what `--format json` prints. Its JSON Schema is made from these very structs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from apigw_cli.stages import report
from apigw_cli.stages.comparison import Comparison, Counts, Subject
from apigw_cli.stages.finding import Finding, Location, SecretState, locate_all
from apigw_cli.stages.grouping import Group, groups
from apigw_cli.stages.stage_files import StageDifference

Presence = Literal["only_in_base", "only_in_revision", "differs"]
Secret = Annotated[
    SecretState | None,
    Meta(description="Whether the secrets behind the values differ, as far as this machine can tell."),
]


class LocationData(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where one side of a finding stands."""

    side: Literal["base", "revision"]
    file: str
    line: Annotated[int | None, Meta(description="From 1; absent where only a release without its files is known.")] = (
        None
    )
    column: int | None = None
    pointer: Annotated[str | None, Meta(description="RFC 6901, into the document.")] = None


class FindingData(Struct, frozen=True, forbid_unknown_fields=True):
    """One difference, judged on one axis."""

    id: Annotated[str, Meta(description="The rule.")]
    axis: Literal["contract", "protection"]
    level: Annotated[
        Literal["ERR", "WARN", "INFO", "weaken", "neutral", "strengthen"],
        Meta(description="ERR, WARN and INFO of the contract; the others of protection."),
    ]
    api: Annotated[str | None, Meta(description="Where there are several.")]
    operation: str | None
    path: str
    message: str
    why: Annotated[str, Meta(description="Whom it hurts, or why it does not.")]
    fix: Annotated[str | None, Meta(description="What to do about one that blocks.")]
    old: Any
    new: Any
    presence: Presence
    secret: Secret
    reaches: Annotated[list[str], Meta(description="The routes that a setting they share holds for.")]
    locations: list[LocationData]
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{12}$", description="The same while the finding says the same.")]
    group: Annotated[str, Meta(pattern="^[0-9a-f]{12}$", description="Shared by the same change of other operations.")]


class SubjectData(Struct, frozen=True, forbid_unknown_fields=True):
    """One side."""

    title: str
    release: Annotated[str | None, Meta(description="SHA-256 of the release; null where there is none.")]
    routes: int | None
    time: str | None


class CountsData(Struct, frozen=True, forbid_unknown_fields=True):
    """Findings by what they mean."""

    breaking: int
    weakening: int
    warnings: int
    strengthening: int
    safe: int


class PresenceData(Struct, frozen=True, forbid_unknown_fields=True):
    """Which side is ahead."""

    only_in_base: int
    only_in_revision: int
    differs: int


class StageDifferenceData(Struct, frozen=True, forbid_unknown_fields=True):
    """What only the two stage files differ in: listed apart and never judged."""

    path: str
    old: Annotated[Any, Meta(description="As the source's file has it; null: it does not.")]
    new: Annotated[Any, Meta(description="As the target's file has it; null: it does not.")]
    presence: Presence
    secret: Secret
    expected: Annotated[bool, Meta(description="Whether the target's file declares it under expect_different.")]
    place: str | None


class Presences(Struct, frozen=True, forbid_unknown_fields=True):
    """Of findings, and of stage differences."""

    findings: PresenceData
    stage_differences: PresenceData


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """What `apigw diff --format json` prints."""

    version: Literal[1]
    base: SubjectData
    revision: SubjectData
    verdict: Literal["identical", "safe", "careful", "blocking"]
    counts: CountsData
    presence: Presences
    findings: Annotated[list[FindingData], Meta(description="Worst first.")]
    stage_differences: list[StageDifferenceData]
    notes: list[str]
    next: Annotated[str | None, Meta(description="The command to type next.")]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document."""
    made = msgspec.json.schema(Document)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "apigw diff", **made}


def document(comparison: Comparison) -> Document:
    """The comparison as data, with every place looked up."""
    locate_all(comparison.findings)
    findings = [_finding(found, group, comparison) for group in groups(comparison.findings) for found in group.findings]
    differences = [_difference(found) for found in comparison.differences]
    return Document(
        1,
        _subject(comparison.base),
        _subject(comparison.revision),
        comparison.verdict.value,
        CountsData(*(getattr(comparison.counts, name) for name in Counts.__slots__)),
        Presences(_presences(f.presence for f in findings), _presences(d.presence for d in differences)),
        findings,
        differences,
        list(comparison.notes),
        comparison.next or None,
    )


def _subject(subject: Subject) -> SubjectData:
    return SubjectData(subject.title, subject.digest, subject.routes, subject.time)


def _presences(found: Iterable[Presence]) -> PresenceData:
    counts = Counter(found)
    return PresenceData(counts["only_in_base"], counts["only_in_revision"], counts["differs"])


def presence(base: Any, revision: Any) -> Presence:
    """Which side has it, of two values that differ."""
    if base is not None and revision is None:
        return "only_in_base"
    return "only_in_revision" if base is None and revision is not None else "differs"


def _finding(found: Finding, group: Group, comparison: Comparison) -> FindingData:
    return FindingData(
        found.id,
        found.axis.value,
        found.level.value,
        found.api or None,
        found.operation or None,
        found.path,
        found.message,
        found.why,
        report.fix(found, comparison) or None,
        found.old,
        found.new,
        presence(found.old, found.new),
        found.secret,
        list(found.reaches),
        [_location(location) for location in found.locations],
        found.fingerprint,
        group.fingerprint,
    )


def _location(found: Location) -> LocationData:
    return LocationData(found.side.value, found.file, found.line, found.column, found.pointer)


def _difference(found: StageDifference) -> StageDifferenceData:
    """The target's file is the base's: promoting takes the source's release there."""
    return StageDifferenceData(
        found.path,
        found.old,
        found.new,
        presence(found.new, found.old),
        found.secret,
        found.expected,
        str(found.place) if found.place else None,
    )
