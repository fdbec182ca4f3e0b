"""When a target that fails gets no requests. No I/O; who tells of a failure says what time it is (nanoseconds).

CLOSED ──`after` failures in a row──▶ OPEN ──its time is over──▶ HALF_OPEN ──a success──▶ CLOSED
                                       ▲────a failure: twice as long, at most `longest`────┘
"""

from __future__ import annotations

from dataclasses import dataclass

CLOSED, OPEN, HALF_OPEN = range(3)


@dataclass(frozen=True, slots=True)
class Ejection:
    """How many failures in a row open a breaker, and for how many nanoseconds: the first time, and at most."""

    after: int
    first: int
    longest: int


class Breaker:
    """One target's."""

    __slots__ = ("_failures", "_settings", "_times", "state", "until")

    def __init__(self, settings: Ejection) -> None:
        self.state = CLOSED
        self.until = 0  # when OPEN ends
        self._settings = settings
        self._failures = 0
        self._times = 0  # how often it has opened without a success between

    def succeeded(self) -> None:
        """A request was answered. One that began before the breaker opened changes nothing."""
        if self.state != OPEN:
            self.reset()

    def failed(self, now: int, may_open: bool) -> None:
        """A request failed. `may_open`: whether there is another target that could take the requests."""
        self._failures += 1
        if self.state == HALF_OPEN or (self.state == CLOSED and may_open and self._failures >= self._settings.after):
            self.state = OPEN
            self.until = now + min(self._settings.first << min(self._times, 62), self._settings.longest)
            self._times += 1

    def wake(self, now: int) -> None:
        """Time has passed."""
        if self.state == OPEN and self.until <= now:
            self.state = HALF_OPEN

    def reset(self) -> None:
        """It is known to be well."""
        self.state, self.until, self._failures, self._times = CLOSED, 0, 0, 0
