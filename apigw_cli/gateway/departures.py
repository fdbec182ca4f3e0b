"""Clients that have left while nothing is read from them: their end would be read only after all else.

A client that pipelines, or whose body an upstream does not take, is not read from for a while. So the system is asked
once a second which of those connections have been closed at the other end; their exchanges are broken off.
"""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apigw_cli.gateway.connection import ClientConnection

_END = getattr(select, "POLLRDHUP", 0)  # Linux: also where only the sending side is closed


def cut(connections: Iterable[ClientConnection]) -> None:
    """End the connections among these whose other end has gone."""
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    by_descriptor: dict[int, ClientConnection] = {}
    for connection in connections:
        descriptor = connection.transport.get_extra_info("socket").fileno()
        if descriptor >= 0:
            by_descriptor[descriptor] = connection
            poll.register(descriptor, _END)  # hang-ups and errors are always told
    for descriptor, _ in poll.poll(0):
        by_descriptor[descriptor].transport.abort()
