"""The connections of one worker to one target, kept alive between requests."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from apigw_cli.gateway.framing import IDEMPOTENT
from apigw_cli.gateway.upstream_connection import UpstreamConnection

if TYPE_CHECKING:
    from apigw_cli.gateway.handlers import UpstreamHandler
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site
    from apigw_cli.gateway.tls import Secure
    from apigw_cli.integrations.balance import Target

MAX_IDLE = 512
IDLE_NANOSECONDS = 55 * 10**9


def pool_key(target: str, secure: Secure | None) -> str:
    """What a pool is known by: requests with other TLS settings never get its connections."""
    return f"{target} {secure.fingerprint}" if secure is not None and target.startswith("https:") else target


class Pool:
    """Connections to one target (`http://host:port`). Lives as long as some configuration names the target."""

    def __init__(self, site: Site, target: str, secure: Secure | None = None) -> None:
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

    def start(self, request: Request) -> None:
        """Send `request` over an idle connection, the most recently used first, or over a new one."""
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if upstream.transport.is_closing():
                continue
            if request.method not in IDEMPOTENT and upstream.is_stale():  # it could not be sent again
                upstream.transport.abort()
                continue
            upstream.begin(request)
            return
        self._open(request)

    def retry(self, request: Request) -> None:
        """Send `request` again over a new connection: the kept one turned out to be dead."""
        self._open(request)

    def done(self, upstream: UpstreamConnection, reusable: bool) -> None:
        """An exchange has ended; keep its connection if it can take another."""
        if reusable and not self._retired and len(self.idle) < MAX_IDLE:
            upstream.kept = True
            upstream.idle_until = self.site.now + IDLE_NANOSECONDS
            self.idle.append(upstream)
        else:
            upstream.transport.close()

    def lost(self, upstream: UpstreamConnection) -> None:
        """An idle connection was closed by the other side."""
        try:
            self.idle.remove(upstream)
        except ValueError:
            pass

    def sweep(self, now: int) -> None:
        """Close what has been idle too long; the oldest stand first."""
        while self.idle and self.idle[0].idle_until < now:
            self.idle.popleft().transport.close()

    def retire(self) -> None:
        """No configuration names the target any more: close what is idle, and what is busy when it is done."""
        self._retired = True
        while self.idle:
            self.idle.pop().transport.close()

    def stop(self) -> None:
        """The worker ends: nobody waits for what is being made."""
        self.retire()
        for task in self._connecting:
            task.cancel()

    def _open(self, request: Request) -> None:
        task = self.site.loop.create_task(self._connect(request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, request: Request) -> None:
        handler, target = cast("UpstreamHandler", request.handler), request.target
        try:
            async with asyncio.timeout(handler.connect_seconds):
                _, upstream = await self.site.loop.create_connection(
                    lambda: UpstreamConnection(self), self.host, self.port, **self._tls()
                )
        except TimeoutError:
            self._unreachable(request, target, "did not accept a connection in time")
        except ssl.SSLCertVerificationError as error:
            self._unreachable(request, target, f"did not prove who it is: {error.verify_message}")
        except ssl.SSLError as error:
            self._unreachable(request, target, f"failed in the TLS handshake: {error.reason}")
        except (OSError, UnicodeError) as error:
            self._unreachable(request, target, f"is not reachable: {getattr(error, 'strerror', None) or error}")
        else:
            self._connected(request, target, upstream)

    def _tls(self) -> dict[str, Any]:
        if self._secure is None:
            return {}
        return {"ssl": self._secure.context, "server_hostname": self._secure.server_name or self.host}

    def _connected(self, request: Request, target: Target, upstream: UpstreamConnection) -> None:
        if request.answered or request.target is not target:  # it left, or went elsewhere, while we were connecting
            self.done(upstream, reusable=True)
        elif upstream.transport.is_closing():
            self._unreachable(request, target, "closed the connection at once")
        else:
            upstream.begin(request)

    def _unreachable(self, request: Request, target: Target, why: str) -> None:
        if request.answered or request.target is not target:
            return
        handler = cast("UpstreamHandler", request.handler)
        handler.failed(target)
        if not handler.again(request, "connect"):
            request.connection.fail(request, 502, f"upstream {handler.name} {why}", "upstream_unreachable")
