"""The reports that there are beside the terminal's, by the name that `--format` takes."""

from __future__ import annotations

import json
from collections.abc import Callable

from apigw_cli.stages import report
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.reports.html import html
from apigw_cli.stages.reports.junit import junit
from apigw_cli.stages.reports.machine import github, gitlab, sarif
from apigw_cli.stages.reports.markdown import markdown


def _as_json(comparison: Comparison) -> str:
    return json.dumps(report.as_json(comparison), indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "json": _as_json,
    "markdown": markdown,
    "html": html,
    "junit": junit,
    "github": github,
    "sarif": sarif,
    "gitlab": gitlab,
}
