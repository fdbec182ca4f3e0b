"""A canary in the gateway: a second table beside the one that is served, and which of them a request meets.

    request ─▶ X-Apigw-Release: canary | stable ─▶ that side
            └▶ no such header ─▶ hash of its key, or chance: below the share ─▶ the canary's table, else the stable one

A share that grows keeps whom it had: a key's number does not change. What belongs to a connection, not to a request
(TLS, size of bodies, whose word counts about the client), is the stable side's. Both sides count in the same buckets,
so that a limit which both declare alike holds over both together; where they differ, the looser one bounds a key.
An upstream that differs is another upstream, `pets@3f9c2d1`, with pools and health checks of its own.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from apigw_cli.gateway.handlers import hash_key
from apigw_cli.snapshot.deployed import Beside
from apigw_cli.snapshot.model import HttpIntegration, Route, Snapshot

if TYPE_CHECKING:
    from apigw_cli.gateway.control import CanaryOrder
    from apigw_cli.gateway.request import Request
    from apigw_cli.gateway.table import Table

HEADER = b"x-apigw-release"
_ALL = 1 << 32
SHORT = 7  # digits of a release that people see


@dataclass(frozen=True, slots=True)
class Canary:
    """What is served beside the stage's own Snapshot, and to whom."""

    snapshot: Snapshot
    release: str
    percent: float
    by: str
    began: int

    @property
    def words(self) -> str:
        return f"canary {self.release[:SHORT]} at {self.percent:g} % ({self.by})"


def of(beside: Beside | None, stable: Snapshot) -> Canary | None:
    """The canary as it runs beside `stable`: with its settings of connections, and upstreams apart that differ."""
    if beside is None:
        return None
    snapshot = beside.compiled.snapshot
    names = {
        name: f"{name}@{beside.release[:SHORT]}"
        for name, upstream in snapshot.upstreams.items()
        if stable.upstreams.get(name) != upstream
    }
    upstreams = {
        names.get(name, name): msgspec.structs.replace(upstream, name=names.get(name, name))
        for name, upstream in snapshot.upstreams.items()
    }
    routes = tuple(_renamed(route, names) for route in snapshot.routes)
    fitted = msgspec.structs.replace(
        snapshot, routes=routes, upstreams=upstreams, listen=stable.listen, proxy=stable.proxy
    )
    return Canary(fitted, beside.release, beside.percent, beside.by, beside.began)


def _renamed(route: Route, names: dict[str, str]) -> Route:
    integration = route.integration
    if not isinstance(integration, HttpIntegration) or integration.upstream not in names:
        return route
    return msgspec.structs.replace(
        route, integration=msgspec.structs.replace(integration, upstream=names[integration.upstream])
    )


class Choice:
    """Which table a request meets: one of these for each Snapshot with a canary, in each worker."""

    __slots__ = ("_below", "_canary", "_key", "_salt", "_sides", "_stable", "_told")

    def __init__(self, stable: Table, canary: Table, order: CanaryOrder) -> None:
        self._stable = stable
        self._canary = canary
        self._below = round(order.percent / 100 * _ALL)
        self._key = None if order.by == "random" else hash_key(order.by)
        self._salt = b"%d:" % order.began
        self._sides = order.sides
        self._told = tuple(
            b"X-Apigw-Release: %b; release=%b\r\n" % (name, release[:SHORT].encode())
            for name, release in zip((b"stable", b"canary"), order.releases, strict=True)
        )

    def __call__(self, request: Request) -> Table:
        """The table for this request, which is told the client and counted."""
        side = self._side(request)
        request.side = self._sides[side]
        request.answer_extra.append(self._told[side])
        return self._canary if side else self._stable

    def _side(self, request: Request) -> int:
        wanted = request.fields.get(HEADER)
        if wanted in (b"canary", b"stable"):
            return int(wanted == b"canary")
        key = self._key(request) if self._key is not None else None
        if key is None:
            return int(random.getrandbits(32) < self._below)
        number = int.from_bytes(hashlib.blake2b(self._salt + key, digest_size=4).digest())
        return int(number < self._below)

    @property
    def table(self) -> Table:
        return self._canary
