"""The comparison as a comment for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.finding import Level, locate_all
from apigw_cli.stages.report import SYMBOLS, Row, difference, rows, sides, verdict
from apigw_cli.stages.stage_files import StageDifference

_SIGNS = {"bad": "❌", "warn": "⚠️", "ok": "✅", "dot": "·"}


def markdown(comparison: Comparison) -> str:
    """The comparison as a comment for a pull request."""
    locate_all(comparison.findings)
    lines = [f"### {_SIGNS[SYMBOLS[comparison.verdict]]} {verdict(comparison)}", "", sides(comparison), ""]
    important = [f for f in comparison.findings if f.level in (Level.WEAKEN, Level.ERR, Level.WARN)]
    rest = [f for f in comparison.findings if f not in important]
    lines += _table(rows(important))
    if rest:
        lines += [
            "<details>",
            f"<summary>{len(rest)} that hurt nobody</summary>",
            "",
            *_table(rows(rest)),
            "</details>",
            "",
        ]
    lines += _differences(comparison.differences)
    lines += [f"> {note}" for note in comparison.notes]
    return "\n".join(lines).rstrip() + "\n"


def _table(listed: Sequence[Row]) -> Iterator[str]:
    if not listed:
        return
    yield "| | Operation | Change | Where | Fingerprint |"
    yield "|---|---|---|---|---|"
    for row in listed:
        cells = (
            f"{_SIGNS[row.symbol]} {row.word}",
            f"`{row.group.subject}`",
            row.first.message,
            f"`{row.group.place}`" if row.group.place else "",
            f"`{row.group.fingerprint}`",
        )
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _differences(differences: Sequence[StageDifference]) -> Iterator[str]:
    if not differences:
        return
    yield "Between the two stage files:"
    yield ""
    for found in differences:
        word = "expected" if found.expected else "**not expected**"
        yield f"- {word}: `{difference(found)}`"
    yield ""
