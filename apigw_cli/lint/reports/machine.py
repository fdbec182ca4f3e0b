"""Reports for machines: Spectral's JSON, SARIF 2.1.0, and GitHub's workflow commands."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

import msgspec

from apigw_cli import __version__
from apigw_cli.errors import Place
from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.registry import BY_ID
from apigw_cli.lint.run import Report

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note", Severity.HINT: "note"}
_COMMANDS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "notice", Severity.HINT: "notice"}


def _text(data: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def json(report: Report) -> str:
    """A list in Spectral's form: lines and characters count from zero, severity 0 is the worst."""
    return _text([_spectral(finding) for finding in report.findings])


def _spectral(finding: Finding) -> dict[str, Any]:
    (line, character), (end_line, end_character) = finding.span
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
    }


def sarif(report: Report) -> str:
    """One run in SARIF 2.1.0 (OASIS), as code scanning services read it."""
    codes = sorted({finding.code for finding in report.findings})
    index = {code: number for number, code in enumerate(codes)}
    driver = {"name": "apigw", "semanticVersion": __version__, "rules": [_sarif_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, index[finding.code]) for finding in report.findings],
    }
    return _text({"$schema": _SARIF, "version": "2.1.0", "runs": [run]})


def _sarif_rule(code: str) -> dict[str, Any]:
    rule = BY_ID[code]
    return {
        "id": code,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _sarif_result(finding: Finding, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _with_hint(finding)},
        "locations": [_location(finding.start, finding.end)],
    }
    if finding.related:
        result["relatedLocations"] = [
            _location(place, place) | {"message": {"text": note}} for place, note in finding.related
        ]
    return result


def _location(start: Place, end: Place) -> dict[str, Any]:
    region = {"startLine": start.line, "startColumn": start.column}
    if end > start:
        region |= {"endLine": end.line, "endColumn": end.column}
    uri = start.file if "://" in start.file else urllib.parse.quote(start.file)
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def _with_hint(finding: Finding) -> str:
    return f"{finding.message} ({finding.hint})" if finding.hint else finding.message


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
