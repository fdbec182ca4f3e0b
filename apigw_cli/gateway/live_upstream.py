"""An upstream at work in one worker: its targets' state, its health checks, and what others are told of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from apigw_cli.gateway.health_checks import HealthChecks
from apigw_cli.gateway.metrics import TARGET_DOWN, TARGET_UP
from apigw_cli.gateway.upstream_pool import Bounds, bounds, pool_key
from apigw_cli.integrations.balance import Balancer, why_out
from apigw_cli.integrations.breaker import OPEN, Ejection
from apigw_cli.integrations.retry import RetryBudget
from apigw_cli.snapshot.model import Snapshot, Upstream

if TYPE_CHECKING:
    import asyncio

    from apigw_cli.gateway.site import Site
    from apigw_cli.gateway.tls import Secure
    from apigw_cli.gateway.upstream_pool import Pool


class LiveUpstream:
    """Made when a Snapshot is loaded; at work from `take_over` until another takes its place or `stop`."""

    def __init__(self, config: Upstream, cells: Sequence[int], bounds: Bounds, secure: Secure | None = None) -> None:
        """`cells`: where each target's words begin, in the order of the targets; -1, or none at all: nobody is told."""
        self.config = config
        self.bounds = bounds
        self.secure = secure
        self._keys = tuple(pool_key(config.name, target, secure) for target in config.targets)
        self.balancer = Balancer(
            config.targets,
            config.balance,
            _ejection(config),
            config.weights,
            slow_start=int((config.slow_start or 0) * 1e9),
            refuse=config.refuse,
        )
        self._told_time = config.eject is not None or config.slow_start is not None
        retries = config.retries
        self.budget = RetryBudget(retries.budget, time.monotonic_ns()) if retries is not None else None
        self._cells = tuple(cells)
        self._checks: dict[str, HealthChecks] = {}

    def take_over(self, before: LiveUpstream | None, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work. What `before` knows of a target stays known where it is checked in the same way."""
        if before is not None:
            alike = before.config.eject == self.config.eject and before.config.refuse == self.config.refuse
            self.balancer.inherit(before.balancer, time.monotonic_ns(), ejections=alike)
        kept = before.give_up() if before is not None and self._checks_alike(before) else {}
        if before is not None:
            before.stop()
        if self.config.health is None:
            return
        for target in self.balancer.targets:
            checks = kept.pop(target.url, None)
            if checks is None:
                checks = HealthChecks(target, self.config.health, self.balancer.set_up, self.secure)
                checks.start(loop)
            else:
                checks.move(target, self.balancer.set_up)
            self._checks[target.url] = checks
        for checks in kept.values():
            checks.stop()

    def _checks_alike(self, before: LiveUpstream) -> bool:
        return before.config.health == self.config.health and _fingerprint(before.secure) == _fingerprint(self.secure)

    def give_up(self) -> dict[str, HealthChecks]:
        """Hand the checks, which go on, to a successor."""
        checks, self._checks = self._checks, {}
        return checks

    def stop(self) -> None:
        for checks in self._checks.values():
            checks.stop()
        self._checks = {}

    def tick(self, now: int) -> None:
        """Time has passed."""
        if self._told_time:
            self.balancer.wake(now)

    def publish(self, words: memoryview, pools: Mapping[str, Pool]) -> None:
        """Write the targets' state where the supervisor reads it."""
        for at, target, key in zip(self._cells, self.balancer.targets, self._keys, strict=False):
            if at < 0:
                continue
            words[at] = TARGET_UP if target.up else TARGET_DOWN
            words[at + 1] = target.outstanding
            breaker = target.breaker
            words[at + 2] = breaker.until if breaker is not None and breaker.state == OPEN else 0
            words[at + 5] = why_out(target)
            pool = pools.get(key)
            words[at + 3], words[at + 4] = pool.counts if pool is not None else (0, 0)


def _ejection(config: Upstream) -> Ejection | None:
    eject = config.eject
    return Ejection(eject.after, int(eject.first * 1e9), int(eject.longest * 1e9)) if eject is not None else None


def _fingerprint(secure: Secure | None) -> str:
    return secure.fingerprint if secure is not None else ""


def of(
    snapshot: Snapshot,
    cells: Mapping[str, Sequence[int]],
    secure: Mapping[str, Secure | None],
    site: Site,
    beside: Mapping[str, LiveUpstream],
) -> dict[str, LiveUpstream]:
    """The upstreams of a Snapshot. One that has not changed goes on as it is, one that is made `beside` is shared.

    Raises InputError for an upstream that may have fewer connections than there are workers.
    """
    found = {}
    for name, config in snapshot.upstreams.items():
        now = beside.get(name) or site.upstreams.get(name)
        tls = secure[name]
        same = now is not None and now.config == config and _fingerprint(now.secure) == _fingerprint(tls)
        if now is None or not same:
            now = LiveUpstream(config, cells.get(name, ()), bounds(config, site.inflight), tls)
        found[name] = now
    return found
