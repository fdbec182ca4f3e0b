"""A release as it runs, or would run, in a stage: compiled, with the places of its values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from apigw_cli.config.located import Located
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import mapping
from apigw_cli.snapshot import compiler
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Api
from apigw_cli.snapshot.provenance import SETTINGS
from apigw_cli.snapshot.release import Release, raw
from apigw_cli.stages import stage_files
from apigw_cli.stages.contract.compare import Contract
from apigw_cli.stages.finding import Side, Spot
from apigw_cli.stages.records import Origin
from apigw_cli.stages.releases import label, short
from apigw_cli.stages.workspace import Workspace


@dataclass(slots=True)
class Deployment:
    """A compiled release. `stage_file` is the data that it was compiled with."""

    release: Release
    digest: str
    stage: str
    stage_file: dict[str, Any]
    compiled: Compiled
    workspace: Workspace
    origin: Origin | None = None
    _library: Library | None = field(default=None, repr=False)

    @property
    def short(self) -> str:
        return short(self.digest)

    @property
    def routes(self) -> int:
        return len(self.compiled.snapshot.routes)

    def contract(self, api: Api) -> Contract:
        """The description of one of its APIs, with the places of the working file where that is the same."""
        library = self.library
        return Contract(library.read(api.spec), library)

    @property
    def library(self) -> Library:
        if self._library is None:
            self._library = Library()
            for name, data in self.compiled.snapshot.documents.items():
                self._library.documents[name] = self._document(name, bytes(data))
        return self._library

    def _document(self, name: str, data: bytes) -> Document:
        working = self.workspace.project.library.documents.get(name)
        if working is not None and bytes(raw(working.data)) == data:
            return working
        shown = name if "://" in name else label(self.workspace.project.root / name)
        return Document(name, f"{shown} ({self.short})", None, msgspec.json.decode(data))

    def place(self, owner: str, item: str) -> Place | None:
        """Where the value of a route's or upstream's item stands; where it stood, for a release of earlier files."""
        place = self.compiled.provenance.place(owner, item)
        if place is None or not place.file.startswith(f"release {self.short}"):
            return place
        kept = self.origin.places.get(f"{owner} {item}") if self.origin else None
        if kept is None:
            return place
        file, line, column = kept.rsplit(":", 2)
        return Place(f"{label(self.workspace.project.root / file)} ({self.short})", int(line), int(column))

    def spot(self, side: Side, owner: str, item: str) -> Spot:
        """The same, to be looked up when it is shown: many places of one document are found in one pass."""
        known = self.compiled.provenance.of
        origins = known(owner, item) or known(owner, "operation")  # where there is none: the route that lacks it
        find = origins[0].find if origins else None
        document = getattr(find.func, "__self__", None) if isinstance(find, partial) else None
        if isinstance(find, partial) and isinstance(document, Document) and document.text is not None:
            return Spot(side, document, find.args[0], bool(find.keywords.get("key")))
        if isinstance(find, partial) and isinstance(document, Document) and document.name in self.library.documents:
            # Of a release: its text is at hand where the working file still says the same.
            return Spot(side, self.library.documents[document.name], find.args[0], bool(find.keywords.get("key")))
        return Spot(side, find=partial(self.place, owner, item))

    def setting_spot(self, side: Side, path: str) -> Spot:
        """The same for a dotted path of apigw.yaml, or for what it would stand in where it is not written."""
        while path and not self.compiled.provenance.of(SETTINGS, path):
            path = path.rpartition(".")[0]
        return self.spot(side, SETTINGS, path)


def build(workspace: Workspace, release: Release, digest: str, stage: str, stage_file: dict[str, Any]) -> Deployment:
    """Compile `release` for `stage`. Raises InputError where it does not compile."""
    located = _located(workspace, stage, stage_file)
    if digest == workspace.digest and located is not None:
        compiled = workspace.compile(stage)
    else:
        compiled = compiler.compile_release(release, stage, located or stage_file, workspace.registry)
    return Deployment(release, digest, stage, stage_file, compiled, workspace, workspace.store.releases.origin(digest))


def _located(workspace: Workspace, stage: str, stage_file: dict[str, Any]) -> Located | None:
    """The stage's file with its places, where it still says what was recorded."""
    try:
        found = workspace.stage_file(stage)
    except InputError:  # broken since; what was recorded still holds
        return None
    return found if mapping(found.data) == stage_file else None


def working(workspace: Workspace, stage: str) -> Deployment:
    """The working files, with a stage's file as it is now."""
    compiled = workspace.compile(stage)
    data = workspace.stage_data(stage)
    return Deployment(workspace.release, workspace.digest, stage, data, compiled, workspace)


def deployed(workspace: Workspace, stage: str) -> Deployment | None:
    """A stage as it is: its release with the stage file that was recorded; None where it has no release."""
    pointer = workspace.pointer(stage)
    if pointer is None:
        return None
    release = workspace.store.releases.get(pointer.release)
    return build(workspace, release, pointer.release, stage, pointer.stage_file)


def stored(workspace: Workspace, digest: str, stage: str) -> Deployment:
    """A release as it would run with a stage's file as it is now."""
    return build(workspace, workspace.store.releases.get(digest), digest, stage, workspace.stage_data(stage))


def same_stage_file(base: Deployment | None, revision: Deployment) -> bool:
    return stage_files.effective(base.stage_file if base else None) == stage_files.effective(revision.stage_file)


def identical(base: Deployment | None, revision: Deployment) -> bool:
    """Whether the stage already runs exactly this, stage file included."""
    return base is not None and base.digest == revision.digest and same_stage_file(base, revision)
