"""What goes on to an upstream and what comes back, as bytes. Pure: no sockets here.

Nothing is echoed: request line, framing and hop-by-hop fields are written anew (RFC 9110, section 7.6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.gateway.framing import HOLD_MAXIMUM, IDEMPOTENT, UNFIT_TRAILERS
from apigw_cli.integrations.outgoing import DROP_REQUEST, HOP_BY_HOP, passed_on, rewritten

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Header, Request

CRLF = b"\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

DROP_RESPONSE = frozenset({*HOP_BY_HOP, b"content-length", b"x-request-id"})


def request_head(request: Request, authority: bytes, strip: int) -> bytes:
    """The head that goes to an upstream. `strip`: how many characters of the path's front to leave out."""
    lines, remove = request.passed, request.remove
    if lines is None or (remove and not remove.isdisjoint(request.fields)):
        lines = passed_on(request.headers, remove)
    method, path, query = request.method, request.path, request.query
    if strip:
        path = path[strip:] or "/"
    if request.rewrite is not None:
        method, path, query = rewritten(request, request.rewrite, path)
    target = path.encode("ascii")
    if query:
        target = b"%b?%b" % (target, query)
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%bX-Request-Id: %b\r\n%b%b\r\n" % (
        method,
        target,
        authority,
        lines,
        request.forwarded or forwarded(request),
        request.id,
        b"".join(request.extra) if request.extra else b"",
        _request_framing(request)
        if request.length or request.websocket or b"content-length" in request.fields
        else b"",
    )


def is_idempotent(request: Request) -> bool:
    """Whether the upstream may be asked twice what it is asked (RFC 9110, section 9.2.2)."""
    rewrite = request.rewrite
    method = request.method if rewrite is None or rewrite.method is None else rewrite.method
    return method in IDEMPOTENT


def forwarded(request: Request) -> bytes:
    """The lines that say who asks and by which way, where no proxy has a word in it."""
    told: bytes = request.connection.forwarded
    return b"%bX-Forwarded-Host: %b\r\n" % (told, request.authority) if request.authority else told


def _request_framing(request: Request) -> bytes:
    if request.websocket:
        return b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    if request.chunked:
        trailer = request.fields.get(b"trailer")
        announced = b"Trailer: %b\r\n" % trailer if trailer else b""
        return b"Transfer-Encoding: chunked\r\n" + announced
    if request.length or b"content-length" in request.fields:
        return b"Content-Length: %d\r\n" % request.length
    return b""


def can_be_sent_again(request: Request) -> bool:
    """Whether nothing of it was sent, or all of it is still here and sending it twice is as good as once."""
    return not request.sent or (is_idempotent(request) and request.waiting <= HOLD_MAXIMUM)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: list[Header] | None, withheld: set[bytes]) -> bytes:
    """The end of a chunked body. Trailers that could pass for a header of weight, or for one of ours, stay here."""
    if not trailers:
        return LAST_CHUNK
    fit = [b"%b: %b\r\n" % t for t in trailers if t[0] not in UNFIT_TRAILERS and t[0] not in withheld]
    return b"0\r\n%b\r\n" % b"".join(fit)


def withheld_trailers(request: Request) -> set[bytes]:
    """Names that a trailer of `request` may not have: what a header said, and what policies set or removed."""
    lines = b"".join(request.extra).split(CRLF)
    own = {line.partition(b":")[0].strip().lower() for line in lines}
    return own | request.remove | request.fields.keys() | DROP_REQUEST


def single(lines: list[bytes], name: bytes) -> bytes | None:
    """The value of a field (name in lower case) that stands exactly once among header lines."""
    found = [line.partition(b":")[2].strip() for line in lines if line.partition(b":")[0].lower() == name]
    return found[0] if len(found) == 1 else None


def without(lines: list[bytes], connection: bytes) -> list[bytes]:
    """The header lines of an answer less those that its `Connection` names."""
    named = tuple(token.strip().lower() + b":" for token in connection.split(b",") if token.strip())
    return [line for line in lines if not line.lower().startswith(named)]
