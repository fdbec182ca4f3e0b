"""The limit that the configuration declares for a route."""

from __future__ import annotations

import difflib

from apigw_cli.bench.limit import Declared
from apigw_cli.bench.request import Request
from apigw_cli.errors import UsageError
from apigw_cli.limits import rate as rates
from apigw_cli.policies.interface import instance
from apigw_cli.policies.rate_limit import RateLimit
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.routing.path import normalise, normalise_host
from apigw_cli.routing.router import Match, Router
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route

POLICY = "rate_limit"


def of_route(compiled: Compiled, route: Route) -> Declared | None:
    """The limit of a route with its file and line, or None."""
    value = route.policies.get(POLICY)
    if value is None:
        return None
    policy: RateLimit = instance(BY_NAME[POLICY], value)
    place = compiled.provenance.place(route.id, f"policies.{POLICY}")
    where = f"{place.file}:{place.line}" if place else ""
    return Declared(rates.parse(policy.rate), policy.size, policy.key, route.operation, where)


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
