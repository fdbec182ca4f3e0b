"""What a run of lint found, as every report and gate reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apigw_cli.errors import InputError, Place
from apigw_cli.lint.fix.run import FixedFile
from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.timings import Stopwatch
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Lines
from apigw_cli.openapi.reading import URL, read_text


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in how many files, in how many seconds; `blocked`: something reaches the threshold.

    `names` are the files as they are called in findings; `lines` the lines of files that cannot be read again (by
    URL, from stdin).
    """

    findings: list[Finding]
    files: int
    seconds: float
    blocked: bool
    documents: dict[str, Document] = field(default_factory=dict)  # by label, to show the lines themselves
    _others: dict[str, Lines] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    fail_severity: Severity = Severity.ERROR
    max_warnings: int | None = None
    ignored: int = 0
    known: int = 0  # in the baseline
    updated: str = ""  # the baseline that was written
    fixed: tuple[FixedFile, ...] = ()
    stopwatch: Stopwatch | None = None
    watched: tuple[str, ...] = ()  # every file that another result may come from
    lines: Mapping[Place, str] = field(default_factory=dict)

    def line(self, place: Place) -> str:
        """The line of a place; empty where the file cannot be read any more."""
        if place in self.lines:
            return self.lines[place]
        if place.file in self.documents:
            return self.documents[place.file].line(place.line)
        if place.file not in self._others:
            self._others[place.file] = _lines(place.file)
        return self._others[place.file].line(place.line)

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def too_many_warnings(self) -> bool:
        return self.max_warnings is not None and self.count(Severity.WARN) > self.max_warnings

    @property
    def reaches_threshold(self) -> bool:
        """Whether the run fails: for one finding that is bad enough, or for more warnings than are allowed."""
        return self.too_many_warnings or any(map(self.blocks, self.findings))

    def blocks(self, finding: Finding) -> bool:
        """Whether a finding is bad enough to fail the run by itself."""
        return finding.severity <= self.fail_severity


def _lines(file: str) -> Lines:
    if URL.match(file):
        return Lines("")
    try:
        return Lines(read_text(Path(file), file))
    except InputError:
        return Lines("")
