"""JUnit's XML: a suite for each axis, a test case for each finding."""

from __future__ import annotations

from apigw_cli.junit import Case, Suite, document
from apigw_cli.stages import report
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.finding import Axis, Finding, locate_all

_NO_TIME = {"time": "0"}


def junit(comparison: Comparison) -> str:
    """What blocks a promotion fails; the rest passes, with its words as output; so does an axis without findings."""
    locate_all(comparison.findings)
    suites = [Suite(axis, _cases(axis, comparison), _NO_TIME) for axis in Axis]
    return document("apigw diff", suites, "0") + "\n"


def _cases(axis: Axis, comparison: Comparison) -> list[Case]:
    found = [_case(finding, comparison) for finding in comparison.findings if finding.axis is axis]
    return found or [Case("no change", f"apigw.diff.{axis}", attributes=_NO_TIME)]


def _case(finding: Finding, comparison: Comparison) -> Case:
    details = [f"{finding.level} {finding.id}", finding.why, report.fix(finding, comparison)]
    return Case(
        f"{finding.where or 'API'}: {finding.message} ({finding.fingerprint})",
        f"apigw.diff.{finding.axis}",
        "\n".join([*filter(None, details), *map(str, finding.locations)]),
        (str(finding.level), finding.message) if finding.blocks else None,
        _NO_TIME,
    )
