"""What a reload changed, in a line that a person reads: `+ GET /v1/x, rate limit of createPet 5/s … → 10/s …`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from apigw_cli.gateway.canary import Canary
from apigw_cli.policies.interface import instance
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import HttpIntegration, Route, Snapshot, StaticIntegration
from apigw_cli.snapshot.schemes import ApiKeys, Basic, Jwt

_SHOWN = 6


def describe(old: Snapshot, new: Snapshot, secrets: Collection[str] = ()) -> list[str]:
    """Every change, most visible first; empty where clients and upstreams see none. `secrets`: references to those
    that are others now."""
    changes = [*_routes(old, new), *_upstreams(old, new)]
    changes += _secrets(old, new, secrets)
    if old.proxy != new.proxy:
        changes.append("trusted proxies and what upstreams are told of clients")
    if old.listen != new.listen:
        changes.append("TLS for clients" if old.listen.tls != new.listen.tls else "limits of clients")
    if old.auth != new.auth:
        changes.append("how credentials are checked")
    if not changes and old.documents != new.documents:
        changes.append("specifications only: routes and policies are the same")
    return changes


def of_canary(old: Canary | None, new: Canary | None) -> list[str]:
    """What became of the release that runs beside the stage's own."""
    if old == new:
        return []
    return [new.words] if new is not None else ["no canary any more"]


def _secrets(old: Snapshot, new: Snapshot, changed: Collection[str]) -> Iterator[str]:
    """What they are, each kind with the files or variables that hold them."""
    kinds: dict[str, list[str]] = {}
    for reference in sorted(changed):
        kind, _, name = reference.partition(":")
        found = kinds.setdefault(_kind(new, reference) or _kind(old, reference) or "certificates", [])
        found.append(name if kind == "file" else f"${name}")
    yield from (f"{kind} ({', '.join(names)})" for kind, names in kinds.items())


def _kind(snapshot: Snapshot, reference: str) -> str:
    words: dict[type, str] = {ApiKeys: "API keys", Basic: "users", Jwt: "keys of tokens"}
    of_schemes = (words[type(one)] for one in snapshot.auth.values() if reference in one.references())
    limits = snapshot.limits
    if limits and limits.redis is not None and reference == limits.redis.password:
        return "the password of the limiter's Redis"
    if limits and limits.service is not None and reference == limits.service.token:
        return "the token of the limiter"
    return next(of_schemes, "")


def summary(changes: list[str]) -> str:
    if not changes:
        return "nothing changed"
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return ", ".join(changes[:_SHOWN]) + more


def _routes(old: Snapshot, new: Snapshot) -> Iterator[str]:
    before = {route.id: route for route in old.routes}
    after = {route.id: route for route in new.routes}
    yield from (f"+ {route.method} {route.path}" for name, route in after.items() if name not in before)
    yield from (f"- {route.method} {route.path}" for name, route in before.items() if name not in after)
    for name, route in after.items():
        if name in before and before[name] != route:
            yield from _route(before[name], route)


def _route(old: Route, new: Route) -> Iterator[str]:
    if (old.method, old.path) != (new.method, new.path):
        yield f"{new.operation} {old.method} {old.path} → {new.method} {new.path}"
    if old.hosts != new.hosts:
        yield f"hosts of {new.operation} {_hosts(old)} → {_hosts(new)}"
    if old.trailing_slash != new.trailing_slash:
        yield f"trailing slash of {new.operation} {old.trailing_slash} → {new.trailing_slash}"
    if old.integration != new.integration:
        yield f"{new.operation} {_integration(old)} → {_integration(new)}"
    for name in sorted(old.policies.keys() | new.policies.keys()):
        was, now = old.policies.get(name), new.policies.get(name)
        if was != now:
            yield f"{name.replace('_', ' ')} of {new.operation} {policy(name, was)} → {policy(name, now)}"


def _hosts(route: Route) -> str:
    return " ".join(route.hosts) or "any"


def _integration(route: Route) -> str:
    if isinstance(route.integration, StaticIntegration):
        return f"files of {route.integration.folder}"
    return f"upstream {route.integration.upstream}" if isinstance(route.integration, HttpIntegration) else "mock"


def policy(name: str, value: Any | None) -> str:
    """A policy's value in one line."""
    if value is None:
        return "off"
    known = BY_NAME.get(name)
    return known.describe(instance(known, value)) if known else "on"


def _upstreams(old: Snapshot, new: Snapshot) -> Iterator[str]:
    for name in sorted(old.upstreams.keys() & new.upstreams.keys()):
        was, now = old.upstreams[name], new.upstreams[name]
        if was.targets != now.targets:
            yield f"targets of {name} {' '.join(was.targets)} → {' '.join(now.targets)}"
        elif was != now:
            yield f"settings of upstream {name}"
    yield from (f"+ upstream {name}" for name in sorted(new.upstreams.keys() - old.upstreams.keys()))
    yield from (f"- upstream {name}" for name in sorted(old.upstreams.keys() - new.upstreams.keys()))
