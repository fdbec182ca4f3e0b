"""What takes an upstream's answer that does not go to the client as it is: it sees head, body and end.

    head ─▶ part … ─▶ end          flush: what one read brought has been told
      └────────┴─▶ (the connection's `fail`: nothing more comes)

`Request.taker` is one, or None: then the upstream's connection writes to the client itself, which is fastest. `Writer`
is the taker that just passes all on, `filtering.Filtering` the one that takes it through its route's filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from apigw_cli.gateway import forward

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Header, Request
    from apigw_cli.policies.answer_filter import Head


class Taker(Protocol):
    """See the module's docstring."""

    def interim(self, data: bytes) -> None:
        """A whole answer of 1xx, to be passed on."""

    def head(self, head: Head) -> None: ...

    def part(self, data: bytes) -> None:
        """A part of the body, without framing."""

    def end(self, trailers: list[Header] | None, sound: bool) -> None:
        """The body is whole. Not `sound`: only the connection's end says so, as it does of one that breaks off."""

    def flush(self) -> None: ...


class Writer:
    """Frames an answer anew and writes it to a request's client."""

    __slots__ = ("_chunked", "_out", "request")

    refused = False  # it has no filters

    def __init__(self, request: Request) -> None:
        self.request = request
        self._out: list[bytes] = []
        self._chunked = False

    def interim(self, data: bytes) -> None:
        self._out.append(data)

    def head(self, head: Head, more: bytes = b"") -> None:
        """`more`: further header lines."""
        self.begin(head, b"".join((*head.lines, more, *self.request.answer_extra)))

    def begin(self, head: Head, lines: bytes) -> None:
        """With these header lines, and no others but for framing and the request's id."""
        request = self.request
        request.status = head.status
        has_body = head.status not in (204, 304) and request.method != b"HEAD"
        self._chunked = has_body and head.length is None and not request.http10
        if has_body and head.length is None and request.http10:
            request.keep_alive = False
        framing = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        if head.length is not None and head.status != 204:
            framing = b"Content-Length: %d\r\n" % head.length
        self._out.append(
            b"HTTP/1.1 %d %b\r\n%bX-Request-Id: %b\r\n%b%b\r\n"
            % (
                head.status,
                head.reason,
                lines,
                request.id,
                framing,
                request.connection.persistence(request),
            )
        )

    def part(self, data: bytes) -> None:
        self.request.bytes_out += len(data)
        self._out.append(forward.chunk(data) if self._chunked else data)

    def end(self, trailers: list[Header] | None, sound: bool) -> None:
        if self._chunked:
            self._out.append(forward.last_chunk(trailers, {b"x-request-id"}))
        self.flush()

    def flush(self) -> None:
        if self._out:
            self.request.head_sent = self.request.status > 0
            self.request.connection.transport.write(b"".join(self._out))
            self._out = []
