"""Stored answers by key, in the ring that all workers of a machine share (`ring.py`).

Each worker remembers, within bounds, what it has decoded. That is no second store: a record never changes, and what is
remembered counts only as long as the index names the very record that it was read from.

Invariants, after every call: what all workers hold (ring, index, incoming answers, what they remember) is at most the
budget; a key has at most VARIANTS entries; what a purge has hit is not given out; nor is another key's entry, whatever
two keys share.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from apigw_cli.caching import records, vary
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.fields import Fields
from apigw_cli.caching.purges import Purges
from apigw_cli.caching.ring import TAIL, VARIANTS, Found, Ring

BUDGET = 64 << 20  # bytes where nothing else is said
KEY = 512  # bytes that a remembered key takes beside its own
_BODIES = 2  # of what may be remembered, the part that bodies may be: whose body is not, is still known

Names = tuple[bytes, ...]


class Known:
    """A record of the ring, decoded. `entry` has its body once `whole` says so."""

    __slots__ = ("entry", "found", "position", "whole")

    def __init__(self, position: int, entry: Entry, found: Found | None) -> None:
        """`found` None: with its body."""
        self.position = position
        self.entry = entry
        self.found = found
        self.whole = found is None


class Chain:
    """All records of a key, newest first. True as long as the word `slot` says `newest`.

    `told`: that it is used; a writer who takes note of that and clears it gives the key another newest record.
    """

    __slots__ = ("bodies", "known", "newest", "only", "size", "slot", "told")

    def __init__(self, slot: int, newest: int, known: tuple[Known, ...], key: bytes) -> None:
        self.slot = slot
        self.newest = newest
        self.known = known
        self.only = known[0] if len(known) == 1 else None
        self.told = False
        self.bodies = sum(len(one.entry.body) for one in known)
        self.size = KEY + len(key) + sum(one.entry.size for one in known)


class Store:
    """The store as one worker sees it."""

    def __init__(self, ring: Ring, purges: Purges) -> None:
        self.ring = ring
        self.purges = purges
        self.held = 0  # bytes of answers that are coming in here and are going to be stored
        self.remembered = 0  # bytes
        self._bodies = 0  # … of them
        self._words = ring.words
        self._chains: dict[bytes, Chain] = {}  # what is remembered, the oldest first

    def __len__(self) -> int:
        return self.ring.entries

    # --- reading

    def has(self, key: bytes) -> bool:
        """Whether something is stored under a key, whomever it fits."""
        return self._chain(key) is not None

    def find(self, key: bytes, request: Callable[[], Fields]) -> Entry | None:
        """The entry that fits a request; of several the one that came last (RFC 9111, section 4.1).

        A whole answer goes before a part of one. An entry is others' too: nobody changes it.
        """
        chain = self._chains.get(key)
        words = self._words
        if chain is None or words[chain.slot] != chain.newest or words[TAIL] > chain.newest:
            chain = self._chain(key)
            if chain is None:
                return None
        known = chain.only or self._choose(chain, request())
        if known is None:
            return None
        entry = known.entry
        if entry.vary and vary.values(entry.vary, request()) != entry.variant:
            return None
        if not self.purges.spares(entry):
            self._forget_purged(key, chain)
            return None
        if not chain.told:
            chain.told = True
            self.ring.index.use(chain.slot)
        return entry if known.whole else self._with_body(key, chain, known)

    def _chain(self, key: bytes) -> Chain | None:
        """What is stored under a key now."""
        chain = self._chains.get(key)
        if chain is not None and self._words[chain.slot] == chain.newest and self._words[TAIL] <= chain.newest:
            return chain
        digest = self.ring.index.digest(key)
        slot = self.ring.index.slot(digest)
        newest = self._words[slot] if slot else 0
        before = {one.position: one for one in chain.known} if chain is not None else {}
        if chain is not None:
            self._forget(key)
        known = self._read(key, digest, newest, before)
        if not known:
            return None
        return self._remember(key, Chain(slot, newest, known, key))

    def _read(self, key: bytes, digest: int, position: int, before: dict[int, Known]) -> tuple[Known, ...]:
        """The records of a key from this one on. Those that were decoded before are not read again."""
        found: list[Known] = []
        while position >= self._words[TAIL] and len(found) < VARIANTS:
            known = before.get(position) or self._decode(key, digest, position)
            older = self.ring.previous(position)
            if known is None or not self.ring.is_there(position):
                break
            found.append(known)
            position = older
        return tuple(found)

    def _decode(self, key: bytes, digest: int, position: int) -> Known | None:
        found = self.ring.read(position, digest)
        if found is None or found.key != key:
            return None
        entry = records.entry(found.meta, position)
        return Known(position, entry, found) if entry is not None else None

    def _choose(self, chain: Chain, request: Fields) -> Known | None:
        values: dict[Names, Names] = {}
        best: Known | None = None
        for one in chain.known:
            names = one.entry.vary
            if names not in values:
                values[names] = vary.values(names, request)
            fits = values[names] == one.entry.variant and one.position >= self._words[TAIL]
            if fits and (best is None or _rank(one.entry) > _rank(best.entry)) and self.purges.spares(one.entry):
                best = one
        return best

    def _with_body(self, key: bytes, chain: Chain, known: Known) -> Entry | None:
        """The entry with its body; remembered with it where there is room for that."""
        assert known.found is not None
        body = self.ring.body(known.found)
        if body is None:
            return None
        if self._chains.get(key) is not chain or not self._may_remember(body):
            entry = copy(known.entry)
            entry.body = body
            return entry
        known.entry.body, known.whole = body, True
        chain.size += len(body)
        chain.bodies += len(body)
        self.remembered += len(body)
        self._bodies += len(body)
        self._trim()
        return known.entry

    # --- what is remembered

    def _remember(self, key: bytes, chain: Chain) -> Chain:
        self._forget(key)
        self._chains[key] = chain
        self.remembered += chain.size
        self._bodies += chain.bodies
        self._trim()
        return chain

    def _may_remember(self, body: bytes) -> bool:
        """Bodies take no room from each other: where more are asked for than fit, some are copied each time."""
        return self._bodies + len(body) <= self.ring.remembered // _BODIES

    def _trim(self) -> None:
        while self.remembered > self.ring.remembered:
            self._forget(next(iter(self._chains)))

    def _forget(self, key: bytes) -> None:
        chain = self._chains.pop(key, None)
        if chain is not None:
            self.remembered -= chain.size
            self._bodies -= chain.bodies

    # --- writing

    def put(self, key: bytes, entry: Entry) -> bool:
        """Store in place of what fits the same requests. Says whether there was room."""
        meta, ring = records.meta(entry), self.ring
        if meta is None or not ring.begin():
            return False
        try:
            if not ring.make_room(ring.size(key, meta, entry.body)):
                return False
            self._write(key, meta, entry)
        finally:
            ring.end()
        return True

    def _write(self, key: bytes, meta: bytes, entry: Entry) -> None:
        chain = self._chain(key)
        there = [one for one in chain.known if one.position >= self._words[TAIL]] if chain is not None else []
        kept = [one for one in there if not _replaces(entry, one.entry)][: VARIANTS - 1]
        digest = self.ring.index.digest(key)
        entry.at = self.ring.write(digest, key, meta, entry.body, [one.position for one in kept])
        self.ring.discount(one.position for one in there if one not in kept)
        slot = self.ring.index.slot(digest)
        self._forget(key)
        if self._may_remember(entry.body):
            known = (Known(entry.at, entry, None), *kept)
            self._remember(key, Chain(slot, entry.at, known, key))

    def drop(self, key: bytes, entry: Entry) -> None:
        """Take this entry out, if it is still there, and its variants: they are fetched anew."""
        chain = self._chain(key)
        if chain is not None and any(one.position == entry.at for one in chain.known):
            self._hide(key, chain)

    def _forget_purged(self, key: bytes, chain: Chain) -> None:
        if not any(self.purges.spares(one.entry) for one in chain.known):
            self._hide(key, chain)

    def _hide(self, key: bytes, chain: Chain) -> None:
        counted = self.ring.begin()
        try:
            if counted and self._words[chain.slot] == chain.newest:
                self.ring.discount(one.position for one in chain.known)
            self.ring.index.hide(chain.slot, chain.newest)
        finally:
            if counted:
                self.ring.end()
        self._forget(key)

    # --- answers that are coming in

    def hold(self, size: int) -> bool:
        """Count a part of an answer that is coming. Says whether there is room; `release` gives it back."""
        if not self.ring.hold(size):
            return False
        self.held += size
        return True

    def release(self, size: int) -> None:
        self.held -= size
        self.ring.release(size)


def _replaces(new: Entry, old: Entry) -> bool:
    """A whole answer takes the place of a part too."""
    same = (new.vary, new.variant) == (old.vary, old.variant)
    return same and (new.part is None or old.part is not None)


def _rank(entry: Entry) -> tuple[bool, float]:
    return entry.part is None, entry.received
