"""`apigw bench --repeat N` and `--against URL`: the same run several times, or two in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from apigw_cli.bench import assertion, command, comparison
from apigw_cli.bench.comparison import Comparison, Figures
from apigw_cli.bench.coordinator import Live, run
from apigw_cli.bench.options import Options
from apigw_cli.bench.request import parse_url
from apigw_cli.bench.result import Result, assemble
from apigw_cli.bench.results import Repeated

PAIRS = 8
EACH = 2.0
MOST = 1000


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to tell: `note` a line, `cell` which run is measured (how many are done, of how many, its words)."""

    note: Callable[[str], None]
    cell: Callable[[int, int, str], None]


def repeated(options: Options, times: int, talk: Talk) -> Repeated:
    """The same run so many times. A signal ends it with the runs that there are."""
    plan = command.plan_for(options, talk.note)
    talk.note(f"{times} runs · {plan.in_words()}")
    wanted = [assertion.parse(text) for text in options.assertions]
    runs: list[Result] = []
    with command.ending_on_sigterm():
        for done in range(times):
            talk.cell(done, times, plan.target.url)
            runs.append(assemble(plan, run(plan, _unseen), [], wanted))
            if runs[-1].interrupted:
                break
    return Repeated.of(runs)


def against(options: Options, base: str, pairs: int, tolerance: float, talk: Talk) -> Comparison:
    """Runs in turn, so that both sides meet the same machine: base, URL, URL, base, base, URL, …"""
    if options.duration is None and options.requests is None:
        options = replace(options, duration=f"{EACH:g}s")
    parse_url(base)  # what was typed is looked at before anybody is asked
    new = command.plan_for(options, talk.note)
    old = command.plan_for(replace(options, url=base, targets=()), talk.note)
    talk.note(f"{pairs} pairs of runs in turn · base {old.target.url} · {new.in_words()}")
    sides: tuple[list[Figures], list[Figures]] = ([], [])
    interrupted = False
    with command.ending_on_sigterm():
        for number in range(2 * pairs):
            side = (number + 1) // 2 % 2  # 0 1 1 0 0 1 1 0: a drift counts for both alike
            plan = (old, new)[side]
            talk.cell(number, 2 * pairs, plan.target.url)
            collected = run(plan, _unseen)
            if collected.interrupted:
                interrupted = True
                break
            sides[side].append(Figures.of(assemble(plan, collected, [])))
    names = (old.target.url, new.target.url)
    return comparison.compare(names, *sides, tolerance, interrupted=interrupted)


def _unseen(live: Live) -> None:
    """A run is one of many: how many are done is what is shown."""
