"""`apigw bench` from its options to its result."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from apigw_cli.bench import (
    aiming,
    assertion,
    callers,
    declaration,
    declared,
    limit,
    local,
    mix,
    proving,
    quota_proof,
    served,
    targets,
    template,
)
from apigw_cli.bench import request as requests
from apigw_cli.bench import rows as csv_rows
from apigw_cli.bench.call import Call
from apigw_cli.bench.coordinator import Collected, Live, run
from apigw_cli.bench.declaration import NOTHING, Declaration
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.proof import Proof
from apigw_cli.bench.proving import NOBODY, Others
from apigw_cli.bench.request import Header, Request
from apigw_cli.bench.result import Result, assemble
from apigw_cli.bench.rows import Rows
from apigw_cli.bench.running_gateway import Admin
from apigw_cli.bench.scenario import Scenario
from apigw_cli.bench.targets import reached
from apigw_cli.bench.times import DEFAULT_DURATION, Times, stages_of, times_of
from apigw_cli.config import project
from apigw_cli.errors import UsageError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project
from apigw_cli.snapshot.model import Route

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
    admin: str | None = None
    admin_token_file: Path | None = None
    stage: str | None = None
    assertions: tuple[str, ...] = ()
    quiet_headers: tuple[str, ...] = ()
    ramp: str | None = None
    arrivals: str = "constant"
    seed: int = 0
    keep_alive: bool = True
    targets: tuple[str, ...] = ()  # where there are several, or one with a weight; `url` is the first
    csv: Path | None = None
    spec: str | None = None
    operations: str | None = None
    api_key: str | None = None
    token_key: Path | None = None

    @property
    def is_scenario(self) -> bool:
        """Whether operations are asked for. A specification alone, with a proof, says what is declared."""
        return self.operations is not None or (self.spec is not None and not self.verify_limits)


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to tell: `note` a line on what is done, `show` how far it is; `watched`: somebody sees that."""

    note: Callable[[str], None]
    show: Callable[[Live], None]
    begin: Callable[[Plan], None]
    watched: bool = False


def bench(options: Options, talk: Talk) -> Result:
    """Make the load that was asked for, and judge it. Raises ApigwError where it cannot be made."""
    _check(options)
    times = _times(options)
    assertions = [assertion.parse(text) for text in options.assertions]
    with ending_on_sigterm(), _aimed(options, talk) as aim:
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


@dataclass(frozen=True, slots=True)
class _Aim:
    """The request to send, the layers of the limit to prove, and requests by others, where there are any.

    `calls` take the place of the request where there are several, or where requests differ.
    """

    request: Request
    limited: Declaration = NOTHING
    others: Others = NOBODY
    calls: tuple[Call, ...] = ()
    title: str = ""
    rows: Rows | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    admin: str | None = None  # of a gateway that was started for this


def _proved(plan: Plan, aim: _Aim, talk: Talk) -> tuple[Collected, list[Proof]]:
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


def _route(compiled: Compiled, options: Options) -> Route:
    if options.route is None:
        return declared.strictest(compiled)
    return declared.named(compiled.snapshot.routes, compiled.snapshot.stage, options.route)


def _times(options: Options) -> Times:
    """As typed; a ramp lasts as long as its stages, where nothing else is said."""
    default = sum(seconds for seconds, _ in stages_of(options.ramp)) if options.ramp is not None else DEFAULT_DURATION
    counted = options.requests is not None
    return times_of(options.duration, options.warmup, options.timeout, of_requests=counted, default=default)


