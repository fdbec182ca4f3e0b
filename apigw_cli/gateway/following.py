"""Requests that wait for what another worker fetches: a fetch's followers, without the fetch.

All of a worker that want the same wait together; every `LOOK` seconds one look at the lease (`caching/leases.py`) says
for all of them whether it is over. No task, and no message that could be lost: a leader that dies is seen as soon as
the supervisor has seen it, and nobody waits longer than `collapse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from apigw_cli.caching.leases import Lease, Outcome
from apigw_cli.gateway.guest import Guest

if TYPE_CHECKING:
    from apigw_cli.gateway.caching import CachedRoute
    from apigw_cli.gateway.request import Request

LOOK = 0.003  # seconds


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What a fetch that failed was answered with: a status, a message, header lines, why."""

    code: int
    message: str
    headers: tuple[bytes, ...]
    reason: str


class Following:
    """Those of one worker that follow another's fetch. Stands among the flights, where a fetch would stand."""

    def __init__(self, route: CachedRoute, flight: bytes, lease: Lease) -> None:
        self.route = route
        self.flight = flight
        self.lease = lease
        self.followers: list[Guest] = []

    def join(self, request: Request, deadline: int) -> None:
        """`deadline`: until when it waits at most."""
        guest = Guest(self, request, False)
        request.connection.deadline = deadline
        self.followers.append(guest)

    def left(self, guest: Guest) -> None:
        """A client has gone."""
        if guest in self.followers:
            self.followers.remove(guest)

    def pause(self) -> None:
        """Nothing comes yet."""

    def resume(self) -> None:
        """Nothing comes yet."""

    def look(self) -> bool:
        """Whether it is over; then all have gone their ways."""
        if not self.followers:
            self.route.cache.land(self)
            return True
        leases = self.route.cache.leases
        found = leases.outcome(self.lease) if leases is not None else (Outcome.LEFT, b"")
        if found is None:
            return False
        self.route.cache.land(self)
        self._end(*found)
        return True

    def _end(self, outcome: Outcome, text: bytes) -> None:
        said = _decoded(text) if outcome is Outcome.FAILED else None
        if outcome is Outcome.PASSED:
            self.route.cache.let_pass(self.flight)
        followers, self.followers = self.followers, []
        for guest in followers:
            deadline = guest.request.connection.deadline
            client = guest.leave()
            if outcome is Outcome.LEFT:
                self.route.follow_on(client, deadline)
            elif outcome is Outcome.STORED:
                self.route.resume(client)
            elif said is not None:
                self.route.fail(client, said.code, said.message, said.headers, said.reason)
            else:
                self.route.alone(client)


def encoded(code: int, message: str, headers: tuple[bytes, ...], reason: str) -> bytes:
    """What others shall answer, too."""
    return msgspec.msgpack.encode(Said(code, message, headers, reason))


def _decoded(text: bytes) -> Said | None:
    try:
        return msgspec.msgpack.decode(text, type=Said)
    except msgspec.MsgspecError:
        return None
