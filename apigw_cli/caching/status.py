"""`Cache-Status` (RFC 9211): what the cache did with a request, for whoever looks at the answer."""

from __future__ import annotations

NAME = b"Cache-Status: apigw"


def hit(ttl: float) -> bytes:
    """`ttl`: seconds of freshness that are left; negative for an answer used stale."""
    return b"%b; hit; ttl=%d\r\n" % (NAME, ttl)


def forward(why: bytes, stored: bool = False, status: int = 0, collapsed: bool = False, detail: str = "") -> bytes:
    """`why`: uri-miss, vary-miss, stale, request, partial, method or bypass (section 2.2)."""
    line = b"%b; fwd=%b" % (NAME, why)
    if status:
        line += b"; fwd-status=%d" % status
    if stored:
        line += b"; stored"
    if collapsed:
        line += b"; collapsed"
    if detail:
        line += b'; detail="%b"' % detail.encode("ascii")
    return line + b"\r\n"


def detail(text: str) -> bytes:
    """Neither a hit nor forwarded."""
    return b'%b; detail="%b"\r\n' % (NAME, text.encode("ascii"))
