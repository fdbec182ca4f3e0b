"""One request on its way through a worker. It is the `Exchange` that policy steps look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from apigw_cli.policies.interface import Refusal, too_large

if TYPE_CHECKING:
    import asyncio

    from apigw_cli.gateway.connection import ClientConnection
    from apigw_cli.gateway.handlers import UpstreamHandler
    from apigw_cli.gateway.passing import Taker
    from apigw_cli.gateway.repeated import Repeated
    from apigw_cli.gateway.table import Plan
    from apigw_cli.gateway.tracing import Trace
    from apigw_cli.integrations.balance import Target
    from apigw_cli.policies.answer_filter import AnswerFilter
    from apigw_cli.policies.interface import ClientCertificate, Rewrite

Header = tuple[bytes, bytes]


class Request(msgspec.Struct, eq=False):
    """What is known of a request, and how far its exchange has come.

    The first blocks are the policies' view (`policies.interface.Exchange`). The rest belongs to the gateway:
    `complete` the request has been read to its end, `answered` the answer has been written to its end; when both
    hold, the connection takes its next request. A Struct, because making one of so many fields is then one call.
    """

    connection: ClientConnection
    method: bytes
    url: bytes
    headers: list[Header]
    fields: dict[bytes, bytes]
    started: int  # time.monotonic_ns() when the head was complete
    client_ip: str
    # In this order, since `Reader` makes a request of header lines that it knows with all of them at once.
    id: bytes = b""
    authority: bytes = b""  # host and port as the client named them
    host: str = ""  # the host to route on
    path: str = ""
    query: bytes = b""
    complete: bool = False
    passed: bytes | None = None  # the header lines that go on to an upstream, where they are known (`repeated`)
    kept: Repeated | None = None  # these lines, where they are those of the request before

    principal: str | None = None
    claims: Mapping[str, Any] | None = None
    usage_plan: str | None = None
    extra: list[bytes] = []
    remove: set[bytes] = set()
    answer_extra: list[bytes] = []
    rewrite: Rewrite | None = None

    plan: Plan | None = None
    filters: tuple[AnswerFilter, ...] = ()  # of answers that are given without a plan
    trace: Trace | None = None
    deciding: asyncio.Task[None] | None = None  # a step that waits, and those after it
    after: list[Callable[[], None]] | None = None  # to be called when the exchange is over
    counted: bool = False  # among those in flight
    streaming: bool = False  # its answer is a stream of events, counted apart
    waited: int = 0  # nanoseconds before it was, which are not in `started`
    forwarded: bytes = b""  # what the upstream is told of the client, where that differs from request to request
    # How the body is framed; `length` -1 when the head does not say.
    http10: bool = False
    keep_alive: bool = True
    chunked: bool = False
    length: int = 0
    has_body: bool = False
    expects: bool = False  # the client waits for "100 Continue"
    upgrades: bool = False  # the client asks for another protocol, which is declined
    websocket: bool = False  # the client opens a WebSocket
    body: list[bytes] = []  # its parts: the first ones, for sending (again)
    waiting: int = 0  # bytes that have come so far
    body_maximum: int = 1 << 62  # bytes that its route lets it have
    trailers: list[Header] | None = None
    # How it is answered.
    sink: Any = None  # the upstream exchange that takes the body's parts
    taker: Taker | None = None  # what takes the upstream's answer in the client's place
    handler: UpstreamHandler | None = None
    target: Any = None  # Target: the server that was asked, where `handler` is set
    sent: bool = False  # something of it has gone to a server
    tried: tuple[Target, ...] = ()  # servers that were asked before `target`
    status: int = 0
    reason: str = ""
    detail: str = ""  # of the reason, for the log: what is no client's business
    head_sent: bool = False
    answered: bool = False
    bytes_in: int = 0
    bytes_out: int = 0
    noticed: list[tuple[str, str]] | None = None  # what is remarkable of it, and the details: counted and logged
    cache: str = ""  # what its route's cache did, as the log says it; empty without one
    asked: bytes = b""  # the log's name of the server that the cache asked in its place
    side: int = 0  # where it is counted beside its route: a side of a canary

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """The one that the client has shown on this connection; always verified."""
        return self.connection.certificate

    @property
    def secure(self) -> bool:
        return self.connection.scheme == b"https"

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case)."""
        return self.fields.get(name)

    def fields_passed(self) -> dict[bytes, bytes]:
        """The first value of each header, less those that a step keeps from the upstream."""
        if self.remove.isdisjoint(self.fields):
            return self.fields
        return {name: value for name, value in self.fields.items() if name not in self.remove}

    def content(self) -> bytes:
        """The body, which is all here: a step has asked for it."""
        return self.body[0] if len(self.body) == 1 else b"".join(self.body)

    def replace_content(self, data: bytes) -> None:
        """Another body for the upstream, framed by its length."""
        self.body = [data] if data else []
        self.waiting = self.length = len(data)
        self.has_body = bool(data)
        self.chunked, self.trailers = False, None

    def limit_content(self, maximum: int) -> Refusal | None:
        """Bound what still comes; refuse what is too much already."""
        self.body_maximum = min(maximum, self.body_maximum)
        if max(self.length, self.bytes_in) <= self.body_maximum:
            return None
        self.keep_alive = False
        return too_large(maximum)

    def notice(self, what: str, detail: str) -> None:
        """Count and log that."""
        if self.noticed is None:
            self.noticed = []
        self.noticed.append((what, detail))

    def at_end(self, call: Callable[[], None]) -> None:
        """Have `call` called once when the exchange is over."""
        if self.after is None:
            self.after = [call]
        else:
            self.after.append(call)

    def is_over(self) -> None:
        """Call what waits for that."""
        calls, self.after = self.after or (), None
        for call in calls:
            call()
