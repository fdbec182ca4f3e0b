"""What all workers share: the count of requests in flight, the limiter's state, metrics, the log, their doors."""

from __future__ import annotations

import os
from dataclasses import dataclass

from apigw_cli.errors import EnvironmentFailure
from apigw_cli.gateway import metrics
from apigw_cli.gateway.doors import Doors
from apigw_cli.gateway.options import Options
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.store import MemoryStore, SharedStore


@dataclass(frozen=True, slots=True)
class Shared:
    """Made once by the supervisor; outlives every worker and every reload. `log` is -1 for none."""

    inflight: InFlight
    limits: SharedStore | MemoryStore
    metrics: SharedMemory
    log: int
    log_share: float
    doors: Doors | None  # through which workers hand connections to each other

    @classmethod
    def create(cls, options: Options) -> Shared:
        """Raises EnvironmentFailure where there is no memory, or the log's file cannot be opened."""
        log = _open_log(options.access_log)
        try:
            return cls(
                InFlight.create(options.workers, options.concurrency),
                MemoryStore() if options.in_process else SharedStore.create(),
                metrics.create(options.workers),
                log,
                options.access_log_share,
                Doors.create(options.workers),
            )
        except OSError as error:
            raise EnvironmentFailure(f"no memory for the workers to share: {error.strerror}") from None


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
