"""The filter of `validate`: answers are looked at on their way to the client.

report    a copy is kept while the answer passes, up to the maximum, and looked at when it is whole
enforce   the answer is held until it is whole; what does not fit is replaced by a 502
"""

from __future__ import annotations

from collections.abc import Callable

from apigw_cli.policies.answer_filter import AnswerFilter, Flowing, Head, Held, Unfit, has_body
from apigw_cli.policies.interface import Exchange
from apigw_cli.policies.validation.answers import Answers, of_body
from apigw_cli.policies.validation.bodies import Content, MediaType
from apigw_cli.policies.validation.problem import Violation, bad_answer, told

NOTICE = "invalid_answer"
_ENDLESS = b"text/event-stream"

Check = Callable[[bytes], list[Violation]]


def watch(answers: Answers, enforcing: bool, maximum: int) -> AnswerFilter:
    """`maximum`: bytes of a body that are looked at."""

    def look(exchange: Exchange, head: Head) -> Head | Flowing | Held:
        if head.own:
            return head
        found, content = _of_head(answers, exchange, head)
        if enforcing and found:
            return Held(maximum, lambda _: _replaced(exchange, found))
        if content is None:
            if found:
                exchange.notice(NOTICE, told(found))
            return head
        check = _checker(head, *content, maximum)
        if enforcing:
            return _hold(exchange, head, check, maximum)
        return Flowing(head, _Observed(exchange, found, check, maximum), changes=False)

    return look


def _of_head(
    answers: Answers, exchange: Exchange, head: Head
) -> tuple[list[Violation], tuple[Content, MediaType] | None]:
    """What does not fit in status and header lines, and what the body has to be, where somebody looks at it."""
    expected = answers.of(head.status)
    if isinstance(expected, Violation):
        return [expected], None
    found = expected.of_head(head)
    if not has_body(exchange.method, head):
        return found, None
    content = expected.content(head)
    if isinstance(content, list):
        return found + content, None
    if content is None or content[0].read is None or content[1].essence.encode("latin-1") == _ENDLESS:
        return found, None
    return found, content


def _checker(head: Head, content: Content, kind: MediaType, maximum: int) -> Check:
    coding = b",".join(head.all(b"content-encoding")) or None
    return lambda data: of_body(content, kind, data, coding, maximum)


def _hold(exchange: Exchange, head: Head, check: Check, maximum: int) -> Held:
    if head.length is not None and head.length > maximum:
        raise Unfit(f"its body is larger than the {maximum} bytes that are looked at")

    def decide(data: bytes) -> tuple[Head, bytes]:
        found = check(data)
        if found:
            return _replaced(exchange, found)
        return Head(head.status, head.reason, head.lines, len(data), head.own), data

    return Held(maximum, decide)


def _replaced(exchange: Exchange, found: list[Violation]) -> tuple[Head, bytes]:
    exchange.notice(NOTICE, told(found))
    refusal = bad_answer(found)
    exchange.reason = refusal.reason
    body = refusal.body or b""
    head = Head(refusal.status, b"Bad Gateway", list(refusal.headers), len(body), own=True)
    return head, body if has_body(exchange.method, head) else b""


class _Observed:
    """Keeps a copy of what passes, as long as that is not too much, and has it looked at in the end."""

    __slots__ = ("_check", "_exchange", "_found", "_kept", "_left")

    def __init__(self, exchange: Exchange, found: list[Violation], check: Check, maximum: int) -> None:
        self._exchange = exchange
        self._found = found
        self._check = check
        self._kept: list[bytes] = []
        self._left = maximum

    def part(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left >= 0:
            self._kept.append(data)
        else:
            self._kept = []
        return data

    def flush(self) -> bytes:
        return b""

    def end(self) -> bytes:
        found = self._found
        if self._left >= 0:
            found = found + self._check(b"".join(self._kept))
        if found:
            self._exchange.notice(NOTICE, told(found))
        return b""
