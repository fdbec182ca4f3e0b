"""What all connections of one worker share: the table they route by, pools, counters, the log, the time."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sys
import time
import traceback
from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING

from apigw_cli.gateway import answers, departures, names, repeated
from apigw_cli.gateway.framing import Malformed, host_of
from apigw_cli.gateway.metrics import BOUNDS, CLASSES, STREAMS, TUNNELS, UNROUTED, WAITED, WAITING, WorkerCells
from apigw_cli.gateway.names import Resolve
from apigw_cli.gateway.upstream_pool import Pool, pool_key
from apigw_cli.gateway.waiting_room import WaitingRoom
from apigw_cli.gateway.worker_cache import WorkerCache
from apigw_cli.routing.path import normalise

if TYPE_CHECKING:
    from apigw_cli.caching.memory import CacheMemory
    from apigw_cli.gateway.accesslog import AccessLog
    from apigw_cli.gateway.connection import ClientConnection
    from apigw_cli.gateway.fetch import Fetch
    from apigw_cli.gateway.live_upstream import LiveUpstream
    from apigw_cli.gateway.repeated import Line
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.table import Table
    from apigw_cli.gateway.tracing import Export
    from apigw_cli.gateway.tunnel import Tunnel
    from apigw_cli.limits.inflight import InFlight

TICK = 0.1  # seconds between two looks at the deadlines: that is how exact a timeout is
_SUM = len(BOUNDS) + 1
_HOSTS_MAXIMUM = 1024
_PATHS_MAXIMUM = 4096
_PATH_BYTES = 256  # longer paths are not worth remembering


class Site:
    """One worker's data plane. `table` is swapped whole by a reload; requests keep the plan they began with."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inflight: InFlight,
        cells: WorkerCells,
        log: AccessLog | None,
        cache: CacheMemory | None = None,
        offset: Callable[[], int] = lambda: 0,
    ) -> None:
        """`cache` None: one of its own. `offset`: nanoseconds that a test moved the cache's time by."""
        self.loop = loop
        self.inflight = inflight
        self.cells = cells
        self.log = log
        self.export: Export | None = None  # of spans; None: nobody asked for them
        self.table: Table
        self.pools: dict[str, Pool] = {}
        self.upstreams: dict[str, LiveUpstream] = {}
        self.connections: set[ClientConnection] = set()
        self.tunnels: set[Tunnel] = set()
        self.fetches: set[Fetch] = set()
        self.cache = WorkerCache(loop, cache, cells.words, offset)
        self.streams = 0  # answers under way that are streams of events
        cells.words[TUNNELS] = cells.words[WAITING] = cells.words[STREAMS] = 0  # a killed predecessor's are gone
        self.draining = False
        self.authorities = ""  # whose certificates clients may show now (`tls.Listening`)
        self.clock: Callable[[], int] = time.monotonic_ns
        self.resolve: Resolve = names.system
        self.now = self.clock()  # as of the last tick
        self.room = WaitingRoom(loop, inflight, self.clock)
        self.waiting = self.room.queue
        self.date = answers.date_line()
        self._hosts: dict[bytes, str] = {}
        self.paths: dict[bytes, str] = {}  # of paths as they came, without a query
        self.lines: dict[bytes, Line] = {}  # of plain request lines without a query
        prefix, numbers = secrets.token_hex(6).encode(), itertools.count(1)
        self.new_id: Callable[[], bytes] = lambda: b"%b-%x" % (prefix, next(numbers))
        self._ticker: asyncio.TimerHandle | None = None
        self._reported = 0

    # --- what a request needs

    def host(self, authority: bytes) -> str:
        """The host to route on. Raises Malformed. Clients repeat themselves, so the last ones are kept."""
        host = self._hosts.get(authority)
        if host is None:
            host = host_of(authority)
            if len(self._hosts) >= _HOSTS_MAXIMUM:
                self._hosts.clear()
            self._hosts[authority] = host
        return host

    def path(self, raw: bytes) -> str:
        """The path to route on and to forward. Raises Malformed. Some are kept, see `_forget`."""
        path = self.paths.get(raw)
        if path is None:
            path = normalise(raw)
            if path is None:
                raise Malformed(400, "the path of the request target is not valid")
            if len(raw) <= _PATH_BYTES and len(self.paths) < _PATHS_MAXIMUM:
                self.paths[raw] = path
        return path

    def understand(self, line: bytes) -> Line | None:
        """What a plain request line says (`repeated`), else None. Some without a query are kept, see `_forget`."""
        found = repeated.understand(line, self)
        if found is not None and not found[3] and len(line) <= _PATH_BYTES and len(self.lines) < _PATHS_MAXIMUM:
            self.lines[line] = found
        return found

    def account(self, request: Request) -> None:
        """Count an answered request and log it."""
        elapsed = self.clock() - request.started + request.waited
        self._count(request, elapsed)
        if self.export is not None:
            self.export.add(request, elapsed)
        if self.log is not None:
            self.log.add(request, elapsed)

    def tunnel_opened(self, tunnel: Tunnel) -> None:
        """Its handshake is counted as a request; it is logged when it has ended, with all its bytes."""
        self.tunnels.add(tunnel)
        self.cells.words[TUNNELS] += 1
        self._count(tunnel.request, self.clock() - tunnel.request.started + tunnel.request.waited)

    def tunnel_closed(self, tunnel: Tunnel) -> None:
        request = tunnel.request
        self.tunnels.discard(tunnel)
        self.cells.words[TUNNELS] -= 1
        if request.handler is not None:
            request.handler.done(request.target)
        request.is_over()
        elapsed = self.clock() - request.started + request.waited
        if self.export is not None:
            self.export.add(request, elapsed)
        if self.log is not None:
            self.log.add(request, elapsed)

    def _count(self, request: Request, elapsed: int) -> None:
        words = self.cells.words
        plan = request.plan
        histogram, route = plan.cells if plan is not None else UNROUTED
        words[route + request.status // 100] += 1
        words[histogram + bisect_left(BOUNDS, elapsed)] += 1
        words[histogram + _SUM] += elapsed
        side = request.side
        if side:
            words[side + request.status // 100] += 1
            if not 400 <= request.status < 500:  # refusals are fast, whatever the release does
                words[side + CLASSES + bisect_left(BOUNDS, elapsed)] += 1
                words[side + CLASSES + _SUM] += elapsed
        if request.reason:
            self.cells.count_reason(route, request.reason)
        if request.noticed is not None:
            for what, _ in request.noticed:
                self.cells.count_notice(route, what)

    def pool(self, upstream: LiveUpstream, target: str) -> Pool:
        """The pool of a target, kept over reloads as long as the target is named, with the same TLS settings."""
        key = pool_key(upstream.config.name, target, upstream.secure)
        return self.pools.get(key) or self.pools.setdefault(key, Pool(self, target, upstream.bounds, upstream.secure))

    def report(self, error: BaseException) -> None:
        """A bug, told to whoever runs the gateway: in full a few times, so that the terminal stays readable."""
        self._reported += 1
        if self._reported <= 5:
            traceback.print_exception(error, file=sys.stderr)

    # --- time

    @property
    def streams_are_full(self) -> bool:
        """Whether there are as many WebSockets and event streams as may be."""
        return len(self.tunnels) + self.streams >= self.table.limits.streams

    def start(self) -> None:
        self._tick()

    def stop(self) -> None:
        """After draining: no time passes any more, no connection is kept."""
        for fetch in list(self.fetches):
            fetch.abandon()
        for pool in self.pools.values():
            pool.stop()
        for upstream in self.upstreams.values():
            upstream.stop()
        self.room.stop()
        self.cache.stop()
        if self._ticker is not None:
            self._ticker.cancel()

    def _tick(self) -> None:
        second = self.now // 10**9
        now = self.now = self.clock()
        for connection in [c for c in self.connections if c.deadline < now or 0 < c.read_deadline < now]:
            connection.expire(now)
        if self.fetches:
            for fetch in [one for one in self.fetches if one.deadline < now]:
                fetch.expire(now)
        for upstream in self.upstreams.values():
            upstream.tick(now)
            upstream.publish(self.cells.words, self.pools)
        if now // 10**9 != second:
            self.date = answers.date_line()
            for tunnel in [tunnel for tunnel in self.tunnels if tunnel.deadline < now]:
                tunnel.cut("idle")
            for pool in list(self.pools.values()):
                pool.sweep(now)
            if held := [connection for connection in self.connections if connection.unread]:
                departures.cut(held)
            self._forget()
        words = self.cells.words
        words[WAITING], words[STREAMS] = len(self.waiting), self.streams
        words[WAITED] += self.room.taken()
        if self.log is not None:
            self.log.flush()
        self._ticker = self.loop.call_later(TICK, self._tick)

    def _forget(self) -> None:
        """Empty what is full, once a second: where no path comes twice, remembering them must not cost much."""
        if len(self.paths) >= _PATHS_MAXIMUM:
            self.paths.clear()
        if len(self.lines) >= _PATHS_MAXIMUM:
            self.lines.clear()
        for table in (self.table, self.table.canary.table) if self.table.canary is not None else (self.table,):
            if table.full:
                table.known.clear()

    # --- life

    def swap(self, table: Table) -> None:
        """Serve by another table from the next request on; pools of targets it does not name are let go."""
        self.table = table
        for key, pool in list(self.pools.items()):
            if key in table.pools:
                pool.apply(table.pools[key])
            else:
                self.pools.pop(key).retire()
        self._swap_upstreams(table.upstreams)

    def _swap_upstreams(self, upstreams: dict[str, LiveUpstream]) -> None:
        before, self.upstreams = self.upstreams, upstreams
        for name, upstream in upstreams.items():
            if before.get(name) is not upstream:
                upstream.take_over(before.get(name), self.loop)
        for name, upstream in before.items():
            if name not in upstreams:
                upstream.stop()

    def trust(self, authorities: str) -> None:
        """Let in the clients of these authorities: connections that were opened under others end."""
        self.authorities = authorities
        for connection in [one for one in self.connections if one.authorities != authorities]:
            connection.retire()

    def drain(self) -> None:
        """Answer what is in flight, then close; what is idle closes now."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()
