"""Who calls: the gateway's own check of API keys, asked about a request that nobody sends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from apigw_cli.generate.probe import Probe, Request
from apigw_cli.limits.store import MemoryStore
from apigw_cli.policies import auth
from apigw_cli.policies.interface import Refusal, Runtime, Whole, instance
from apigw_cli.snapshot import secrets
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route, Snapshot
from apigw_cli.snapshot.schemes import ApiKeys, Scheme


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a step says of this very request. `status`: of the answer, where the gateway gives one itself.

    `violations`: what does not fit the specification, as the gateway's answer lists it.
    """

    holds: bool
    text: str
    status: int | None = None
    violations: tuple[dict[str, str], ...] = ()


def schemes(route: Route, snapshot: Snapshot) -> list[Scheme]:
    alternatives = route.policies.get("auth", {}).get("alternatives", ())
    names = dict.fromkeys(name for schemes in alternatives for name in schemes)
    return [snapshot.auth[name] for name in names if name in snapshot.auth]


def verdict(route: Route, request: Request, probe: Probe, compiled: Compiled) -> Verdict | None:
    """What the key of the request says; None where only the request's first line is known. Never the key.

    Who calls is noted in the probe.
    """
    if not request.shown:
        return None
    store = MemoryStore(1)
    try:
        runtime = Runtime(compiled.snapshot, lambda: 0, store, partial(secrets.read, root=compiled.root))
        step = auth.POLICY.compile(instance(auth.POLICY, route.policies["auth"]), route, runtime)
        refusal = step(probe)
    finally:
        store.close()
    asked = schemes(route, compiled.snapshot)
    keys = all(isinstance(scheme, ApiKeys) for scheme in asked)
    if refusal is None:
        kind = "key" if keys else "caller"
        return Verdict(True, f'{kind} "{probe.principal}"' if probe.principal is not None else "anyone may call")
    if not isinstance(refusal, Refusal):
        if not isinstance(refusal, Whole):
            refusal.close()
        return None  # it depends on another server, or takes long
    if not keys or refusal.status != 401:
        return Verdict(False, f"{refusal.message}: {refusal.status}", refusal.status)
    shown = any(_shows(scheme, request) for scheme in asked)
    return Verdict(False, "unknown key: 401" if shown else "no key: 401", 401)


def _shows(scheme: Scheme, request: Request) -> bool:
    """Whether the request holds something where the scheme's key belongs."""
    if not isinstance(scheme, ApiKeys):
        return False
    if scheme.location in ("header", "bearer"):
        wanted = scheme.parameter.lower() if scheme.location == "header" else "authorization"
        return any(name == wanted for name, _ in request.headers)
    if scheme.location == "query":
        return f"{scheme.parameter}=" in request.query
    return any(name == "cookie" and f"{scheme.parameter}=" in value for name, value in request.headers)
