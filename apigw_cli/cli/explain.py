"""`apigw explain`: what happens to one request, and which line of which file decided it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from apigw_cli.cli import columns, terminal
from apigw_cli.errors import Exit, Place, UsageError

if TYPE_CHECKING:
    from apigw_cli.generate.explain import Explanation, Step
    from apigw_cli.generate.sending import Sent
    from apigw_cli.snapshot.model import Route, Upstream

_LARGEST = 64 << 20  # bytes of a body


def explain(
    method: Annotated[str, typer.Argument(help="GET, POST …", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="PATH|URL", help="/v1/pets/7", show_default=False)],
    host: Annotated[
        str | None, typer.Option(help="The host that the client asks for.", show_default="one that has a route")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="'Name: value'; repeat it for more.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", "-d", metavar="BODY|@FILE", help="The body; application/json unless -H says.", show_default=False
        ),
    ] = None,
    client: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS|unix", help="Who sends it.", show_default="nobody said")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="The stage to look at.", show_default="the first one")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration.", show_default="./apigw.yaml")
    ] = None,
    output: Annotated[Literal["text", "json"], typer.Option("--format", help="How to say it.")] = "text",
) -> None:
    """Explain one request: its route, the steps in the order in which they run, and the file and line of every value.

    With headers, a query, a body or --from, each step also says what it would decide of that very request: whose key
    it is, what does not fit the specification, what the upstream would be asked. No secret is printed; nothing is sent.
    Limits and quotas depend on what others ask: of them nothing is foretold.
    Exit code 4 where the gateway would answer 4xx or 5xx itself, as far as that can be known (404, 405, 400, 401 …).
    """
    from apigw_cli.generate import explain as core
    from apigw_cli.generate.run import load

    body = _body(data) if data is not None else None
    options = core.Options(method, target, host, tuple(header or ()), config, stage, body, client)
    found = core.explain(options, load(config, stage))
    if output == "json":
        _print_json(found)
    elif found.route is not None:
        _print_match(found)
    else:
        _print_refusal(found)
    if found.status is not None and found.status >= 400:
        raise typer.Exit(Exit.BLOCKED)


def _body(text: str) -> bytes:
    """What -d says. Raises UsageError for a file that cannot be read, or is too large to look at."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    name = text[1:]
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"-d @{name} cannot be read: {error.strerror or error}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"-d @{name} is larger than {_LARGEST >> 20} MiB")
    return data


def _print_match(found: Explanation) -> None:
    route = found.route
    assert route is not None
    declared = f", {_short(found.declared)}" if found.declared else ""
    arrow = terminal.symbol("arrow")
    request = found.request
    name = terminal.style(route.operation, "bold")
    terminal.out(f"{request.method} {request.path} {arrow} {name} ({route.api}{declared})")
    values = "".join(f", {key} = {value}" for key, value in found.parameters.items())
    terminal.out(f"  {route.method} {route.path}{values}; host {request.host or '(none)'}, stage {found.stage}")
    if found.redirect:
        terminal.out(f"  {arrow} 308 to {found.redirect} (trailing_slash: redirect)")
        return
    rows = _rows(found)
    limit = columns.available()
    widths = columns.widths(rows, limit and limit - 2, (2,)) if rows else []
    steps = len(found.steps)
    for row, step in zip(rows[:steps], found.steps, strict=True):
        _print_step(columns.line(row, widths), step)
    if not rows:
        terminal.out("  · no policies: everything goes through")
    terminal.out(_end(found))
    if found.sent is not None and found.request.shown:
        _print_sent(found.sent)
    if found.answers:
        terminal.out("  every answer, on its way to the client:")
    for row, step in zip(rows[steps:], found.answers, strict=True):
        _print_step(columns.line(row, widths), replace(step, over=() if _is_above(step, found) else step.over))


def _rows(found: Explanation) -> list[tuple[str, str, str, str]]:
    """Numbered in the order in which they run; what does nothing has no number."""
    rows, number = [], 0
    for step in (*found.steps, *found.answers):
        number += step.on
        rows.append((f"{number}" if step.on else "·", step.policy, step.text, _where(step)))
    return rows


def _is_above(step: Step, found: Explanation) -> bool:
    return any(step.policy == other.policy for other in found.steps)


def _end(found: Explanation) -> str:
    """What answers the request."""
    arrow, bad = terminal.symbol("arrow"), terminal.symbol("bad")
    if found.preflight:
        return f"  {arrow if found.status == 204 else bad} {found.status}: the gateway answers preflights itself"
    if found.status is not None and found.status >= 400:
        return f"  {bad} {found.status} from {found.ended_by}: nothing behind it is asked"
    return _answer(found)


def _print_sent(sent: Sent) -> None:
    rest = f"  (+ {', '.join(sent.told)})"
    open_end = "" if sent.known else "; what depends on the caller is not known here"
    terminal.out(terminal.style(f"      {sent.method} {sent.target}{rest}{open_end}", "dim"))
    for name, value in sent.headers:
        terminal.out(terminal.style(f"      {name}: {value}", "dim"))
    if sent.body is not None:
        terminal.out(terminal.style(f"      {sent.body}", "dim"))


