"""Recorded behaviour of Spectral 6.16.3: codes, paths, severities and ranges are the same, and almost all messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.lint import jsonpath
from apigw_cli.lint.jsonpath.steps import steps_of
from tests.lint.support import KNOWN, findings

ORACLE = (Path(__file__).parents[2] / ".." / "shared" / "oracle").resolve()


def recorded(name: str) -> Any:
    if not (ORACLE / name).is_file():
        pytest.skip("the recorded cases (../shared/oracle) are not there")
    return json.loads((ORACLE / name).read_text("utf-8"))


@pytest.fixture(scope="module", params=["spectral_oas_cases.json", "spectral_owasp_cases.json"])
def cases(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return [case for case in recorded(request.param) if case["rule"] in KNOWN]


def found(case: dict[str, Any]) -> list[Any]:
    document = case["document"]
    return findings(document.get("__text", document), case["rule"], corrected=False)


def test_codes_paths_severities_and_ranges_agree(cases: list[dict[str, Any]]) -> None:
    differing = []
    for case in cases:
        ours = sorted(as_recorded(finding) for finding in found(case))
        theirs = sorted(key(finding) for finding in case["findings"] if finding["code"] == case["rule"])
        if ours != theirs:
            differing.append((case["rule"], case["name"], ours, theirs))
    assert len(cases) >= 70 and differing == []


def test_almost_every_message_agrees(cases: list[dict[str, Any]]) -> None:
    same = total = 0
    for case in cases:
        ours = {finding.message for finding in found(case)}
        theirs = [finding["message"] for finding in case["findings"] if finding["code"] == case["rule"]]
        total += len(theirs)
        same += sum(message in ours for message in theirs)
    assert total >= 50 and same >= 0.97 * total


def as_recorded(finding: Any) -> tuple[Any, ...]:
    (line, character), (end_line, end_character) = finding.span
    path = tuple(map(str, finding.path))
    return finding.code, path, int(finding.severity), (line, character, end_line, end_character)


def key(finding: dict[str, Any]) -> tuple[Any, ...]:
    start, end = finding["range"]["start"], finding["range"]["end"]
    where = (start["line"], start["character"], end["line"], end["character"])
    return finding["code"], tuple(map(str, finding["path"])), finding["severity"], where


def test_every_recorded_path_leads_to_the_same_values() -> None:
    """Each alone, and all of them in one walk."""
    file = recorded("spectral_jsonpath_cases.json")
    good = [case for case in file["cases"] if not any(isinstance(found, dict) for found in case["results"].values())]
    paths = [jsonpath.parse(case["given"]) for case in good]
    program = jsonpath.Program(paths)
    for name, document in file["docs"].items():
        together: dict[int, set[tuple[str, ...]]] = {}
        program.run(
            document,
            lambda index, frame, met=together: met.setdefault(index, set()).add(tuple(map(str, steps_of(frame)))),
        )
        for index, case in enumerate(good):
            wanted = {tuple(map(str, path)) for path in case["results"][name]}
            if name == "train-travel-3.1":
                assert (case["given"], together.get(index, set())) == (case["given"], wanted)
                continue  # the largest: once is enough
            alone = {tuple(map(str, steps_of(each))) for each in jsonpath.find(paths[index], (document, None, None))}
            assert (case["given"], together.get(index, set())) == (case["given"], wanted)
            assert (case["given"], alone) == (case["given"], wanted)
    for case in file["cases"]:
        if case not in good:
            with pytest.raises(jsonpath.PathError):
                jsonpath.parse(case["given"])
