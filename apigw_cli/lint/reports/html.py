"""One HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape
from itertools import groupby

from apigw_cli import __version__
from apigw_cli.lint.model import Finding
from apigw_cli.lint.registry import BY_ID
from apigw_cli.lint.report import Report
from apigw_cli.lint.reports.stylish import Look, verdict

FRAMES = 2_000  # source lines of so many findings are shown: a page of a hundred thousand opens in no browser
_SHOWN = 240  # characters of a source line
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --error: #c62828; --warn: #b26a00; --info: #1565c0; --hint: #777 }
@media (prefers-color-scheme: dark) { :root { --error: #ff8a80; --warn: #ffcc80; --info: #90caf9; --hint: #aaa } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem; overflow-wrap: anywhere }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem 1rem .15rem 0 }
article { border-top: 1px solid var(--line); padding: .6rem 0 } p { margin: .2rem 0; overflow-wrap: anywhere }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { overflow-x: auto; margin: .3rem 0 }
.error { color: var(--error) } .warn { color: var(--warn) } .info { color: var(--info) } .hint { color: var(--hint) }
mark { background: #ffc10755; color: inherit; text-decoration: underline wavy } footer { margin-top: 3rem; opacity: .7 }
"""


def html(report: Report) -> str:
    """The verdict, the counts of each rule, and every finding with its line. Everything from files is escaped."""
    return "\n".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    title = escape(verdict(report, Look(quiet=True)))
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>apigw lint: {title}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{title}</h1>"
    yield from _rules(report)
    frames = FRAMES
    for file, group in groupby(report.findings, key=lambda finding: finding.file):
        yield f"<section><h2>{_text(file)}</h2>"
        for finding in group:
            yield from _finding(finding, report, framed=frames > 0)
            frames -= 1
        yield "</section>"
    yield f"<footer>apigw {escape(__version__)}</footer></body></html>"


def _rules(report: Report) -> Iterator[str]:
    if not report.findings:
        return
    severity = {finding.code: finding.severity for finding in report.findings}
    counts = Counter(finding.code for finding in report.findings)
    yield "<table><tr><th>findings</th><th>rule</th><th>what it checks</th></tr>"
    for code, count in sorted(counts.items(), key=lambda item: (severity[item[0]], -item[1], item[0])):
        summary = BY_ID[code].summary if code in BY_ID else ""
        name = f'<code class="{severity[code].word}">{_text(code)}</code>'
        yield f"<tr><td>{count:,}</td><td>{name}</td><td>{_text(summary)}</td></tr>"
    yield "</table>"


def _finding(finding: Finding, report: Report, *, framed: bool) -> Iterator[str]:
    word = finding.severity.word
    place = f"{finding.start.line}:{finding.start.column}"
    yield (
        f'<article><p><code>{place}</code> <b class="{word}">{word}</b> <code>{_text(finding.code)}</code> '
        f"{_text(finding.message)}</p>"
    )
    if framed:
        yield from _frame(finding, report)
    if finding.hint:
        yield f"<p><b>try</b> {_text(finding.hint)}</p>"
    for other, note in finding.related[:10]:
        yield f"<p><b>see</b> <code>{_text(str(other))}</code> {_text(note)}</p>"
    yield "</article>"


def _frame(finding: Finding, report: Report) -> Iterator[str]:
    text = report.line(finding.start)
    if not text.strip():
        return
    first = finding.start.column - 1
    last = finding.end.column - 1 if finding.end.line == finding.start.line else len(text)
    last = max(first + 1, last)
    begin = max(0, first - _SHOWN // 3) if len(text) > _SHOWN else 0
    end = begin + _SHOWN
    parts = _text(text[begin:first]), _text(text[first : min(last, end)]), _text(text[min(last, end) : end])
    yield f"<pre>{finding.start.line:>6} | {parts[0]}<mark>{parts[1]}</mark>{parts[2]}</pre>"


def _text(text: str) -> str:
    """Escaped, and without what steers a terminal or turns the direction of writing."""
    return escape("".join(c if c.isprintable() or c in "\t\n" else "\ufffd" for c in text))
