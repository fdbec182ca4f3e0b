"""`apigw bench` from its options to its result."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import msgspec

from apigw_cli.bench import assertion, limit, proving, quota_proof, served
from apigw_cli.bench.aim import Aim, aimed, at_url
from apigw_cli.bench.coordinator import Collected, Live, run
from apigw_cli.bench.options import Options, check
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.proof import Proof
from apigw_cli.bench.result import Result, assemble
from apigw_cli.bench.targets import reached
from apigw_cli.bench.times import DEFAULT_WARMUP, Times, stages_of


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to tell: `note` a line on what is done, `show` how far it is; `watched`: somebody sees that."""

    note: Callable[[str], None]
    show: Callable[[Live], None]
    begin: Callable[[Plan], None]
    watched: bool = False


def bench(options: Options, talk: Talk) -> Result:
    """Make the load that was asked for, and judge it. Raises ApigwError where it cannot be made."""
    check(options)
    times = options.times()
    assertions = [assertion.parse(text) for text in options.assertions]
    with ending_on_sigterm(), aimed(options, talk.note) as aim:
        plan = msgspec.structs.replace(reached(_plan(options, times, aim), talk.note), watched=talk.watched)
        words = plan.in_words()
        talk.note(f"{words} · declared {aim.limited.in_words()}" if aim.limited else words)
        talk.begin(plan)
        admin = aim.admin or served.admin_of([plan.target, *(call.target for call in plan.calls)], options.config)
        before = served.look(admin)
        proofs: list[Proof] = []
        if aim.limited:
            collected, proofs = _proved(plan, aim, talk)
        else:
            collected = run(plan, talk.show)
        now = served.steady(before, admin)
    return msgspec.structs.replace(assemble(plan, collected, proofs, assertions), served=now)


def _proved(plan: Plan, aim: Aim, talk: Talk) -> tuple[Collected, list[Proof]]:
    """Prove the rate limit under load, then the quotas on a clock that is moved."""
    limited = aim.limited
    if limited.layers:
        collected, proofs = proving.proved(plan, limited.layers, aim.others, talk.show, limited.checks)
    else:  # a quota alone: one request shows what answers there
        one = msgspec.structs.replace(plan, workers=1, concurrency=1, duration=None, requests=1, rate=None, stages=())
        collected, proofs = run(one, talk.show), []
    if limited.quotas and not collected.interrupted:
        talk.note("proving quotas, on a clock that is moved …")
        wait = limit.longest_wait(limited.layers) if limited.layers else 0.0
        more = () if proofs else limited.checks
        try:
            with proving.client(plan, plan.request) as client:
                proofs += quota_proof.proved(limited.quotas, client, limited.admin, wait, more)
        except KeyboardInterrupt:
            collected = replace(collected, interrupted=True)
    return collected, proofs


def plan_for(options: Options, note: Callable[[str], None]) -> Plan:
    """The plan of a run against a URL that somebody answers at, without a proof. Raises ApigwError."""
    check(options)
    assert options.url is not None
    times = options.times()
    return reached(_plan(options, times, at_url(options, options.url, note)), note)


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """SIGTERM ends things as Ctrl-C does, so that nothing that was started here is left running."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _plan(options: Options, times: Times, aim: Aim) -> Plan:
    request, limited = aim.request, aim.limited
    # What comes before the measurement is part of a limit's history, and would be missing in the proof.
    warm = DEFAULT_WARMUP if times.duration is not None and not limited else 0.0
    return Plan(
        target=request.target,
        method=request.method,
        request=b"" if aim.calls else request.encode(keep_alive=options.keep_alive),
        workers=options.workers,
        concurrency=options.concurrency,
        timeout=times.timeout,
        warmup=warm if times.warmup is None else times.warmup,
        duration=times.duration,
        requests=options.requests,
        rate=0.0 if options.rate is None and options.ramp is not None else options.rate,
        watch=limit.watch(limited.layers, options.workers) if limited.layers else None,
        stages=stages_of(options.ramp) if options.ramp is not None else (),
        poisson=options.arrivals == "poisson",
        seed=options.seed,
        keep_alive=options.keep_alive,
        calls=aim.calls,
        title=aim.title,
        rows=aim.rows,
        left_out=aim.left_out,
        expected=tuple(sorted(set(options.expect))),
    )
