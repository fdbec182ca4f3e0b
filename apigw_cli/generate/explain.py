"""What happens to one request and why: the route, the steps in order, and where each value came from."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from apigw_cli.errors import Place, UsageError
from apigw_cli.generate import caller
from apigw_cli.generate.caller import Verdict
from apigw_cli.generate.probe import Probe, Request
from apigw_cli.generate.sending import Sent, Veil, sent
from apigw_cli.generate.verdicts import Asked, of_answer, of_request
from apigw_cli.policies import auth, cors, redirect
from apigw_cli.policies.plan import Stop, way_in, way_out
from apigw_cli.policies.registry import POLICIES
from apigw_cli.routing.path import normalise, normalise_host
from apigw_cli.routing.router import Match, MethodNotAllowed, NotFound, Router, nearest
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Api, HttpIntegration, Route, Snapshot, StaticIntegration, Upstream
from apigw_cli.snapshot.provenance import Origin
from apigw_cli.snapshot.sites import KIND as SITE

NEAREST = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The request as it was typed. `headers` are `Name: value`; `client` is an address, or `unix`."""

    method: str
    target: str
    host: str | None = None
    headers: tuple[str, ...] = ()
    config: Path | None = None
    stage: str | None = None
    body: bytes | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands, what kind of source that is, and the value there for people."""

    note: str
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One policy: its value, where that came from, and the values that it went over. `on` False: switched off.

    `schemes`: where it is said how each security scheme is checked.
    """

    policy: str
    text: str
    source: Source | None
    over: tuple[Source, ...] = ()
    verdict: Verdict | None = None
    on: bool = True
    schemes: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer. `status` is what the gateway says itself; None where the request goes on to the integration.

    `steps` are what the request meets, `answers` what an answer meets on its way back, both in the order in which they
    run. `ended_by`: the policy that gives the answer. `sent`: what the upstream is asked.
    """

    stage: str
    request: Request
    outcome: Literal["match", "not_found", "method_not_allowed", "bad_request", "too_large"]
    status: int | None = None
    route: Route | None = None
    declared: Place | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    upstream: Upstream | None = None
    forwarded_path: str = ""
    integration: Source | None = None
    allow: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    nearest: tuple[Route, ...] = ()
    answers: tuple[Step, ...] = ()
    sent: Sent | None = None
    preflight: bool = False  # it asks about the request that is to follow, and is answered in the name of its route
    ended_by: str = ""
    redirect: str = ""  # the form of the path to ask for, where the gateway answers 308


def explain(options: Options, compiled: Compiled) -> Explanation:
    """Why the gateway treats a request as it does. Raises UsageError for what is no request."""
    snapshot = compiled.snapshot
    router = Router(snapshot.routes)
    headers = tuple(_header(text) for text in options.headers)
    host, raw_path, query = _target(options, dict(headers))
    path = normalise(raw_path.encode("utf-8", "surrogateescape"))
    make = partial(
        Request,
        options.method.upper(),
        query=query,
        headers=headers,
        body=options.body,
        client=_client(options.client),
        secure=snapshot.listen.tls is not None,
    )
    if path is None:
        shown = raw_path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return Explanation(snapshot.stage, make(host=host or "", path=shown), "bad_request", 400)
    if host is None:
        host = _best_host(router, snapshot, options.method.upper(), path)
    request = make(host=host, path=path)
    most = snapshot.listen.max_body
    if most is not None and len(request.body or b"") > most:  # before it is routed
        return Explanation(snapshot.stage, request, "too_large", 413)
    about = _asked_about(request, router, snapshot)
    if about is not None:
        return _matched(about, request, compiled, preflight=True)
    found = router.match(request.host, request.method, request.path)
    if isinstance(found, Match):
        return (_redirected if found.redirects else _matched)(found, request, compiled)
    return _unmatched(found, request, router, snapshot)


# --- the request


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or name != name.strip():
        raise UsageError(f"-H {_without_value(text)!r} is not a header", hint="write -H 'Name: value'")
    return name.lower(), value.strip()


def _client(text: str | None) -> str | None:
    """An address as the gateway has it; '' for a Unix socket."""
    if text is None or text == "unix":
        return None if text is None else ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f'--from "{text}" is not an address', hint="write 192.0.2.7, 2001:db8::7 or unix") from None


def _asked_about(request: Request, router: Router, snapshot: Snapshot) -> Match | None:
    """The route that a preflight is about; None for any other request."""
    probe = Probe(request)
    if request.method != "OPTIONS" or not cors.is_preflight(probe):
        return None
    has = {index for index, route in enumerate(snapshot.routes) if cors.POLICY.name in route.policies}
    method = (probe.header(b"access-control-request-method") or b"").decode("latin-1")
    return nearest(router.match, request.host, method, request.path, has)


def _without_value(text: str) -> str:
    """Enough to find it again; a secret may stand behind a colon that was mistyped."""
    return text if len(text) <= 12 else text[:12] + "…"


def _target(options: Options, headers: dict[str, str]) -> tuple[str | None, str, str]:
    """Host (None: nobody named one), path and query."""
    text = options.target
    named = options.host if options.host is not None else headers.get("host")
    if "://" in text:
        parts = _split(text)
        named = named if named is not None else parts.netloc.rpartition("@")[2]
        path, query = parts.path or "/", parts.query
    else:
        path, _, query = text.partition("#")[0].partition("?")
    if not path.startswith("/"):
        raise UsageError(f'"{text}" is neither a path nor a URL', hint="a path begins with a slash: /v1/pets")
    if named is None:
        return None, path, query
    host = normalise_host(named.encode("utf-8", "surrogateescape"))
    if host is None:
        raise UsageError(f'"{named}" is not a host', hint="write a name without scheme: api.example.com")
    return host, path, query


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f'"{url}" is not a URL: {error}') from None


def _best_host(router: Router, snapshot: Snapshot, method: str, path: str) -> str:
    """For a request that names no host: the first one that has a route for it, else the first one there is."""
    apis = [api for api in snapshot.apis if api.kind != SITE]
    samples = [host.replace("*", "any", 1) for host in _hosts(apis) or ("localhost",)]
    for kind in (Match, MethodNotAllowed):
        for host in samples:
            if isinstance(router.match(host, method, path), kind):
                return host
    # A site takes every path, also one that was meant for an API and mistyped.
    if not any(api.base_path and f"{path}/".startswith(f"{api.base_path}/") for api in apis):
        for host in _hosts(api for api in snapshot.apis if api.kind == SITE):
            if isinstance(router.match(host, method, path), Match):
                return host
    return samples[0]


def _hosts(apis: Iterable[Api]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host for api in apis for host in api.hosts))


# --- a route matches


def _matched(found: Match, request: Request, compiled: Compiled, preflight: bool = False) -> Explanation:
    route, provenance, snapshot = found.route, compiled.provenance, compiled.snapshot
    asked = Asked(route, request, Probe(request), compiled, preflight)
    veil = Veil(request, route, snapshot)
    steps = tuple(_veiled(step, veil) for step in _steps(asked))
    said = next((step for step in steps if step.verdict is not None and step.verdict.status is not None), None)
    status = said.verdict.status if said is not None and said.verdict is not None else None
    integration = route.integration
    http = isinstance(integration, HttpIntegration)
    return Explanation(
        snapshot.stage,
        request,
        "match",
        status,
        route,
        provenance.place(route.id, "operation"),
        found.parameters,
        steps,
        snapshot.upstreams[integration.upstream] if isinstance(integration, HttpIntegration) else None,
        (request.path[len(integration.strip) :] or "/") if isinstance(integration, HttpIntegration) else "",
        _source(next(iter(provenance.of(route.id, "integration")), None))
        if http or isinstance(integration, StaticIntegration)
        else None,
        answers=tuple(_veiled(step, veil) for step in _answer_steps(asked)),
        sent=sent(route, asked.probe, snapshot, veil, asked.caller_known) if status is None else None,
        preflight=preflight,
        ended_by=said.policy if said is not None else "",
    )


def _redirected(found: Match, request: Request, compiled: Compiled) -> Explanation:
    """No policy is asked before a redirect."""
    place = compiled.provenance.place(found.route.id, "operation")
    other = request.path[:-1] if request.path.endswith("/") else f"{request.path}/"
    return Explanation(compiled.snapshot.stage, request, "match", 308, found.route, place, redirect=other)


def _steps(asked: Asked) -> Iterator[Step]:
    """What is on, in the order in which it runs, then what is switched off for this route."""
    route, compiled = asked.route, asked.compiled
    for stop in way_in(route):
        if asked.preflight and stop.policy.order > cors.ORDER:
            continue
        text = stop.text
        is_auth = stop.policy.name == auth.POLICY.name
        if is_auth:
            text += "".join(f", {scheme.place}" for scheme in caller.schemes(route, compiled.snapshot))
        step = _step(stop, text, asked, of_request(stop, asked))
        yield replace(step, schemes=_schemes(route, compiled)) if is_auth else step
    off = (policy for policy in POLICIES if policy.name not in route.policies)
    for policy in () if asked.preflight else off:
        if compiled.provenance.of(route.id, f"policies.{policy.name}"):
            yield _step(Stop(policy, None, "off"), "off", asked, None)


def _answer_steps(asked: Asked) -> Iterator[Step]:
    """The way back of every answer, the gateway's own too. That of a preflight is what `cors` has said."""
    if not asked.preflight:
        yield from (_step(stop, stop.text, asked, of_answer(stop, asked)) for stop in way_out(asked.route))


