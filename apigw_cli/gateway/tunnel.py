"""A WebSocket after its handshake: bytes pass between client and upstream, unread, until one of them ends it.

    client ⇄ End ⇄ End ⇄ upstream      a side that takes no more pauses the other's reading
                                       a side that sends no more (FIN) is half closed; the other may go on

A tunnel is no request in flight any more: it is counted by itself, and ends by idleness, by draining, or with its
two ends.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.site import Site

FLUSH_TIMEOUT = 10 * 10**9  # what is left for one end after the other has gone must be taken within this

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class Tunnel:
    """Both ends of one upgraded connection. It is among `site.tunnels` until both are closed."""

    __slots__ = ("_ends", "deadline", "request", "site")

    def __init__(self, site: Site, request: Request, client: asyncio.Transport, upstream: asyncio.Transport) -> None:
        self.site = site
        self.request = request
        self.deadline = site.now + site.table.limits.websocket
        self._ends = [_End(self, client, from_client=True), _End(self, upstream, from_client=False)]
        self._ends[0].other, self._ends[1].other = self._ends[1], self._ends[0]

    def open(self, to_upstream: bytes, to_client: bytes, client_is_slow: bool) -> None:
        """Take over both connections, with what each side has sent already."""
        client, upstream = self._ends
        self.site.tunnel_opened(self)
        client.transport.set_protocol(client)
        upstream.transport.set_protocol(upstream)
        if client_is_slow:
            client.pause_writing()
        if to_client:
            upstream.data_received(to_client)
        if to_upstream:
            client.data_received(to_upstream)

    def lost(self, end: _End) -> None:
        """One end is closed: the other gets what is on its way, then closes too."""
        self._ends.remove(end)
        if not self._ends:
            self.site.tunnel_closed(self)
            return
        self.deadline = min(self.deadline, self.site.now + FLUSH_TIMEOUT)
        end.other.transport.close()

    def heard(self) -> None:
        if len(self._ends) == 2:
            self.deadline = self.site.now + self.site.table.limits.websocket

    def cut(self, reason: str) -> None:
        """End it now."""
        if len(self._ends) == 2:
            self.request.reason = reason
        for end in self._ends:
            end.transport.abort()


class _End(asyncio.Protocol):
    """One of the two connections."""

    __slots__ = ("_from_client", "_tunnel", "finished", "other", "transport")

    other: _End

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport, *, from_client: bool) -> None:
        self.transport = transport
        self.finished = False  # it sends no more
        self._tunnel = tunnel
        self._from_client = from_client

    def data_received(self, data: bytes) -> None:
        tunnel = self._tunnel
        if self._from_client:
            tunnel.request.bytes_in += len(data)
        else:
            tunnel.request.bytes_out += len(data)
        tunnel.heard()
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """Returns whether this side may still be written to."""
        self.finished = True
        other = self.other.transport
        if self.other.finished or not other.can_write_eof() or not self.transport.can_write_eof():
            return False  # both are done, or TLS is on a side, which knows no half of an end
        if not other.is_closing():
            other.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._tunnel.lost(self)
