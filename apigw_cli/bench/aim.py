"""What to send and what to prove, found from the options; with what must run meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from apigw_cli.bench import callers, declaration, declared, limit, local, mix, operations, targets, template
from apigw_cli.bench import request as requests
from apigw_cli.bench import rows as csv_rows
from apigw_cli.bench.call import Call
from apigw_cli.bench.declaration import NOTHING, Declaration
from apigw_cli.bench.options import Options
from apigw_cli.bench.proving import NOBODY, Others
from apigw_cli.bench.request import Header, Request
from apigw_cli.bench.rows import Rows
from apigw_cli.bench.running_gateway import Admin
from apigw_cli.bench.scenario import Scenario
from apigw_cli.bench.times import DEFAULT_WARMUP
from apigw_cli.config import project
from apigw_cli.errors import UsageError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project
from apigw_cli.snapshot.model import Route


@dataclass(frozen=True, slots=True)
class Aim:
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


@contextlib.contextmanager
def aimed(options: Options, note: Callable[[str], None]) -> Iterator[Aim]:
    """The aim, while what it needs runs. Raises ApigwError."""
    if options.url is not None:
        yield _of_url(options, options.url, note)
    elif options.is_scenario:
        with _at_own_gateway(options, note) as aim:
            yield aim
    else:
        with _route_of_own_gateway(options, note) as aim:
            yield aim


def at_url(options: Options, url: str, note: Callable[[str], None]) -> Aim:
    """What is asked of somebody who runs already: operations, or the URLs that were typed."""
    if options.spec is not None and options.is_scenario:
        return _of(operations.at_spec(options.spec, url, _wish(options)), url, options.spec, note)
    if options.is_scenario:
        compiled, file = _compiled(options)
        return _of(operations.at_config(compiled, url, _wish(options)), url, str(file), note)
    return _at_urls(options)


@contextlib.contextmanager
def _route_of_own_gateway(options: Options, note: Callable[[str], None]) -> Iterator[Aim]:
    """A route of the configuration, asked of a gateway that runs meanwhile; with its limits, where they are proved."""
    headers, given, wanted = _headers(options.headers), _headers(options.quiet_headers), _stated(options)
    compiled, file = _compiled(options)
    route = _route(compiled, options)
    if options.verify_limits and not wanted:
        wanted = declaration.of_route(compiled, route, local.CALLER)
    clock = bool(wanted.quotas)
    with local.gateway(compiled, route, file, headers, note, clock=clock) as (request, own, admin):
        yield replace(_aim(request, replace(wanted, admin=Admin(admin)), given, own), admin=admin)


def _of_url(options: Options, url: str, note: Callable[[str], None]) -> Aim:
    headers, given, wanted = _headers(options.headers), _headers(options.quiet_headers), _stated(options)
    aim = at_url(options, url, note)
    if aim.calls:
        if wanted or options.verify_limits:
            raise UsageError("a limit is proved with one request: no {{…}}, and one target")
        return aim
    if wanted:
        limit.check_key(wanted.layers, headers)
    elif options.verify_limits:
        wanted = declaration.of_url(options, aim.request, lambda: _declared_by(options))
    return _aim(aim.request, wanted, given)


def _stated(options: Options) -> Declaration:
    """What `--limit` says."""
    return Declaration(limit.parse_all(options.limit) if options.limit is not None else ())


def _headers(texts: tuple[str, ...]) -> tuple[Header, ...]:
    return tuple(requests.parse_header(text) for text in texts)


@contextlib.contextmanager
def _at_own_gateway(options: Options, note: Callable[[str], None]) -> Iterator[Aim]:
    """The operations of the configuration, asked of a gateway that runs meanwhile."""
    compiled, file = _compiled(options)
    with operations.at_own_gateway(compiled, file, _wish(options), note) as found:
        yield _of(found, "a gateway of its own", str(file), note)


def _of(found: Scenario, where: str, source: str, note: Callable[[str], None]) -> Aim:
    for line in found.notes():
        note(line)
    first = found.calls[0]
    title = f"{len(found.calls)} operations of {source} at {where}"
    if len(found.calls) == 1:
        title = f"{first.name} of {source} at {where}"
    return Aim(
        Request(first.method, first.target, ()),
        calls=tuple(found.calls),
        title=title,
        left_out=tuple(found.left_out.items()),
    )


def _wish(options: Options) -> operations.Wish:
    times = options.times()
    return operations.Wish(
        operations=options.operations,
        headers=_headers(options.headers),
        api_key=options.api_key,
        token_key=options.token_key,
        seed=options.seed,
        keep_alive=options.keep_alive,
        lasting=(times.duration or 3600.0) + (times.warmup or DEFAULT_WARMUP),
    )


def _route(compiled: Compiled, options: Options) -> Route:
    if options.route is None:
        return declared.strictest(compiled)
    return declared.named(compiled.snapshot.routes, compiled.snapshot.stage, options.route)


def _at_urls(options: Options) -> Aim:
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
        return Aim(wanted[0])
    names = mix.unique(f"{request.method} {url}" for request, (_, url) in zip(wanted, weighted, strict=True))
    calls = tuple(
        Call(name, request.method, request.target, [message], weight)
        for name, request, message, (weight, _) in zip(names, wanted, messages, weighted, strict=True)
    )
    title = "" if len(calls) == 1 else " + ".join(f"{call.weight}@{call.target.url}" for call in calls[:4])
    title += f" + {len(calls) - 4} more" if len(calls) > 4 else ""
    return Aim(wanted[0], calls=calls, title=f"{wanted[0].method} {title}" if title else "", rows=rows)


def _aim(request: Request, wanted: Declaration, given: tuple[Header, ...], own: tuple[Request, ...] = ()) -> Aim:
    """`given`: headers that make the request somebody else's; `own` are requests of somebody else already."""
    if not wanted:
        return Aim(request)
    return Aim(request, wanted, callers.others_of(wanted.layers, request, given, own) if wanted.layers else NOBODY)


def _request(options: Options, url: str) -> Request:
    headers = _headers(options.headers)
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
