"""The report for people: place, severity, rule and message; the line itself; the verdict last."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from apigw_cli.lint.fix.fixes import fix_of
from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.report import Report

FRAMES = 20  # source lines are shown for so many findings at most, unless all were asked for
PER_RULE = 10  # findings of one rule in one file
WIDTH = 169  # of the report where nothing else is known
_MARGIN = 9  # before the text of a source line

_COLOURS = {Severity.ERROR: "bad", Severity.WARN: "warn", Severity.INFO: "cyan", Severity.HINT: "dim"}


@dataclass(frozen=True, slots=True)
class Look:
    """How the terminal wants it: `paint` colours text by name, `sign` gives the sign for ok, bad, warn, …"""

    paint: Callable[[str, str], str] = lambda text, _: text
    sign: Callable[[str], str] = {"ok": "✓", "bad": "✗", "warn": "!"}.__getitem__
    verbose: bool = False
    quiet: bool = False
    width: int = WIDTH  # a longer source line is shown around the column alone


def render(report: Report, look: Look) -> Iterator[str]:
    """The lines of the report."""
    if not look.quiet and report.findings:
        yield from _findings(report, look)
        yield ""
    yield verdict(report, look)


def _findings(report: Report, look: Look) -> Iterator[str]:
    frames = len(report.findings) if look.verbose else FRAMES
    for file, group in groupby(report.findings, key=lambda finding: finding.file):
        seen: Counter[str] = Counter()
        for finding in group:
            seen[finding.code] += 1
            if seen[finding.code] > PER_RULE and not look.verbose:
                continue
            yield from _finding(finding, report, look, framed=frames > 0)
            frames -= 1
        for code, count in sorted(seen.items()):
            if count > PER_RULE and not look.verbose:
                more = f"… and {count - PER_RULE:,} more {code} (-v or --format json shows all)"
                yield f"{file}  {look.paint(more, 'dim')}"


def _finding(finding: Finding, report: Report, look: Look, *, framed: bool) -> Iterator[str]:
    severity = look.paint(finding.severity.word, _COLOURS[finding.severity])
    yield f"{_clean(str(finding.start))}  {severity}  {finding.code}  {_clean(finding.message)}"
    if framed:
        yield from _frame(finding, report, look)
    if finding.hint:
        yield f"  {look.paint('try', 'bold')}  {_clean(finding.hint)}"
    if look.verbose or len(finding.related) == 1:
        for place, note in finding.related[:PER_RULE]:
            yield f"  {look.paint('see', 'bold')}  {_clean(str(place))}  {_clean(note)}"


def _clean(text: str) -> str:
    """Text of a file must not steer the terminal: what is not printable is shown as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _frame(finding: Finding, report: Report, look: Look) -> Iterator[str]:
    """The line that the finding is about, with a mark under it."""
    text = report.line(finding.start).replace("\t", " ")
    if not text.strip():
        return
    first = finding.start.column - 1
    last = finding.end.column - 1 if finding.end.line == finding.start.line else len(text.rstrip())
    room = max(20, look.width - _MARGIN)
    skipped = max(0, min(first - room // 3, len(text) - room)) if len(text) > room else 0
    shown = "".join(c if c.isprintable() else "·" for c in text[skipped : skipped + room])
    marks = "^" * max(1, min(last, skipped + room) - first)
    yield f"{finding.start.line:>6} | {shown}"
    yield f"       | {' ' * (first - skipped)}{look.paint(marks, _COLOURS[finding.severity])}"


def verdict(report: Report, look: Look) -> str:
    """One line that says it all, and what to type next."""
    files = _plural(report.files, "file")
    took = f"in {files}{_left_out(report)} ({report.seconds:.2f} s)"
    if report.updated:
        return f"{look.sign('ok')} {report.updated} written: {_plural(report.known, 'known finding')} {took}"
    if not report.findings:
        return f"{look.sign('ok')} no {'new ' if report.known else ''}findings {took}"
    counts = [(severity, report.count(severity)) for severity in Severity]
    words = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "info", Severity.HINT: "hint"}
    listed = ", ".join(_plural(count, words[severity]) for severity, count in counts if count)
    if report.too_many_warnings:
        listed += f", more than the {_plural(report.max_warnings or 0, 'warning')} allowed"
    worst = min(report.findings, key=lambda finding: finding.severity)
    line = f"{look.sign('bad' if report.blocked else 'warn')} {listed} {took}"
    if look.quiet:
        return line
    fixable = 0 if report.fixed else sum(fix_of(finding) is not None for finding in report.findings)
    more = f" · {fixable:,} fixable with --fix" if fixable else ""
    return f"{line}     apigw lint --explain {shlex.quote(worst.code)}{more}"


def _left_out(report: Report) -> str:
    known = 0 if report.updated else report.known
    parts = [f"{count:,} {word}" for count, word in ((known, "known"), (report.ignored, "ignored")) if count]
    return ", " + ", ".join(parts) if parts else ""


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 or noun == "info" else f"{number:,} {noun}s"
