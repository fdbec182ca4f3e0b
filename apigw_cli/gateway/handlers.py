"""What answers the requests of a route: an upstream or a mock, bound to the route when a Snapshot is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import orjson

from apigw_cli.integrations.balance import Balancer
from apigw_cli.integrations.mock import MockAnswers
from apigw_cli.snapshot.model import HttpIntegration, MockIntegration, Route, Snapshot, Upstream

if TYPE_CHECKING:
    from apigw_cli.gateway.live_upstream import LiveUpstream
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site

BODY_TIMEOUT = 30 * 10**9  # nanoseconds for a body that must be complete before a mock answers


class Handler(Protocol):
    """One for each route."""

    def start(self, request: Request) -> None:
        """The request has passed all steps; its body may still be coming."""

    def ended(self, request: Request) -> None:
        """Its body is complete, and nothing has taken it yet."""


class Handlers:
    """Makes the handlers of one Snapshot; routes share balancers and the documents behind mocks."""

    def __init__(self, snapshot: Snapshot, site: Site, live: Mapping[str, LiveUpstream]) -> None:
        self._site = site
        self._live = live
        self._upstreams: dict[tuple[str, int], UpstreamHandler] = {}
        self._mocks = MockAnswers(snapshot.documents)

    def of(self, route: Route) -> Handler:
        if isinstance(route.integration, MockIntegration):
            return MockHandler(route, route.integration, self._mocks)
        return self._upstream(route.integration)

    def _upstream(self, integration: HttpIntegration) -> UpstreamHandler:
        key = (integration.upstream, len(integration.strip))
        if key not in self._upstreams:
            live = self._live[integration.upstream]
            self._upstreams[key] = UpstreamHandler(live.config, key[1], live.balancer, self._site)
        return self._upstreams[key]


class UpstreamHandler:
    """Forwards to one of an upstream's targets."""

    __slots__ = (
        "_early",
        "_pick",
        "_pools",
        "connect_seconds",
        "done",
        "first_byte",
        "labels",
        "name",
        "strip",
        "total",
    )

    def __init__(self, upstream: Upstream, strip: int, balancer: Balancer, site: Site) -> None:
        self.name = upstream.name
        self.strip = strip
        self.connect_seconds = upstream.timeout.connect
        self.first_byte = int(upstream.timeout.first_byte * 1e9)
        self.total = int(upstream.timeout.total * 1e9)
        self.done = balancer.done
        self._early = min(self.first_byte, self.total)
        self._pick = balancer.pick
        self.labels = [orjson.dumps(target.url) for target in balancer.targets]  # for the log
        self._pools = [site.pool(target.url) for target in balancer.targets]

    def start(self, request: Request) -> None:
        request.handler = self
        request.target = target = self._pick()
        uploading = request.has_body and not request.complete
        request.connection.deadline = request.started + (self.total if uploading else self._early)
        self._pools[target.index].start(request)

    def ended(self, request: Request) -> None:
        """The connection is still being made."""

    def answer_deadline(self, request: Request) -> int:
        """When the answer's head must be there, now that the request's body has been sent."""
        return min(request.connection.site.clock() + self.first_byte, request.started + self.total)


class MockHandler:
    """Answers from the specification, and says which operation was reached."""

    __slots__ = ("_answers", "_document", "_operation", "_pointer")

    def __init__(self, route: Route, integration: MockIntegration, answers: MockAnswers) -> None:
        self._answers = answers
        self._document = integration.document
        self._pointer = integration.pointer
        self._operation = b"X-Apigw-Operation: %b\r\n" % _printable(route.operation).encode("ascii")

    def start(self, request: Request) -> None:
        if request.has_body and not request.complete:
            request.connection.deadline = request.started + BODY_TIMEOUT
        else:
            self.ended(request)

    def ended(self, request: Request) -> None:
        header = request.fields.get
        answer = self._answers.answer(self._document, self._pointer, header(b"accept"), header(b"prefer"))
        lines: tuple[bytes, ...] = (self._operation,)
        if answer.content_type:
            lines = (self._operation, b"Content-Type: %b\r\n" % answer.content_type)
        request.connection.respond(request, answer.status, lines, answer.body)


def _printable(operation: str) -> str:
    if operation.isascii() and operation.isprintable():
        return operation
    return quote(operation, safe=" /{}!$&'()*+,;=:@?")