def _print_step(line: str, step: Step) -> None:
    verdict = step.verdict
    said = f"   {terminal.symbol('ok' if verdict.holds else 'bad')} {verdict.text}" if verdict else ""
    terminal.out(f"  {line}{said}")
    for one in verdict.violations if verdict else ():
        terminal.out(f"      {_violation(one)}")
    for source in step.schemes:
        terminal.out(terminal.style(f"      {source.text} ({_short(source.place)})", "dim"))
    for source in step.over:
        terminal.out(terminal.style(f"      over {source.note} {source.text} ({_short(source.place)})", "dim"))


def _violation(one: dict[str, str]) -> str:
    named = f" {one['name']}" if one.get("name") else ""
    return f"{one['in']}{named}{one['pointer']}: {one['reason']}"


def _where(step: Step) -> str:
    return f"{_short(step.source.place)}" if step.source else ""


def _short(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _answer(found: Explanation) -> str:
    arrow, where = terminal.symbol("arrow"), f"   {_short(found.integration.place)}" if found.integration else ""
    upstream = found.upstream
    if any(step.on and step.policy == "redirect" for step in found.steps):
        return f"  {arrow} the redirect is the answer: nobody else is asked"
    if found.integration is not None and upstream is None and found.integration.note == "site":
        return f"  {arrow} {found.integration.text}{where}"
    if upstream is None:
        return f"  {arrow} mock: an answer made from the specification"
    many = f" of {len(upstream.targets)}" if len(upstream.targets) > 1 else ""
    time = upstream.timeout
    idle = f"idle {time.idle:g} s, " if time.idle else ""
    times = f"connect {time.connect:g} s, first byte {time.first_byte:g} s, {idle}total {time.total:g} s"
    changed = _as_forwarded(found)
    return (
        f"  {arrow} upstream {upstream.name} {', '.join(upstream.targets)}{changed}, {_balance(upstream)}{many}, "
        f"{times}{_care(upstream)}{where}"
    )


def _as_forwarded(found: Explanation) -> str:
    sent, request = found.sent, found.request
    if request.shown or sent is None:  # it follows, whole
        return ""
    path = sent.target.partition("?")[0]
    method = f"{sent.method} " if sent.method != request.method else ""
    return f" as {method}{path}" if method or path != request.path else ""


def _balance(upstream: Upstream) -> str:
    weights = f" weighted {':'.join(map(str, upstream.weights))}" if upstream.weights else ""
    return upstream.balance + weights + (f" on {upstream.hash_on}" if upstream.hash_on else "")


def _care(upstream: Upstream) -> str:
    """What is done so that a target in trouble costs no request."""
    health, eject, retries = upstream.health, upstream.eject, upstream.retries
    parts = [f", GET {health.path} every {health.every:g} s"] if health is not None else []
    parts += [f", ejected after {eject.after} failures"] if eject is not None else []
    pool = upstream.pool
    if pool is not None and pool.connections is not None:
        parts += [
            f", at most {pool.connections} connections a target and {pool.queue} waiting {pool.queue_timeout:g} s"
        ]
    parts += [f", {pool.idle} kept for {pool.idle_timeout:g} s"] if pool is not None else []
    parts += [f", names looked up every {upstream.dns_refresh:g} s"] if upstream.dns_refresh else []
    parts += [", refused while all targets are out"] if upstream.refuse else []
    parts += [f", slow start of {upstream.slow_start:g} s"] if upstream.slow_start else []
    parts += (
        [f", tried {retries.attempts} times at most (on {', '.join(retries.causes)})"] if retries is not None else []
    )
    return "".join(parts)


def _print_refusal(found: Explanation) -> None:
    request = found.request
    bad = terminal.symbol("bad")
    asked = f"{request.method} {request.path}"
    if found.outcome == "bad_request":
        terminal.out(f"{bad} {asked}: 400, the path is not valid")
        return
    if found.outcome == "too_large":
        terminal.out(f"{bad} {asked}: 413, the body is larger than listen.max_body")
        return
    if found.outcome == "method_not_allowed":
        terminal.out(f"{bad} {asked}: 405, no route takes {request.method} there (Allow: {', '.join(found.allow)})")
    else:
        terminal.out(f"{bad} {asked}: 404, no route of host {request.host or '(none)'} has this path")
        if found.hosts:
            terminal.out(f"  hosts    {', '.join(found.hosts)}")
    label = "there" if found.outcome == "method_not_allowed" else "nearest"
    for number, route in enumerate(found.nearest):
        terminal.out(f"  {label if number == 0 else '':<7}  {_route_line(route, request.host)}")


def _route_line(route: Route, host: str) -> str:
    elsewhere = f", host {', '.join(route.hosts)}" if route.hosts and host not in route.hosts else ""
    return f"{route.method} {route.path} {terminal.symbol('arrow')} {route.operation} ({route.api}{elsewhere})"


def _print_json(found: Explanation) -> None:
    """The request's headers, query and body are left out: they may hold a key. Literal secrets are masked."""
    import msgspec
    import orjson

    from apigw_cli.config.secrecy import masked

    data: dict[str, Any] = masked(msgspec.to_builtins(found))
    for secret in ("headers", "query", "body"):
        del data["request"][secret]
    sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
