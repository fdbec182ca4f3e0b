"""Answers in one worker's memory: the most recently used are kept, never more bytes than the budget.

Invariants, after every call: `bytes` is the sum of what the entries take; `bytes + held` is at most `budget`; a key
has at most VARIANTS entries; what a purge has hit is not given out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from apigw_cli.caching import vary
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields
from apigw_cli.caching.purges import Purges

BUDGET = 64 << 20  # bytes where nothing else is said
VARIANTS = 64  # of one key
KEY = 512  # bytes that a key takes beside its own

Names = tuple[bytes, ...]
Place = tuple[bytes, Names, tuple[bytes, ...], bool]  # key, what is varied on, its values, whether it is a part
_PLAIN: Names = ()


class MemoryStore:
    """`held`: bytes of answers that are still coming and are going to be stored."""

    def __init__(self, budget: int, purges: Purges) -> None:
        self.budget = budget
        self.purges = purges
        self.bytes = 0
        self.held = 0
        self.evictions = 0
        self._entries: OrderedDict[Place, Entry] = OrderedDict()  # the least recently used first
        self._places: dict[bytes, dict[Place, None]] = {}  # of each key, the oldest first

    def __len__(self) -> int:
        return len(self._entries)

    def has(self, key: bytes) -> bool:
        """Whether something is stored under a key, whomever it fits."""
        return key in self._places

    def find(self, key: bytes, request: Callable[[], Fields]) -> Entry | None:
        """The entry that fits a request; of several the one that came last (RFC 9111, section 4.1).

        A whole answer goes before a part of one.
        """
        places = self._places.get(key)
        if places is None:
            return None
        if len(places) == 1:
            (place,) = places
            if place[1] and vary.values(place[1], request()) != place[2]:
                return None
            return self._use(place)
        return self._choose(key, {place[1] for place in places}, request())

    def _choose(self, key: bytes, shapes: set[Names], request: Fields) -> Entry | None:
        best: Entry | None = None
        for names in shapes:
            values = vary.values(names, request)
            for is_part in (False, True):
                entry = self._entries.get((key, names, values, is_part))
                if entry is not None and (best is None or _rank(entry) > _rank(best)):
                    best = entry
        return self._use(place_of(key, best)) if best is not None else None

    def _use(self, place: Place) -> Entry | None:
        entry = self._entries[place]
        if not self.purges.spares(entry):
            self._remove(place)
            return None
        self._entries.move_to_end(place)
        return entry

    def put(self, key: bytes, entry: Entry) -> bool:
        """Store in place of what fits the same requests. Says whether there was room."""
        place = place_of(key, entry)
        self._remove(place)
        size = _size(place, entry)
        if not self.make_room(size):
            return False
        if entry.part is None:
            self._remove((*place[:3], True))
        self._entries[place] = entry
        self.bytes += size
        places = self._places.setdefault(key, {})
        places[place] = None
        while len(places) > VARIANTS:
            self._evict(next(iter(places)))
        return True

    def drop(self, key: bytes, entry: Entry) -> None:
        """Take this entry out, if it is still there."""
        place = place_of(key, entry)
        if self._entries.get(place) is entry:
            self._remove(place)

    def hold(self, size: int) -> bool:
        """Make room for a part of an answer that is coming. Says whether there is any; `release` gives it back."""
        if not self.make_room(size):
            return False
        self.held += size
        return True

    def release(self, size: int) -> None:
        self.held -= size

    def make_room(self, size: int) -> bool:
        """Let go of what was not used for longest until so many bytes are free. Says whether they are."""
        if size + self.held > self.budget:
            return False
        while self.bytes + self.held + size > self.budget:
            self._evict(next(iter(self._entries)))
        return True

    def _evict(self, place: Place) -> None:
        self._remove(place)
        self.evictions += 1

    def _remove(self, place: Place) -> None:
        entry = self._entries.pop(place, None)
        if entry is None:
            return
        self.bytes -= _size(place, entry)
        places = self._places[place[0]]
        del places[place]
        if not places:
            del self._places[place[0]]

    def close(self) -> None:
        """Nobody asks any more."""
        self._entries.clear()
        self._places.clear()
        self.bytes = 0


def place_of(key: bytes, entry: Entry) -> Place:
    return key, entry.vary, entry.variant, entry.part is not None


def _rank(entry: Entry) -> tuple[bool, float]:
    return entry.part is None, entry.received


def _size(place: Place, entry: Entry) -> int:
    return KEY + len(place[0]) + entry.size
