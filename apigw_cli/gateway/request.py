"""One request on its way through a worker. It is the `Exchange` that policy steps look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apigw_cli.gateway.connection import ClientConnection
    from apigw_cli.gateway.handlers import UpstreamHandler
    from apigw_cli.gateway.table import Plan
    from apigw_cli.integrations.balance import Target

Header = tuple[bytes, bytes]


class Request:
    """What is known of a request, and how far its exchange has come.

    The first block is the policies' view (`policies.interface.Exchange`). The rest belongs to the gateway:
    `complete` the request has been read to its end, `answered` the answer has been written to its end; when both
    hold, the connection takes its next request.
    """

    __slots__ = (
        "answer_extra",
        "answered",
        "authority",
        "body",
        "bytes_in",
        "bytes_out",
        "chunked",
        "client_ip",
        "complete",
        "connection",
        "counted",
        "expects",
        "extra",
        "fields",
        "handler",
        "has_body",
        "head_sent",
        "headers",
        "host",
        "http10",
        "id",
        "keep_alive",
        "length",
        "method",
        "path",
        "plan",
        "principal",
        "query",
        "reason",
        "remove",
        "sent",
        "sink",
        "started",
        "status",
        "target",
        "trailers",
        "tried",
        "upgrades",
        "url",
        "waiting",
    )

    method: bytes
    path: str
    query: bytes
    headers: list[Header]
    client_ip: str
    principal: str | None
    extra: list[bytes]
    remove: set[bytes]
    answer_extra: list[bytes]

    def __init__(
        self,
        connection: Any,
        method: bytes,
        url: bytes,
        headers: list[Header],
        fields: dict[bytes, bytes],
        started: int,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.fields = fields
        self.client_ip = connection.client_ip
        self.principal = None
        self.extra = []
        self.remove = set()
        self.answer_extra = []
        self.path = ""
        self.query = b""

        self.connection: ClientConnection = connection
        self.plan: Plan | None = None
        self.counted = False  # among those in flight
        self.authority = b""  # host and port as the client named them
        self.host = ""  # the host to route on
        self.id = b""
        self.started = started  # time.monotonic_ns() when the head was complete
        # How the body is framed; `length` -1 when the head does not say.
        self.http10 = False
        self.keep_alive = True
        self.chunked = False
        self.length = 0
        self.has_body = False
        self.expects = False  # the client waits for "100 Continue"
        self.upgrades = False  # the client asks for another protocol
        self.complete = False
        self.body: list[bytes] = []  # its parts: the first ones, for sending (again)
        self.waiting = 0  # bytes that have come so far
        self.trailers: list[Header] | None = None
        # How it is answered.
        self.sink: Any = None  # the upstream exchange that takes the body's parts
        self.handler: UpstreamHandler | None = None
        self.target: Target  # the server that was asked, where `handler` is set
        self.sent = False  # something of it has gone to a server
        self.tried: tuple[Target, ...] = ()  # servers that were asked before `target`
        self.status = 0
        self.reason = ""
        self.head_sent = False
        self.answered = False
        self.bytes_in = 0
        self.bytes_out = 0

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case)."""
        return self.fields.get(name)
