"""What comes in and what goes out: a request, and the kinds of reply that a connection knows how to send."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate

import orjson

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


class BadValue(Exception):
    """A value in a request that cannot be used; becomes a 400 with the message."""


@dataclass(slots=True)
class Request:
    """One request as it arrived. `headers` are as the client wrote them; `size` counts the body even when not kept."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    size: int = 0
    digest: str = ""
    version: str = "1.1"
    keep_alive: bool = True
    values: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """The whole number called `name` in the query. Raises BadValue outside of `low`..`high`."""
        text = self.values.get(name)
        if text is None:
            return default
        return bounded(name, text, low, high)


def bounded(name: str, text: str, low: int, high: int) -> int:
    """`text` as a whole number. Raises BadValue where it is none, or outside of `low`..`high`."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise BadValue(f"{name} must be a whole number from {low} to {high}, not {text[:40]!r}")
    return int(text)


def query_values(query: str) -> dict[str, str]:
    """The query's values by name; of a repeated name the first."""
    if not query:
        return {}
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
    return dict(reversed(pairs))


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. `headers` are complete lines (`b"Name: value\\r\\n"`)."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Delayed:
    """Send `reply` after so many seconds, without blocking the worker."""

    seconds: float
    reply: Answer | Stream | Fault


@dataclass(frozen=True, slots=True)
class Stream:
    """A body in pieces, `interval` seconds apart; chunked where `length` is None."""

    pieces: Iterator[bytes]
    interval: float = 0.0
    content_type: bytes = TEXT
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure on demand: 'reset' (RST), 'close' (no answer), 'hang' (never), 'truncate' (half an answer)."""

    kind: str


Reply = Answer | Delayed | Stream | Fault


class Dated:
    """The `Date` header line, made once a second (RFC 9110, section 6.6.1)."""

    def __init__(self) -> None:
        self._second = -1
        self.line = b""

    def at(self, now: float) -> bytes:
        """The line for the wall-clock time `now`."""
        second = int(now)
        if second != self._second:
            self._second, self.line = second, f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self.line


def json_answer(status: int, data: object) -> Answer:
    return Answer(status, orjson.dumps(data))


def message(status: int, text: str) -> Answer:
    return json_answer(status, {"message": text})
