"""Target `routes`: the native route table, a stable form that other programs may read (docs/generate.md).

Every value is what the Snapshot holds: resolved for one stage, secrets as references.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from apigw_cli.generate import text
from apigw_cli.generate.target import Options, Rendered
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Api, HttpIntegration, Route, Snapshot, StaticIntegration, Upstream
from apigw_cli.snapshot.schemes import Scheme

FORMAT = 1


class Routes:
    name = "routes"
    summary = "the route table: every API and route with its policies, YAML or JSON"
    takes = frozenset({"config", "stage", "format"})

    def render(self, options: Options, compiled: Callable[[], Compiled]) -> Rendered:
        snapshot = compiled().snapshot
        return Rendered(text.dump(table(snapshot), options.format or "yaml"))


ROUTES = Routes()


def table(snapshot: Snapshot) -> dict[str, Any]:
    """The route table as plain data."""
    by_api: dict[str, list[Route]] = {api.name: [] for api in snapshot.apis}
    for route in snapshot.routes:
        by_api[route.api].append(route)
    return {
        "format": FORMAT,
        "stage": snapshot.stage,
        "snapshot": snapshot.digest,
        "apis": [_api(api, by_api[api.name]) for api in snapshot.apis],
        "upstreams": {name: _upstream(upstream) for name, upstream in snapshot.upstreams.items()},
        "auth": {name: _scheme(scheme) for name, scheme in snapshot.auth.items()},
    }


def _api(api: Api, routes: list[Route]) -> dict[str, Any]:
    return {
        "name": api.name,
        "title": api.title,
        "kind": api.kind,
        "specification": api.spec,
        "hosts": list(api.hosts),
        "base_path": api.base_path,
        "routes": [_route(route) for route in routes],
    }


def _route(route: Route) -> dict[str, Any]:
    return {
        "method": route.method,
        "path": route.path,
        "operation": route.operation,
        "hosts": list(route.hosts),
        "integration": _integration(route),
        "policies": route.policies,
    }


def _integration(route: Route) -> dict[str, Any]:
    integration = route.integration
    if isinstance(integration, HttpIntegration):
        strip = {"strip": integration.strip} if integration.strip else {}
        return {"type": "http", "upstream": integration.upstream, **strip}
    if isinstance(integration, StaticIntegration):
        told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(integration))
        return told
    return {"type": "mock", "document": integration.document, "pointer": list(integration.pointer)}


def _upstream(upstream: Upstream) -> dict[str, Any]:
    """Times in seconds."""
    return {
        "targets": list(upstream.targets),
        "balance": upstream.balance,
        "timeout": msgspec.to_builtins(upstream.timeout),
        **({"weights": list(upstream.weights)} if upstream.weights else {}),
        **({"hash_on": upstream.hash_on} if upstream.hash_on else {}),
        **({"eject": msgspec.to_builtins(upstream.eject)} if upstream.eject else {}),
        **({"retries": msgspec.to_builtins(upstream.retries)} if upstream.retries else {}),
        **({"when_all_out": "refuse"} if upstream.refuse else {}),
        **({"slow_start": upstream.slow_start} if upstream.slow_start else {}),
        **({"pool": msgspec.to_builtins(upstream.pool)} if upstream.pool else {}),
        **({"dns": {"refresh": upstream.dns_refresh}} if upstream.dns_refresh else {}),
        **({"health": msgspec.to_builtins(upstream.health)} if upstream.health else {}),
    }


def _scheme(scheme: Scheme) -> dict[str, Any]:
    """In the words of OpenAPI: `in` and `name`."""
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(scheme))
    told.pop("name")
    words = {"location": "in", "parameter": "name"}
    return {words.get(key, key): value for key, value in told.items()}
