"""Markdown for a comment on a pull request: the verdict, the findings in a table, within GitHub's size of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.report import Report
from apigw_cli.lint.reports.stylish import Look, verdict

LIMIT = 60_000  # characters: GitHub takes 65,536 in a comment
_SIGNS = {Severity.ERROR: "❌ error", Severity.WARN: "⚠️ warn", Severity.INFO: "i info", Severity.HINT: "· hint"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


def markdown(report: Report) -> str:
    """The worst findings first; what does not fit is counted."""
    lines = [f"### apigw lint: {_escaped(verdict(report, Look(quiet=True)))}"]
    if not report.findings:
        return lines[0]
    lines += ["", "| | place | rule | message |", "|---|---|---|---|"]
    size = sum(map(len, lines))
    rows = list(_rows(report))
    for number, row in enumerate(rows):
        size += len(row) + 1
        if size > LIMIT:
            lines += ["", f"… and {len(rows) - number:,} more: `apigw lint --format json` has them all."]
            break
        lines.append(row)
    return "\n".join(lines)


def _rows(report: Report) -> Iterator[str]:
    for finding in sorted(report.findings, key=lambda finding: finding.severity):
        place, rule = _code(str(finding.start)), _code(finding.code)
        yield f"| {_SIGNS[finding.severity]} | {place} | {rule} | {_message(finding)} |"


def _message(finding: Finding) -> str:
    text = _escaped(finding.message)
    return f"{text}<br>_try_ {_escaped(finding.hint)}" if finding.hint else text


def _escaped(text: str) -> str:
    """Text as text: no markup, no HTML, no mention of a person, one line."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _SPECIAL.sub(r"\\\1", text).replace("@", "&#64;")


def _code(text: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
