"""The limits that the configuration declares for a route."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from apigw_cli.bench import limit
from apigw_cli.bench.limit import BUCKET, Declared
from apigw_cli.bench.quota_proof import Quota
from apigw_cli.bench.request import Request
from apigw_cli.config.values import parse_duration
from apigw_cli.errors import UsageError
from apigw_cli.limits import rate as rates
from apigw_cli.limits.rate import Rate
from apigw_cli.policies.interface import instance
from apigw_cli.policies.limit_layer import RateLimit
from apigw_cli.policies.quota import Quota as PolicyQuota
from apigw_cli.policies.quota import as_quotas
from apigw_cli.policies.rate_limit import as_layers
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.policies.usage_plans import Plan, UsagePlans
from apigw_cli.routing.path import normalise, normalise_host
from apigw_cli.routing.router import Match, Router
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route

POLICY, _QUOTA, _PLANS = "rate_limit", "quota", "usage_plans"
_ALGORITHMS = {"gcra": BUCKET, **{name: name for name in (BUCKET, limit.LEAKY, limit.FIXED, limit.SLIDING)}}


def of_route(compiled: Compiled, route: Route, caller: str = "") -> tuple[Declared, ...]:
    """The layers of a route's limit with their file and line, strictest first; empty where it has none."""
    return layers_of(route, places(compiled, route), caller)


def places(compiled: Compiled, route: Route) -> Callable[[str], str]:
    """Tells the file and line of a route's policy."""

    def place(policy: str) -> str:
        found = compiled.provenance.place(route.id, f"policies.{policy}")
        return f"{found.file}:{found.line}" if found else ""

    return place


def layers_of(route: Route, place: Callable[[str], str], caller: str = "") -> tuple[Declared, ...]:
    """The layers of a route's limit, strictest first; `place` says where a policy was written.

    `caller`: somebody whom no usage plan lists; '' where it is not known who calls.
    """
    layers = [(layer, place(POLICY)) for layer in as_layers(_instance(POLICY, route.policies.get(POLICY)))]
    plan = _plan_of(route, caller)
    if plan is not None and plan.rate_limit is not None:
        layers.append((plan.rate_limit.layer(""), place(_PLANS)))
    unknown = "" if caller or _PLANS not in route.policies else "which usage plan the caller has is not known here"
    tells = any(layer.headers != "none" for layer, _ in layers)
    plain = all(layer.cost == 1 for layer, _ in layers)
    beside = tuple(quota.limit for quota in quotas_of(route, place, caller))
    found = []
    for layer, where in layers:
        if layer.cost != 0:
            one = _layer(layer)
            more = replace(one, name=route.operation, place=where, tells=tells, counts_requests=plain, beside=beside)
            found.append(replace(more, partly=one.partly or unknown))
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


def quotas_of(route: Route, place: Callable[[str], str], caller: str = "") -> tuple[Quota, ...]:
    """The quotas that a route's requests count for; of a usage plan those of `caller`'s, where that is known."""
    value = route.policies.get(_QUOTA)
    found = [_quota(one, route, place(_QUOTA)) for one in as_quotas(_instance(_QUOTA, value)) if one.cost]
    plan = _plan_of(route, caller)
    if plan is not None and plan.quota is not None:
        found.append(_quota(plan.quota.quota(""), route, place(_PLANS)))
    return tuple(found)


def _quota(one: PolicyQuota, route: Route, where: str) -> Quota:
    offset = timedelta(seconds=float(parse_duration(one.offset)))
    return Quota(one.limit // one.cost, one.per, one.key, one.timezone, offset, route.operation, where)


def _plan_of(route: Route, caller: str) -> Plan | None:
    """The usage plan of a caller who stands in none by name: what `otherwise` says."""
    value = route.policies.get(_PLANS)
    plans: UsagePlans | None = _instance(_PLANS, value)
    return plans.plans.get(plans.otherwise) if plans is not None and caller else None


def _instance(policy: str, value: Any) -> Any:
    return None if value is None else instance(BY_NAME[policy], value)


def route_hit(routes: Sequence[Route], stage: str, request: Request) -> Route:
    """The route that a request reaches. Raises UsageError where it reaches none."""
    path = normalise(request.target.path.partition("?")[0].encode())
    host = normalise_host(request.host().encode("latin-1"))
    if path is not None and host is not None:
        found = Router(routes).match(host, request.method, path)
        if isinstance(found, Match):
            return found.route
    raise UsageError(
        f"{request.method} {request.target.path} on host {request.host()} is no route of the configuration, "
        f"stage {stage}",
        hint="--route NAME names the route, or --limit '5/s burst 5' says what is declared",
    )


def named(routes: Sequence[Route], stage: str, name: str) -> Route:
    """The route with this operationId, `METHOD /path` or id. Raises UsageError where there is none, or several."""
    found = [r for r in routes if name in (r.operation, r.id, f"{r.method} {r.path}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name!r} names several routes", hint="one of: " + ", ".join(r.id for r in found))
    near = difflib.get_close_matches(name, [r.operation for r in routes], n=1)
    raise UsageError(
        f"there is no route {name!r} in stage {stage}",
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
