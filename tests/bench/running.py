"""Runs a bench in this process (its workers are processes all the same) and gives its result."""

from __future__ import annotations

from typing import Any

from apigw_cli.bench.command import Talk, bench
from apigw_cli.bench.options import Options
from apigw_cli.bench.result import Result


def measured(url: str, **options: Any) -> Result:
    """The result of `apigw bench URL` with these options."""
    return talked(url, **options)[0]


def talked(url: str, **options: Any) -> tuple[Result, list[str]]:
    """The result, and the lines about the work."""
    notes: list[str] = []
    talk = Talk(notes.append, lambda live: None, lambda plan: None)
    return bench(Options(url=url, **options), talk), notes
