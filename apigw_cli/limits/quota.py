"""Quotas: so many requests per calendar day, week or month, counted by the wall clock and kept over restarts.

    tat   end of the period (UTC seconds) in the upper bits, what was counted in the lower 31
    now   UTC seconds, shifted as `tat` is (`moment`)

A count holds as long as its period's end lies ahead, whatever calendar it was written by: a clock that steps back, a
day that becomes a month, a new time zone and another limit all leave what was used as it is.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from apigw_cli.limits.bucket import NEVER, Decision
from apigw_cli.limits.kinds import WINDOW

SHIFT = 31
LIMIT_MAXIMUM = (1 << SHIFT) - 1
OFFSET_MAXIMUM = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=28)}
_KIND = WINDOW | 1 << 60 | 1 << 59

Per = Literal["day", "week", "month"]


def moment(seconds: int) -> int:
    """UTC seconds as stores compare them with a quota's `tat`."""
    return seconds << SHIFT


class Calendar:
    """Which period a moment is in. `offset` is how long after midnight, Monday or the first it begins."""

    def __init__(self, per: Per, zone: str, offset: timedelta) -> None:
        """Raises ValueError for a time zone that does not exist, and an offset that reaches over the period."""
        if not timedelta() <= offset < OFFSET_MAXIMUM[per]:
            raise ValueError(f"a {per}'s offset is shorter than {OFFSET_MAXIMUM[per].days} days")
        try:
            self._zone = UTC if zone == "UTC" else ZoneInfo(zone)
        except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            raise ValueError(f"there is no time zone {zone!r}: write one such as Europe/Berlin") from None
        self._per = per
        self._offset = offset
        self._known = (0, 0)

    def period(self, seconds: int) -> tuple[int, int]:
        """Start and end, in UTC seconds. A day with a change of the clocks has 23 or 25 hours."""
        if not self._known[0] <= seconds < self._known[1]:
            self._known = self._find(seconds)
        return self._known

    def _find(self, seconds: int) -> tuple[int, int]:
        # Beginnings before and after, so that no offset or change of the clocks puts the moment between two of them.
        first = self._first(datetime.fromtimestamp(seconds, self._zone).date())
        firsts = [self._before(self._before(first)), self._before(first), first, self._after(first)]
        starts = [self._begin(one) for one in (*firsts, self._after(firsts[-1]))]
        at = max(n for n, start in enumerate(starts) if start <= seconds)
        return starts[at], starts[at + 1]

    def _begin(self, first: date) -> int:
        local = datetime.combine(first, time()) + self._offset
        return int(local.replace(tzinfo=self._zone).timestamp())

    def _first(self, day: date) -> date:
        if self._per == "day":
            return day
        return day - timedelta(days=day.weekday()) if self._per == "week" else day.replace(day=1)

    def _before(self, first: date) -> date:
        return self._first(first - timedelta(days=1))

    def _after(self, first: date) -> date:
        length = {"day": 1, "week": 7, "month": 32}[self._per]
        return self._first(first + timedelta(days=length))


class Quota:
    """An `Algorithm`: at most `limit` in each period of a calendar."""

    __slots__ = ("_calendar", "burst", "identity", "kind")

    def __init__(self, name: str, limit: int, per: Per, zone: str = "UTC", offset: timedelta = timedelta()) -> None:
        """Raises ValueError for what `Calendar` refuses."""
        self.burst = limit
        self.identity = hashlib.blake2b(name.encode(), digest_size=16).digest()
        self.kind = _KIND | zlib.crc32(f"{per} {zone} {offset}".encode())
        self._calendar = Calendar(per, zone, offset)

    def ask(self, tat: int, now: int, cost: int) -> tuple[int, Decision]:
        seconds = now >> SHIFT
        _, end = self._calendar.period(seconds)
        count = _counted(tat, seconds)
        left = max(0, self.burst - count)
        if cost > left:
            ahead = max(end, tat >> SHIFT if count else 0) - seconds
            return tat, Decision(False, left, ahead if count else 0, ahead if cost <= self.burst else NEVER)
        if not cost:
            return tat, Decision(True, left, end - seconds if count else 0, 0)
        return end << SHIFT | count + cost, Decision(True, left - cost, end - seconds, 0)

    def adopt(self, tat: int, kind: int, now: int) -> int:
        """What was counted by another calendar is counted in the present period of this one."""
        count = _counted(tat, now >> SHIFT)
        return self._calendar.period(now >> SHIFT)[1] << SHIFT | count if count else 0


def _counted(tat: int, seconds: int) -> int:
    return tat & LIMIT_MAXIMUM if tat >> SHIFT > seconds else 0
