"""What answers the requests of a route: an upstream or a mock, bound to the route when a Snapshot is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import msgspec
import orjson

from apigw_cli.gateway.caching import CachedRoute
from apigw_cli.gateway.filtering import FilteredRoute
from apigw_cli.gateway.forward import can_be_sent_again
from apigw_cli.gateway.invalidating import InvalidatingRoute
from apigw_cli.gateway.static_files import StaticHandler
from apigw_cli.gateway.upstream_pool import Bounds, pool_key
from apigw_cli.integrations.folder import Folder
from apigw_cli.integrations.mock import MockAnswers
from apigw_cli.integrations.trouble import Failure, failure
from apigw_cli.policies import cache
from apigw_cli.policies.interface import instance
from apigw_cli.snapshot.model import HttpIntegration, MockIntegration, Route, Snapshot, StaticIntegration

if TYPE_CHECKING:
    from apigw_cli.gateway.live_upstream import LiveUpstream
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site
    from apigw_cli.integrations.balance import Target

FAILURES = frozenset((502, 503, 504))  # answers that say that the target cannot do its work
BODY_TIMEOUT = 30 * 10**9  # nanoseconds for a body that must be complete before a mock answers


class Handler(Protocol):
    """One for each route."""

    def start(self, request: Request) -> None:
        """The request has passed all steps; its body may still be coming."""

    def ended(self, request: Request) -> None:
        """Its body is complete, and nothing has taken it yet."""


class Handlers:
    """Makes the handlers of one Snapshot; routes share balancers and the documents behind mocks."""

    def __init__(self, snapshot: Snapshot, site: Site, live: Mapping[str, LiveUpstream], root: Path = Path()) -> None:
        self._snapshot = snapshot
        self._root = root
        self._folders: dict[str, StaticHandler] = {}
        self._site = site
        self._live = live
        self._upstreams: dict[tuple[str, int], UpstreamHandler] = {}
        self._mocks = MockAnswers(snapshot.documents)
        self._cached = {route.api for route in snapshot.routes if cache.POLICY.name in route.policies}

    def pools(self) -> Iterator[tuple[str, Bounds]]:
        """The keys of all pools that the Snapshot's upstreams may use, and how large they may be."""
        for name, live in self._live.items():
            yield from ((pool_key(name, target, live.secure), live.bounds) for target in live.config.targets)

    def of(self, route: Route, filtered: bool = False) -> Handler:
        """What answers a route: its integration, with the cache and its answer filters around it where it has them."""
        handler = self._cached_or_not(route)
        return FilteredRoute(handler) if filtered else handler

    def _cached_or_not(self, route: Route) -> Handler:
        handler = self._integration(route)
        value = route.policies.get(cache.POLICY.name)
        if value is not None and not isinstance(route.integration, StaticIntegration):  # files are at hand anyway
            namespace = cache_namespace(route, self._snapshot)
            return CachedRoute(handler, instance(cache.POLICY, value), namespace, self._site)
        if route.api in self._cached and route.method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
            return InvalidatingRoute(handler)
        return handler

    def _integration(self, route: Route) -> Handler:
        if isinstance(route.integration, MockIntegration):
            return MockHandler(route, route.integration, self._mocks)
        if isinstance(route.integration, StaticIntegration):
            return self._files(route.api, route.integration)
        return self._upstream(route.integration)

    def _files(self, api: str, integration: StaticIntegration) -> StaticHandler:
        if api not in self._folders:
            self._folders[api] = StaticHandler(integration, Folder(api, integration, self._root))
        return self._folders[api]

    def _upstream(self, integration: HttpIntegration) -> UpstreamHandler:
        key = (integration.upstream, len(integration.strip))
        if key not in self._upstreams:
            live = self._live[integration.upstream]
            self._upstreams[key] = UpstreamHandler(live, key[1], self._site)
        return self._upstreams[key]


def cache_namespace(route: Route, snapshot: Snapshot) -> bytes:
    """What keeps a route's stored answers apart, also from its own after a reload that changed what it does."""
    upstream = (
        snapshot.upstreams[route.integration.upstream] if isinstance(route.integration, HttpIntegration) else None
    )
    # Not the method: what GET stored answers HEAD as well.
    what = (route.api, route.path, route.hosts, route.integration, route.policies, upstream)
    digest = blake2b(msgspec.json.encode(what, order="deterministic"), digest_size=12)
    if isinstance(route.integration, MockIntegration):  # its answers stand in the document
        digest.update(snapshot.documents[route.integration.document])
    return digest.digest()


