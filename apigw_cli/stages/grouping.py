"""The same change of the same value at many operations is one thing to read, and one to accept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apigw_cli.stages.finding import Axis, Finding, Location, Side, Spot


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that say the same of the same place, each of another operation."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def fingerprint(self) -> str:
        """That of the only finding, else of all together: an approval does not reach an operation added later."""
        if len(self.findings) == 1:
            return self.first.fingerprint
        text = "\n".join(sorted(finding.fingerprint for finding in self.findings))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def subject(self) -> str:
        more = len(self.findings) - 1
        return (self.first.where or "API") + (f" (+{more:,} more)" if more else "")

    @property
    def place(self) -> Location | None:
        return self.first.place


def groups(findings: Iterable[Finding]) -> list[Group]:
    """The findings in their order, together where they say the same."""
    found: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        found.setdefault(_change(finding), []).append(finding)
    return [Group(tuple(same)) for same in found.values()]


def _change(finding: Finding) -> tuple[Any, ...]:
    spots = _of_values(finding) if finding.axis is Axis.PROTECTION else finding.spots
    places = tuple(
        (id(spot.document), spot.steps) if spot.document is not None else str(spot.locate()) for spot in spots
    )
    return finding.id, finding.message, places or finding.where


def _of_values(finding: Finding) -> tuple[Spot, ...]:
    """Where the values stand. A side that has none shows its operation instead, which is another one each time."""
    absent = {Side.BASE: finding.old is None, Side.REVISION: finding.new is None}
    return tuple(spot for spot in finding.spots if not absent[spot.side]) or finding.spots
