"""What all workers share: the count of requests in flight, the limiter's state, metrics, the log, their doors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.caching.memory import CacheMemory
from apigw_cli.errors import EnvironmentFailure
from apigw_cli.gateway import metrics
from apigw_cli.gateway.doors import Doors
from apigw_cli.gateway.options import Options
from apigw_cli.limits.clock import Clock, TestClock
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.kept import NO_ROOM, KeptStore
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import MemoryStore, SharedStore


class NoRoom(EnvironmentFailure):
    """The disk has no room for the file of the quotas."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Made once by the supervisor; outlives every worker and every reload. `log` is -1 for none."""

    inflight: InFlight
    limits: SharedStore | MemoryStore
    metrics: SharedMemory
    log: int
    log_share: float
    doors: Doors | None  # through which workers hand connections to each other
    quotas: SharedStore | MemoryStore
    slots: Slots
    clock: Clock
    cache: CacheMemory

    @classmethod
    def create(cls, options: Options, quotas: Path | None = None) -> Shared:
        """`quotas`: the file that they are kept in, None where they end with the gateway.

        Raises EnvironmentFailure where there is no memory, or a file cannot be opened; NoRoom where the disk is full.
        """
        kept = _open_quotas(quotas, options)
        log = _open_log(options.access_log)
        try:
            return cls(
                InFlight.create(options.workers, options.concurrency),
                MemoryStore(options.limit_keys) if options.in_process else SharedStore.create(options.limit_keys),
                metrics.create(options.workers),
                log,
                options.access_log_share,
                Doors.create(options.workers),
                kept,
                Slots.create(options.workers, options.concurrency),
                TestClock.create() if options.test_clock else Clock(),
                CacheMemory.create(options.workers, options.cache_memory),
            )
        except OSError as error:
            raise EnvironmentFailure(f"no memory for the workers to share: {error.strerror}") from None


def _open_quotas(path: Path | None, options: Options) -> SharedStore | MemoryStore:
    if options.in_process:
        return MemoryStore(options.limit_keys)
    if path is None:
        return SharedStore.create(options.limit_keys)
    try:
        return KeptStore.of_file(path, options.limit_keys)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise NoRoom(f"cannot write {path}: {error.strerror}") from None
        what = error.strerror if isinstance(error, OSError) else "it is not a table of this version"
        hint = "remove it: quotas then begin anew" if isinstance(error, ValueError) else None
        raise EnvironmentFailure(f"cannot use the quotas in {path}: {what}", hint=hint) from None


def _open_log(name: str) -> int:
    if name == "off":
        return -1
    if name == "-":
        return 1
    try:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    except OSError as error:
        raise EnvironmentFailure(
            f"cannot write the access log {name}: {error.strerror}", hint="--access-log FILE, - (stdout) or off"
        ) from None
