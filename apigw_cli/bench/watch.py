"""What a worker notes for the proof of a limit, in bounded memory.

Requests that were let through are recorded one by one: the limit itself bounds how many there are. Of the
refused only this is kept: which short slots of time wholly contain one, so that demand is proved there.
"""

from __future__ import annotations

from array import array
from email.utils import parsedate_to_datetime

from apigw_cli.bench.plan import Watch
from apigw_cli.bench.tally import Seen

_MOST_TEXTS = 5


class Watcher:
    """`zero` is when the run began: all times are kept relative to it."""

    def __init__(self, watch: Watch, zero: int) -> None:
        self._watch = watch
        self._zero = zero
        self._admitted = array("q")
        self._possible = array("q")
        self._slots: set[int] = set()
        self._seen = Seen()

    def answered(self, status: int, sent: int, now: int, retry_after: bytes | None) -> None:
        """Note one answer."""
        if status == 429:
            self._refused(sent - self._zero, now - self._zero, retry_after)
        elif 200 <= status < 400:
            self._note(self._admitted, sent, now)
        else:
            self._note(self._possible, sent, now)

    def maybe(self, sent: int, now: int) -> None:
        """Note a request whose fate is unknown: the limiter may have let it through."""
        self._note(self._possible, sent, now)

    def _note(self, events: array[int], sent: int, now: int) -> None:
        if len(events) < 2 * self._watch.most_events:
            events.append(sent - self._zero)
            events.append(now - self._zero)
        else:
            self._seen.overflow = True

    def _refused(self, sent: int, now: int, retry_after: bytes | None) -> None:
        seen = self._seen
        seen.refused += 1
        slot = now // self._watch.slot
        if sent >= slot * self._watch.slot and slot < self._watch.most_slots:
            self._slots.add(slot)
        if retry_after is None:
            seen.without_retry_after += 1
            return
        seconds = legal_seconds(retry_after)
        if seconds is None:
            text = retry_after.decode("latin-1")[:40]
            if text in seen.bad_retry_after or len(seen.bad_retry_after) < _MOST_TEXTS:
                seen.bad_retry_after[text] = seen.bad_retry_after.get(text, 0) + 1
        elif seconds:
            seen.retry_after_low = min(seen.retry_after_low or seconds, seconds)
            seen.retry_after_high = max(seen.retry_after_high, seconds)

    def result(self) -> Seen:
        self._seen.admitted = self._admitted.tobytes()
        self._seen.possible = self._possible.tobytes()
        self._seen.slots = sorted(self._slots)
        return self._seen


def legal_seconds(value: bytes) -> int | None:
    """The seconds of a Retry-After, 0 for a date, None where it is not legal (RFC 9110, section 10.2.3).

    Zero seconds are refused too: "come back at once" after "too many requests" is of no use to anyone.
    """
    text = value.strip()
    if text.isdigit():
        return int(text[:18]) or None
    try:
        parsedate_to_datetime(text.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None
    return 0
