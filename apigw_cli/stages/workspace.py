"""Where a command works: the project's files as they are now, and the store beside them."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from apigw_cli import __version__
from apigw_cli.config import project as projects
from apigw_cli.config.located import Located
from apigw_cli.config.project import Project
from apigw_cli.errors import ApigwError, Place
from apigw_cli.openapi.operations import mapping
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot import compiler
from apigw_cli.snapshot import release as releases
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.release import Release
from apigw_cli.stages import git, people
from apigw_cli.stages.records import Origin, Pointer
from apigw_cli.stages.store import Store


class Workspace:
    """A project and its store. Raises InputError where the configuration cannot be read."""

    def __init__(self, config: Path | None, registry: tuple[Any, ...] = POLICIES) -> None:
        self.project: Project = projects.load(projects.find(config))
        self.registry = registry
        self.store = Store(self.project.root)
        self.store.recover()

    @property
    def default_stage(self) -> str:
        return self.project.default_stage

    def stage_file(self, stage: str) -> Located:
        """The stage's file as it is now. Raises UsageError for a stage that is not declared."""
        return self.project.stage(stage)[1]

    def stage_data(self, stage: str) -> dict[str, Any]:
        return mapping(self.stage_file(stage).data)

    def pointer(self, stage: str) -> Pointer | None:
        return self.store.pointer(stage)

    @cached_property
    def release(self) -> Release:
        """The release that the working files make."""
        self._read_named_by_variables()
        return releases.build(self.project)

    @cached_property
    def digest(self) -> str:
        return self.release.digest

    def _read_named_by_variables(self) -> None:
        """Read the specifications that only a stage's variables name, so that the release works in every stage."""
        apis = mapping(self.project.config.data.get("apis")).values()
        if any("${" in str(mapping(api).get("spec", "")) for api in apis):
            for stage in self.project.stages:
                try:
                    self.compile(stage)
                except ApigwError:
                    continue  # said when somebody asks for that stage

    def compile(self, stage: str) -> Compiled:
        """The working files with a stage's own file. Raises InputError with every problem and its place."""
        return compiler.compile_project(self.project, stage, self.registry)

    @cached_property
    def promotions(self) -> dict[str, tuple[str, ...]]:
        """Which stage may be promoted to which, as `stages.promote` declares it."""
        declared = mapping(mapping(self.project.config.data.get("stages")).get("promote"))
        return {
            source: tuple(str(target) for target in targets)
            for source, targets in declared.items()
            if isinstance(targets, list)
        }

    def is_target(self, stage: str) -> bool:
        """Whether a declared promotion leads to this stage."""
        return any(stage in targets for targets in self.promotions.values())

    def origin(self, compiled: Compiled, stage: str) -> Origin:
        """Who makes the working files' release now, from what; with the places of its routes' policies."""
        places = _places(compiled, self.stage_file(stage).label, self.project.root)
        return Origin(people.who(), people.now(), __version__, git.describe(self.project.root), places)


def _places(compiled: Compiled, stage_label: str, root: Path) -> dict[str, str]:
    """Where apigw.yaml says what holds for each route. Specifications are left out: to find places there is slow."""
    found: dict[str, str] = {}
    for (owner, item), origins in compiled.provenance.origins.items():
        written = [o for o in origins if o.note != "specification" and not o.note.startswith("x-apigw")]
        place = next((o.place for o in written if o.place.file != stage_label), None)
        if place is not None:
            relative = os.path.relpath(place.file, root).replace(os.sep, "/")
            found[f"{owner} {item}"] = str(Place(relative, place.line, place.column))
    return found
