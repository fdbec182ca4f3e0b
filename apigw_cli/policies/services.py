"""What policies keep over reloads, one in each worker: clients of other servers, keys that were fetched.

    Services() ─load─▶ successor() ─ok─▶ committed: its predecessor closes what it did not take over
                            └─refused─▶ abandoned: it closes what it made itself

A service is known by a key that says all that it depends on, so that a changed setting makes another one. It is
made while a Snapshot is loaded, in a thread: it must not touch the event loop before it is first used by a step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast


class Service(Protocol):
    """Something to be closed when no Snapshot needs it any more. `close` is called in the event loop's thread."""

    def close(self) -> None: ...


S = TypeVar("S", bound=Service)


class Services:
    """The services of one Snapshot."""

    def __init__(self, before: Services | None = None) -> None:
        self._before = before
        self._held: dict[Hashable, Service] = {}

    def get(self, key: Hashable, make: Callable[[], S]) -> S:
        """The service called `key`: the one that is at work already, or a new one."""
        found = self._held.get(key)
        if found is None and self._before is not None:
            found = self._before._held.get(key)
        if found is None:
            found = make()
        self._held[key] = found
        return cast("S", found)

    def successor(self) -> Services:
        """For the next Snapshot, which may take over what is here."""
        return Services(self)

    def committed(self) -> None:
        """The Snapshot of these is served now: what its predecessor alone needed is closed."""
        before, self._before = self._before, None
        if before is not None:
            before._close_but(self)

    def abandoned(self) -> None:
        """The Snapshot of these is not going to be served."""
        before, self._before = self._before, None
        self._close_but(before)

    def close(self) -> None:
        self._close_but(None)

    def _close_but(self, other: Services | None) -> None:
        kept = set(map(id, other._held.values())) if other is not None else set()
        for service in self._held.values():
            if id(service) not in kept:
                service.close()
        self._held = {}
