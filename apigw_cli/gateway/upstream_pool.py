"""The connections of one worker to one target, kept alive between requests."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from apigw_cli.errors import InputError
from apigw_cli.gateway.forward import is_idempotent
from apigw_cli.gateway.names import Name, is_name
from apigw_cli.gateway.queueing import Queued
from apigw_cli.gateway.upstream_connection import UpstreamConnection
from apigw_cli.integrations.slots import Slots, share
from apigw_cli.integrations.trouble import Failure, failure, of_error
from apigw_cli.snapshot import model

if TYPE_CHECKING:
    from apigw_cli.gateway.handlers import UpstreamHandler
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site
    from apigw_cli.gateway.tls import Secure
    from apigw_cli.integrations.balance import Target
    from apigw_cli.limits.inflight import InFlight
    from apigw_cli.snapshot.model import Upstream

_RETRY_AFTER = (b"Retry-After: 1\r\n",)
_REFUSALS = {
    "queue_full": "has all the connections that it may, and all the requests that may wait for one",
    "queue_timeout": "had no connection to spare in time",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """One worker's part of a pool's limits; times in nanoseconds. `connections` None: no limit."""

    connections: int | None
    idle: int
    idle_timeout: int
    queue: int
    queue_timeout: int
    refresh: int


def bounds(upstream: Upstream, among: InFlight) -> Bounds:
    """This worker's part. Raises InputError where a worker would have no connection."""
    pool = upstream.pool or model.Pool()
    total, workers = pool.connections, among.workers
    if total is not None and total < workers:
        message = f"upstreams.{upstream.name}.pool.connections is {total}, fewer than the {workers} workers"
        raise InputError(message, hint="each worker has connections of its own: allow more, or start fewer workers")
    return Bounds(
        None if total is None else share(total, among.worker, workers),
        pool.idle,
        int(pool.idle_timeout * 1e9),
        share(pool.queue, among.worker, workers),
        int(pool.queue_timeout * 1e9),
        int((upstream.dns_refresh or model.DNS_REFRESH) * 1e9),
    )


def pool_key(upstream: str, target: str, secure: Secure | None) -> str:
    """What a pool is known by: requests with other TLS settings never get its connections."""
    key = f"{upstream} {target}"
    return f"{key} {secure.fingerprint}" if secure is not None and target.startswith("https:") else key


