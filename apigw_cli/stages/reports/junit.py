"""JUnit's XML, which every CI server shows: a suite for each axis, a test case for each finding."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from apigw_cli.stages import report
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.finding import Axis, Finding, locate_all


def junit(comparison: Comparison) -> str:
    """What blocks a promotion fails; the rest passes, with its words as output; so does an axis without findings."""
    locate_all(comparison.findings)
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    by_axis = {axis: [found for found in comparison.findings if found.axis is axis] for axis in Axis}
    failures = sum(found.blocks for found in comparison.findings)
    tests = sum(len(found) or 1 for found in by_axis.values())
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="apigw diff" tests="{tests}" failures="{failures}" errors="0" time="0">'
    for axis, found in by_axis.items():
        failed = sum(one.blocks for one in found)
        counts = f'tests="{len(found) or 1}" failures="{failed}" errors="0" skipped="0" time="0"'
        yield f'  <testsuite name="{axis}" {counts}>'
        if not found:
            yield f'    <testcase name="no change" classname="apigw.diff.{axis}" time="0"/>'
        for one in found:
            yield from _case(one, comparison)
        yield "  </testsuite>"
    yield "</testsuites>"


def _case(finding: Finding, comparison: Comparison) -> Iterator[str]:
    name = f"{finding.where or 'API'}: {finding.message} ({finding.fingerprint})"
    details = [f"{finding.level} {finding.id}", finding.why, report.fix(finding, comparison)]
    text = "\n".join([*filter(None, details), *map(str, finding.locations)])
    yield f'    <testcase name={_attribute(name)} classname="apigw.diff.{finding.axis}" time="0">'
    if finding.blocks:
        message = _attribute(finding.message)
        yield f'      <failure type="{finding.level}" message={message}>{_text(text)}</failure>'
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
