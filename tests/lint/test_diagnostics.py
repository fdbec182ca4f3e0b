"""What makes a document unfit for rules: references that lead nowhere, duplicate keys, no version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lint.support import findings


def found(data: Any, rule: str, **others: Any) -> list[tuple[str, str]]:
    return [(str(finding.start), finding.message) for finding in findings(data, rule, **others)]


def test_a_reference_to_nowhere() -> None:
    data = "openapi: 3.1.0\ncomponents:\n  schemas:\n    A: {$ref: '#/components/schemas/Bb'}\n    B: {}\n"
    data += "x-y: {$ref: '#/no'}\n"
    (finding,) = findings(data, "invalid-ref")
    assert (str(finding.start), finding.message) == (
        "main.yaml:4:15",
        "$ref '#/components/schemas/Bb' leads to nowhere",
    )
    assert finding.path == ("components", "schemas", "A", "$ref")
    assert finding.hint == "did you mean '#/components/schemas/B'?"


def test_every_reference_to_the_same_nowhere_is_reported() -> None:
    data = {"openapi": "3.1.0", "components": {"schemas": {name: {"$ref": "#/no"} for name in "abc"}}}
    assert len(findings(data, "invalid-ref")) == 3


@pytest.mark.parametrize(
    ("schemas", "circular"),
    [
        ({"A": {"$ref": "#/components/schemas/A"}}, ["A"]),
        ({"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}, ["A", "B"]),
        (
            {
                "A": {"$ref": "#/components/schemas/B"},
                "B": {"$ref": "#/components/schemas/C"},
                "C": {"$ref": "#/components/schemas/B"},
            },
            ["B", "C"],
        ),
        ({"A": {"properties": {"a": {"$ref": "#/components/schemas/A"}}}}, []),
        ({"A": {"$ref": "#/components/schemas/B"}, "B": {"items": {"$ref": "#/components/schemas/A"}}}, []),
        ({"A": {"$ref": "#/components/schemas/B/items"}, "B": {"items": {"$ref": "#/components/schemas/A"}}},
         ["A", "B/items"]),
    ],
)  # fmt: skip
def test_circles_of_references_alone(schemas: Any, circular: list[str]) -> None:
    hits = findings({"openapi": "3.1.0", "components": {"schemas": schemas}}, "invalid-ref")
    assert sorted("/".join(map(str, hit.path[2:-1])) for hit in hits) == circular
    assert all("goes in a circle" in hit.message for hit in hits)


def test_a_missing_file() -> None:
    data = {"openapi": "3.1.0", "components": {"schemas": {"A": {"$ref": "gone.yaml#/x"}}}}
    ((place, message),) = found(data, "invalid-ref")
    assert place.startswith("main.yaml:1:") and message == "gone.yaml is not part of the release"


def test_a_reference_in_another_file_is_reported_there() -> None:
    data = {"openapi": "3.1.0", "components": {"schemas": {"A": {"$ref": "other.yaml#/x"}}}}
    hits = findings(data, "invalid-ref", other__yaml={"x": {"$ref": "#/gone"}, "y": {"$ref": "#/unused"}})
    assert [(hit.file, hit.path) for hit in hits] == [("other.yaml", ("x", "$ref"))]


def test_examples_are_data() -> None:
    data = {"openapi": "3.1.0", "components": {"schemas": {"A": {"example": {"$ref": "#/no"}}}}}
    assert findings(data, "invalid-ref") == []


@pytest.mark.parametrize(
    ("data", "severity", "message"),
    [
        ("{}", "error", "not an OpenAPI document: it has neither 'openapi' nor 'swagger'"),
        ("a: 1", "warn", "not an OpenAPI document: it has neither 'openapi' nor 'swagger'"),
        ("", "error", "not an OpenAPI document: a mapping is expected (the file is empty)"),
        ("- a", "error", "not an OpenAPI document: a mapping is expected"),
        ("openapi: 4.0.0", "error", "openapi '4.0.0' is not a version that apigw knows"),
    ],
)
def test_what_is_no_openapi_document(data: str, severity: str, message: str) -> None:
    (finding,) = findings(data)
    assert (finding.code, finding.severity.word, finding.message) == ("unrecognized-format", severity, message)


def test_findings_are_sorted_and_none_is_there_twice() -> None:
    data = "openapi: 3.0.0\npaths:\n  /b: {get: {}}\n  /a: {get: {}}\n"
    hits = findings(data)
    assert hits == sorted(hits, key=lambda hit: hit.order) and len(set(hits)) == len(hits)
    assert [hit.order[:3] for hit in hits] == sorted(hit.order[:3] for hit in hits)
    assert findings(data) == hits