def _veiled(step: Step, veil: Veil) -> Step:
    verdict = step.verdict
    if verdict is None:
        return step
    hide = veil.url if step.policy == redirect.POLICY.name else veil.text
    return replace(step, verdict=replace(verdict, text=hide(verdict.text)))


def _schemes(route: Route, compiled: Compiled) -> tuple[Source, ...]:
    """Where it is said how each scheme of the route is checked."""
    named = (f"auth:{scheme.name}" for scheme in caller.schemes(route, compiled.snapshot))
    found = (_source(origin) for owner in named for origin in compiled.provenance.of(owner, "scheme"))
    return tuple(source for source in found if source is not None)


def _step(stop: Stop, text: str, asked: Asked, verdict: Verdict | None) -> Step:
    name, provenance = stop.policy.name, asked.compiled.provenance
    origins = [_source(origin) for origin in provenance.of(asked.route.id, f"policies.{name}")]
    sources = tuple(source for source in origins if source is not None)
    text = f"{text}: no effect, {stop.idle}" if stop.idle else text
    on = name in asked.route.policies and not stop.idle
    return Step(name, text, sources[0] if sources else None, sources[1:], verdict, on)


def _source(origin: Origin | None) -> Source | None:
    return Source(origin.note, origin.place, origin.text) if origin else None