def plan_for(options: Options, note: Callable[[str], None]) -> Plan:
    """The plan of a run against a URL that somebody answers at, without a proof. Raises ApigwError."""
    _check(options)
    assert options.url is not None
    times = _times(options)
    return reached(_plan(options, times, _at_url(options, options.url, note)), note)


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
    servers = {requests.parse_url(targets.weighted(text)[1]).server for text in options.targets}
    if options.concurrency < len(servers):
        raise UsageError(
            f"{options.concurrency} in flight are too few for {len(servers)} servers",
            hint=f"--concurrency is the total over all targets: at least {len(servers)}",
        )
    if options.concurrency > MOST_CONNECTIONS:
        raise UsageError(f"at most {MOST_CONNECTIONS:,} connections")
    if options.duration is not None and options.requests is not None:
        raise UsageError("--duration and --requests exclude each other")
    verifying = options.verify_limits or options.limit is not None
    _check_scenario(options, verifying)
    if options.url is not None and not verifying and not options.is_scenario:
        for name, value in (("--config", options.config), ("--stage", options.stage), ("--route", options.route)):
            if value is not None:
                raise UsageError(f"{name} has a meaning only with --verify-limits, or without a URL")
    if options.arrivals == "poisson" and options.rate is None and options.ramp is None:
        raise UsageError("--arrivals poisson is for the open model", hint="add --rate 100")
    if options.spec is not None and verifying and not options.is_scenario:
        for name, value in (("--config", options.config), ("--stage", options.stage), ("--limit", options.limit)):
            if value is not None:
                raise UsageError(f"--spec and {name} exclude each other: both say what is declared")
        if options.url is None:
            raise UsageError("--spec needs a URL to ask", hint="apigw bench http://127.0.0.1:8080/v1/pets --spec FILE")
    if options.admin is not None and (options.url is None or not options.verify_limits):
        raise UsageError("--admin has a meaning only with a URL and --verify-limits")
    if options.quiet_headers and not verifying:
        raise UsageError("--quiet-header has a meaning only with --verify-limits or --limit")
    if options.limit is not None and options.url is not None:
        stated = (("--config", options.config), ("--stage", options.stage), ("--route", options.route))
        for name, value in (*stated, ("--admin", options.admin)):
            if value is not None:
                raise UsageError(f"--limit and {name} exclude each other: both say what is declared")
    if options.url is None:
        for name, value in (("--method", options.method), ("--data", options.data), ("--csv", options.csv)):
            if value is not None:
                raise UsageError(f"{name} needs a URL", hint="without a URL the request is made from the specification")


def _check_scenario(options: Options, verifying: bool) -> None:
    """What goes with `--spec` and `--operations`, and what does not."""
    if not options.is_scenario:
        for name, value in (("--api-key", options.api_key), ("--token-key", options.token_key)):
            if value is not None:
                raise UsageError(f"{name} is for --spec and --operations", hint="-H gives a header to all requests")
        return
    if verifying:
        raise UsageError("a limit is proved with one request", hint="--route NAME says of which operation")
    if options.spec is not None and options.url is None:
        raise UsageError("--spec needs a URL to ask", hint="apigw bench http://127.0.0.1:8080 --spec FILE")
    if options.targets:
        raise UsageError("operations are asked of one URL", hint="--operations 3@getPet,createPet gives weights")
    alone = [("--route", options.route), ("--method", options.method), ("--data", options.data), ("--csv", options.csv)]
    if options.spec is not None:
        alone += [("--config", options.config), ("--stage", options.stage)]
    for name, value in alone:
        if value is not None:
            raise UsageError(f"{name} has no meaning beside {'--spec' if options.spec else '--operations'}")


def _wish(options: Options) -> aiming.Wish:
    times = _times(options)
    return aiming.Wish(
        operations=options.operations,
        headers=tuple(requests.parse_header(text) for text in options.headers),
        api_key=options.api_key,
        token_key=options.token_key,
        seed=options.seed,
        keep_alive=options.keep_alive,
        lasting=(times.duration or 3600.0) + (times.warmup or DEFAULT_WARMUP),
    )


@contextlib.contextmanager
def _at_own_gateway(options: Options, note: Callable[[str], None]) -> Iterator[_Aim]:
    """The operations of the configuration, asked of a gateway that runs meanwhile."""
    compiled, file = _compiled(options)
    with aiming.at_own_gateway(compiled, file, _wish(options), note) as found:
        yield _of(found, "a gateway of its own", str(file), note)


def _at_url(options: Options, url: str, note: Callable[[str], None]) -> _Aim:
    """What is asked of somebody who runs already: operations, or the URLs that were typed."""
    if options.spec is not None and options.is_scenario:
        return _of(aiming.at_spec(options.spec, url, _wish(options)), url, options.spec, note)
    if options.is_scenario:
        compiled, file = _compiled(options)
        return _of(aiming.at_config(compiled, url, _wish(options)), url, str(file), note)
    return _at_urls(options)


