"""Where the Snapshot that is served comes from: a function that makes it, called at the start and for each reload."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import orjson

from apigw_cli.config import project
from apigw_cli.config.project import Project
from apigw_cli.errors import InputError, UsageError
from apigw_cli.gateway import canary, overlay, rundir
from apigw_cli.gateway.canary import Canary
from apigw_cli.gateway.overlay import Overlay
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import operations
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot import compiler
from apigw_cli.snapshot import secrets as secret
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.deployed import Deployed
from apigw_cli.snapshot.model import HttpIntegration, ListenTls, MockIntegration, Route, Snapshot, StaticIntegration


@dataclass(frozen=True, slots=True)
class Deployment:
    """Which release is served, and the generation of the stages' pointers that said so."""

    release: str
    generation: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Snapshot, the files to watch for changes of it, the folder that references of secrets are relative to.

    `origin` says in brackets what it is made from: "working files". `declared`: the APIs that the files declare,
    whatever was put or removed at run time. `deployment` is None for what is not deployed; `canary` runs beside it.
    """

    snapshot: Snapshot
    files: tuple[Path, ...]
    root: Path
    origin: str
    declared: frozenset[str] = frozenset()
    deployment: Deployment | None = None
    canary: Canary | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Calling it makes the Snapshot, with the changes that were made at run time. Raises InputError, UsageError.

    `compiled` gives the same with the places of everything. `run`: the folder for what belongs to a running
    gateway; None without an apigw.yaml to put it beside.
    """

    load: Callable[[Overlay], Loaded]
    compiled: Callable[[Overlay], Compiled]
    run: Callable[[], Path | None] = lambda: None

    def __call__(self, changes: Overlay = overlay.NOTHING) -> Loaded:
        return self.load(changes)


def working_files(config: Path | None, stage: str | None) -> Load:
    """The files as they stand now, compiled with `stage` (None: the first). Raises InputError, UsageError."""
    load = partial(_from_project, lambda: project.load(project.find(config)), stage, "working files")
    return Load(lambda changes: load(changes)[0], lambda changes: load(changes)[1], partial(_run_folder, config))


def specification(spec: str) -> Load:
    """A bare OpenAPI file or URL: every route is mocked and open to all."""
    load = partial(_from_project, lambda: project.from_spec(spec), None, os.path.basename(spec))  # noqa: PTH119
    return Load(lambda changes: load(changes)[0], lambda changes: load(changes)[1])


def _from_project(
    read: Callable[[], Project], stage: str | None, origin: str, changes: Overlay
) -> tuple[Loaded, Compiled]:
    found = read()
    apis = found.config.data.get("apis")
    declared = frozenset(apis if isinstance(apis, dict) else ())
    overlay.apply(found, changes)
    compiled = compiler.compile_project(found, stage, POLICIES)
    snapshot = overlay.without_removed(compiled.snapshot, changes)
    files = tuple(file for file in compiled.files if "://" not in str(file))
    _check_sites(found, snapshot, compiled.root)
    if changes:
        origin = f"{origin}, {len(changes)} changed at run time"
    return Loaded(snapshot, files, compiled.root, origin, declared), compiled


def _check_sites(found: Project, snapshot: Snapshot, root: Path) -> None:
    """Raises InputError for a site whose folder is not there, at the place that names it."""
    for route in snapshot.routes:
        site = route.integration
        if isinstance(site, StaticIntegration) and not (root / site.folder).is_dir():
            raise InputError(
                f"site {route.api}: there is no folder {site.folder}",
                place=found.config.place(("sites", route.api, "folder")),
                hint=f"make it, or change sites.{route.api}.folder",
            )


def _run_folder(config: Path | None) -> Path:
    return rundir.of(project.find(config).parent)


