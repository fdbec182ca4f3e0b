"""The limit that the configuration declares for a route."""

from __future__ import annotations

import difflib

from apigw_cli.bench.limit import Declared
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


def of_route(compiled: Compiled, route: Route) -> Declared | None:
    """The limit of a route with its file and line, or None. Of several layers, the one with the lowest rate."""
    value = route.policies.get(POLICY)
    layers = [] if value is None else as_layers(instance(BY_NAME[POLICY], value))
    bounds = [_bound(layer) for layer in layers if layer.cost != 0]
    if not bounds:
        return None
    rate, burst, key, partly = min(bounds, key=lambda bound: bound[:2])
    if len(layers) > 1:
        partly = f"{len(layers)} layers decide together"
    place = compiled.provenance.place(route.id, f"policies.{POLICY}")
    where = f"{place.file}:{place.line}" if place else ""
    tells = any(layer.headers != "none" for layer in layers)
    plain = all(layer.cost == 1 for layer in layers)
    return Declared(rate, burst, key, route.operation, where, partly, tells=tells, counts_requests=plain)


def _bound(layer: RateLimit) -> tuple[Rate, int, str, str]:
    """The bucket that a layer stays within, in requests, and why it may admit less than that."""
    rate = rates.parse(layer.rate)
    if layer.is_window:  # limits.algorithms: what a window admits at the most
        burst = layer.size * 2 if layer.algorithm == "fixed_window" else layer.size + 1
        return rate, burst, layer.key, f"a {layer.algorithm.replace('_', ' ')} is no bucket"
    if isinstance(layer.cost, str):
        return rate, layer.size, layer.key, f"what a request costs stands in {layer.cost}"
    partly = "those beyond the delay wait" if layer.delay is not None else ""
    return Rate(rate.count / layer.cost, rate.unit), layer.size // layer.cost, layer.key, partly


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
    limited = [(limit, r) for r in compiled.snapshot.routes if (limit := of_route(compiled, r)) is not None]
    if not limited:
        raise UsageError(
            f"no route of stage {compiled.snapshot.stage} has a rate_limit",
            hint="--route NAME names a route to load; or declare a rate_limit in apigw.yaml",
        )
    return min(limited, key=lambda pair: (pair[0].rate, pair[0].burst))[1]
