"""The gateway's own answers: JSON `{"message": …}` with the request's id in a header."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

import orjson

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
JSON = b"Content-Type: application/json\r\n"


def reason(status: int) -> bytes:
    return REASONS.get(status, b"Unknown")


def status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, reason(status))


def message_body(message: str) -> bytes:
    return orjson.dumps({"message": message}) + b"\n"


def date_line() -> bytes:
    """`Date` of now (RFC 9110, section 6.6.1); made once a second, not once a request."""
    return b"Date: %b\r\n" % formatdate(usegmt=True).encode()


def complete(status: int, lines: bytes, body: bytes, head_only: bool, connection: bytes) -> tuple[bytes, int]:
    """A whole answer, and how many bytes of it are body. `lines` are header lines, `connection` is one or none."""
    if status in (204, 304):
        return b"%b%b%b\r\n" % (status_line(status), lines, connection), 0
    head = b"%b%bContent-Length: %d\r\n%b\r\n" % (status_line(status), lines, len(body), connection)
    return (head, 0) if head_only else (head + body, len(body))
