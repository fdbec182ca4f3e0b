"""A request as policies see it, and what else they need, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.limits.store import MemoryStore
from apigw_cli.policies.interface import ClientCertificate, Kept, Refusal, Rewrite, Runtime, Step, instance
from apigw_cli.policies.plan import steps
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import MockIntegration, Route, Snapshot
from apigw_cli.snapshot.schemes import Scheme

SECOND = 1_000_000_000


@dataclass
class Exchange:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    query: bytes = b""
    client_ip: str = "192.0.2.1"
    principal: str | None = None
    claims: dict[str, Any] | None = None
    usage_plan: str | None = None
    method: bytes = b"GET"
    path: str = "/"
    host: str = "localhost"
    id: bytes = b"1"
    rewrite: Rewrite | None = None
    extra: list[bytes] = field(default_factory=list)
    remove: set[bytes] = field(default_factory=set)
    answer_extra: list[bytes] = field(default_factory=list)
    client_certificate: ClientCertificate | None = None
    kept: Kept | None = None
    body: bytes = b""
    complete: bool = True
    secure: bool = False
    reason: str = ""
    noticed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def has_body(self) -> bool:
        return bool(self.body)

    def content(self) -> bytes:
        assert self.complete
        return self.body

    def replace_content(self, data: bytes) -> None:
        assert self.complete or not self.body
        self.body = data

    def limit_content(self, maximum: int) -> Refusal | None:
        return Refusal(413, "too large", (), "too_large") if len(self.body) > maximum else None

    def notice(self, what: str, detail: str) -> None:
        self.noticed.append((what, detail))

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def answered(self) -> dict[str, str]:
        """The header lines for the client, which must be well formed."""
        text = b"".join(self.answer_extra).decode("ascii")
        assert not text or text.endswith("\r\n")
        return dict(line.split(": ", 1) for line in text.split("\r\n")[:-1])


class Clock:
    """A clock that only tests move; in nanoseconds."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


def route(policies: dict[str, Any], operation: str = "getPet") -> Route:
    return Route("petstore", operation, "GET", "/", (), MockIntegration("spec", ()), policies)


def runtime(
    *schemes: Scheme,
    clock: Callable[[], int] | None = None,
    files: dict[str, bytes] | None = None,
    wall: Callable[[], float] = time.time,
    **more: Any,
) -> Runtime:
    snapshot = Snapshot(1, "qa", (), (), {}, {scheme.name: scheme for scheme in schemes}, {})
    return Runtime(snapshot, clock or Clock(), MemoryStore(1_000), (files or {}).__getitem__, wall=wall, **more)


def step_of(name: str, value: Any, with_runtime: Runtime, operation: str = "getPet") -> Step:
    (step,) = steps(route({name: value}, operation), with_runtime)
    return step


def model(name: str, value: Any) -> Any:
    return instance(BY_NAME[name], value)
