"""How plans and comparisons look on a terminal: `diff`, `promote`, `deploy` and `rollback` share it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from apigw_cli.cli import terminal

if TYPE_CHECKING:
    from apigw_cli.stages.comparison import Comparison
    from apigw_cli.stages.finding import Finding
    from apigw_cli.stages.gates import Gate
    from apigw_cli.stages.report import Row

_MOST = 20  # lines of one kind that are shown without -v
_WIDEST = (12, 40, 78)  # what columns are aligned to at the most: word, operation, change


def show(comparison: Comparison, *, verbose: bool, lead: str = "", sign: str = "", quiet: bool = False) -> None:
    """Print a comparison: verdict, sides, findings worst first, stage files, notes.

    `lead` goes before the verdict; `sign` stands for its own sign.
    """
    from apigw_cli.stages import report

    symbol = terminal.symbol(sign or report.SYMBOLS[comparison.verdict])
    words = report.verdict(comparison)
    terminal.out(f"{symbol} {terminal.style(f'{lead}: {words}' if lead else words, 'bold')}")
    if quiet:
        return
    terminal.out(f"  {report.sides(comparison)}")
    lines = [*_findings(comparison, verbose), *_differences(comparison)]
    if lines:
        terminal.out()
        for line in lines:
            terminal.out(line)
    for note in comparison.notes:
        terminal.out(f"  note  {note}")


def _findings(comparison: Comparison, verbose: bool) -> Iterator[str]:
    from apigw_cli.stages import report
    from apigw_cli.stages.finding import Level

    kinds = (
        ((Level.WEAKEN,), _MOST),
        ((Level.ERR,), _MOST),
        ((Level.WARN,), _MOST),
        ((Level.STRENGTHEN,), 1),
        ((Level.NEUTRAL, Level.INFO), 1),
    )
    shown: list[tuple[Row, int]] = []
    for levels, most in kinds:
        found = [finding for finding in comparison.findings if finding.level in levels]
        rows = report.rows(found)
        limit = len(rows) if verbose else most
        shown += [(row, 0) for row in rows[:limit]]
        if len(rows) > limit:
            shown[-1] = (rows[limit - 1], len(rows) - limit)
    yield from _table(shown, comparison, verbose)


def _table(shown: list[tuple[Row, int]], comparison: Comparison, verbose: bool) -> Iterator[str]:
    from apigw_cli.stages.finding import locate_all

    locate_all(row.first for row, _ in shown)
    cells = [_cells(row, more) for row, more in shown]
    first, second, third = (
        min(max((len(line[i]) for line in cells), default=0), widest) for i, widest in enumerate(_WIDEST)
    )
    for (row, _), (word, subject, text, place) in zip(shown, cells, strict=True):
        line = f"  {terminal.symbol(row.symbol)} {word:<{first}}  {subject:<{second}}  {text:<{third}}  {place}"
        yield line.rstrip() + (terminal.style(f"  {row.group.fingerprint}", "dim") if row.first.blocks else "")
        if verbose:
            yield from _more(row, comparison)


def _cells(row: Row, more: int) -> tuple[str, str, str, str]:
    rest = f"  … and {more:,} more: -v" if more else ""
    place = str(row.group.place) if row.group.place else ""
    secret = f" (secrets here: {row.first.secret})" if row.first.secret else ""
    return row.word, row.group.subject, row.first.message + secret + rest, place


def _more(row: Row, comparison: Comparison) -> Iterator[str]:
    """With -v: why it matters, where it was, and every operation that it reaches."""
    from apigw_cli.stages import report

    base = [location for location in row.first.locations if location != row.group.place]
    before = f"  (before: {base[0]})" if base else ""
    yield terminal.style(f"      {row.first.id}: {row.first.why}{before}", "dim")
    if row.first.reaches:
        more = f" and {len(row.first.reaches) - _MOST:,} more" if len(row.first.reaches) > _MOST else ""
        yield terminal.style(f"      holds for {', '.join(row.first.reaches[:_MOST])}{more}", "dim")
    if row.first.blocks:
        yield terminal.style(f"      to do: {report.fix(row.first, comparison, row.group.fingerprint)}", "dim")
    for finding in row.group.findings[1:]:
        yield terminal.style(f"      also {_also(finding)}", "dim")


def _also(finding: Finding) -> str:
    return f"{finding.where}  {finding.fingerprint}" if finding.blocks else finding.where


def _differences(comparison: Comparison) -> Iterator[str]:
    from apigw_cli.stages import report

    for found in comparison.differences:
        place = f"  {found.place}" if found.place else ""
        if found.expected:
            yield f"  {terminal.symbol('dot')} expected  {report.difference(found)}{place}"
        else:
            yield f"  {terminal.symbol('warn')} stage difference  {report.difference(found)}{place}"


def gates(judged: tuple[Gate, ...]) -> None:
    """Print the line of gates, and under it what those say that do not hold."""
    words = (f"{terminal.symbol('ok' if gate.holds else 'bad')} {gate.name}{_good(gate)}" for gate in judged)
    terminal.out(f"gates  {'  '.join(words)}")
    for gate in judged:
        if gate.why and not gate.holds:
            terminal.out(f"  {terminal.symbol('bad')} {gate.name}: {gate.why}")


def _good(gate: Gate) -> str:
    return f" ({gate.why})" if gate.why and gate.holds else ""


def next_command(text: str) -> None:
    """Print what to type next."""
    if text:
        terminal.out(f"{terminal.style('next', 'bold')}  {text}")


def print_json(data: Any) -> None:
    terminal.out(json.dumps(data, indent=2, ensure_ascii=False))


def can_ask() -> bool:
    """Whether a person can answer a question here."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> bool:
    """Ask; anything but y or yes is no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        terminal.note()
    return answer.strip().lower() in ("y", "yes")
