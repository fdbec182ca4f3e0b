"""What was observed of one key: by the workers, then by a lone client."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from apigw_cli.bench.admission import Event
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.tally import Seen, Tally


@dataclass(frozen=True, slots=True)
class Observed:
    """`admitted` surely were, `possible` may have been; `slots` are those of `slot` ns with a refusal.

    `answered` and `refused` are counts, `seconds` the measured time. `overflow`: not all events were kept.
    """

    seen: tuple[Seen, ...]
    admitted: list[Event]
    possible: list[Event]
    slots: list[int]
    slot: int
    answered: int
    refused: int
    seconds: float
    overflow: bool

    @classmethod
    def of(cls, tallies: Sequence[Tally], slot: int) -> Observed:
        seen = tuple(tally.seen for tally in tallies if tally.seen is not None)
        admitted = [event for one in seen for event in _events(one.admitted)]
        return cls(
            seen=seen,
            admitted=admitted,
            possible=admitted + [event for one in seen for event in _events(one.possible)],
            slots=sorted({slot for one in seen for slot in one.slots}),
            slot=slot,
            answered=sum(tally.answers for tally in tallies),
            refused=sum(one.refused for one in seen),
            seconds=max((tally.elapsed for tally in tallies), default=0) / SECOND,
            overflow=any(one.overflow for one in seen),
        )

    @property
    def demand(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def span(self) -> int:
        """Nanoseconds from the first sending to the last answer of what was let through, the measured time at least."""
        length = max(r for _, r in self.admitted) - min(s for s, _ in self.admitted) if self.admitted else 0
        return max(length, round(self.seconds * SECOND))


def admitted_of(answers: Sequence[Answer]) -> list[Event]:
    """What a lone client was let through with, from its first request on."""
    zero = answers[0].sent if answers else 0
    return [(one.sent - zero, one.received - zero) for one in answers if 200 <= one.status < 400]


def _events(data: bytes) -> list[Event]:
    words = array("q", data)
    return list(zip(words[::2], words[1::2], strict=True))
