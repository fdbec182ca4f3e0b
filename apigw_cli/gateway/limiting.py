"""What a worker needs to keep limits: the stores, and the time that they go by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.limits.clock import Clock, TestClock
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import Store
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.services import Services
from apigw_cli.snapshot.model import Snapshot


@dataclass(frozen=True, slots=True)
class Limiting:
    """`store` of rate limits, `quotas` of those by the calendar, `slots` of requests in flight."""

    store: Store
    quotas: Store
    slots: Slots
    clock: Clock

    def runtime(
        self,
        snapshot: Snapshot,
        secret: Callable[[str], bytes],
        label: Callable[[str], str],
        services: Services,
        root: Path = Path(),
    ) -> Runtime:
        """What policies are compiled with. Without a test's clock the hot path calls the system's function itself."""
        clock = self.clock.now if isinstance(self.clock, TestClock) else time.monotonic_ns
        return Runtime(
            snapshot,
            clock,
            self.store,
            secret,
            label,
            services=services,
            quotas=self.quotas,
            slots=self.slots,
            calendar=self.clock.wall,
            offset=self.clock.offset,
            root=root,
        )
