"""Reports for machines: Spectral's JSON, SARIF 2.1.0, GitLab's code quality, and GitHub's workflow commands."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import msgspec

from apigw_cli import __version__
from apigw_cli.errors import Place
from apigw_cli.lint.fingerprints import distinct
from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.registry import BY_ID
from apigw_cli.lint.report import Report

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note", Severity.HINT: "note"}
_QUALITY = {Severity.ERROR: "critical", Severity.WARN: "major", Severity.INFO: "minor", Severity.HINT: "info"}
_COMMANDS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "notice", Severity.HINT: "notice"}


def _text(data: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def json(report: Report) -> str:
    """A list in Spectral's form: lines and characters count from zero, severity 0 is the worst."""
    return _text([_spectral(finding) for finding in report.findings])


def _spectral(finding: Finding) -> dict[str, Any]:
    (line, character), (end_line, end_character) = finding.span
    url = {} if finding.documentation_url is None else {"documentationUrl": finding.documentation_url}
    return {
        "code": finding.code,
        "path": [str(step) for step in finding.path],
        "message": finding.message,
        "severity": int(finding.severity),
        "range": {
            "start": {"line": line, "character": character},
            "end": {"line": end_line, "character": end_character},
        },
        "source": finding.file,
        **url,
    }


def sarif(report: Report) -> str:
    """One run in SARIF 2.1.0 (OASIS), as code scanning services read it."""
    first = {finding.code: finding for finding in reversed(report.findings)}
    codes = sorted(first)
    index = {code: number for number, code in enumerate(codes)}
    driver = {
        "name": "apigw",
        "semanticVersion": __version__,
        "rules": [_sarif_rule(first[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "apigw-lint/"},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, index[finding.code], mark) for finding, mark in distinct(report.findings)],
    }
    return _text({"$schema": _SARIF, "version": "2.1.0", "runs": [run]})


def _sarif_rule(finding: Finding) -> dict[str, Any]:
    """The rule behind a finding; of a rule that is the user's own no more is known than what it said."""
    rule = BY_ID.get(finding.code)
    summary, why, fix = (rule.summary, rule.why, rule.fix) if rule else (finding.message, finding.message, "")
    level = _LEVELS[rule.severity if rule else finding.severity]
    link = {"helpUri": finding.documentation_url} if "://" in (finding.documentation_url or "") else {}
    return link | {
        "id": finding.code,
        "shortDescription": {"text": summary or finding.code},
        "fullDescription": {"text": why or summary or finding.code},
        "help": {
            "text": fix or f"apigw lint --explain {finding.code}",
            "markdown": f"{why}\n\n{fix}\n\n`apigw lint --explain {finding.code}`",
        },
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["openapi"], "precision": "high", "problem.severity": _PROBLEM[level]},
    }


_PROBLEM = {"error": "error", "warning": "warning", "note": "recommendation"}  # GitHub's words


def _sarif_result(finding: Finding, index: int, mark: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _with_hint(finding) or finding.code},
        "locations": [_location(finding.start, finding.end)],
        "partialFingerprints": {"primaryLocationLineHash": mark},
    }
    related: list[dict[str, Any]] = []
    for place, note in finding.related:
        location = _location(place, place) | {"message": {"text": note}}
        if location not in related:
            related.append(location)
    return result | ({"relatedLocations": related} if related else {})


def _location(start: Place, end: Place) -> dict[str, Any]:
    region = {"startLine": start.line, "startColumn": start.column}
    if end > start:
        region |= {"endLine": end.line, "endColumn": end.column}
    return {"physicalLocation": {"artifactLocation": _artifact(start.file), "region": region}}


def _artifact(file: str) -> dict[str, str]:
    """A path from the root of the checkout, or a whole URI."""
    if "://" in file:
        return {"uri": file}
    if PurePath(file).is_absolute():
        return {"uri": PurePath(file).as_uri()}
    return {"uri": urllib.parse.quote(file.replace("\\", "/")), "uriBaseId": "%SRCROOT%"}


def _with_hint(finding: Finding) -> str:
    return f"{finding.message} ({finding.hint})" if finding.hint else finding.message


def gitlab(report: Report) -> str:
    """GitLab's code quality report: a list of issues, lines from one."""
    return _text([_issue(finding, mark) for finding, mark in distinct(report.findings)])


def _issue(finding: Finding, mark: str) -> dict[str, Any]:
    return {
        "type": "issue",
        "description": _with_hint(finding),
        "check_name": finding.code,
        "fingerprint": mark,
        "severity": _QUALITY[finding.severity],
        "categories": ["Style"],
        "location": {
            "path": finding.file.replace("\\", "/"),
            "lines": {"begin": finding.start.line, "end": max(finding.start.line, finding.end.line)},
        },
    }


def github(report: Report) -> str:
    """Workflow commands, which GitHub shows beside the changed lines."""
    return "\n".join(_commands(report))


def _commands(report: Report) -> Iterator[str]:
    for finding in report.findings:
        start, end = finding.start, finding.end
        values: dict[str, object] = {"file": start.file, "line": start.line, "col": start.column}
        if end > start:
            values["endLine"] = end.line
            if end.line == start.line:
                values["endColumn"] = end.column
        values["title"] = finding.code
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in values.items())
        yield f"::{_COMMANDS[finding.severity]} {properties}::{_data(_with_hint(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
