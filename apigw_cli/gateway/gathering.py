"""A request whose body is read to its end before a policy's step looks at it.

No task waits: the parts come in here, and the last one takes the request on along its plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from apigw_cli.gateway.framing import HOLD_MAXIMUM

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request

TIMEOUT = 30 * 10**9  # nanoseconds for a body that must be complete


class Gathering:
    """Stands where the exchange will be (`request.sink`) until the body is complete, or larger than `maximum`."""

    __slots__ = ("_complete", "_maximum", "_request", "_too_large")

    def __init__(
        self, request: Request, maximum: int, complete: Callable[[], None], too_large: Callable[[], None]
    ) -> None:
        self._request = request
        self._maximum = maximum
        self._complete = complete
        self._too_large = too_large

    def send(self, data: bytes) -> None:
        """A part of the body: what goes beyond the first ones is kept too."""
        request = self._request
        if request.waiting > HOLD_MAXIMUM:
            request.body.append(data)
        if request.waiting > self._maximum:
            request.sink = None
            self._too_large()

    def end(self) -> None:
        self._request.sink = None
        self._complete()

    def cancel(self) -> None:
        self._request.sink = None

    def pause(self) -> None:
        """There is no answer yet that the client could be too slow for."""

    def resume(self) -> None:
        """Nothing was paused."""
