"""`apigw bench` from its options to its result."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apigw_cli.bench import assertion, declared, limit, local, proving, quiet
from apigw_cli.bench import request as requests
from apigw_cli.bench.coordinator import Live, reach, run
from apigw_cli.bench.limit import Declared
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.request import Header, Request
from apigw_cli.bench.result import Result, assemble
from apigw_cli.bench.times import DEFAULT_DURATION, Times, stages_of, times_of
from apigw_cli.config import project
from apigw_cli.errors import UsageError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project

DEFAULT_WARMUP = 1.0
MOST_CONNECTIONS, MOST_WORKERS = 65_536, 256


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `apigw bench`, as typed."""

    url: str | None = None
    workers: int = 1
    concurrency: int = 32
    duration: str | None = None
    requests: int | None = None
    rate: float | None = None
    warmup: str | None = None
    headers: tuple[str, ...] = ()
    method: str | None = None
    data: str | None = None
    timeout: str = "10s"
    verify_limits: bool = False
    limit: str | None = None
    route: str | None = None
    config: Path | None = None
    stage: str | None = None
    assertions: tuple[str, ...] = ()
    quiet_headers: tuple[str, ...] = ()
    ramp: str | None = None
    arrivals: str = "constant"
    seed: int = 0
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to tell: `note` a line on what is done, `show` how far it is."""

    note: Callable[[str], None]
    show: Callable[[Live], None]
    begin: Callable[[Plan], None]


def bench(options: Options, talk: Talk) -> Result:
    """Make the load that was asked for, and judge it. Raises ApigwError where it cannot be made."""
    _check(options)
    times = _times(options)
    assertions = [assertion.parse(text) for text in options.assertions]
    with ending_on_sigterm(), _aimed(options, talk) as aim:
        plan = _plan(options, times, aim.request, aim.limited)
        plan = msgspec.structs.replace(plan, target=reach(plan.target, plan.timeout))
        words = plan.in_words()
        talk.note(f"{words} · declared {aim.limited.in_words()}" if aim.limited else words)
        talk.begin(plan)
        if aim.limited is None:
            return assemble(plan, run(plan, talk.show), [], assertions)
        collected, proof = proving.proved(plan, aim.limited, aim.other, talk.show)
    return assemble(plan, collected, [proof], assertions)


@dataclass(frozen=True, slots=True)
class _Aim:
    """The request to send, the limit to prove, and a request by somebody else, where there is one."""

    request: Request
    limited: Declared | None
    other: Request | None = None


def _times(options: Options) -> Times:
    """As typed; a ramp lasts as long as its stages, where nothing else is said."""
    default = sum(seconds for seconds, _ in stages_of(options.ramp)) if options.ramp is not None else DEFAULT_DURATION
    counted = options.requests is not None
    return times_of(options.duration, options.warmup, options.timeout, of_requests=counted, default=default)


def plan_for(options: Options) -> Plan:
    """The plan of a run against a URL that somebody answers at, without a proof. Raises ApigwError."""
    _check(options)
    assert options.url is not None
    times = _times(options)
    plan = _plan(options, times, _request(options, options.url), None)
    return msgspec.structs.replace(plan, target=reach(plan.target, plan.timeout))


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


def _check(options: Options) -> None:
    if options.concurrency < options.workers:
        raise UsageError(
            f"{options.concurrency} in flight are too few for {options.workers} workers",
            hint=f"--concurrency is the total over all workers: at least {options.workers}",
        )
    if options.concurrency > MOST_CONNECTIONS:
        raise UsageError(f"at most {MOST_CONNECTIONS:,} connections")
    if options.duration is not None and options.requests is not None:
        raise UsageError("--duration and --requests exclude each other")
    verifying = options.verify_limits or options.limit is not None
    if options.url is not None and not verifying:
        for name, value in (("--config", options.config), ("--stage", options.stage), ("--route", options.route)):
            if value is not None:
                raise UsageError(f"{name} has a meaning only with --verify-limits, or without a URL")
    if options.arrivals == "poisson" and options.rate is None and options.ramp is None:
        raise UsageError("--arrivals poisson is for the open model", hint="add --rate 100")
    if options.quiet_headers and not verifying:
        raise UsageError("--quiet-header has a meaning only with --verify-limits or --limit")
    if options.limit is not None and options.url is not None:
        for name, value in (("--config", options.config), ("--stage", options.stage), ("--route", options.route)):
            if value is not None:
                raise UsageError(f"--limit and {name} exclude each other: both say what is declared")
    if options.url is None:
        for name, value in (("--method", options.method), ("--data", options.data)):
            if value is not None:
                raise UsageError(f"{name} needs a URL", hint="without a URL the request is made from the specification")


@contextlib.contextmanager
def _aimed(options: Options, talk: Talk) -> Iterator[_Aim]:
    """What to send and to prove, with what must run meanwhile."""
    headers = tuple(requests.parse_header(text) for text in options.headers)
    given = tuple(requests.parse_header(text) for text in options.quiet_headers)
    wanted = limit.parse(options.limit) if options.limit is not None else None
    if options.url is None:
        compiled, file = _compiled(options)
        route = declared.named(compiled, options.route) if options.route else declared.strictest(compiled)
        if options.verify_limits and wanted is None:
            wanted = _declared(compiled, route.id, declared.of_route(compiled, route))
        with local.gateway(compiled, route, file, headers, talk.note) as (request, other):
            yield _aim(request, wanted, given, other)
        return
    request = _request(options, options.url)
    if wanted is not None:
        limit.check_key(wanted, list(headers))
    elif options.verify_limits:
        compiled, _ = _compiled(options)
        route = declared.named(compiled, options.route) if options.route else declared.route_hit(compiled, request)
        wanted = _declared(compiled, route.id, declared.of_route(compiled, route))
    yield _aim(request, wanted, given)


def _aim(request: Request, wanted: Declared | None, given: tuple[Header, ...], other: Request | None = None) -> _Aim:
    """`given`: headers that make the request somebody else's; `other` is somebody else's request already."""
    if wanted is None:
        return _Aim(request, None)
    counts_callers = wanted.key in ("api_key", "jwt") or wanted.key.startswith(("jwt:", "claim:"))
    made = quiet.request_of(wanted, request, given)
    return _Aim(request, wanted, made if made is not None else other if counts_callers else None)


def _request(options: Options, url: str) -> Request:
    headers = tuple(requests.parse_header(text) for text in options.headers)
    body = requests.read_body(options.data) if options.data is not None else b""
    method = requests.parse_method(options.method or ("GET" if options.data is None else "POST"))
    return Request(method, requests.parse_url(url), headers, body)


def _compiled(options: Options) -> tuple[Compiled, Path]:
    file = project.find(options.config)
    return compile_project(project.load(file), options.stage, POLICIES), file


def _declared(compiled: Compiled, name: str, found: Declared | None) -> Declared:
    if found is None:
        raise UsageError(
            f"{name} has no rate_limit in stage {compiled.snapshot.stage}",
            hint="--limit '5/s burst 5' says what is declared elsewhere",
        )
    return found


def _plan(options: Options, times: Times, request: Request, limited: Declared | None) -> Plan:
    # What comes before the measurement is part of a limit's history, and would be missing in the proof.
    warm = DEFAULT_WARMUP if times.duration is not None and limited is None else 0.0
    return Plan(
        target=request.target,
        method=request.method,
        request=request.encode(keep_alive=options.keep_alive),
        workers=options.workers,
        concurrency=options.concurrency,
        timeout=times.timeout,
        warmup=warm if times.warmup is None else times.warmup,
        duration=times.duration,
        requests=options.requests,
        rate=0.0 if options.rate is None and options.ramp is not None else options.rate,
        watch=limited.watch(options.workers) if limited else None,
        stages=stages_of(options.ramp) if options.ramp is not None else (),
        poisson=options.arrivals == "poisson",
        seed=options.seed,
        keep_alive=options.keep_alive,
    )