class Pool:
    """Connections to one target (`http://host:port`). Lives as long as its upstream names the target.

    Each connection, from the beginning of connecting to its end, has a slot; a tunnel keeps it. Where no slot is free
    requests wait. While any does, no connection is idle: `_room` is 0, so that `done` takes its other way.
    """

    def __init__(self, site: Site, target: str, bounds: Bounds, secure: Secure | None = None) -> None:
        parts = urlsplit(target)
        self.site = site
        self.target = target
        self.host = parts.hostname or ""
        encrypted = parts.scheme == "https"
        self.port = parts.port or (443 if encrypted else 80)
        if encrypted and secure is None:
            raise ValueError("an https target needs its TLS settings")
        self._secure = secure if encrypted else None
        self.authority = parts.netloc.rpartition("@")[2].encode()
        self.idle: deque[UpstreamConnection] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._retired = False
        self._name = Name(site, self.host, bounds.refresh, self._leave) if is_name(self.host) else None
        self.connections: set[UpstreamConnection] = set()  # all that are open, but for tunnels
        self._bounds = bounds
        self._slots: Slots[Request] = Slots(bounds.connections, bounds.queue)
        self._room = bounds.idle  # how many connections may be idle
        self._idle_timeout = bounds.idle_timeout

    def start(self, request: Request) -> None:
        """Send `request` over an idle connection, the most recently used first, or over a new one."""
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if upstream.transport.is_closing():
                continue
            if not is_idempotent(request) and upstream.is_stale():  # it could not be sent again
                upstream.transport.abort()
                continue
            upstream.begin(request)
            return
        if self._slots.take():
            self._open(request)
        else:
            self._queue(request)

    def retry(self, request: Request, dead: UpstreamConnection) -> None:
        """Send `request` again over a new connection, in the slot of the kept one that turned out to be dead."""
        dead.counted = False
        self._open(request)

    def done(self, upstream: UpstreamConnection, reusable: bool) -> None:
        """An exchange has ended; keep its connection if it can take another."""
        if reusable and not upstream.leaving and len(self.idle) < self._room:
            upstream.kept = True
            upstream.idle_until = self.site.now + self._idle_timeout
            self.idle.append(upstream)
        else:
            self._part(upstream, reusable)

    def _part(self, upstream: UpstreamConnection, reusable: bool) -> None:
        """A connection that is not kept: who has waited longest goes on with it, or it ends."""
        fit = reusable and not upstream.leaving and not upstream.transport.is_closing()
        first = self._slots.first() if fit else None
        if first is not None and (is_idempotent(first) or not upstream.is_stale()):
            request = self._slots.hand_over()
            if request is not None:
                upstream.kept = True
                self._leave_queue(request)
                upstream.begin(request)
                return
        upstream.transport.close()

    def lost(self, upstream: UpstreamConnection) -> None:
        """An idle connection was closed by the other side."""
        try:
            self.idle.remove(upstream)
        except ValueError:
            pass

    # --- slots

    @property
    def counts(self) -> tuple[int, int]:
        """Connections, and requests that wait for one."""
        return self._slots.taken, len(self._slots.waiting)

    def apply(self, bounds: Bounds) -> None:
        """Other bounds from now on; what is too much ends as soon as it is idle."""
        if bounds == self._bounds:
            return
        self._bounds = bounds
        self._idle_timeout = bounds.idle_timeout
        if self._name is not None:
            self._name.refresh = bounds.refresh
        for request in self._slots.resize(bounds.connections, bounds.queue):
            self._open_for(request)
        self._settle_room()
        surplus = self._slots.taken - bounds.connections if bounds.connections is not None else 0
        while self.idle and (len(self.idle) > self._room or surplus > 0):
            self.idle.popleft().transport.close()
            surplus -= 1

    def freed(self) -> None:
        """A connection has ended, or could not be made."""
        request = self._slots.release()
        if request is not None:
            self._open_for(request)

    def forget(self, request: Request) -> None:
        """`request` waits no more."""
        self._slots.forget(request)
        self._settle_room()

    def refuse(self, request: Request, reason: str) -> None:
        """There is no connection for `request`: another target has one, or the answer is 503."""
        handler = cast("UpstreamHandler", request.handler)
        if not handler.again(request, "connect"):
            message = f"the upstream {_REFUSALS[reason]}"
            request.connection.answer(request, 503, message, _RETRY_AFTER, reason)

    def _queue(self, request: Request) -> None:
        if not self._slots.wait(request):
            self.refuse(request, "queue_full")
            return
        self._room = 0
        handler = cast("UpstreamHandler", request.handler)
        request.sink = Queued(self, request)
        until = self.site.clock() + self._bounds.queue_timeout
        request.connection.deadline = min(until, request.started + handler.total)

    def _leave_queue(self, request: Request) -> None:
        """Its turn has come: from now on its upstream's time runs."""
        self._settle_room()
        request.sink = None
        request.connection.hold(False)
        request.connection.deadline = cast("UpstreamHandler", request.handler).begin_deadline(request)

    def _open_for(self, request: Request) -> None:
        self._leave_queue(request)
        self._open(request)

    def _settle_room(self) -> None:
        closed = self._retired or self._slots.waiting or self._slots.over
        self._room = 0 if closed else self._bounds.idle

    def sweep(self, now: int) -> None:
        """Close what has been idle too long; the oldest stand first. Look up the name anew, where it is time."""
        while self.idle and self.idle[0].idle_until < now:
            self.idle.popleft().transport.close()
        if self._name is not None:
            self._name.tick(now)

    def _leave(self, addresses: frozenset[str]) -> None:
        """The name does not stand for these addresses any more: end the connections to them when they are idle."""
        for upstream in [one for one in self.connections if one.address in addresses]:
            upstream.leaving = True
            if upstream in self.idle:
                self.idle.remove(upstream)
                upstream.transport.close()

    def retire(self) -> None:
        """No configuration names the target any more: close what is idle, and what is busy when it is done."""
        self._retired = True
        self._settle_room()
        while self.idle:
            self.idle.pop().transport.close()

    def stop(self) -> None:
        """The worker ends: nobody waits for what is being made."""
        self.retire()
        for task in self._connecting:
            task.cancel()
        if self._name is not None:
            self._name.stop()

    def _open(self, request: Request) -> None:
        task = self.site.loop.create_task(self._connect(request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, request: Request) -> None:
        handler, target = cast("UpstreamHandler", request.handler), request.target
        try:
            async with asyncio.timeout(handler.connect_seconds):
                upstream = await self._dial(handler.connect_seconds)
        except TimeoutError:
            self._failed(request, target, "did not accept a connection in time", failure(Failure.NO_CONNECTION))
        except ssl.SSLCertVerificationError as error:
            request.detail = error.verify_message
            self._failed(request, target, "did not prove who it is", failure(Failure.UNPROVEN))
        except ssl.SSLError as error:
            request.detail = error.reason or str(error)
            self._failed(request, target, "failed in the TLS handshake", failure(Failure.TLS))
        except (OSError, UnicodeError) as error:
            request.detail = getattr(error, "strerror", None) or str(error)
            how = failure(Failure.NAME) if self._is_unknown() else of_error(error)
            self._failed(request, target, "is not reachable", how)
        except Exception as error:  # a bug: it costs one request, and no slot
            self.site.report(error)
            self._failed(request, target, "could not be connected to", failure(Failure.UNKNOWN))
        else:
            self._connected(request, target, upstream)

    async def _dial(self, seconds: float) -> UpstreamConnection:
        """A connection to the first of the name's addresses that takes one. Raises OSError, TimeoutError.

        Each gets half of what is left of `seconds` for it and those after it; the caller sees to the whole.
        """
        if self._name is None:
            return await self._dial_to(self.host)
        until = self.site.loop.time() + seconds
        *first, last = await self._name.order()
        for address in first:
            try:
                async with asyncio.timeout((until - self.site.loop.time()) / 2):
                    return await self._dial_to(address)
            except (OSError, TimeoutError):
                self._name.addresses.failed(address)
        return await self._dial_to(last)

    async def _dial_to(self, address: str) -> UpstreamConnection:
        _, upstream = await self.site.loop.create_connection(
            lambda: UpstreamConnection(self), address, self.port, **self._tls()
        )
        upstream.address = address
        if self._name is not None:
            self._name.addresses.worked(address)
        return upstream

    def _tls(self) -> dict[str, Any]:
        if self._secure is None:
            return {}
        return {"ssl": self._secure.context, "server_hostname": self._secure.server_name or self.host}

    def _connected(self, request: Request, target: Target, upstream: UpstreamConnection) -> None:
        if upstream.is_lost:
            self.freed()
        else:
            upstream.counted = True
            self.connections.add(upstream)
        gone = request.answered or request.target is not target  # while we were connecting
        if upstream.transport.is_closing():
            self._unreachable(request, target, "closed the connection at once", failure(Failure.CLOSED))
        elif gone:
            self.done(upstream, reusable=True)
        else:
            upstream.begin(request)

    def _is_unknown(self) -> bool:
        return self._name is not None and not self._name.addresses.known

    def _failed(self, request: Request, target: Target, why: str, how: int) -> None:
        self.freed()
        self._unreachable(request, target, why, how)

    def _unreachable(self, request: Request, target: Target, why: str, how: int) -> None:
        if request.answered or request.target is not target:
            return
        handler = cast("UpstreamHandler", request.handler)
        handler.failed(target, how)
        if not handler.again(request, "connect"):
            request.connection.fail(request, 502, f"the upstream {why}", "upstream_unreachable")
