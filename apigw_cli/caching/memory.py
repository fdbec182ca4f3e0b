"""What the caches of all workers of a machine share: the ring of answers, purges, and who fetches what."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from apigw_cli.caching.leases import Leases
from apigw_cli.caching.purges import Purges
from apigw_cli.caching.ring import Ring
from apigw_cli.caching.store import Store


class Descriptors(msgspec.Struct, frozen=True):
    """What a worker inherits; `leases` -1: it has no colleague."""

    purges: int
    ring: int
    leases: int

    def all(self) -> list[int]:
        return [one for one in (self.purges, self.ring, self.leases) if one >= 0]


@dataclass(frozen=True, slots=True)
class CacheMemory:
    """Made once by the supervisor; outlives every worker and every reload."""

    purges: Purges
    ring: Ring
    leases: Leases | None

    @classmethod
    def create(cls, workers: int, budget: int) -> CacheMemory:
        """Raises OSError where there is no memory, ValueError for a budget that is too small."""
        leases = Leases.create() if workers > 1 else None
        return cls(Purges.create(workers), Ring.create(budget, workers), leases)

    @classmethod
    def alone(cls, budget: int) -> CacheMemory:
        """For a worker that shares nothing."""
        return cls(Purges.alone(), Ring.private(budget), None)

    @classmethod
    def attach(cls, inherited: Descriptors, worker: int) -> CacheMemory:
        leases = Leases.attach(inherited.leases, worker) if inherited.leases >= 0 else None
        return cls(Purges.attach(inherited.purges, worker), Ring.attach(inherited.ring, worker), leases)

    def of_worker(self, worker: int) -> CacheMemory:
        """For a worker in this very process."""
        leases = self.leases.of_worker(worker) if self.leases is not None else None
        return CacheMemory(self.purges.of_worker(worker), self.ring.of_worker(worker), leases)

    @property
    def descriptors(self) -> Descriptors:
        return Descriptors(self.purges.fd, self.ring.fd, self.leases.fd if self.leases is not None else -1)

    def store(self) -> Store:
        """The store, as the worker sees it that this is of."""
        return Store(self.ring, self.purges)

    def clear(self, worker: int) -> None:
        """Worker `worker` has died: the supervisor, before its successor begins."""
        self.ring.clear(worker)
        if self.leases is not None:
            self.leases.clear(worker)
