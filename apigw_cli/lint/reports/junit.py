"""JUnit's XML: a suite for each file, a test case for each finding."""

from __future__ import annotations

from itertools import groupby

from apigw_cli.junit import Case, Suite, document
from apigw_cli.lint.model import Finding
from apigw_cli.lint.report import Report


def junit(report: Report) -> str:
    """What reaches the threshold fails; the other findings pass, with their text as output; so do clean files."""
    groups = {file: list(group) for file, group in groupby(report.findings, key=lambda finding: finding.file)}
    names = dict.fromkeys((*report.names, *groups))
    suites = [Suite(name, _cases(name, groups.get(name, []), report)) for name in names]
    return document("apigw lint", suites, f"{report.seconds:.3f}")


def _cases(name: str, findings: list[Finding], report: Report) -> list[Case]:
    return [_case(finding, report) for finding in findings] or [Case("no findings", name)]


def _case(finding: Finding, report: Report) -> Case:
    place = finding.start
    text = f"{place}  {finding.severity.word}  {finding.code}  {finding.message}"
    text += f"\ntry  {finding.hint}" if finding.hint else ""
    return Case(
        f"{finding.code} ({place.line}:{place.column})",
        finding.file,
        text,
        (finding.severity.word, finding.message) if report.blocks(finding) else None,
        {"file": finding.file, "line": str(place.line)},
    )
