"""What changes an answer on its way to the client: the other half of what a policy may supply (`interface.py`).

    an upstream's answer · a mock · a stored one · a site's file · the gateway's own ─▶ filter ─▶ … ─▶ client

A filter is a plain function made when the Snapshot is loaded. It is called with the exchange and an answer's head and
returns one of

    Head      the head as it goes on; the body passes by
    Flowing   a head, and what the parts of the body pass through on their way
    Held      the body is wanted whole, up to a bound; head and body are decided on when it is there

A filter that cannot let an answer pass raises `Unfit`: the client gets 502, or, where something of the answer has
been sent already, sees the connection break. A route without filters does not know that there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec


class Head(msgspec.Struct, frozen=True):
    """An answer's head, without framing and what belongs to one hop. A Struct, because each filter makes one.

    `lines` are whole header lines, each with its line end. `length`: of the body, None where not said. `own`: the
    gateway itself says this, a refusal or an error, and no upstream.
    """

    status: int
    reason: bytes
    lines: list[bytes]
    length: int | None
    own: bool = False

    def first(self, name: bytes) -> bytes | None:
        """The first value of a field (name in lower case)."""
        return next((value(line) for line in self.lines if name_of(line) == name), None)

    def all(self, name: bytes) -> list[bytes]:
        return [value(line) for line in self.lines if name_of(line) == name]

    def without(self, names: Iterable[bytes]) -> list[bytes]:
        """The lines less those of fields with these names (in lower case)."""
        gone = frozenset(names)
        return [line for line in self.lines if name_of(line) not in gone]


def name_of(line: bytes) -> bytes:
    """The name, in lower case, that a header line begins with."""
    return line.partition(b":")[0].lower()


def value(line: bytes) -> bytes:
    return line.partition(b":")[2].strip()


class Body(Protocol):
    """What the parts of one answer's body pass through."""

    def part(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """What has been taken and must not wait for more; nothing more has come for now."""

    def end(self) -> bytes:
        """What is left, now that the body is whole."""


class Flowing(NamedTuple):
    """`changes` False: the body only looks, and what passes is what came."""

    head: Head
    body: Body
    changes: bool = True


class Held(NamedTuple):
    """`decide` is called with the whole body, of `maximum` bytes at most; a longer one is unfit."""

    maximum: int
    decide: Callable[[bytes], tuple[Head, bytes]]


class Unfit(ValueError):
    """The answer may not pass. The text goes to the client: no word of what is in the answer."""


class Unwanted(Unfit):
    """The same of an answer that is no fault of the server's: it counts as no failure of its target."""


AnswerFilter = Callable[[Any, Head], Head | Flowing | Held]


def withheld(filters: Iterable[AnswerFilter]) -> frozenset[bytes]:
    """Names that neither an interim answer nor a trailer may have: what filters change or leave out.

    A filter that has such names says them as its attribute `withheld`, in lower case.
    """
    return frozenset[bytes]().union(*(getattr(one, "withheld", ()) for one in filters))


@runtime_checkable
class Filtering(Protocol):
    """A policy that has a say in answers. `answer_order`: lowest first, that is nearest to the upstream."""

    answer_order: int

    def filter(self, value: Any, route: Any, runtime: Any) -> AnswerFilter | None:
        """The resolved value → a filter, or None where it needs none."""


def has_body(method: bytes, head: Head) -> bool:
    """Whether bytes follow the head (RFC 9112, section 6.3)."""
    return method != b"HEAD" and head.status not in (204, 304)


def vary(lines: list[bytes], name: bytes) -> list[bytes]:
    """Header lines that say that the answer depends on the request's field `name` (RFC 9110, section 12.5.5)."""
    low = name.lower()
    named = {one.strip().lower() for line in lines if name_of(line) == b"vary" for one in value(line).split(b",")}
    return lines if low in named or b"*" in named else [*lines, b"Vary: %b\r\n" % name]
