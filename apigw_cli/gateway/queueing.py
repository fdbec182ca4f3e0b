"""A request that waits for a connection to its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.gateway.framing import HOLD_MAXIMUM

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.upstream_pool import Pool


class Queued:
    """Stands where the exchange will be (`request.sink`) until the pool has a connection."""

    __slots__ = ("_pool", "_request")

    def __init__(self, pool: Pool, request: Request) -> None:
        self._pool = pool
        self._request = request

    def send(self, data: bytes) -> None:
        """A part of the body: what goes beyond the first ones is kept too, and no more is read."""
        request = self._request
        if request.waiting > HOLD_MAXIMUM:
            request.body.append(data)
            request.connection.hold(True)

    def end(self) -> None:
        """The body is complete, and kept."""

    def pause(self) -> None:
        """Nothing comes yet."""

    def resume(self) -> None:
        """Nothing comes yet."""

    def cancel(self) -> None:
        """The client has left, or its request turned out to be wrong."""
        self._request.sink = None
        self._pool.forget(self._request)

    def expire(self) -> None:
        """It has waited too long."""
        self.cancel()
        self._pool.refuse(self._request, "queue_timeout")
