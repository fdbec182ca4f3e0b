"""A bounded number of slots, and a bounded queue of those who wait for one. No I/O and no clock.

    take ──there is one──▶ taken ──release──▶ free, or at once the first waiter's
      └──there is none──▶ wait ──▶ waiting ──hand_over──▶ the first waiter goes on with what the slot's holder leaves
                                      └──forget──▶ out of the queue

Invariants: never more taken than `limit` (but after a `resize` to less, until enough are released); while somebody
waits no slot is free; who came first is served first; who has left is never served.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Slots(Generic[Item]):
    """`limit` None: as many as are asked for. `length`: how many may wait."""

    __slots__ = ("length", "limit", "taken", "waiting")

    def __init__(self, limit: int | None = None, length: int = 0) -> None:
        self.limit = limit
        self.length = length
        self.taken = 0
        self.waiting: dict[Item, None] = {}  # in order

    @property
    def over(self) -> bool:
        """Whether more are taken than may be now."""
        return self.limit is not None and self.taken > self.limit

    def take(self) -> bool:
        """Whether there was a slot; then it is taken."""
        if self.limit is not None and self.taken >= self.limit:
            return False
        self.taken += 1
        return True

    def wait(self, item: Item) -> bool:
        """Let `item` wait, if there is room in the queue."""
        if len(self.waiting) >= self.length:
            return False
        self.waiting[item] = None
        return True

    def forget(self, item: Item) -> None:
        """`item` waits no more, if it did."""
        self.waiting.pop(item, None)

    def first(self) -> Item | None:
        return next(iter(self.waiting), None)

    def hand_over(self) -> Item | None:
        """The first that waits, for a slot that stays taken; None where nobody waits, or the slot is one too many."""
        first = None if self.over else self.first()
        if first is not None:
            del self.waiting[first]
        return first

    def release(self) -> Item | None:
        """A slot is free. Returns who has it from now on, if anybody waited."""
        self.taken -= 1
        return self._serve()

    def resize(self, limit: int | None, length: int) -> list[Item]:
        """Other bounds. Returns those that have a slot now. Who waits already may go on waiting."""
        self.limit, self.length = limit, length
        served = []
        while (item := self._serve()) is not None:
            served.append(item)
        return served

    def _serve(self) -> Item | None:
        first = self.first()
        if first is None or not self.take():
            return None
        del self.waiting[first]
        return first


def share(total: int, index: int, workers: int) -> int:
    """Worker `index`'s part (from 0) of a total that is split over all of them; the first ones get the remainder."""
    return total // workers + (index < total % workers)
