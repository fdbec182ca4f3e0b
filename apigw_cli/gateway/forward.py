"""What goes on to an upstream and what comes back, as bytes. Pure: no sockets here.

Nothing is echoed: request line, framing and hop-by-hop fields are written anew (RFC 9110, section 7.6.1).
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from typing import TYPE_CHECKING

from apigw_cli.gateway.framing import HOLD_MAXIMUM, IDEMPOTENT, UNFIT_TRAILERS

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Header, Request
    from apigw_cli.policies.interface import Rewrite

CRLF = b"\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_HOP_BY_HOP = (
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
)  # fmt: skip
# What the gateway says itself (forwarding.py); a client's or a proxy's own lines are never passed on as they are.
_OWN = (
    b"client-cert", b"client-cert-chain", b"forwarded", b"x-forwarded-client-cert", b"x-forwarded-for",
    b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-forwarded-server", b"x-real-ip",
    b"x-request-id",
)  # fmt: skip


def spellings(name: bytes) -> set[bytes]:
    """`x-real-ip` also as `x_real_ip`: servers of the CGI family (WSGI, PHP) take them for the same field."""
    parts = name.split(b"-")
    found = set()
    for signs in product((b"-", b"_"), repeat=len(parts) - 1):
        found.add(b"".join(part + sign for part, sign in zip(parts, (*signs, b""), strict=True)))
    return found


DROP_REQUEST = frozenset(
    {b"expect", b"host", *(s for name in (*_HOP_BY_HOP, *_OWN, b"content-length") for s in spellings(name))}
)
DROP_RESPONSE = frozenset({*_HOP_BY_HOP, b"content-length", b"x-request-id"})


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


def rewritten(request: Request, rewrite: Rewrite, path: str) -> tuple[bytes, str, bytes]:
    """The method, path and query that an upstream is asked with, where a policy says others; `path`: the client's."""
    method = request.method if rewrite.method is None or request.websocket else rewrite.method
    return (
        method,
        path if rewrite.path is None else rewrite.path,
        request.query if rewrite.query is None else rewrite.query,
    )


def is_idempotent(request: Request) -> bool:
    """Whether the upstream may be asked twice what it is asked (RFC 9110, section 9.2.2)."""
    rewrite = request.rewrite
    method = request.method if rewrite is None or rewrite.method is None else rewrite.method
    return method in IDEMPOTENT


def passed_on(headers: list[Header], remove: Collection[bytes] = ()) -> bytes:
    """The header lines of a request that go on to an upstream, less those named in `remove`."""
    drop = DROP_REQUEST
    if remove:
        return b"".join([b"%b: %b\r\n" % h for h in headers if h[0] not in drop and h[0] not in remove])
    return b"".join([b"%b: %b\r\n" % h for h in headers if h[0] not in drop])


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
