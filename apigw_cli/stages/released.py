"""What a stage runs, for `apigw serve --stage NAME --released`: the release and stage file of its pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apigw_cli.config import project as projects
from apigw_cli.errors import InputError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot import compiler
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.stages.store import Store


def released(
    config: Path | None, stage: str, registry: tuple[Any, ...] = POLICIES
) -> tuple[Compiled, tuple[Path, ...]]:
    """What `stage` runs, compiled, and the files to watch: when one changes, the stage may run something else.

    The working files take no part: they may be broken or gone. Raises InputError where the stage has no release.
    """
    return load(projects.find(config).parent, stage, registry)


def load(root: Path, stage: str, registry: tuple[Any, ...] = POLICIES) -> tuple[Compiled, tuple[Path, ...]]:
    """As `released`, for the folder that holds `.apigw`."""
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
    files = (store.pointers, *_key_lists(compiled, root))
    return Compiled(compiled.snapshot, compiled.provenance, files, root), files


def _key_lists(compiled: Compiled, root: Path) -> list[Path]:
    """Key lists are no part of a release: who may call changes without a deployment."""
    references = (one for scheme in compiled.snapshot.auth.values() for one in scheme.references())
    return [root / reference.removeprefix("file:") for reference in references if reference.startswith("file:")]
