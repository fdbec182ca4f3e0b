"""Public specifications end with findings, the same each time, every one at a place that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from apigw_cli.lint.options import Options
from apigw_cli.lint.run import run

FILES = [
    "asana.yaml",
    "github-13MB.json",
    "github-3.5MB.yaml",
    "k8s-swagger2.json",
    "petstorev3.json",
    "stripe-3.1MB.yaml",
]


@pytest.mark.parametrize("name", FILES)
def test_a_public_specification(corpus: Path, name: str) -> None:
    path = corpus / name
    report = run(Options((str(path),)))
    assert report.findings and report.files == 1
    lines = path.read_text("utf-8").split("\n")
    for finding in report.findings:
        assert 1 <= finding.start.column <= len(lines[finding.start.line - 1]) + 1
    codes = {finding.code for finding in report.findings}
    assert not codes & {"parser", "unrecognized-format", "configuration", "invalid-ref", "oas2-schema", "oas3-schema"}


def test_findings_are_the_same_each_time(corpus: Path) -> None:
    options = Options((str(corpus / "petstorev3.json"),))
    assert run(options).findings == run(options).findings


def test_findings_agree_with_spectrals_counts(corpus: Path) -> None:
    """As Spectral 6.16.3 counts for the rules that apigw has."""
    stripe = run(Options((str(corpus / "stripe-3.1MB.yaml"),), ruleset="spectral:oas"))
    petstore = run(Options((str(corpus / "petstorev3.json"),), ruleset="spectral:oas"))
    assert (len(stripe.findings), len(petstore.findings)) == (408, 16)
