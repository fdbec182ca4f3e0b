"""Reports for the machines of a code host: SARIF 2.1.0, GitHub's workflow commands, GitLab's code quality."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from apigw_cli import __version__
from apigw_cli.stages import report
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.finding import Finding, Level, Location, Side, locate_all

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Level.WEAKEN: "error", Level.ERR: "error", Level.WARN: "warning"}  # every other is a note
_QUALITY = {Level.WEAKEN: "critical", Level.ERR: "critical", Level.WARN: "major"}  # every other is info
_PROBLEM = {"error": "error", "warning": "warning", "note": "recommendation"}  # GitHub's words


def sarif(comparison: Comparison) -> str:
    """One run in SARIF 2.1.0 (OASIS), as code scanning services read it."""
    locate_all(comparison.findings)
    first = {found.id: found for found in reversed(comparison.findings)}
    codes = sorted(first)
    driver = {"name": "apigw", "semanticVersion": __version__, "rules": [_rule(first[code]) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "apigw-diff/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, codes.index(found.id), comparison) for found in comparison.findings],
    }
    return _json({"$schema": _SARIF, "version": "2.1.0", "runs": [run]})


def _rule(finding: Finding) -> dict[str, Any]:
    level = _LEVELS.get(finding.level, "note")
    return {
        "id": finding.id,
        "shortDescription": {"text": finding.id.replace("-", " ")},
        "fullDescription": {"text": finding.why or finding.id},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": [finding.axis.value], "precision": "high", "problem.severity": _PROBLEM[level]},
    }


def _result(finding: Finding, index: int, comparison: Comparison) -> dict[str, Any]:
    place = finding.place
    related = [location for location in finding.locations if location != place and _file(location)]
    logical = [
        {"name": finding.where or "API", "fullyQualifiedName": f"{finding.where or 'API'} {finding.path}".strip()}
    ]
    location = {"logicalLocations": logical}
    return {
        "ruleId": finding.id,
        "ruleIndex": index,
        "level": _LEVELS.get(finding.level, "note"),
        "message": {"text": _sentence(finding, comparison)},
        "locations": [location | (_physical(place) if place is not None and _file(place) else {})],
        "relatedLocations": [
            {"id": number, "message": {"text": f"in the {one.side}"}} | _physical(one)
            for number, one in enumerate(related, 1)
        ],
        "partialFingerprints": {"apigwDiff/v1": finding.fingerprint},
    }


def _physical(location: Location) -> dict[str, Any]:
    file = location.file.replace("\\", "/")
    artifact = {"uri": file if "://" in file else urllib.parse.quote(file)}
    if PurePath(location.file).is_absolute():
        artifact = {"uri": PurePath(location.file).as_uri()}
    elif "://" not in file:
        artifact["uriBaseId"] = "%SRCROOT%"
    region = {"region": {"startLine": location.line, "startColumn": location.column}} if location.line else {}
    return {"physicalLocation": {"artifactLocation": artifact} | region}


def github(comparison: Comparison) -> str:
    """Workflow commands, which GitHub shows beside the changed lines: what blocks, and warnings."""
    locate_all(comparison.findings)
    return "\n".join(_commands(comparison)) + "\n" if any(f.level in _LEVELS for f in comparison.findings) else ""


def _commands(comparison: Comparison) -> Iterator[str]:
    for finding in comparison.findings:
        if finding.level not in _LEVELS:
            continue
        place = finding.place
        values: dict[str, object] = {}
        if place is not None and _file(place) and place.side is Side.REVISION and place.line is not None:
            values = {"file": place.file, "line": place.line, "col": place.column}
        values["title"] = finding.id
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in values.items())
        yield f"::{_LEVELS[finding.level]} {properties}::{_data(_sentence(finding, comparison))}"


def gitlab(comparison: Comparison) -> str:
    """GitLab's code quality report: a list of issues, each with a file, lines from one."""
    locate_all(comparison.findings)
    return _json([_issue(finding, comparison) for finding in comparison.findings])


def _issue(finding: Finding, comparison: Comparison) -> dict[str, Any]:
    place = finding.place
    known = place is not None and _file(place)
    path = place.file.replace("\\", "/") if known and place is not None else "apigw.yaml"
    return {
        "type": "issue",
        "description": _sentence(finding, comparison),
        "check_name": finding.id,
        "fingerprint": finding.fingerprint,
        "severity": _QUALITY.get(finding.level, "info"),
        "categories": ["Compatibility" if finding.axis == "contract" else "Security"],
        "location": {"path": path, "lines": {"begin": (place.line if known and place else None) or 1}},
    }


def _file(location: Location) -> bool:
    """Whether it stands in a file of this checkout, and not in a release or another revision."""
    return not location.file.startswith(("release ", "stage ", "git:")) and not location.file.endswith(")")


def _sentence(finding: Finding, comparison: Comparison) -> str:
    fix = report.fix(finding, comparison)
    subject = f"{finding.where}: " if finding.where else ""
    return f"{subject}{finding.message}. {finding.why[:1].upper()}{finding.why[1:]}." + (
        f" To do: {fix}" if fix else ""
    )


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
