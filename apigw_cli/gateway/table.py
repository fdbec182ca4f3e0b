"""A Snapshot made ready to serve: the router, and for each route its plan."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from apigw_cli.gateway import live_upstream, tls
from apigw_cli.gateway.accesslog import route_fields
from apigw_cli.gateway.canary import Choice
from apigw_cli.gateway.client_limits import ClientLimits
from apigw_cli.gateway.forwarding import Forwarding
from apigw_cli.gateway.framing import METHODS
from apigw_cli.gateway.handlers import Handler, Handlers
from apigw_cli.gateway.preflights import PreflightHandler
from apigw_cli.gateway.slashes import REDIRECT
from apigw_cli.policies import cors
from apigw_cli.policies.interface import Runtime, Step
from apigw_cli.policies.plan import filters, steps
from apigw_cli.routing.router import Match, MethodNotAllowed, NotFound, Router, nearest
from apigw_cli.snapshot.model import Route, Snapshot

if TYPE_CHECKING:
    from apigw_cli.gateway.control import CanaryOrder
    from apigw_cli.gateway.live_upstream import LiveUpstream
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site
    from apigw_cli.policies.answer_filter import AnswerFilter

_KNOWN_MAXIMUM = 4096
_KNOWN_PATH = 256  # characters; longer paths are not worth remembering

Cells = tuple[int, int]  # where the route's histogram and its counts begin


class Plan:
    """All that happens to the requests of one route, decided when the Snapshot was loaded."""

    __slots__ = ("cells", "filters", "integration", "log_fields", "steps")

    def __init__(
        self,
        route: Route,
        steps: tuple[Step, ...],
        integration: Handler,
        cells: Cells,
        filters: tuple[AnswerFilter, ...] = (),
    ) -> None:
        self.steps = steps
        self.filters = filters
        self.integration = integration
        self.cells = cells
        self.log_fields = route_fields(route.operation, route.api)


def _plan(route: Route, runtime: Runtime, handlers: Handlers, place: Cells) -> Plan:
    through = filters(route, runtime)
    return Plan(route, steps(route, runtime), handlers.of(route, bool(through)), place, through)


class Table:
    """Immutable, but for what it remembers. `pools`: of the servers that it may ask, and their bounds.

    `known` is for speed alone: the plans of some requests, by host, method and path as they are routed on. The worker
    empties it when it is `full`.
    """

    __slots__ = (
        "_elsewhere",
        "_match",
        "_preflights",
        "canary",
        "forwarding",
        "known",
        "limits",
        "plans",
        "pools",
        "upstreams",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        site: Site,
        runtime: Runtime,
        cells: Sequence[Cells],
        places: Mapping[str, Sequence[int]],
        beside: Mapping[str, LiveUpstream] | None = None,
    ) -> None:
        """Raises InputError for what cannot be used: a key list that cannot be read, say.

        `beside`: the upstreams of the table that this one is a canary of.
        """
        secure = {
            name: tls.of_upstream(upstream, runtime.secret, runtime.label)
            for name, upstream in snapshot.upstreams.items()
        }
        self.canary: Choice | None = None
        self.upstreams = live_upstream.of(snapshot, places, secure, site, beside or {})
        handlers = Handlers(snapshot, site, self.upstreams, runtime.root)
        self.forwarding = Forwarding(snapshot.proxy, snapshot.listen.tls)
        self.limits = ClientLimits.of(snapshot.listen)
        self._match = Router(snapshot.routes).match
        self.plans = tuple(
            _plan(route, runtime, handlers, place) for route, place in zip(snapshot.routes, cells, strict=True)
        )
        self.pools = dict(handlers.pools())
        self._elsewhere = {
            index: Plan(route, (), REDIRECT, place, self.plans[index].filters)
            for index, (route, place) in enumerate(zip(snapshot.routes, cells, strict=True))
            if route.trailing_slash == "redirect"
        }
        self._preflights = {
            index: Plan(route, steps(route, runtime, before=cors.ORDER), PreflightHandler(route), place)
            for index, (route, place) in enumerate(zip(snapshot.routes, cells, strict=True))
            if cors.POLICY.name in route.policies
        }
        self.known: dict[tuple[str, bytes, str], Plan] = {}

    def share_with(self, table: Table, order: CanaryOrder) -> None:
        """Have `table` meet a share of the requests."""
        self.canary = Choice(self, table, order)
        self.upstreams = {**table.upstreams, **self.upstreams}
        self.pools |= table.pools

    @property
    def full(self) -> bool:
        return len(self.known) >= _KNOWN_MAXIMUM

    def options(self, request: Request) -> Plan | MethodNotAllowed | NotFound:
        """As `find`, for OPTIONS, which may be about another request: a preflight is the affair of that one's route."""
        if self._preflights and cors.is_preflight(request):
            asked = request.fields[b"access-control-request-method"]
            index = self._nearest(request, METHODS.get(asked, ""), self._preflights)
            if index is not None:
                return self._preflights[index]
        return self.find(request)

    def filters(self, request: Request) -> tuple[AnswerFilter, ...]:
        """Of the refusal of a request that was not routed, or whose method its path does not take."""
        index = self._nearest(request, METHODS.get(request.method, ""), range(len(self.plans)))
        return () if index is None else self.plans[index].filters

    def _nearest(self, request: Request, method: str, among: Container[int]) -> int | None:
        """The route that a method at a request's host and path takes; else one that takes another method there."""
        found = nearest(self._match, request.host, method, request.path, among)
        return None if found is None else found.index

    def find(self, request: Request) -> Plan | MethodNotAllowed | NotFound:
        """The plan of the route for a request, or why there is none."""
        host, method, path = request.host, request.method, request.path
        found = self._match(host, METHODS[method], path)
        if not isinstance(found, Match):
            return found
        plan = self._elsewhere[found.index] if found.redirects else self.plans[found.index]
        # OPTIONS is looked at each time: a preflight goes elsewhere.
        if len(path) <= _KNOWN_PATH and len(self.known) < _KNOWN_MAXIMUM and method != b"OPTIONS":
            self.known[host, method, path] = plan
        return plan
