"""The addresses of one host name, and in which order they are tried. No I/O and no clock.

The first address of the last good answer says which family the system prefers (RFC 6724). Addresses of that family
take turns, one connection after the other; those of the other family come after them, and those that failed since
the last look at the name come last of all.
"""

from __future__ import annotations

from collections.abc import Sequence


class Addresses:
    """Of one name; empty until something has been learnt."""

    __slots__ = ("_bad", "_turn", "known")

    def __init__(self) -> None:
        self.known: tuple[str, ...] = ()
        self._bad: set[str] = set()
        self._turn = 0

    def learn(self, found: Sequence[str]) -> frozenset[str]:
        """What the name stands for now, at least one. Returns the addresses that it stood for and does no more."""
        gone = frozenset(self.known) - frozenset(found)
        self.known = tuple(dict.fromkeys(found))
        self._bad.clear()
        return gone

    def order(self) -> tuple[str, ...]:
        """In which order to try them for one more connection."""
        preferred = [one for one in self.known if _same_family(one, self.known[0])]
        start = self._turn % max(1, len(preferred))
        self._turn = start + 1
        others = [one for one in self.known if not _same_family(one, self.known[0])]
        turns = [*preferred[start:], *preferred[:start], *others]
        return tuple(sorted(turns, key=self._bad.__contains__))

    def failed(self, address: str) -> None:
        """No connection could be made to it."""
        self._bad.add(address)

    def worked(self, address: str) -> None:
        self._bad.discard(address)


def _same_family(one: str, other: str) -> bool:
    return (":" in one) == (":" in other)
