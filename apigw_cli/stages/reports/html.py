"""One HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from apigw_cli import __version__
from apigw_cli.stages import report
from apigw_cli.stages.comparison import Comparison
from apigw_cli.stages.finding import Axis, Location, Side, locate_all
from apigw_cli.stages.report import Row

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --warn: #b26a00; --ok: #2e7d32; --dot: #777 }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --warn: #ffcc80; --ok: #a5d6a7; --dot: #aaa } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem } p { margin: .2rem 0; overflow-wrap: anywhere }
article { border-top: 1px solid var(--line); padding: .6rem 0 } code { font: 13px/1.45 ui-monospace, monospace }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .2rem 0 } dt { opacity: .7 }
dd { margin: 0; overflow-wrap: anywhere } footer { margin-top: 3rem; opacity: .7 }
.bad { color: var(--bad) } .warn { color: var(--warn) } .ok { color: var(--ok) } .dot { color: var(--dot) }
"""
_TITLES = {Axis.PROTECTION: "What it does to protection", Axis.CONTRACT: "What it does to clients"}
_MOST = 20  # operations of one change that are named


def html(comparison: Comparison) -> str:
    """The verdict, then each axis worst first, then the stage files. Everything from files is escaped."""
    locate_all(comparison.findings)
    return "\n".join(_page(comparison)) + "\n"


def _page(comparison: Comparison) -> Iterator[str]:
    title = _text(report.verdict(comparison))
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>apigw diff: {title}</title><style>{_STYLE}</style></head><body>"
    yield f'<h1 class="{report.SYMBOLS[comparison.verdict]}">{title}</h1><p>{_text(report.sides(comparison))}</p>'
    for axis, heading in _TITLES.items():
        rows = report.rows(found for found in comparison.findings if found.axis is axis)
        if rows:
            yield f"<section><h2>{heading}</h2>"
            for row in rows:
                yield from _article(row, comparison)
            yield "</section>"
    yield from _differences(comparison)
    for note in comparison.notes:
        yield f"<p>{_text(note)}</p>"
    if comparison.next:
        yield f"<p>next <code>{_text(comparison.next)}</code></p>"
    yield f"<footer>apigw {escape(__version__)}</footer></body></html>"


def _article(row: Row, comparison: Comparison) -> Iterator[str]:
    first = row.first
    yield (
        f'<article><p><b class="{row.symbol}">{row.word}</b> <code>{_text(row.group.subject)}</code> '
        f"{_text(first.message)}</p><dl>"
    )
    lines = {
        "why": first.why,
        "was": _place(first.locations, Side.BASE),
        "is": _place(first.locations, Side.REVISION),
        "secret": first.secret or "",
        "holds for": _listed(first.reaches or [found.where for found in row.group.findings[1:]]),
        "fix": report.fix(first, comparison, row.group.fingerprint),
        "fingerprint": row.group.fingerprint,
    }
    for term, text in lines.items():
        if text:
            yield f"<dt>{term}</dt><dd>{_text(text)}</dd>"
    yield "</dl></article>"


def _place(locations: tuple[Location, ...], side: Side) -> str:
    return next((str(location) for location in locations if location.side is side), "")


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f", and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _differences(comparison: Comparison) -> Iterator[str]:
    if not comparison.differences:
        return
    yield "<section><h2>Between the two stage files</h2>"
    for found in comparison.differences:
        symbol, word = ("dot", "expected") if found.expected else ("warn", "not expected")
        place = f" <code>{_text(str(found.place))}</code>" if found.place else ""
        yield f'<p><b class="{symbol}">{word}</b> {_text(report.difference(found))}{place}</p>'
    yield "</section>"


def _text(text: str) -> str:
    """Escaped, and without what steers a terminal or turns the direction of writing."""
    return escape("".join(c if c.isprintable() or c in "\t\n" else "\ufffd" for c in text))