def released(find: Callable[[], Deployed], config: Path | None = None) -> Load:
    """What `find` says is deployed to a stage, with the canary beside it."""

    def load(changes: Overlay) -> Loaded:
        if changes:
            message = "this gateway runs what is deployed to a stage, which is changed by deploying"
            raise UsageError(message, hint="apigw deploy, apigw promote")
        found = find()
        compiled = found.compiled
        beside = canary.of(found.canary, compiled.snapshot)
        references = (one.partition(":") for one in sorted(_references(compiled.snapshot, beside)))
        keys = (compiled.root / name for kind, _, name in references if kind == "file")
        files = tuple(dict.fromkeys((*found.files, *keys)))
        deployment = Deployment(found.release, found.generation)
        origin = "released" if beside is None else f"released, {beside.words}"
        return Loaded(compiled.snapshot, files, compiled.root, origin, frozenset(), deployment, beside)

    return Load(load, lambda _: find().compiled, partial(_run_folder, config))


def _references(snapshot: Snapshot, beside: Canary | None) -> set[str]:
    """The secrets that are needed."""
    return {*secret.references(snapshot), *(secret.references(beside.snapshot) if beside is not None else ())}


def with_certificates(load: Load, certificates: list[str], keys: list[str]) -> Load:
    """The same, served with these certificates (files) in place of those in apigw.yaml. Raises UsageError."""
    if len(certificates) != len(keys):
        raise UsageError("--tls-cert and --tls-key come in pairs", hint="each certificate needs its key")
    pairs = [
        (Path(certificate).absolute(), Path(key).absolute())
        for certificate, key in zip(certificates, keys, strict=True)
    ]
    references = tuple((f"file:{certificate}", f"file:{key}") for certificate, key in pairs)

    def load_with_certificates(changes: Overlay) -> Loaded:
        loaded = load(changes)
        before = loaded.snapshot.listen.tls or ListenTls(())
        tls = msgspec.structs.replace(before, certificates=references)
        listen = msgspec.structs.replace(loaded.snapshot.listen, tls=tls)
        files = tuple(dict.fromkeys((*loaded.files, *(file for pair in pairs for file in pair))))
        return replace(loaded, snapshot=msgspec.structs.replace(loaded.snapshot, listen=listen), files=files)

    return replace(load, load=load_with_certificates)


def mocked(load: Load) -> Load:
    """The same, with every route answered from its specification. Policies stay in force."""

    def load_mocked(changes: Overlay) -> Loaded:
        loaded = load(changes)
        beside = loaded.canary
        if beside is not None:
            beside = replace(beside, snapshot=mock(beside.snapshot))
        return replace(loaded, snapshot=mock(loaded.snapshot), origin=f"{loaded.origin}, mocked", canary=beside)

    return replace(load, load=load_mocked)


def mock(snapshot: Snapshot) -> Snapshot:
    """`snapshot` with a mock in place of every upstream: none of them is asked, nor whether it is well."""
    if all(isinstance(route.integration, MockIntegration) for route in snapshot.routes):
        return snapshot
    found = _operations(snapshot)
    routes = tuple(_mock_route(route, found) for route in snapshot.routes)
    return msgspec.structs.replace(snapshot, routes=routes, upstreams={})


def _mock_route(route: Route, found: dict[str, MockIntegration]) -> Route:
    if not isinstance(route.integration, HttpIntegration):
        return route
    return msgspec.structs.replace(route, integration=found[route.id])


def _operations(snapshot: Snapshot) -> dict[str, MockIntegration]:
    """Where each route's operation stands, by route id."""
    library = Library.of({name: orjson.loads(memoryview(data)) for name, data in snapshot.documents.items()})
    found = {}
    for api in snapshot.apis:
        for operation in operations(library.read(api.spec), library):
            node = operation.node
            found[f"{api.name}:{operation.name}"] = MockIntegration(node.document.name, node.path)
    return found


def secrets(loaded: Loaded) -> tuple[dict[str, bytes], dict[str, str]]:
    """The secrets that a Snapshot refers to, and how to name each in messages. Raises InputError.

    The supervisor reads them once for all workers, so that all of them, and those that are started later, check
    credentials against the same list. They are kept in memory only.
    """
    references = _references(loaded.snapshot, loaded.canary)
    labels = {reference: secret.label(reference, loaded.root) for reference in references}
    return {reference: secret.read(reference, loaded.root) for reference in references}, labels
