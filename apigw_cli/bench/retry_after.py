"""Whether Retry-After can be relied on: asked by a lone client, when the load is over.

    ask until refused ─▶ Retry-After: N ─▶ wait N - 1 s, ask: refused   (tight: at most 1 s too long)
                                        └▶ wait N s, ask: let through    (sufficient)

Both are sound: the limiter decided on the second request at least N s after it decided on the first, as its sending
came N s after the first one's answer; and it had decided on a tight one when that was answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from apigw_cli.bench.limit import Declared
from apigw_cli.bench.lone import Answer, Lone
from apigw_cli.bench.plan import SECOND

LIMITED = 429
MOST_TRIES = 5
_MARGIN = SECOND // 10  # by how much a tight try comes early, for the way through the network
_MOST_ASKED = 2_000


@dataclass(slots=True)
class Tried:
    """What was seen. `sequence` are all answers in order; `left` says why it was not tried (any more)."""

    sequence: list[Answer] = field(default_factory=list)
    sufficient: int = 0
    insufficient: list[float] = field(default_factory=list)  # seconds that were promised and not enough
    tight: int = 0
    too_long: list[float] = field(default_factory=list)  # seconds that were promised where at least one less did
    left: str = ""


def seconds_told(answer: Answer) -> int | None:
    """The seconds of a Retry-After, a date being taken from the answer's own Date; None where it says nothing."""
    text = answer.headers.get("retry-after", "")
    if text.isdigit() and len(text) < 10:
        return int(text)
    try:
        return round((parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers["date"])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def tried(lone: Lone, declared: Declared, budget: int) -> Tried:
    """Try what Retry-After promises, as often as `budget` nanoseconds allow."""
    found = Tried()
    try:
        _Trying(lone, declared, lone.now() + budget, found).go_on()
    except OSError as error:
        found.left = f"the connection broke: {error}"
    return found


class _Trying:
    def __init__(self, lone: Lone, declared: Declared, end: int, found: Tried) -> None:
        self._lone, self._end, self._found = lone, end, found
        self._most = min(_MOST_ASKED, 2 * declared.burst + 100)

    def go_on(self) -> None:
        while self._found.sufficient + len(self._found.insufficient) < MOST_TRIES:
            refusal = self._refused()
            if refusal is None:
                self._found.left = "a lone client was not refused"
                return
            if not self._try(refusal):
                return

    def _ask(self) -> Answer:
        answer = self._lone.ask()
        self._found.sequence.append(answer)
        return answer

    def _refused(self) -> Answer | None:
        for _ in range(self._most):
            answer = self._ask()
            if answer.status == LIMITED:
                return answer
            if self._lone.now() > self._end:
                break
        return None

    def _try(self, refusal: Answer) -> bool:
        """One try; whether another can follow."""
        told = self._affordable(refusal)
        if told is None:
            return False
        if told >= 2:
            self._lone.wait_until(refusal.received + (told - 1) * SECOND - _MARGIN)
            early = self._ask()
            if early.status != LIMITED:
                if early.received - refusal.sent < (told - 1) * SECOND:
                    self._found.too_long.append(told)
                return True
            self._found.tight += 1
            refusal, told = early, self._affordable(early)
            if told is None:
                return False
        self._lone.wait_until(refusal.received + told * SECOND)
        if self._ask().status == LIMITED:
            self._found.insufficient.append(told)
        else:
            self._found.sufficient += 1
        return True

    def _affordable(self, refusal: Answer) -> int | None:
        told = seconds_told(refusal)
        if told is None or told < 0:
            self._found.left = "it says no time"
            return None
        if self._lone.now() + told * SECOND > self._end:
            self._found.left = f"{told} s are too long to be waited for"
            return None
        return told
