"""Whether a target is up, from checks that passed and failed. No I/O and no clock."""

from __future__ import annotations


class Health:
    """Up until proven otherwise: so many checks in a row that say the opposite change it, one that agrees resets."""

    __slots__ = ("_against", "_healthy_after", "_unhealthy_after", "up")

    def __init__(self, healthy_after: int, unhealthy_after: int) -> None:
        self.up = True
        self._against = 0
        self._healthy_after = healthy_after
        self._unhealthy_after = unhealthy_after

    def record(self, passed: bool) -> bool:
        """Take the result of one check. Returns whether `up` has changed."""
        if passed == self.up:
            self._against = 0
            return False
        self._against += 1
        if self._against < (self._healthy_after if passed else self._unhealthy_after):
            return False
        self.up = passed
        self._against = 0
        return True
