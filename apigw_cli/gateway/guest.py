"""A client's request that waits for what another asks an upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.gateway.filtering import taker

if TYPE_CHECKING:
    from apigw_cli.gateway.fetch import Fetch
    from apigw_cli.gateway.following import Following
    from apigw_cli.gateway.request import Request

FOREVER = 1 << 62


class Guest:
    """A client's request that a fetch answers: stands where the exchange with the upstream would be."""

    __slots__ = ("fetch", "request", "writer")

    def __init__(self, fetch: Fetch | Following, request: Request, leads: bool) -> None:
        self.fetch = fetch
        self.request = request
        self.writer = taker(request) if leads else None
        request.sink = self
        request.connection.deadline = FOREVER  # the fetch has its own

    def leave(self) -> Request:
        """The request, which something else answers from here on."""
        self.request.sink = None
        return self.request

    # --- what its connection tells the exchange

    def send(self, data: bytes) -> None:
        """There is no body."""

    def end(self) -> None:
        """There is no body."""

    def pause(self) -> None:
        if self.writer is not None:
            self.fetch.pause()

    def resume(self) -> None:
        if self.writer is not None:
            self.fetch.resume()

    def cancel(self) -> None:
        """The client has left."""
        self.request.sink = None
        self.fetch.left(self)

    def expire(self) -> None:
        """It has waited long enough for another's answer."""
        self.fetch.followers.remove(self)
        self.fetch.route.alone(self.leave())
