"""A run that proves a limit: the load on one key, a quiet key beside it, then several keys, then a lone client.

load      ├──────── workers, as planned ────────┤
quiet     ├─ half of the rate, another key ─────┤
crowd                                           ├─ several keys, each over its rate ─┤
lone                                            (rest) refused? wait as told, ask again … ─┤  after the crowd
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from apigw_cli.bench import crowd, retry_after
from apigw_cli.bench.check import Check
from apigw_cli.bench.coordinator import Collected, Live, elapsed_seconds, run
from apigw_cli.bench.crowd import Asker, Pace
from apigw_cli.bench.limit import Declared
from apigw_cli.bench.lone import Client
from apigw_cli.bench.plan import Plan, nanoseconds
from apigw_cli.bench.proof import Evidence, Proof, prove
from apigw_cli.bench.quiet import Heard, Quiet, pause_of
from apigw_cli.bench.request import Request

_LEAST, _MOST = 2.0, 10.0  # seconds that the lone client is given: as long as the load, within these


@dataclass(frozen=True, slots=True)
class Others:
    """Requests by somebody else: a quiet key, and several that ask for more. `fresh`: nobody used those before."""

    quiet: Request | None = None
    crowd: tuple[Request, ...] = ()
    fresh: bool = False


NOBODY = Others()


def proved(
    plan: Plan,
    layers: Sequence[Declared],
    others: Others,
    show: Callable[[Live], None],
    more: Sequence[Check] = (),
) -> tuple[Collected, list[Proof]]:
    """Carry out `plan` and judge the layers of a limit; `more` are checks that were made before."""
    collected, heard = _loaded(plan, layers, others, show)
    evidence = Evidence(heard=heard)
    if not collected.interrupted:
        try:
            evidence = _afterwards(plan, layers, others, heard, elapsed_seconds(collected.tallies))
        except KeyboardInterrupt:
            collected = replace(collected, interrupted=True)
    return collected, prove(layers, collected.tallies, evidence, more)


def _loaded(
    plan: Plan, layers: Sequence[Declared], others: Others, show: Callable[[Live], None]
) -> tuple[Collected, Heard | None]:
    """The load, with a quiet key beside it where there is one."""
    pause = pause_of(layers)
    if others.quiet is None or pause is None:
        return run(plan, show), None
    with client(plan, others.quiet.encode()) as lone:
        quiet = Quiet(lone, pause)
        quiet.start()
        collected = run(plan, show)
        return collected, quiet.stop(plan.timeout)


def _afterwards(
    plan: Plan, layers: Sequence[Declared], others: Others, heard: Heard | None, seconds: float
) -> Evidence:
    askers, pace = _crowd(plan, layers, others)
    with client(plan, plan.request) as lone:
        budget = min(max(seconds, _LEAST), _MOST)
        tried = retry_after.tried(lone, layers, nanoseconds(budget))
    return Evidence(tried, heard, askers, pace)


def _crowd(plan: Plan, layers: Sequence[Declared], others: Others) -> tuple[Sequence[Asker] | str | None, Pace | None]:
    if len(others.crowd) < crowd.LEAST:
        return None, None
    pace = crowd.pace_of(layers)
    if isinstance(pace, str):
        return pace, None
    with ExitStack() as stack:
        clients = [stack.enter_context(client(plan, request.encode())) for request in others.crowd]
        return crowd.asked([(one, others.fresh) for one in clients], pace), pace


@contextmanager
def client(plan: Plan, request: bytes) -> Iterator[Client]:
    """A client that asks one request after the other."""
    lone = Client(plan.target, request, plan.timeout, head=plan.method == "HEAD")
    try:
        yield lone
    finally:
        lone.close()
