"""Clients that keep a connection alive mostly send the same header lines again and again.

Only the request line differs, or not even that. So a connection remembers the header lines of its last plain request,
as the parser and `framing` understood them: where the very same bytes follow another plain request line, the parser is
not asked again (a third of what reading and forwarding a small request costs, see docs/performance.md). What is not
plain or not certain is left to it:

    plain head       came whole in one read, at the start of a message and with nothing behind it; HTTP/1.1 without a
                     body; of the fields that frame a message or tell what becomes of the connection at most
                     `Connection: keep-alive`; none that differs from request to request anyhow
    plain line       a usual method, a target in origin form and of the characters that RFC 3986 lets stand in it

What depends on more than these bytes is never remembered: the route, who the client is, whether it may. Only bytes of
the same connection are ever compared with each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from apigw_cli.gateway.framing import FRAMING, MAX_TARGET, Malformed
from apigw_cli.gateway.request import Header, Request

if TYPE_CHECKING:
    from apigw_cli.gateway.site import Site

_END = b"\r\n\r\n"
PATIENCE = 4
_BLOCK_MAXIMUM = 4096  # bytes; kept for each connection
_DIFFERING = frozenset((b"x-request-id", b"traceparent"))
_LINE = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) "
    rb"((/[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*)(?:\?([A-Za-z0-9\-._~!$&'()*+,;=:@/%?]*))?) HTTP/1\.1"
)

Line = tuple[bytes, bytes, str, bytes]  # method, target, path to route on, query


class Repeated(msgspec.Struct):
    """The header lines that a connection's requests repeat. `block`: from the request line's CRLF on.

    `headers` and `fields` are shared by all requests that have them: nobody changes those of a request. `passed` are
    the lines that go on to an upstream, once somebody has asked for them. `by` and `found` are a policy's
    (`policies.interface.Kept`).
    """

    block: bytes
    headers: list[Header]
    fields: dict[bytes, bytes]
    authority: bytes
    host: str
    remove: set[bytes]
    passed: bytes | None = None
    by: object = None
    found: Any = None


def remember(request: Request, data: bytes) -> Repeated | None:
    """What to remember of `request`, whose head begins where `data` does, as it came; None where it is not plain."""
    fields = request.fields
    if not _plain(request, data) or not _DIFFERING.isdisjoint(fields):
        return None
    block = data[data.index(b"\r\n") :]
    if len(block) > _BLOCK_MAXIMUM:
        return None
    return Repeated(block, request.headers, fields, request.authority, request.host, request.remove.copy())


def _plain(request: Request, data: bytes) -> bool:
    fields = request.fields
    if not FRAMING.isdisjoint(fields):
        framing = FRAMING & fields.keys()
        if framing != {b"connection"} or fields[b"connection"].lower() != b"keep-alive":
            return False
    # One line feed for the request line, each header and the end: the lines are what the parser saw, and all of it.
    return (
        data.find(_END) == len(data) - len(_END)
        and data.count(b"\n") == len(request.headers) + 2
        and request.keep_alive
        and not request.http10
        and request.url[:1] == b"/"
        and data.startswith(b"%b %b HTTP/1.1\r\n" % (request.method, request.url))
    )


def understand(line: bytes, site: Site) -> Line | None:
    """What a request line (without its CRLF) says; None where it is not plain: the parser has to look."""
    match = _LINE.fullmatch(line)
    if match is None or len(match[2]) > MAX_TARGET:
        return None
    try:
        path = site.path(match[3])
    except Malformed:
        return None
    return match[1], match[2], path, match[4] or b""
