"""The reports that there are, by the name that `--format` takes. Those for people are made in `stylish`."""

from __future__ import annotations

from collections.abc import Callable

from apigw_cli.lint.report import Report
from apigw_cli.lint.reports import machine
from apigw_cli.lint.reports.html import html
from apigw_cli.lint.reports.junit import junit
from apigw_cli.lint.reports.markdown import markdown

FORMATS: dict[str, Callable[[Report], str]] = {
    "json": machine.json,
    "sarif": machine.sarif,
    "junit": junit,
    "html": html,
    "markdown": markdown,
    "github": machine.github,
    "gitlab": machine.gitlab,
}
