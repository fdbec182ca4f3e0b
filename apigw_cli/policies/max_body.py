"""`max_body`: how many bytes the body of a request may have, as sent. A longer one is 413, while it comes too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from apigw_cli.config.values import BYTES
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step
from apigw_cli.policies.judging import judged, less
from apigw_cli.snapshot.model import Route

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))

MaxBody = Annotated[
    int, Meta(description="Bytes that a request's body may have; more is 413. 0: none.", ge=0, le=1 << 50, extra=BYTES)
]


def in_words(size: int) -> str:
    """`64 KiB`, `1500 bytes`."""
    for unit, name in _UNITS:
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


class _Policy:
    name = "max_body"
    order = 50
    model = MaxBody
    derived = False

    def compile(self, value: int, route: Route, runtime: Runtime) -> Step | None:
        def step(exchange: Exchange) -> Refusal | None:
            return exchange.limit_content(value) if exchange.has_body else None

        return step

    def compare(self, old: int | None, new: int | None) -> Change:
        """A smaller one is stricter; none is what `listen.max_body` lets through."""
        return judged(self.reasons(old, new))

    def reasons(self, old: int | None, new: int | None) -> Iterator[Reason]:
        if old == new:
            return
        if less(old, new) is Change.STRENGTHEN:
            yield Reason(Change.STRENGTHEN, "larger bodies are refused now")
        else:
            yield Reason(Change.WEAKEN, "larger bodies reach what is behind")

    def describe(self, value: int) -> str:
        return f"bodies to {in_words(value)}"


POLICY = _Policy()
