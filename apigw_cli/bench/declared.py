"""The limits that the configuration declares for a route."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from apigw_cli.bench import limit
from apigw_cli.bench.limit import BUCKET, Declared
from apigw_cli.bench.request import Request
from apigw_cli.errors import UsageError
from apigw_cli.limits import rate as rates
from apigw_cli.limits.rate import Rate
from apigw_cli.policies.interface import instance
from apigw_cli.policies.limit_layer import RateLimit
from apigw_cli.policies.rate_limit import as_layers
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.routing.path import normalise, normalise_host
from apigw_cli.routing.router import Match, Router
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route

POLICY = "rate_limit"
_ALGORITHMS = {"gcra": BUCKET, **{name: name for name in (BUCKET, limit.LEAKY, limit.FIXED, limit.SLIDING)}}


def of_route(compiled: Compiled, route: Route) -> tuple[Declared, ...]:
    """The layers of a route's limit with their file and line, strictest first; empty where it has none."""
    return layers_of(route, lambda policy: _place(compiled, route, policy))


def _place(compiled: Compiled, route: Route, policy: str) -> str:
    place = compiled.provenance.place(route.id, f"policies.{policy}")
    return f"{place.file}:{place.line}" if place else ""


def layers_of(route: Route, place: Callable[[str], str]) -> tuple[Declared, ...]:
    """The layers of a route's limit, strictest first; `place` says where a policy was written."""
    value = route.policies.get(POLICY)
    layers = [] if value is None else as_layers(instance(BY_NAME[POLICY], value))
    where = place(POLICY)
    tells = any(layer.headers != "none" for layer in layers)
    plain = all(layer.cost == 1 for layer in layers)
    found = [
        replace(_layer(layer), name=route.operation, place=where, tells=tells, counts_requests=plain)
        for layer in layers
        if layer.cost != 0
    ]
    return limit.strictest_first(found)


def _layer(layer: RateLimit) -> Declared:
    """What a layer lets through, in requests."""
    rate = rates.parse(layer.rate)
    if isinstance(layer.cost, str):
        partly = f"what a request costs stands in {layer.cost}"
        return Declared(rate, layer.size, layer.key, partly=partly, algorithm=_ALGORITHMS[layer.algorithm])
    algorithm = _ALGORITHMS[layer.algorithm]
    if layer.cost == 1:
        return Declared(rate, layer.size, layer.key, algorithm=algorithm)
    partly = "requests that cost more than one leave a rest of a window unused" if layer.is_window else ""
    size = layer.size // layer.cost
    return Declared(Rate(rate.count / layer.cost, rate.unit), size, layer.key, partly=partly, algorithm=algorithm)


def route_hit(compiled: Compiled, request: Request) -> Route:
    """The route that a request reaches. Raises UsageError where it reaches none."""
    path = normalise(request.target.path.partition("?")[0].encode())
    host = normalise_host(request.host().encode("latin-1"))
    if path is not None and host is not None:
        found = Router(compiled.snapshot.routes).match(host, request.method, path)
        if isinstance(found, Match):
            return found.route
    raise UsageError(
        f"{request.method} {request.target.path} on host {request.host()} is no route of the configuration, "
        f"stage {compiled.snapshot.stage}",
        hint="--route NAME names the route, or --limit '5/s burst 5' says what is declared",
    )


def named(compiled: Compiled, name: str) -> Route:
    """The route with this operationId, `METHOD /path` or id. Raises UsageError where there is none, or several."""
    found = [r for r in compiled.snapshot.routes if name in (r.operation, r.id, f"{r.method} {r.path}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name!r} names several routes", hint="one of: " + ", ".join(r.id for r in found))
    near = difflib.get_close_matches(name, [r.operation for r in compiled.snapshot.routes], n=1)
    raise UsageError(
        f"there is no route {name!r} in stage {compiled.snapshot.stage}",
        hint=f'did you mean "{near[0]}"?' if near else "apigw routes lists them",
    )


def strictest(compiled: Compiled) -> Route:
    """The route with the lowest rate: its limit is met soonest. Raises UsageError where no route has a limit."""
    limited = [(layers[0], route) for route in compiled.snapshot.routes if (layers := of_route(compiled, route))]
    if not limited:
        raise UsageError(
            f"no route of stage {compiled.snapshot.stage} has a rate_limit",
            hint="--route NAME names a route to load; or declare a rate_limit in apigw.yaml",
        )
    return min(limited, key=lambda pair: (pair[0].rate, pair[0].burst))[1]
