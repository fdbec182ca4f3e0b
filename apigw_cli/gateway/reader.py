"""The reading half of a client's connection: bytes in, `Request`s out, in order, strictly checked.

feed ─▶ llhttp ─▶ head complete ─▶ framing.* ─▶ opened(request) ─▶ part(request, data)* ─▶ ended(request)
  │                     └─ anything doubtful ─▶ broken(malformed), and no byte is read as a request any more
  └─ the header lines of the request before, again (`repeated`) ─▶ opened(request)
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httptools

from apigw_cli.gateway import framing, repeated
from apigw_cli.gateway.framing import FRAMING, MAX_HEAD, MAX_HEADERS, MAX_TARGET, METHODS, Malformed
from apigw_cli.gateway.repeated import PATIENCE, Repeated
from apigw_cli.gateway.request import Header, Request
from apigw_cli.integrations import outgoing

if TYPE_CHECKING:
    from apigw_cli.gateway.site import Site

_BETWEEN, _HEAD, _BODY = range(3)
_SLICE = 4096  # bytes
_monotonic = time.monotonic_ns


class Reader(asyncio.Protocol):
    """Parses one connection. `opened`, `part`, `ended` and `broken` are the other half's."""

    __slots__ = (
        "_data",
        "_earlier",
        "_headers",
        "_last",
        "_parser",
        "_patience",
        "_repeated",
        "_repeating",
        "_starts",
        "_state",
        "_unread",
        "_url",
        "client_ip",
        "deaf",
        "forwarded",
        "handshake",
        "parsing",
        "read_deadline",
        "site",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, site: Site) -> None:
        self.site = site
        self.client_ip = ""
        self.forwarded = b""  # header lines that tell an upstream about the client
        self.parsing: Any = None  # the Request whose body is being read, if any
        self.read_deadline = 0  # monotonic_ns; 0: none
        self.deaf = False  # what comes is not read as requests
        self.handshake: Request | None = None  # the last request opens a WebSocket; that is not decided yet
        self._parser = httptools.HttpRequestParser(self)
        self._headers: list[Header] = []
        self._url = b""
        self._state = _BETWEEN
        self._data = b""
        self._earlier = b""  # of a head that came in parts
        self._repeating = False
        self._repeated: Repeated | None = None  # the header lines that may come again
        self._patience = PATIENCE  # how many more header lines to remember in vain, one after the other
        self._starts = False  # `_data` begins where a message does
        self._last = False
        self._unread = b""  # what came while too much else waited

    def opened(self, request: Request) -> None:
        """A head is complete."""

    def part(self, request: Request, data: bytes) -> None:
        """A part of its body."""

    def ended(self, request: Request) -> None:
        """Its body, if there is one, is complete."""

    def broken(self, malformed: Malformed) -> None:
        """What came is no request. Nothing more is read."""

    def diverted(self, data: bytes) -> None:
        """Bytes came while the connection is deaf."""

    def undecided(self, early: bytes) -> None:
        """`handshake` has been read: what follows, `early` being its first bytes, may be HTTP or WebSocket."""

    # --- feeding the parser

    def data_received(self, data: bytes) -> None:
        known = self._repeated
        if known is not None and data.endswith(known.block) and self._takes_again(known, data):
            return
        if len(data) > _SLICE or self._unread:
            self._read_in_slices(data)
        else:
            self._read(data)

    def _read_in_slices(self, data: bytes) -> None:
        """Of what one read brings, no more is taken for requests at once than a slice holds, be they ever so small.

        What is left waits until `read_on`. A body whose length is known is taken whole.
        """
        if self._unread:
            self._unread += data
            return
        size, at = len(data), 0
        while at < size:
            if self.is_full():
                self._unread = data[at:]
                return
            end = size if self._is_body(size - at) else at + _SLICE
            self._read(data[at:end])
            at = end

    def _is_body(self, size: int) -> bool:
        """Whether so many bytes that come now belong to the body that is being read."""
        request = self.parsing
        return self._state == _BODY and not request.chunked and bool(request.length - request.bytes_in >= size)

    def read_on(self) -> None:
        """Take what was left of an earlier read, as far as that may be now."""
        data, self._unread = self._unread, b""
        if data:
            self._read_in_slices(data)

    def is_full(self) -> bool:
        """Whether nothing more is to be read for now."""
        return False

    def _read(self, data: bytes) -> None:
        if self.deaf:
            self.diverted(data)
            return
        self._data = data
        self._starts = self._state == _BETWEEN
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._unparsable(error)
            return
        else:
            if self._state == _HEAD:
                self._head_is_partial(data)
            return
        # Outside of the handler above, or every error that the rest gives would seem to come of the upgrade.
        if self.handshake is None:
            self._go_on_without_upgrade(rest)
        else:
            self._parser = httptools.HttpRequestParser(self)
            self.undecided(rest)

    def _takes_again(self, known: Repeated, data: bytes) -> bool:
        """Take `data` for a plain request with header lines that are known; False where the parser must look.

        The parser stands between two messages, before and after.
        """
        if self._state != _BETWEEN or self._last or self.deaf:
            return False
        site = self.site
        line = data[: -len(known.block)]
        understood = site.lines.get(line) or site.understand(line)
        if understood is None:
            return False
        method, url, path, query = understood
        if known.passed is None:
            self._patience = PATIENCE
            known.passed = outgoing.passed_on(known.headers)
        other: Any = self
        request = Request(
            other,
            method,
            url,
            known.headers,
            known.fields,
            _monotonic(),
            self.client_ip,
            site.new_id(),
            known.authority,
            known.host,
            path,
            query,
            True,  # complete: there is no body
            known.passed,
            known,
        )
        if known.remove:
            request.remove.update(known.remove)
        try:
            self.opened(request)
        except Exception as error:
            self.parsing = request
            self._failed(error)
        return True

    def _head_is_partial(self, data: bytes) -> None:
        self._earlier += data
        if not self.read_deadline:
            self.read_deadline = self.site.now + self.site.table.limits.header
        if len(self._earlier) > MAX_HEAD:
            self.stop_reading(Malformed(431, "the headers are too large"))

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """An upgrade is declined by answering as if it was not asked for (RFC 9110, section 7.8).

        llhttp has stopped at the head's end, before the body. A new parser is told the framing alone, then
        gets what follows.
        """
        request: Request = self.parsing
        if request.chunked:
            head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        else:
            head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % request.length
        self._parser = httptools.HttpRequestParser(self)
        self._repeating = True
        self._parser.feed_data(head)
        if rest:
            self.data_received(rest)

    def _unparsable(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            self._failed(cause)
        elif self._data_after_close():
            self.deaf = True
        elif self._data[:1] == b"\x16":
            self.stop_reading(Malformed(400, "this port speaks HTTP, not TLS: use http://"))
        elif isinstance(error, httptools.HttpParserInvalidMethodError):
            self.stop_reading(Malformed(501, "this method is not served here"))
        else:
            self.stop_reading(Malformed(400, f"malformed request: {error}"))

    def _failed(self, cause: BaseException) -> None:
        """A callback raised `cause`: Malformed, or else it is a bug."""
        if not isinstance(cause, Malformed):
            self.site.report(cause)
            cause = Malformed(500, "the gateway failed on this request")
        self.stop_reading(cause)

    def _data_after_close(self) -> bool:
        """Bytes after a request with `Connection: close` are no request, and no fault either."""
        return self._state == _BETWEEN and self._last

    def stop_reading(self, malformed: Malformed) -> None:
        """Nothing more that comes is a request."""
        self.read_deadline = 0
        self._earlier = b""
        self.deaf = True
        self._state = _BETWEEN
        self.broken(malformed)

    # --- httptools

    def on_message_begin(self) -> None:
        if not self._repeating:
            self._headers = []
            self._url = b""
            self._state = _HEAD

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url
        if len(self._url) > MAX_TARGET:
            raise Malformed(414, f"the request target is longer than {MAX_TARGET // 1024} KiB")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._state == _HEAD:
            self._headers.append((name.lower(), value.rstrip()))
        elif not self._repeating:
            self._add_trailer(name.lower(), value.rstrip())

    def _add_trailer(self, name: bytes, value: bytes) -> None:
        """A trailer is never a header: it goes on as a trailer or not at all."""
        request: Request = self.parsing
        if request.trailers is None:
            request.trailers = []
        request.trailers.append((name, value))
        if len(request.trailers) > MAX_HEADERS:
            raise Malformed(431, "too many trailers")

    def on_headers_complete(self) -> None:
        if self._repeating:
            self._repeating = False
            return
        request = self._read_head()
        self.parsing = request
        self._state = _BODY
        self._earlier = b""
        self.read_deadline = 0
        self.opened(request)

    def _read_head(self) -> Request:
        started = _monotonic()
        site = self.site
        parser = self._parser
        headers = self._headers
        if self._earlier or len(self._data) > MAX_HEAD or len(headers) > MAX_HEADERS:
            framing.check_size(headers)
        fields = dict(headers)
        if len(fields) != len(headers):
            fields = framing.fields_of(headers)
        method = parser.get_method()
        other: Any = self  # the answering half, ClientConnection
        request = Request(other, method, self._url, headers, fields, started, self.client_ip)
        given = fields.get(b"x-request-id")
        request.id = site.new_id() if given is None else framing.sane_id(given) or site.new_id()
        lives = parser.should_keep_alive()
        self._last = not lives
        if not lives or not FRAMING.isdisjoint(fields):
            framing.inspect(request, parser.get_http_version(), (self._earlier, self._data), lives)
            request.upgrades = parser.should_upgrade()
        if b" RTSP/" in self._data or (self._earlier and b" RTSP/" in self._earlier + self._data):
            framing.refuse_rtsp(method, self._url, self._earlier + self._data)
        if method not in METHODS:
            raise Malformed(501, "this method is not served here")
        if request.upgrades and framing.wants_websocket(request):
            request.upgrades = False
            request.websocket = True
        authority = fields.get(b"host")
        path = site.paths.get(request.url)
        if path is None or authority is None:
            path = site.path(framing.split_target(request))
        else:  # seen before: in origin form, with neither query nor fragment
            request.authority = authority
        request.path = path
        request.host = site.host(request.authority)
        if self._starts and self._patience:
            self._remember(request)
        return request

    def _remember(self, request: Request) -> None:
        """Its header lines may come again. Where they never do, remembering them would cost a tenth more in vain."""
        known = self._repeated
        if known is not None and known.passed is None:
            self._patience -= 1
        self._repeated = repeated.remember(request, self._data) or known

    def on_body(self, data: bytes) -> None:
        request: Request = self.parsing
        request.bytes_in += len(data)
        self.part(request, data)

    def on_message_complete(self) -> None:
        request: Request = self.parsing
        if request.upgrades:
            request.upgrades = False  # llhttp ends a message that asks for an upgrade before its body
            return
        self.parsing = None
        self._state = _BETWEEN
        request.complete = True
        if request.websocket:
            self.handshake = request
        self.ended(request)