def _of(found: Scenario, where: str, source: str, note: Callable[[str], None]) -> _Aim:
    for line in found.notes():
        note(line)
    first = found.calls[0]
    title = f"{len(found.calls)} operations of {source} at {where}"
    if len(found.calls) == 1:
        title = f"{first.name} of {source} at {where}"
    return _Aim(
        Request(first.method, first.target, ()),
        calls=tuple(found.calls),
        title=title,
        left_out=tuple(found.left_out.items()),
    )


@contextlib.contextmanager
def _aimed(options: Options, talk: Talk) -> Iterator[_Aim]:
    """What to send and to prove, with what must run meanwhile."""
    if options.is_scenario and options.url is None:
        with _at_own_gateway(options, talk.note) as aim:
            yield aim
        return
    headers = tuple(requests.parse_header(text) for text in options.headers)
    given = tuple(requests.parse_header(text) for text in options.quiet_headers)
    wanted = Declaration(limit.parse_all(options.limit) if options.limit is not None else ())
    if options.url is None:
        compiled, file = _compiled(options)
        route = _route(compiled, options)
        if options.verify_limits and not wanted:
            wanted = declaration.of_route(compiled, route, local.CALLER)
        clock = bool(wanted.quotas)
        with local.gateway(compiled, route, file, headers, talk.note, clock=clock) as (request, own, admin):
            yield replace(_aim(request, replace(wanted, admin=Admin(admin)), given, own), admin=admin)
        return
    aim = _at_url(options, options.url, talk.note)
    if aim.calls:
        if wanted or options.verify_limits:
            raise UsageError("a limit is proved with one request: no {{…}}, and one target")
        yield aim
        return
    request = aim.request
    if wanted:
        limit.check_key(wanted.layers, headers)
    elif options.verify_limits:
        wanted = declaration.of_url(options, request, lambda: _declared_by(options))
    yield _aim(request, wanted, given)


def _at_urls(options: Options) -> _Aim:
    """The requests to the targets that were typed."""
    assert options.url is not None
    rows = csv_rows.read(options.csv) if options.csv is not None else None
    weighted = [targets.weighted(text) for text in options.targets or (options.url,)]
    wanted = [_request(options, url) for _, url in weighted]
    messages = [request.message(keep_alive=options.keep_alive) for request in wanted]
    template.check(messages, rows)
    if rows is not None and not any(name.partition(":")[1] for message in messages for name in message.values):
        raise UsageError(f"--csv {options.csv}: no request takes anything of it", hint="write {{csv.COLUMN}} somewhere")
    if len(wanted) == 1 and not messages[0].values:
        return _Aim(wanted[0])
    names = mix.unique(f"{request.method} {url}" for request, (_, url) in zip(wanted, weighted, strict=True))
    calls = tuple(
        Call(name, request.method, request.target, [message], weight)
        for name, request, message, (weight, _) in zip(names, wanted, messages, weighted, strict=True)
    )
    title = "" if len(calls) == 1 else " + ".join(f"{call.weight}@{call.target.url}" for call in calls[:4])
    title += f" + {len(calls) - 4} more" if len(calls) > 4 else ""
    return _Aim(wanted[0], calls=calls, title=f"{wanted[0].method} {title}" if title else "", rows=rows)


def _aim(request: Request, wanted: Declaration, given: tuple[Header, ...], own: tuple[Request, ...] = ()) -> _Aim:
    """`given`: headers that make the request somebody else's; `own` are requests of somebody else already."""
    if not wanted:
        return _Aim(request)
    return _Aim(request, wanted, callers.others_of(wanted.layers, request, given, own) if wanted.layers else NOBODY)


def _request(options: Options, url: str) -> Request:
    headers = tuple(requests.parse_header(text) for text in options.headers)
    body = requests.read_body(options.data) if options.data is not None else b""
    method = requests.parse_method(options.method or ("GET" if options.data is None else "POST"))
    return Request(method, requests.parse_url(url), headers, body)


def _declared_by(options: Options) -> Compiled:
    """What declares the limits of a URL: the specification alone, or the configuration."""
    if options.spec is not None:
        return compile_project(project.from_spec(options.spec), None, POLICIES)
    return _compiled(options)[0]


def _compiled(options: Options) -> tuple[Compiled, Path]:
    file = project.find(options.config)
    return compile_project(project.load(file), options.stage, POLICIES), file


def _plan(options: Options, times: Times, aim: _Aim) -> Plan:
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
    )
