"""Recorded findings of Spectral 6.16.3: for the rules that apigw has, codes and paths are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.lint.registry import BY_ID
from tests.lint.support import findings

FILE = (Path(__file__).parents[2] / ".." / "shared" / "oracle" / "spectral_oas_cases.json").resolve()


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    if not FILE.is_file():
        pytest.skip("the recorded cases (../shared/oracle) are not there")
    recorded: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
    return [case for case in recorded if case["rule"] in BY_ID]


def test_codes_paths_severities_and_ranges_agree(cases: list[dict[str, Any]]) -> None:
    differing = []
    for case in cases:
        ours = sorted(as_recorded(finding) for finding in findings(case["document"], case["rule"]))
        theirs = sorted(key(finding) for finding in case["findings"] if finding["code"] == case["rule"])
        if ours != theirs:
            differing.append((case["rule"], case["name"], ours, theirs))
    assert len(cases) >= 100 and differing == []


def test_almost_every_message_agrees(cases: list[dict[str, Any]]) -> None:
    same = total = 0
    for case in cases:
        ours = {finding.message for finding in findings(case["document"], case["rule"])}
        theirs = [finding["message"] for finding in case["findings"] if finding["code"] == case["rule"]]
        total += len(theirs)
        same += sum(message in ours for message in theirs)
    assert total >= 80 and same >= 0.97 * total


def as_recorded(finding: Any) -> tuple[Any, ...]:
    (line, character), (end_line, end_character) = finding.span
    path = tuple(map(str, finding.path))
    return finding.code, path, int(finding.severity), (line, character, end_line, end_character)


def key(finding: dict[str, Any]) -> tuple[Any, ...]:
    start, end = finding["range"]["start"], finding["range"]["end"]
    where = (start["line"], start["character"], end["line"], end["character"])
    return finding["code"], tuple(finding["path"]), finding["severity"], where
