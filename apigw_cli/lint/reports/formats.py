"""The reports that there are, by the name that `--format` takes. Those for people are made in `stylish`."""

from __future__ import annotations

from importlib import import_module

from apigw_cli.lint.report import Report

FORMATS = {  # and the module that makes each
    "json": "machine",
    "sarif": "machine",
    "junit": "junit",
    "html": "html",
    "markdown": "markdown",
    "github": "machine",
    "gitlab": "machine",
}


def text_of(report: Report, form: str) -> str:
    """The report in a form. Its module is imported here: JUnit's alone brings in Python's HTTP client."""
    made: str = getattr(import_module(f"apigw_cli.lint.reports.{FORMATS[form]}"), form)(report)
    return made
