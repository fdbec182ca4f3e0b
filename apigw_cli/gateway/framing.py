"""What a request's head must be before anything looks at it: RFC 9112, read strictly.

llhttp refuses most malformed input by itself (obs-fold, bare CR or LF, spaces before a colon, lengths and chunk
sizes that are no plain numbers, Content-Length with Transfer-Encoding). Here stands what it lets through. Two
parsers that read one message differently are how requests are smuggled, so doubt is answered with 400 and the end
of the connection; what is forwarded is framed anew from what was understood here.
"""

from __future__ import annotations

import base64
import re
import string
from typing import TYPE_CHECKING

from apigw_cli.routing.methods import SERVED
from apigw_cli.routing.path import normalise_host

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Header, Request

MAX_TARGET = 8 * 1024
MAX_HEAD = 32 * 1024
MAX_HEADERS = 200
HOLD_MAXIMUM = 64 * 1024  # of a body that is kept for sending again, or waits for a connection

METHODS = {name.encode(): name for name in SERVED}  # as llhttp names them
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))  # RFC 9110, section 9.2.2

# A head that has none of these and is certainly HTTP/1.1 needs no further look at its framing.
FRAMING = frozenset((b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade"))

# Fields that mean one thing or are an attack (RFC 9110, section 5.3).
_SINGLE = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"authorization",
        b"content-type",
        b"user-agent",
        b"sec-websocket-key",
        b"sec-websocket-version",
    )
)

# Fields of a trailer that would change how the message was routed, framed or authorised (RFC 9110, section 6.5.1).
UNFIT_TRAILERS = frozenset(
    (
        b"authorization", b"age", b"cache-control", b"connection", b"content-encoding", b"content-length",
        b"content-range", b"content-type", b"cookie", b"date", b"expect", b"expires", b"forwarded", b"host",
        b"keep-alive", b"location", b"max-forwards", b"pragma", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"range", b"retry-after", b"set-cookie", b"te", b"trailer", b"transfer-encoding",
        b"upgrade", b"vary", b"via", b"warning", b"www-authenticate", b"x-api-key", b"x-forwarded-for",
        b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"x-request-id",
    )
)  # fmt: skip


_ID_BYTES = (string.ascii_letters + string.digits + "-_.~:+/=@").encode()


class Malformed(Exception):
    """A request that is refused before it is routed. The connection is closed after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def fields_of(headers: list[Header]) -> dict[bytes, bytes]:
    """Headers by name when a name repeats: the first value, but all of `Connection`. Raises Malformed."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in fields:
            fields[name] = value
        elif name in _SINGLE:
            raise Malformed(400, f"the header {name.decode()} is repeated")
        elif name == b"connection":
            fields[name] += b"," + value
    return fields


def check_size(headers: list[Header]) -> None:
    """Raises Malformed when a head is larger than is served."""
    if len(headers) > MAX_HEADERS or sum(len(n) + len(v) + 4 for n, v in headers) > MAX_HEAD:
        raise Malformed(431, f"the headers are larger than {MAX_HEAD // 1024} KiB or more than {MAX_HEADERS}")


def refuse_rtsp(method: bytes, url: bytes, raw: bytes) -> None:
    """llhttp takes `GET /x RTSP/1.1` for HTTP/1.1: raises Malformed where such a request line stands in `raw`."""
    if re.search(rb"%b +%b +RTSP/" % (re.escape(method), re.escape(url)), raw):
        raise Malformed(400, "the request line does not name HTTP/1.1 or HTTP/1.0")


def inspect(request: Request, version: str, raw: tuple[bytes, bytes], connection_lives: bool) -> None:
    """Read the framing of a head into `request`; `raw` is what came, in two parts.

    Raises Malformed for what could be read in two ways.
    """
    if version == "1.0":
        request.http10 = True
        # llhttp also reads "RTSP/1.0" and "ICE/1.0", and calls them version 1.0.
        if b" HTTP/1.0\r\n" not in b"".join(raw):
            raise Malformed(400, "the request line does not name HTTP/1.1 or HTTP/1.0")
    elif version != "1.1":
        raise Malformed(505, "only HTTP/1.1 and HTTP/1.0 are served here")
    fields = request.fields
    request.keep_alive = connection_lives
    _read_length(request)
    if b"connection" in fields:
        request.remove.update(name for token in fields[b"connection"].split(b",") if (name := token.strip().lower()))
    expect = fields.get(b"expect")
    if expect is not None and not request.http10:
        if expect.lower() != b"100-continue":
            raise Malformed(417, "the only expectation that is met here is 100-continue")
        request.expects = request.has_body


def _read_length(request: Request) -> None:
    fields = request.fields
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if request.http10:
            raise Malformed(400, "Transfer-Encoding in an HTTP/1.0 request")
        if length is not None:
            raise Malformed(400, "both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked":
            raise Malformed(400, "the only transfer coding that is served here is chunked")
        request.chunked = request.has_body = True
        request.length = -1
    elif length is not None:
        if not length.isdigit() or len(length) > 18:
            raise Malformed(400, "Content-Length is not a number")
        request.length = int(length)
        request.has_body = request.length > 0


def sane_id(given: bytes) -> bytes | None:
    """A client's X-Request-Id where it can stand in logs and headers as it is."""
    if 0 < len(given) <= 128 and not given.translate(None, _ID_BYTES):
        return given
    return None


def wants_websocket(request: Request) -> bool:
    """Whether the client asks to speak WebSocket on this connection. Raises Malformed for a faulty handshake.

    RFC 6455, section 4.2.1. In HTTP/1.0 the request for an upgrade means nothing (RFC 9110, section 7.8).
    """
    protocols = request.fields.get(b"upgrade", b"").lower().split(b",")
    if request.http10 or b"websocket" not in (protocol.strip() for protocol in protocols):
        return False
    if request.method != b"GET" or request.has_body:
        raise Malformed(400, "a WebSocket is opened with GET and without a body")
    if request.fields.get(b"sec-websocket-version") != b"13":
        raise Malformed(400, "the header Sec-WebSocket-Version is not 13")
    if not _is_key(request.fields.get(b"sec-websocket-key", b"")):
        raise Malformed(400, "the header Sec-WebSocket-Key is not the Base64 of 16 bytes")
    return True


def _is_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except ValueError:
        return False


def split_target(request: Request) -> bytes:
    """The path as it came; sets the query and the authority that the request is for. Raises Malformed."""
    target = request.url
    authority = request.fields.get(b"host")
    if authority is None:
        if not request.http10:
            raise Malformed(400, "an HTTP/1.1 request needs a Host header")
        authority = b""
    if target[:1] != b"/":
        target, authority = _absolute(target)
    if b"#" in target:
        raise Malformed(400, "the request target holds a fragment")
    request.authority = authority
    if b"?" not in target:
        return target
    path, _, request.query = target.partition(b"?")
    return path


def _absolute(target: bytes) -> tuple[bytes, bytes]:
    """RFC 9112, section 3.2.2: the authority of an absolute target is the one that counts."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise Malformed(400, "the request target is neither a path nor an http URL")
    cut = min((at for mark in b"/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    if not cut:
        raise Malformed(400, "the request target names no host")
    path = rest[cut:]
    return (path if path[:1] == b"/" else b"/" + path), rest[:cut]


def host_of(authority: bytes) -> str:
    """The host to route on. Raises Malformed for what is none."""
    host = normalise_host(authority)
    if host is None:
        raise Malformed(400, "the Host header is not a host")
    return host
