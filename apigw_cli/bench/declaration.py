"""What is declared for the requests of a run, by whom, and whether what runs is told the same.

    --limit            somebody's words, about any server
    a configuration    with file and line: specification (x-apigw), apigw.yaml, stage
    --admin URL        the running gateway itself, as `GET /config` tells it

Where both a configuration and a running gateway are known, they are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from apigw_cli.bench import declared, limit, running_gateway
from apigw_cli.bench.check import FAIL, PASS, Check
from apigw_cli.bench.limit import Declared
from apigw_cli.bench.quota_proof import Quota
from apigw_cli.bench.request import Request
from apigw_cli.bench.running_gateway import Admin
from apigw_cli.errors import UsageError
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route

RUNNING = "as declared"
_HERE = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The layers of a rate limit, quotas, the admin port of the gateway that keeps them (None: not known), and checks
    of the declaration itself."""

    layers: tuple[Declared, ...] = ()
    quotas: tuple[Quota, ...] = ()
    admin: Admin | None = None
    checks: tuple[Check, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.layers or self.quotas)

    def in_words(self) -> str:
        words = [limit.in_words(self.layers)] if self.layers else []
        words += [
            f"{quota.policy} per {quota.key}{f' ({quota.place})' if quota.place else ''}" for quota in self.quotas
        ]
        return " and ".join(words)


class Asked(Protocol):
    """What the command line says of the declaration."""

    @property
    def route(self) -> str | None: ...

    @property
    def config(self) -> Path | None: ...

    @property
    def stage(self) -> str | None: ...

    @property
    def spec(self) -> str | None: ...

    @property
    def admin(self) -> str | None: ...

    @property
    def admin_token_file(self) -> Path | None: ...


NOTHING = Declaration()


def of_route(compiled: Compiled, route: Route, caller: str = "") -> Declaration:
    """What a configuration declares. Raises UsageError where that is nothing."""
    places = declared.places(compiled, route)
    found = Declaration(declared.layers_of(route, places, caller), declared.quotas_of(route, places, caller))
    return _something(found, route, compiled.snapshot.stage)


def of_url(asked: Asked, request: Request, compiled: Callable[[], Compiled]) -> Declaration:
    """What is declared for the route that a request reaches, by the configuration or else by the running gateway."""
    admin = running_gateway.named(asked.admin, asked.admin_token_file) if asked.admin is not None else None
    if admin is not None and asked.config is None and asked.stage is None and asked.spec is None:
        stage, routes = admin.stage(), admin.routes()
        route = _route(asked, routes, stage, request)
        found = _running(admin, route)
        return _something(found, route, stage)
    project = compiled()
    snapshot = project.snapshot
    route = _route(asked, snapshot.routes, snapshot.stage, request)
    found = of_route(project, route)
    if admin is None and asked.spec is None and request.target.host.startswith(_HERE):
        admin = running_gateway.beside(project.root, snapshot.stage, asked.admin_token_file)
    if admin is None:
        return found
    return Declaration(found.layers, found.quotas, admin, (_compared(found, admin, route),))


def _route(asked: Asked, routes: Sequence[Route], stage: str, request: Request) -> Route:
    if asked.route is not None:
        return declared.named(routes, stage, asked.route)
    return declared.route_hit(routes, stage, request)


def _running(admin: Admin, route: Route) -> Declaration:
    return Declaration(
        declared.layers_of(route, lambda _: admin.url), declared.quotas_of(route, lambda _: admin.url), admin
    )


def _compared(found: Declaration, admin: Admin, route: Route) -> Check:
    """Whether the running gateway goes by what is declared."""
    routes = admin.routes()
    same = (one for one in routes if (one.method, one.path) == (route.method, route.path))
    theirs = next((one for one in routes if one.id == route.id), next(same, None))
    if theirs is None:
        return Check(RUNNING, FAIL, f"the gateway that runs ({admin.url}) has no route {route.id}")
    running = _running(admin, theirs)
    if _essence(running) == _essence(found):
        return Check(RUNNING, PASS, f"the gateway that runs ({admin.url}) goes by the same")
    words = f"declared {_policies(found)}, the gateway that runs ({admin.url}) goes by {_policies(running)}"
    return Check(RUNNING, FAIL, words)


def _essence(one: Declaration) -> object:
    layers = {(layer.rate, layer.burst, layer.key.lower(), layer.algorithm) for layer in one.layers}
    return layers, {(quota.limit, quota.per, quota.key.lower(), quota.timezone, quota.offset) for quota in one.quotas}


def _policies(one: Declaration) -> str:
    found = [f"{layer.policy} per {layer.key}" for layer in one.layers]
    found += [f"{quota.policy} per {quota.key}" for quota in one.quotas]
    return " and ".join(found) or "no limit"


def _something(found: Declaration, route: Route, stage: str) -> Declaration:
    if not found:
        raise UsageError(
            f"{route.id} has no rate_limit in stage {stage}",
            hint="--limit '5/s burst 5' says what is declared elsewhere",
        )
    return found
