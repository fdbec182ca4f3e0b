"""A run that proves a limit: the load on one key, a quiet key beside it, and a lone client afterwards.

load      ├──────── workers, as planned ────────┤
quiet     ├─ half of the rate, another key ─────┤
lone                                            ├─ refused? wait as told, ask again … ─┤
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from apigw_cli.bench import retry_after
from apigw_cli.bench.coordinator import Collected, Live, elapsed_seconds, run
from apigw_cli.bench.limit import Declared
from apigw_cli.bench.lone import Client
from apigw_cli.bench.plan import Plan, nanoseconds
from apigw_cli.bench.proof import Proof, prove
from apigw_cli.bench.quiet import Heard, Quiet, pause_of
from apigw_cli.bench.request import Request
from apigw_cli.bench.retry_after import Tried

_LEAST, _MOST = 2.0, 10.0  # seconds that the lone client is given: as long as the load, within these


def proved(
    plan: Plan, declared: Declared, other: Request | None, show: Callable[[Live], None]
) -> tuple[Collected, Proof]:
    """Carry out `plan` and judge the limit. `other` is a request by somebody else; None where there is nobody."""
    pause = pause_of(declared)
    heard: Heard | None = None
    if other is None or pause is None:
        collected = run(plan, show)
    else:
        with _client(plan, other.encode()) as client:
            quiet = Quiet(client, pause)
            quiet.start()
            collected = run(plan, show)
            heard = quiet.stop(plan.timeout)
    tried: Tried | None = None
    if not collected.interrupted:
        try:
            with _client(plan, plan.request) as client:
                budget = min(max(elapsed_seconds(collected.tallies), _LEAST), _MOST)
                tried = retry_after.tried(client, declared, nanoseconds(budget))
        except KeyboardInterrupt:
            collected = replace(collected, interrupted=True)
    return collected, prove(declared, collected.tallies, tried, heard)


@contextmanager
def _client(plan: Plan, request: bytes) -> Iterator[Client]:
    client = Client(plan.target, request, plan.timeout, head=plan.method == "HEAD")
    try:
        yield client
    finally:
        client.close()
