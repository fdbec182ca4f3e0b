"""What of a request goes on to an upstream: which fields, and the request line. Pure; told by `apigw explain` too."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from typing import Any

Header = tuple[bytes, bytes]

HOP_BY_HOP = (
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
    {b"expect", b"host", *(s for name in (*HOP_BY_HOP, *_OWN, b"content-length") for s in spellings(name))}
)


def rewritten(request: Any, rewrite: Any, path: str) -> tuple[bytes, str, bytes]:
    """The method, path and query that an upstream is asked with, where a policy says others.

    `request`: an Exchange; `rewrite`: what a policy says (policies.interface.Rewrite); `path`: the client's.
    """
    method = request.method if rewrite.method is None or request.websocket else rewrite.method
    return (
        method,
        path if rewrite.path is None else rewrite.path,
        request.query if rewrite.query is None else rewrite.query,
    )


def passed_on(headers: list[Header], remove: Collection[bytes] = ()) -> bytes:
    """The header lines of a request that go on to an upstream, less those named in `remove`."""
    drop = DROP_REQUEST
    if remove:
        return b"".join([b"%b: %b\r\n" % h for h in headers if h[0] not in drop and h[0] not in remove])
    return b"".join([b"%b: %b\r\n" % h for h in headers if h[0] not in drop])
