"""JUnit's XML, which every CI server shows: a suite for each file, a test case for each finding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from apigw_cli.lint.model import Finding
from apigw_cli.lint.report import Report


def junit(report: Report) -> str:
    """What reaches the threshold fails; the other findings pass, with their text as output; so do clean files."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    failures = sum(map(report.blocks, report.findings))
    groups = {file: list(group) for file, group in groupby(report.findings, key=lambda finding: finding.file)}
    suites = dict.fromkeys((*report.names, *groups))
    tests = sum(len(groups.get(name, [0])) for name in suites)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="apigw lint" tests="{tests}" failures="{failures}" errors="0" time="{report.seconds:.3f}">'
    for name in suites:
        yield from _suite(name, groups.get(name, []), report)
    yield "</testsuites>"


def _suite(name: str, findings: list[Finding], report: Report) -> Iterator[str]:
    failures = sum(map(report.blocks, findings))
    tests = len(findings) or 1
    yield f'  <testsuite name={_attribute(name)} tests="{tests}" failures="{failures}" errors="0" skipped="0">'
    if not findings:
        yield f'    <testcase name="no findings" classname={_attribute(name)}/>'
    for finding in findings:
        yield from _case(finding, report)
    yield "  </testsuite>"


def _case(finding: Finding, report: Report) -> Iterator[str]:
    place = finding.start
    title = f"{finding.code} ({place.line}:{place.column})"
    text = f"{place}  {finding.severity.word}  {finding.code}  {finding.message}"
    text += f"\ntry  {finding.hint}" if finding.hint else ""
    yield (
        f"    <testcase name={_attribute(title)} classname={_attribute(finding.file)}"
        f' file={_attribute(finding.file)} line="{place.line}">'
    )
    if report.blocks(finding):
        kind, message = _attribute(finding.severity.word), _attribute(finding.message)
        yield f"      <failure type={kind} message={message}>{_text(text)}</failure>"
    else:
        yield f"      <system-out>{_text(text)}</system-out>"
    yield "    </testcase>"


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 (section 2.2) has no way to write."""
    return "".join(c if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe") or c > "\uffff"
                   else "\ufffd" for c in text)  # fmt: skip


def _text(text: str) -> str:
    return escape(_clean(text))


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))
