"""Whether Retry-After can be relied on: asked by a lone client, when the load is over.

    rest until all of the burst is there, where that does not take too long
    ask until refused ─▶ Retry-After: N ─▶ wait N - 1 s, ask: refused   (tight: at most 1 s too long)
                                        └▶ wait N s, ask: let through    (sufficient)

Both are sound: the limiter decided on the second request at least N s after it decided on the first, as its sending
came N s after the first one's answer; and it had decided on a tight one when that was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from fractions import Fraction

from apigw_cli.bench.limit import Declared, longest_wait
from apigw_cli.bench.lone import Answer, Lone
from apigw_cli.bench.plan import SECOND

LIMITED = 429
MOST_TRIES = 5
_MARGIN = SECOND // 10  # by how much a tight try comes early, for the way through the network
_MOST_ASKED = 2_000
_MOST_RESTED = 1_000
_MOST_RESTS = 3
_MILLISECOND = SECOND // 1000


@dataclass(slots=True)
class Tried:
    """What was seen. `sequence` are all answers in order; `left` says why it was not tried (any more).

    `rested`: how many were let through in a row after a rest; None where there was no time for one.
    `too_slow`: there was, but what came back meanwhile could not be told from what was there.
    """

    sequence: list[Answer] = field(default_factory=list)
    sufficient: int = 0
    insufficient: list[float] = field(default_factory=list)  # seconds that were promised and not enough
    tight: int = 0
    too_long: list[float] = field(default_factory=list)  # seconds that were promised where at least one less did
    unclear: int = 0  # tries that came later than they were meant to
    left: str = ""
    rested: int | None = None
    too_slow: bool = False


def seconds_told(answer: Answer) -> int | None:
    """The seconds of a Retry-After, a date being taken from the answer's own Date; None where it says nothing."""
    text = answer.headers.get("retry-after", "")
    if text.isdigit() and len(text) < 10:
        return int(text)
    try:
        return round((parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers["date"])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def tried(lone: Lone, layers: Sequence[Declared], budget: int) -> Tried:
    """Try what a rest and Retry-After promise, as often as `budget` nanoseconds allow."""
    found = Tried()
    try:
        _Trying(lone, layers, lone.now() + budget, found).go_on()
    except OSError as error:
        found.left = f"the connection broke: {error}"
    return found


class _Trying:
    def __init__(self, lone: Lone, layers: Sequence[Declared], end: int, found: Tried) -> None:
        self._lone, self._layers, self._end, self._found = lone, layers, end, found
        self._most = min(_MOST_ASKED, 2 * min(layer.burst for layer in layers) + 100)

    def go_on(self) -> None:
        self._rest()
        while self._found.sufficient + len(self._found.insufficient) < MOST_TRIES:
            refusal = self._refused()
            if refusal is None:
                self._found.left = "a lone client was not refused"
                return
            if not self._try(refusal):
                return

    def _rest(self) -> None:
        """Wait until all is there that may be had at once, and ask for it; again where the client was too slow."""
        size, rest = min(layer.burst for layer in self._layers), max(layer.rest for layer in self._layers)
        if not rest or not 0 < size <= _MOST_RESTED or self._lone.now() + rest > self._end:
            return
        for _ in range(_MOST_RESTS):
            begin = self._lone.now()
            # A clock that is behind may have seen the last request of the load a little later than it was.
            self._lone.wait_until(begin + rest + max(layer.grain for layer in self._layers) + _MARGIN)
            self._end += self._lone.now() - begin  # resting is no part of the time for trying
            answers = self._in_a_row(size)
            passed = sum(answer.status != LIMITED for answer in answers)
            if not all(200 <= answer.status < 400 or answer.status == LIMITED for answer in answers):
                return
            if answers[-1].status == LIMITED and (seconds_told(answers[-1]) or 0) > longest_wait(self._layers):
                return  # a quota's refusal
            if passed < size or self._came_back(answers) < 1:
                self._found.rested = passed
                return
        # A client that takes a millisecond each would have been fast enough.
        feasible = self._layers[0].rate.per_second * size * _MILLISECOND < SECOND
        self._found.too_slow = feasible and not self._layers[0].is_window

    def _in_a_row(self, most: int) -> list[Answer]:
        """The answers up to the first refusal."""
        answers: list[Answer] = []
        while len(answers) < most and (not answers or answers[-1].status != LIMITED):
            answers.append(self._ask())
        return answers

    def _came_back(self, answers: Sequence[Answer]) -> Fraction:
        """How much may have come back while these were asked: that is no part of what was there at once."""
        length = answers[-1].received - answers[0].sent
        buckets = [layer for layer in self._layers if not layer.is_window]
        return max((layer.rate.per_second * length / SECOND for layer in buckets), default=Fraction(0))

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
                else:
                    self._found.unclear += 1
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