class UpstreamHandler:
    """Forwards to one of an upstream's targets."""

    __slots__ = (
        "_again_on",
        "_attempts",
        "_balancer",
        "_budget",
        "_early",
        "_key",
        "_pick",
        "_pools",
        "_site",
        "_statuses",
        "connect_seconds",
        "done",
        "first_byte",
        "idle",
        "labels",
        "name",
        "preserve_host",
        "strip",
        "total",
        "watched",
    )

    def __init__(self, live: LiveUpstream, strip: int, site: Site) -> None:
        upstream, balancer = live.config, live.balancer
        self.name = upstream.name
        self.strip = strip
        self.preserve_host = upstream.preserve_host
        self.connect_seconds = upstream.timeout.connect
        self.first_byte = int(upstream.timeout.first_byte * 1e9)
        self.total = int(upstream.timeout.total * 1e9)
        self.idle = int((upstream.timeout.idle or 0) * 1e9)  # 0: only `total` bounds an answer that has begun
        self.done = balancer.done
        self._early = min(self.first_byte, self.total)
        self._site = site
        self._balancer = balancer
        self._budget = live.budget
        self._attempts = upstream.retries.attempts if upstream.retries is not None else 1
        self._again_on = frozenset(upstream.retries.causes if upstream.retries is not None else ())
        self._statuses = frozenset(int(one) for one in self._again_on if one.isdigit())
        self.watched = upstream.eject is not None or bool(self._statuses)  # tell `answered` of every answer
        self._pick: Callable[[], Target | None] = balancer.pick_any if upstream.refuse else balancer.pick
        self._key = hash_key(upstream.hash_on)
        self.labels = [orjson.dumps(target.url) for target in balancer.targets]  # for the log
        self._pools = [site.pool(live, target.url) for target in balancer.targets]

    def start(self, request: Request) -> None:
        key = self._key(request) if self._key is not None else None
        target = self._pick() if key is None else self._balancer.pick_for(key)
        if target is None:
            self._refuse(request)
            return
        request.handler = self
        request.target = target
        if self._budget is not None:
            self._budget.earn()
        uploading = request.has_body and not request.complete
        request.connection.deadline = request.started + (self.total if uploading else self._early)
        self._pools[target.index].start(request)

    def _refuse(self, request: Request) -> None:
        """Every target is out."""
        after = b"Retry-After: %d\r\n" % self._balancer.retry_after(self._site.clock())
        message = "the upstream is out of service for now"
        request.connection.answer(request, 503, message, (after,), "upstream_out")

    def ended(self, request: Request) -> None:
        """The connection is still being made."""

    def answered(self, request: Request, status: int) -> Target | None:
        """An answer's head has come: is the target well? Returns the one to ask in its place, where that is to be."""
        if status in FAILURES:
            self._balancer.failed(request.target, self._site.clock(), failure(Failure.STATUS, status))
        else:
            self._balancer.succeeded(request.target)
        return self._other(request) if status in self._statuses else None

    def failed(self, target: Target, how: int) -> None:
        """The target was not reached, was too slow, or ended the exchange (`trouble.failure`)."""
        self._balancer.failed(target, self._site.clock(), how)

    def again(self, request: Request, cause: str) -> bool:
        """Send a request that failed to another target, where that can do no harm and may be. Says whether.

        `cause`: `connect`, `closed` or `timeout`.
        """
        target = self._other(request) if cause in self._again_on else None
        if target is None:
            return False
        self.resend(request, target)
        return True

    def _other(self, request: Request) -> Target | None:
        """The target for one more try, counted and paid for; None where there may be no more, or is none."""
        budget = self._budget
        if budget is None or request.answered or request.head_sent or not can_be_sent_again(request):
            return None
        now = self._site.clock()
        tried = (*request.tried, request.target)
        if len(tried) >= self._attempts or now >= request.started + self.total:
            return None
        target = self._balancer.pick_other(tried)
        if target is not None and not budget.take(now):
            self.done(target)
            return None
        return target

    def resend(self, request: Request, target: Target) -> None:
        """Send a request that nobody has answered to `target`, which `answered` has returned."""
        self.done(request.target)
        request.tried, request.target = (*request.tried, request.target), target
        request.status, request.detail = 0, ""
        request.connection.hold(False)
        request.connection.deadline = self.begin_deadline(request)
        self._pools[target.index].start(request)

    def stall_deadline(self, request: Request) -> int:
        """When the next part of an answer that has begun must be there."""
        now: int = self._site.clock()
        return min(now + self.idle, request.started + self.total)

    def begin_deadline(self, request: Request) -> int:
        """When the answer's head must be there, if it is sent now and not when it came."""
        uploading = request.has_body and not request.complete
        deadline: int = request.started + self.total if uploading else self.answer_deadline(request)
        return deadline

    def answer_deadline(self, request: Request) -> int:
        """When the answer's head must be there, now that the request's body has been sent."""
        return min(request.connection.site.clock() + self.first_byte, request.started + self.total)


def hash_key(hash_on: str) -> Callable[[Request], bytes | None] | None:
    """What finds the value in a request that its target depends on; None where no target does."""
    if not hash_on:
        return None
    if hash_on == "ip":
        return lambda request: request.client_ip.encode()
    kind, _, text = hash_on.partition(":")
    name = text.encode()
    if kind == "header":
        return lambda request: request.fields.get(name)
    return lambda request: _cookie(request.fields.get(b"cookie", b""), name)


def _cookie(header: bytes, name: bytes) -> bytes | None:
    for pair in header.split(b";"):
        key, equals, value = pair.strip().partition(b"=")
        if equals and key == name:
            return value
    return None


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
            request.sink = _Unread(request)
            request.connection.flow()
        else:
            self.ended(request)

    def ended(self, request: Request) -> None:
        header = request.fields.get
        answer = self._answers.answer(self._document, self._pointer, header(b"accept"), header(b"prefer"))
        lines: tuple[bytes, ...] = (self._operation,)
        if answer.content_type:
            lines = (self._operation, b"Content-Type: %b\r\n" % answer.content_type)
        request.connection.respond(request, answer.status, lines, answer.body)


class _Unread:
    """Takes a body that nobody looks at, so that it comes to its end."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def send(self, data: bytes) -> None:
        """Beyond its first parts nothing is kept."""

    def end(self) -> None:
        request = self._request
        request.sink = None
        assert request.plan is not None
        request.plan.integration.ended(request)

    def cancel(self) -> None:
        self._request.sink = None

    def pause(self) -> None:
        """There is no answer yet that the client could be too slow for."""

    def resume(self) -> None:
        """Nothing was paused."""


def _printable(operation: str) -> str:
    if operation.isascii() and operation.isprintable():
        return operation
    return quote(operation, safe=" /{}!$&'()*+,;=:@?")
