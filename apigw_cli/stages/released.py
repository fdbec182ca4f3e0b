"""What a stage runs, for `apigw serve --stage NAME --released`: the release and stage file of its pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apigw_cli.config import project as projects
from apigw_cli.errors import InputError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot import compiler
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.deployed import Beside, Deployed
from apigw_cli.stages.records import Canary
from apigw_cli.stages.store import Store


def released(
    config: Path | None, stage: str, registry: tuple[Any, ...] = POLICIES
) -> tuple[Compiled, tuple[Path, ...]]:
    """What `stage` runs, compiled, and the files to watch: when one changes, the stage may run something else.

    The working files take no part: they may be broken or gone. Raises InputError where the stage has no release.
    """
    return load(projects.find(config).parent, stage, registry)


def deployed(config: Path | None, stage: str, registry: tuple[Any, ...] = POLICIES) -> Deployed:
    """As `released`, with which release that is, and the canary beside it."""
    return of_store(projects.find(config).parent, stage, registry)


def load(root: Path, stage: str, registry: tuple[Any, ...] = POLICIES) -> tuple[Compiled, tuple[Path, ...]]:
    """As `released`, for the folder that holds `.apigw`."""
    found = of_store(root, stage, registry)
    return found.compiled, found.files


def of_store(root: Path, stage: str, registry: tuple[Any, ...] = POLICIES) -> Deployed:
    """As `deployed`, for the folder that holds `.apigw`."""
    store = Store(root)
    store.recover()
    pointer = store.pointer(stage)
    if pointer is None:
        known = ", ".join(sorted(store.state().stages))
        also = f"; stages with a release: {known}" if known else ""
        raise InputError(
            f'stage "{stage}" has no release yet',
            hint=f"give it one: apigw deploy {stage}, or promote another stage to it: apigw promote … {stage}{also}",
        )
    compiled = compiler.compile_release(store.releases.get(pointer.release), stage, pointer.stage_file, registry)
    canary = pointer.canary
    beside = _beside(store, stage, canary, registry) if canary is not None else None
    lists = (*_key_lists(compiled, root), *(_key_lists(beside.compiled, root) if beside is not None else ()))
    files = tuple(dict.fromkeys((store.pointers, *lists)))
    whole = Compiled(compiled.snapshot, compiled.provenance, files, root)
    return Deployed(pointer.release, pointer.generation, whole, files, beside)


def _beside(store: Store, stage: str, canary: Canary, registry: tuple[Any, ...]) -> Beside:
    compiled = compiler.compile_release(store.releases.get(canary.release), stage, canary.stage_file, registry)
    return Beside(canary.release, compiled, canary.percent, canary.by, canary.began)


def _key_lists(compiled: Compiled, root: Path) -> list[Path]:
    """Key lists are no part of a release: who may call changes without a deployment."""
    references = (one for scheme in compiled.snapshot.auth.values() for one in scheme.references())
    return [root / reference.removeprefix("file:") for reference in references if reference.startswith("file:")]
