"""A Snapshot with all that the workers need to serve it, checked once before any of them hears of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.errors import ApigwError
from apigw_cli.gateway import source, tls
from apigw_cli.gateway.control import CanaryOrder, Cells, Commit, Prepare
from apigw_cli.gateway.metrics import Layout
from apigw_cli.gateway.source import Loaded
from apigw_cli.gateway.watch import Signature, signature
from apigw_cli.integrations.folder import Folder
from apigw_cli.limits.store import NoStore
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.plan import filters, steps
from apigw_cli.routing.router import Router
from apigw_cli.snapshot.model import Snapshot, StaticIntegration


@dataclass(frozen=True, slots=True)
class Prepared:
    """`signature`: the files as they were when reading them began, so that no later change is missed."""

    loaded: Loaded
    data: bytes
    digest: str
    secrets: dict[str, bytes]
    labels: dict[str, str]
    signature: Signature

    def order(self, generation: int, layout: Layout) -> Prepare:
        """The order that lets a worker make it ready. `layout` gets a place for every route and target."""
        snapshot = self.loaded.snapshot
        beside = self._beside(layout)
        return Prepare(
            generation,
            self.data,
            self.secrets,
            self.labels,
            _cells(snapshot, layout),
            _targets(snapshot, layout),
            beside,
            str(self.loaded.root.absolute()),
        )

    def _beside(self, layout: Layout) -> CanaryOrder | None:
        canary, deployment = self.loaded.canary, self.loaded.deployment
        if canary is None or deployment is None:
            return None
        snapshot, began = canary.snapshot, canary.began
        return CanaryOrder(
            snapshot.encode(),
            canary.percent,
            canary.by,
            began,
            (deployment.release, canary.release),
            (layout.side(began, "stable"), layout.side(began, "canary")),
            _cells(snapshot, layout),
            _targets(snapshot, layout),
        )

    def commit(self, generation: int) -> Commit:
        return Commit(generation)


def _cells(snapshot: Snapshot, layout: Layout) -> list[Cells]:
    named = ((route.api, route.operation) for route in snapshot.routes)
    return [(layout.histogram(*name), layout.route(*name)) for name in named]


def _targets(snapshot: Snapshot, layout: Layout) -> dict[str, list[int]]:
    found = {}
    for name, upstream in snapshot.upstreams.items():
        places = [layout.target(name, index, url) for index, url in enumerate(upstream.targets)]
        found[name] = [-1 if place is None else place for place in places]
    return found


def prepare(load: Callable[[], Loaded], known: Iterable[Path] = ()) -> Prepared:
    """Load, read the secrets and compile every policy. `known`: the files to look at before they are read.

    Raises ApigwError, with places, for whatever a worker could not serve; a bug in a policy is one too, for the
    last good configuration must live on.
    """
    before = signature(known)
    try:
        loaded = load()
        secrets, labels = source.secrets(loaded)
        _check(loaded.snapshot, secrets, labels, loaded.root)
        if loaded.canary is not None:
            _check(loaded.canary.snapshot, secrets, labels, loaded.root)
    except (ApigwError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise ApigwError(f"apigw failed on this configuration: {type(error).__name__}: {error}") from error
    now = signature(loaded.files)
    seen = {file: before.get(file, now[file]) for file in loaded.files}
    snapshot = loaded.snapshot
    return Prepared(loaded, snapshot.encode(), snapshot.digest, secrets, labels, seen)


def _check(snapshot: Snapshot, secrets: dict[str, bytes], labels: dict[str, str], root: Path) -> None:
    """Do what every worker will do, here where an error has its place and reaches a person."""
    Router(snapshot.routes)
    runtime = Runtime(snapshot, time.monotonic_ns, NoStore(), secrets.__getitem__, labels.__getitem__)
    for route in snapshot.routes:
        steps(route, runtime)
        if isinstance(route.integration, StaticIntegration):
            Folder(route.api, route.integration, root)
        filters(route, runtime)
    tls.of_listener(snapshot.listen, runtime.secret, runtime.label)
    for upstream in snapshot.upstreams.values():
        tls.of_upstream(upstream, runtime.secret, runtime.label)
