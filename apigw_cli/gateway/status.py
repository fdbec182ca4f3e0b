"""What is known of a running gateway: what it serves, who serves it, and how often what happened."""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from apigw_cli import __version__
from apigw_cli.errors import ApigwError
from apigw_cli.gateway import changes, metrics, origins
from apigw_cli.gateway.canary import SHORT
from apigw_cli.gateway.metrics import TARGET, TARGET_DOWN, Gauges, Layout, SideCounts, Stored, TargetGauges, Totals
from apigw_cli.gateway.options import Options
from apigw_cli.gateway.origins import Origins
from apigw_cli.gateway.overlay import NOTHING, Overlay
from apigw_cli.gateway.prepared import Prepared
from apigw_cli.gateway.redaction import redacted
from apigw_cli.gateway.shared import Shared
from apigw_cli.gateway.source import Load
from apigw_cli.integrations import trouble
from apigw_cli.snapshot.model import Route, answerer


class Status:
    """Written by the supervisor, read by the admin port."""

    def __init__(self, options: Options, shared: Shared, load: Load, prepared: Prepared) -> None:
        self.prepared = prepared
        self.overlay: Overlay = NOTHING  # what was put and removed at run time
        self.generation = 1
        self.layout = Layout()
        self.serving: set[int] = set()  # numbers of the workers that take requests
        self.reloads = 0
        self.reloads_refused = 0
        self.worker_restarts = 0
        self.refused = ""  # why the last reload did not take place
        self.stopping = False
        self._load = load
        self._origins: tuple[int, Origins] = (0, {})  # with the generation that they are of
        self._options = options
        self._shared = shared
        self._totals = Totals(shared.metrics, options.workers)

    def swap(self, prepared: Prepared, generation: int) -> None:
        self.prepared = prepared
        self.generation = generation

    @property
    def ready(self) -> bool:
        return bool(self.serving) and not self.stopping

    def health(self) -> dict[str, Any]:
        return {
            "status": "stopping" if self.stopping else "ok" if self.serving else "starting",
            "version": __version__,
            "stage": self.prepared.loaded.snapshot.stage,
            "workers": self._options.workers,
            "serving": len(self.serving),
            "in_flight": self._shared.inflight.total(),
        }

    def snapshot(self) -> dict[str, Any]:
        snapshot = self.prepared.loaded.snapshot
        return {
            "digest": self.prepared.digest,
            "stage": snapshot.stage,
            "origin": self.prepared.loaded.origin,
            "generation": self.generation,
            "apis": [api.name for api in snapshot.apis],
            "routes": len(snapshot.routes),
            "files": [str(file) for file in self.prepared.loaded.files],
            "deployment": self._deployment(),
            "refused": self.refused or None,
        }

    def _deployment(self) -> dict[str, Any] | None:
        """Which release this is; None where the working files are served."""
        deployment, canary = self.prepared.loaded.deployment, self.prepared.loaded.canary
        if deployment is None:
            return None
        facts = {name: getattr(canary, name) for name in ("release", "percent", "by", "began")} if canary else None
        return {"release": deployment.release, "generation": deployment.generation, "canary": facts}

    def canary(self) -> dict[str, Any] | None:
        """What both sides of the canary have answered since it began here; None where there is none."""
        sides = self._sides()
        canary = self.prepared.loaded.canary
        if canary is None or not sides:
            return None
        return {
            "began": canary.began,
            "percent": canary.percent,
            "sides": {
                one.side: {
                    "release": one.release,
                    "classes": one.words[1 : metrics.CLASSES],
                    "latencies": one.words[metrics.CLASSES : metrics.CLASSES + len(metrics.SECONDS) + 1],
                    "bounds": [float(bound) for bound in metrics.SECONDS],
                }
                for one in sides
            },
        }

    def _sides(self) -> tuple[SideCounts, ...]:
        deployment, canary = self.prepared.loaded.deployment, self.prepared.loaded.canary
        if canary is None or deployment is None:
            return ()
        named = (("stable", deployment.release), ("canary", canary.release))
        places = ((name, release, self.layout.side(canary.began, name)) for name, release in named)
        return tuple(
            SideCounts(name, release[:SHORT], self._totals.read(at, metrics.SIDE)) for name, release, at in places if at
        )

    def apis(self) -> list[dict[str, Any]]:
        """The APIs that are served, and those of the files that were removed."""
        snapshot = self.prepared.loaded.snapshot
        found = []
        for api in snapshot.apis:
            routes = sum(route.api == api.name for route in snapshot.routes)
            came = "put" if api.name in self.overlay else "files"
            found.append({**msgspec.to_builtins(api), "routes": routes, "from": came, "served": True})
        removed = (name for name, change in self.overlay.items() if change.text is None)
        return found + [{"name": name, "from": "files", "served": False} for name in removed]

    def config(self) -> dict[str, Any]:
        """The Snapshot as data: of documents only digests, of credentials only that there are some."""
        snapshot = self.prepared.loaded.snapshot
        documents = {
            name: {"sha256": hashlib.sha256(memoryview(data)).hexdigest(), "bytes": len(memoryview(data))}
            for name, data in snapshot.documents.items()
        }
        data = redacted(msgspec.to_builtins(msgspec.structs.replace(snapshot, documents={})))
        return {"digest": self.prepared.digest, **data, "documents": documents}

    async def routes(self) -> list[dict[str, Any]]:
        """Every route with its policies, and where they were written."""
        prepared = self.prepared
        if self._origins[0] != self.generation:
            self._origins = (self.generation, await asyncio.to_thread(self._find_origins, prepared, self.overlay))
        places = self._origins[1]
        return [{**_route(route), "origins": places.get(route.id, {})} for route in prepared.loaded.snapshot.routes]

    def _find_origins(self, prepared: Prepared, overlay: Overlay) -> Origins:
        """The places are not kept, being larger than all else: they are found anew when somebody asks.

        Nothing is told where the files no longer give what is served.
        """
        try:
            if self._load(overlay).snapshot.digest != prepared.digest:
                return {}
            return origins.of(self._load.compiled(overlay))
        except ApigwError:
            return {}

    def targets(self) -> dict[str, list[dict[str, Any]]]:
        """By upstream its targets, as the workers that serve see them together."""
        found: dict[str, list[dict[str, Any]]] = {}
        loaded = self.prepared.loaded
        beside = loaded.canary.snapshot.upstreams if loaded.canary is not None else {}
        for name, upstream in {**loaded.snapshot.upstreams, **beside}.items():
            after = upstream.eject.after if upstream.eject is not None else 0
            found[name] = [self._target(name, index, url, after) for index, url in enumerate(upstream.targets)]
        return found

    def _target(self, upstream: str, index: int, url: str, after: int) -> dict[str, Any]:
        at = self.layout.target(upstream, index, url)
        told = [self._totals.each(worker, at, TARGET) for worker in sorted(self.serving)] if at is not None else []
        return {
            "target": url,
            "healthy": all(words[0] != TARGET_DOWN for words in told),
            "healthy_workers": sum(words[0] != TARGET_DOWN for words in told),
            "in_flight": sum(words[1] for words in told),
            "connections": sum(words[3] for words in told),
            "queued": sum(words[4] for words in told),
            "why": trouble.text(next((words[5] for words in told if words[5]), trouble.WELL), after),
            "ejected_until": _wall_time(max((words[2] for words in told), default=0)),
        }

    def _routes(self) -> tuple[Route, ...]:
        """Of both sides, where there is a canary."""
        loaded = self.prepared.loaded
        return loaded.snapshot.routes + (loaded.canary.snapshot.routes if loaded.canary is not None else ())

    def metrics(self, by_route: bool = False) -> str:
        snapshot = self.prepared.loaded.snapshot
        gauges = Gauges(
            version=__version__,
            stage=snapshot.stage,
            digest=self.prepared.digest,
            workers=len(self.serving),
            in_flight=self._shared.inflight.total(),
            in_flight_maximum=self._options.concurrency,
            reloads=self.reloads,
            reloads_refused=self.reloads_refused,
            worker_restarts=self.worker_restarts,
            targets=tuple(
                TargetGauges(
                    name,
                    one["target"],
                    one["why"] is None,
                    one["in_flight"],
                    one["connections"],
                    one["queued"],
                )
                for name, targets in self.targets().items()
                for one in targets
            ),
            limited=frozenset((r.api, r.operation) for r in self._routes() if "rate_limit" in r.policies),
            sides=self._sides(),
            stored=self._stored(),
        )
        return metrics.render(self.layout, self._totals, gauges, by_route)

    def _stored(self) -> Stored:
        ring = self._shared.cache.ring
        return Stored(ring.filled, ring.entries, ring.evictions)


def _wall_time(moment: int) -> str | None:
    """A future monotonic_ns() as UTC; None for one that has passed."""
    ahead = moment - time.monotonic_ns()
    if ahead <= 0:
        return None
    return (datetime.now(UTC) + timedelta(microseconds=ahead // 1000)).isoformat(timespec="milliseconds")


def _route(route: Route) -> dict[str, Any]:
    integration = route.integration
    return {
        "api": route.api,
        "operation": route.operation,
        "method": route.method,
        "path": route.path,
        "hosts": list(route.hosts),
        "integration": answerer(integration),
        "policies": {name: changes.policy(name, value) for name, value in route.policies.items()},
    }
