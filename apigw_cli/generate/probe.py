"""A request that nobody sends, as the policies' steps look at it (`policies.interface.Exchange`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apigw_cli.policies.interface import Refusal, Rewrite, too_large

ASSUMED_TYPE = "application/json"  # of a body that was given without a Content-Type


@dataclass(frozen=True, slots=True)
class Request:
    """The request as the gateway would see it; header names in lower case.

    `client` None: nobody said from which address it comes; '' is a Unix socket.
    """

    method: str
    host: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None = None
    client: str | None = None
    secure: bool = False  # it comes over TLS

    @property
    def shown(self) -> bool:
        """Whether more is known of it than its first line: what it lacks is then really missing."""
        return bool(self.headers or self.query or self.client is not None) or self.body is not None


class Probe:
    """One request on its way through the steps of its route."""

    def __init__(self, request: Request) -> None:
        self.id = b"explain"
        self.method = raw(request.method)
        self.host = request.host
        self.path = request.path
        self.query = raw(request.query)
        self.headers = [(raw(name), raw(value)) for name, value in request.headers]
        self.body = request.body or b""
        self.has_body = bool(self.body)
        if self.has_body and self.header(b"content-type") is None:
            self.headers.append((b"content-type", ASSUMED_TYPE.encode()))
        self.client_ip = "127.0.0.1" if request.client is None else request.client
        self.principal: str | None = None
        self.claims: Mapping[str, Any] | None = None
        self.usage_plan: str | None = None
        self.extra: list[bytes] = []
        self.remove: set[bytes] = set()
        self.answer_extra: list[bytes] = []
        self.rewrite: Rewrite | None = None
        self.complete = True
        self.reason = ""
        self.websocket = False
        self.client_certificate = None
        self.kept = None
        self.secure = request.secure

    def header(self, name: bytes) -> bytes | None:
        return next((value for header, value in self.headers if header == name), None)

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(reversed(self.headers))

    def content(self) -> bytes:
        return self.body

    def replace_content(self, data: bytes) -> None:
        self.body, self.has_body = data, bool(data)

    def limit_content(self, maximum: int) -> Refusal | None:
        return too_large(maximum) if len(self.body) > maximum else None

    def notice(self, what: str, detail: str) -> None:
        """Nothing is counted."""

    def at_end(self, call: Callable[[], None]) -> None:
        """It never began."""


def raw(text: str) -> bytes:
    """What was typed, byte for byte, as the command line hands it over."""
    return text.encode("utf-8", "surrogateescape")