# --- no route matches


def _unmatched(found: NotFound | MethodNotAllowed, request: Request, router: Router, snapshot: Snapshot) -> Explanation:
    if isinstance(found, MethodNotAllowed):
        here = [router.match(request.host, method, request.path) for method in found.allow]
        routes = tuple(dict.fromkeys(match.route.id for match in here if isinstance(match, Match)))
        nearest = tuple(route for route in snapshot.routes if route.id in routes)
        return Explanation(snapshot.stage, request, "method_not_allowed", 405, allow=found.allow, nearest=nearest)
    return Explanation(
        snapshot.stage,
        request,
        "not_found",
        404,
        hosts=_hosts(snapshot.apis),
        nearest=_nearest(request, router, snapshot),
    )


def _nearest(request: Request, router: Router, snapshot: Snapshot) -> tuple[Route, ...]:
    """Routes that were probably meant: the same path at another host, else paths that resemble it."""
    for host in _hosts(snapshot.apis):
        match = router.match(host.replace("*", "any", 1), request.method, request.path)
        if isinstance(match, Match) and not match.route.path.startswith("/{"):  # that may take anything
            return (match.route,)
    by_path: dict[str, list[Route]] = {}
    for route in snapshot.routes:
        by_path.setdefault(_filled(route.path, request.path), []).append(route)
    near = difflib.get_close_matches(request.path, by_path, n=NEAREST, cutoff=0.6)
    routes = [(path, route) for path in near for route in by_path[path]]
    routes.sort(key=lambda found: (near.index(found[0]), found[1].method != request.method))
    return tuple(route for _, route in routes[:NEAREST])


def _filled(template: str, path: str) -> str:
    """A template with the segments of a path in place of its variables: what the path would have to look like."""
    segments = path.split("/")
    return "/".join(
        segments[index] if "{" in segment and index < len(segments) else segment
        for index, segment in enumerate(template.split("/"))
    )
