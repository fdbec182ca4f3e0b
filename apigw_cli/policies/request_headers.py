"""`request_headers`: headers to set, add or remove on what goes to the upstream.

`set` replaces what the client sent under that name, `add` leaves it and adds another, `remove` takes it away. What
belongs to a connection or frames the message is not theirs to change (RFC 9110, section 7.6.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from apigw_cli.config import secrecy
from apigw_cli.policies.interface import Change, Exchange, Reason, Runtime, Step
from apigw_cli.policies.judging import judged
from apigw_cli.snapshot.model import Route

# RFC 9110: 5.6.2 (token), 5.5 (field value). Other than ASCII is left out: receivers disagree on what it means.
NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
VALUE = r"^([!-~]([ -~\t]{0,4094}[!-~])?)?$"

_OURS = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)

HeaderName = Annotated[str, Meta(pattern=NAME)]
HeaderValue = Annotated[str, Meta(pattern=VALUE)]


class RequestHeaders(Struct, frozen=True, forbid_unknown_fields=True):
    """Headers to set, add or remove on what goes to the upstream."""

    set: Annotated[
        dict[HeaderName, HeaderValue],
        Meta(description="Replace the client's header of that name.", examples=[{"X-Gateway": "apigw"}]),
    ] = {}
    add: Annotated[dict[HeaderName, HeaderValue], Meta(description="Add to the client's headers.")] = {}
    remove: Annotated[list[HeaderName], Meta(description="Leave the client's headers of these names out.")] = []

    def __post_init__(self) -> None:
        for name in (*self.set, *self.add, *self.remove):
            check_name(name)
        for name, value in (*self.set.items(), *self.add.items()):
            if not re.fullmatch(VALUE.removesuffix("$"), value):
                raise ValueError(f"the value of header {name} is not printable ASCII in one line")
        # Names differ by more than case, or which one wins would be left to chance.
        for names in (self.set, self.add, [*self.set, *self.remove]):
            twice = repeated(names)
            if twice:
                raise ValueError(f"header {twice} is named twice")


def check_name(name: str) -> None:
    """Raises ValueError for what is no header's name, or one that is not a policy's to change."""
    if not re.fullmatch(NAME.removesuffix("$"), name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() in _OURS:
        raise ValueError(f"header {name} is the gateway's own: it belongs to the connection or frames the message")


def repeated(names: Iterable[str]) -> str | None:
    """The first name that is there twice, whatever its case."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None


def _kept_from_clients(value: RequestHeaders | None) -> dict[str, str | None]:
    """Names that clients cannot send, in lower case, each with what is sent in its place (None: nothing)."""
    if value is None:
        return {}
    return {name.lower(): None for name in value.remove} | {name.lower(): text for name, text in value.set.items()}


class _Policy:
    name = "request_headers"
    order = 80
    model: type[Struct] = RequestHeaders
    derived = False
    refuses = False
    neutral: ClassVar = {"add": "what is added stands beside what the client sends, and keeps nothing of it back"}

    def compile(self, value: RequestHeaders, route: Route, runtime: Runtime) -> Step | None:
        gone = frozenset(name.lower().encode("ascii") for name in (*value.set, *value.remove))
        items = (*value.set.items(), *value.add.items())
        lines = "".join(f"{name}: {text}\r\n" for name, text in items).encode("ascii")
        if not gone and not lines:
            return None

        def step(exchange: Exchange) -> None:
            if gone:
                exchange.remove.update(gone)
            if lines:
                exchange.extra.append(lines)

        return step

    def compare(self, old: RequestHeaders | None, new: RequestHeaders | None) -> Change:
        """What is set or removed no client can send: an upstream may rely on that."""
        return judged(self.reasons(old, new))

    def reasons(self, old: RequestHeaders | None, new: RequestHeaders | None) -> Iterator[Reason]:
        before, after = _kept_from_clients(old), _kept_from_clients(new)
        for name in sorted(before.keys() - after.keys()):
            yield Reason(Change.WEAKEN, f"clients can send {name} themselves: an upstream may believe them")
        for name in sorted(after.keys() - before.keys()):
            yield Reason(Change.STRENGTHEN, f"clients cannot send {name} any more")
        for name in sorted(before.keys() & after.keys()):
            if before[name] != after[name]:
                yield Reason(Change.WEAKEN, f"the upstream is told something else in {name}")

    def describe(self, value: RequestHeaders) -> str:
        items = (*value.set.items(), *value.add.items())
        parts = [f"+ {name}: {secrecy.shown(name, text)}" for name, text in items]
        return ", ".join(parts + [f"- {name}" for name in value.remove])


POLICY = _Policy()
