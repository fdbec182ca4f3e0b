"""`response_limit`: how large an answer may be. A larger one is 502; or breaks off, visibly, once it is under way."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from apigw_cli.config.values import BYTES
from apigw_cli.policies.answer_filter import AnswerFilter, Flowing, Head, Unfit, has_body
from apigw_cli.policies.interface import Change, Exchange, Runtime
from apigw_cli.policies.judging import less
from apigw_cli.snapshot.model import Route


class ResponseLimit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How large answers may be."""

    max_body: Annotated[
        int, Meta(description="Bytes of an answer's body, as the upstream sends it.", ge=0, le=1 << 40, extra=BYTES)
    ]


class _Counted:
    """Counts what passes."""

    __slots__ = ("_left", "_maximum")

    def __init__(self, maximum: int) -> None:
        self._maximum = self._left = maximum

    def part(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise Unfit(_text(self._maximum))
        return data

    def flush(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""


def _text(maximum: int) -> str:
    return f"its body is larger than {maximum} bytes"


class _Policy:
    name = "response_limit"
    order = 83
    answer_order = 10
    model: type[Struct] = ResponseLimit
    derived = False

    def compile(self, value: ResponseLimit, route: Route, runtime: Runtime) -> None:
        """No step: it is about answers."""

    def filter(self, value: ResponseLimit, route: Route, runtime: Runtime) -> AnswerFilter:
        maximum = value.max_body

        def limit(exchange: Exchange, head: Head) -> Head | Flowing:
            if head.own or not has_body(exchange.method, head):
                return head
            if head.length is None:
                return Flowing(head, _Counted(maximum), changes=False)
            if head.length > maximum:
                raise Unfit(_text(maximum))
            return head

        return limit

    def compare(self, old: ResponseLimit | None, new: ResponseLimit | None) -> Change:
        """A smaller limit is stricter."""
        was, now = (None if one is None else one.max_body for one in (old, new))
        return Change.NEUTRAL if was == now else less(was, now)

    def describe(self, value: ResponseLimit) -> str:
        return f"answers to {value.max_body} bytes"


POLICY = _Policy()
