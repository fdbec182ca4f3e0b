"""Where the Snapshot that is served comes from: a function that makes it, called at the start and for each reload."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import orjson

from apigw_cli.config import project
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import operations
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot import compiler
from apigw_cli.snapshot import secrets as secret
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import MockIntegration, Route, Snapshot


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Snapshot, the files to watch for changes of it, the folder that references of secrets are relative to.

    `origin` says in brackets what it is made from: "working files".
    """

    snapshot: Snapshot
    files: tuple[Path, ...]
    root: Path
    origin: str


Load = Callable[[], Loaded]


def working_files(config: Path | None, stage: str | None) -> Load:
    """The files as they stand now, compiled with `stage` (None: the first). Raises InputError, UsageError."""

    def load() -> Loaded:
        compiled = compiler.compile_project(project.load(project.find(config)), stage, POLICIES)
        return Loaded(compiled.snapshot, compiled.files, compiled.root, "working files")

    return load


def specification(spec: str) -> Load:
    """A bare OpenAPI file or URL: every route is mocked and open to all."""

    def load() -> Loaded:
        compiled = compiler.compile_project(project.from_spec(spec), None, POLICIES)
        files = tuple(file for file in compiled.files if "://" not in str(file))
        return Loaded(compiled.snapshot, files, compiled.root, os.path.basename(spec))  # noqa: PTH119

    return load


def released(find: Callable[[], tuple[Compiled, tuple[Path, ...]]]) -> Load:
    """What `find` says is deployed to a stage, with the files that say so."""

    def load() -> Loaded:
        compiled, files = find()
        references = (scheme.keys.partition(":") for scheme in compiled.snapshot.auth.values())
        keys = (compiled.root / name for kind, _, name in references if kind == "file")
        return Loaded(compiled.snapshot, tuple(dict.fromkeys((*files, *keys))), compiled.root, "released")

    return load


def mocked(load: Load) -> Load:
    """The same, with every route answered from its specification. Policies stay in force."""

    def load_mocked() -> Loaded:
        loaded = load()
        return replace(loaded, snapshot=mock(loaded.snapshot), origin=f"{loaded.origin}, mocked")

    return load_mocked


def mock(snapshot: Snapshot) -> Snapshot:
    """`snapshot` with a mock in place of every other integration."""
    if all(isinstance(route.integration, MockIntegration) for route in snapshot.routes):
        return snapshot
    found = _operations(snapshot)
    routes = tuple(_mock_route(route, found) for route in snapshot.routes)
    return msgspec.structs.replace(snapshot, routes=routes)


def _mock_route(route: Route, found: dict[str, MockIntegration]) -> Route:
    if isinstance(route.integration, MockIntegration):
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
    references = {scheme.keys for scheme in loaded.snapshot.auth.values()}
    labels = {reference: secret.label(reference, loaded.root) for reference in references}
    return {reference: secret.read(reference, loaded.root) for reference in references}, labels
