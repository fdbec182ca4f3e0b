"""A Snapshot made ready to serve: the router, and for each route its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from apigw_cli.gateway import live_upstream
from apigw_cli.gateway.accesslog import route_fields
from apigw_cli.gateway.handlers import Handler, Handlers
from apigw_cli.policies.interface import Runtime, Step
from apigw_cli.policies.plan import steps
from apigw_cli.routing.router import Router
from apigw_cli.snapshot.model import Route, Snapshot

if TYPE_CHECKING:
    from apigw_cli.gateway.site import Site

Cells = tuple[int, int]  # where the API's histogram and the route's counts begin


class Plan:
    """All that happens to the requests of one route, decided when the Snapshot was loaded."""

    __slots__ = ("cells", "integration", "log_fields", "steps")

    def __init__(self, route: Route, steps: tuple[Step, ...], integration: Handler, cells: Cells) -> None:
        self.steps = steps
        self.integration = integration
        self.cells = cells
        self.log_fields = route_fields(route.operation, route.api)


class Table:
    """Immutable. `targets`: the upstream servers that it may ask."""

    __slots__ = ("match", "plans", "targets", "upstreams")

    def __init__(
        self,
        snapshot: Snapshot,
        site: Site,
        runtime: Runtime,
        cells: Sequence[Cells],
        places: Mapping[str, Sequence[int]],
    ) -> None:
        """Raises InputError for what cannot be used: a key list that cannot be read, say."""
        self.upstreams = live_upstream.of(snapshot, places, site.upstreams)
        handlers = Handlers(snapshot, site, self.upstreams)
        self.match = Router(snapshot.routes).match
        self.plans = tuple(
            Plan(route, steps(route, runtime), handlers.of(route), place)
            for route, place in zip(snapshot.routes, cells, strict=True)
        )
        self.targets = frozenset(target for upstream in snapshot.upstreams.values() for target in upstream.targets)
