"""How many requests to an upstream may be sent once more. No I/O and no clock.

A token bucket: every request puts in a share of a token, every retry takes a whole one, and each second puts in one, so
that a quiet upstream has some too. In a lasting outage retries thus add `share` to the load, never double it.
"""

from __future__ import annotations

CAPACITY = 100.0  # what a burst of failures finds: the requests that one killed target had under way
_SECOND = 1e9


class RetryBudget:
    """Begins full. `share`: tokens for each request; `now` in nanoseconds, never going back."""

    __slots__ = ("_share", "_since", "tokens")

    def __init__(self, share: float, now: int) -> None:
        self.tokens = CAPACITY
        self._share = share
        self._since = now

    def earn(self) -> None:
        """A request begins."""
        if self.tokens < CAPACITY:
            self.tokens = min(CAPACITY, self.tokens + self._share)

    def take(self, now: int) -> bool:
        """Whether one request may be sent once more; then that is paid for."""
        self.tokens = min(CAPACITY, self.tokens + (now - self._since) / _SECOND)
        self._since = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
