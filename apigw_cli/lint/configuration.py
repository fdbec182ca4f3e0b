"""Lint of a configuration: `apigw.yaml`, its stages, and the specifications that it names.

The strict checks are the compiler's: lint compiles every declared stage and reports what it refuses. Rules of the
gateway look at what was compiled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from apigw_cli.config import located
from apigw_cli.config import project as projects
from apigw_cli.config.project import Project
from apigw_cli.errors import ApigwError, InputError, Place, UsageError
from apigw_cli.lint import diagnostics
from apigw_cli.lint.engine import Collector
from apigw_cli.lint.gateway import Stage
from apigw_cli.lint.model import Finding, On, PlacedHit, Rule
from apigw_cli.openapi import yaml
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import mapping
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.reading import read_text
from apigw_cli.policies.auth import key_list, user_list
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot import sites
from apigw_cli.snapshot.compiler import Compiled, compile_project
from apigw_cli.snapshot.schemes import ApiKeys, Basic


class ConfigurationLint:
    """The lint of one configuration. `library` holds what was read; `specs` the names of the specifications."""

    def __init__(self, file: Path, collector: Collector) -> None:
        self.file = file
        self.collector = collector
        self.errors: list[ApigwError] = []
        self.broken: list[tuple[Rule, PlacedHit]] = []  # what is wrong with specifications that cannot be read
        self.library = Library(file.parent)
        self.specs: dict[str, Place | None] = {}
        self.files: list[Path] = [file]

    def run(self, only_stage: str | None = None) -> None:
        """Compile the stages (or one of them) and apply the gateway's rules."""
        project = self._load()
        if project is not None:
            self.library = project.library
            self.files = [*self.files, *project.files]
            for name in project.stage_names if only_stage is None else (only_stage,):
                self._stage(project, name)
        self._report()

    def documents(self) -> Iterator[Document]:
        """The specifications that can be read; what is wrong with the others is reported."""
        for name, place in self.specs.items():
            try:
                yield self.library.read(name, asked_at=place, tolerant=True)
            except InputError as error:
                own = error.place is not None and error.place != place
                code = diagnostics.PARSER if own else diagnostics.CONFIGURATION
                self.broken += diagnostics.of_error(error, code)

    def own_documents(self) -> list[Document]:
        """apigw.yaml and the stage files, as far as they can be read: the specifications are not its own."""
        stages = sorted((self.file.parent / "stages").glob("*.yaml"))
        return [document for path in (self.file, *stages) if (document := _document(path)) is not None]

    def with_paths(self, found: list[Finding]) -> list[Finding]:
        """The findings, with the path of what stands at their place where that is in a file of the configuration."""
        wanted = {finding.file for finding in found if not finding.path}
        paths = {label: paths for label, paths in self._paths().items() if label in wanted}
        return [
            replace(finding, path=paths[finding.file].get(finding.start, ())) if finding.file in paths else finding
            for finding in found
        ]

    def _paths(self) -> dict[str, dict[Place, Steps]]:
        """For each of its files: the path of the key or value that begins at a place; a key's before a value's."""
        found: dict[str, dict[Place, Steps]] = {}
        for document in self.own_documents():
            composed = yaml.compose(document.text or "", document.label)
            table = found[document.label] = {}
            for places in (composed.values, composed.keys):
                table.update({place: path for path, place in places.items() if path})
        return found

    def _load(self) -> Project | None:
        try:
            project = projects.load(self.file)
        except InputError as error:
            self._note(error)
            self._specs_of_broken()
            return None
        self.specs = _named_specs(project.config)
        return project

    def _specs_of_broken(self) -> None:
        """What can be known of the specifications where the whole cannot be loaded."""
        try:
            self.specs = _named_specs(located.read(self.file, str(self.file)))
        except InputError:
            return

    def _stage(self, project: Project, name: str) -> None:
        try:
            compiled = compile_project(project, name, POLICIES)
        except (InputError, UsageError) as error:
            self._note(error)
            return
        for api in compiled.snapshot.apis:
            if not sites.is_made(api.spec):
                self.specs.setdefault(api.spec, None)
        self._check_keys(project, compiled)
        for rule in self.collector.ruleset.rules.values():
            if rule.on is On.GATEWAY:
                self.collector.add(rule, rule.check(Stage(compiled, project.library, project.config)))

    def _check_keys(self, project: Project, compiled: Compiled) -> None:
        """Read the lists of keys and users that are here; others may stand on the serving machine only."""
        loaders = {ApiKeys: key_list.load, Basic: user_list.load}
        schemes = compiled.snapshot.auth.values()
        asked = dict.fromkeys((one, loaders.get(type(scheme))) for scheme in schemes for one in scheme.references())
        for reference, load in asked:
            file = project.root / reference.removeprefix("file:")
            if load is not None and reference.startswith("file:") and file.is_file():
                try:
                    load(file.read_bytes(), os.path.relpath(file))
                except InputError as error:
                    self._note(error)
                except OSError as error:
                    self._note(InputError(f"cannot read {os.path.relpath(file)}: {error.strerror}"))

    def _note(self, error: ApigwError) -> None:
        self.errors.append(error)
        self.errors += error.others if isinstance(error, InputError) else ()

    def _report(self) -> None:
        for error in self.errors:
            place = error.place or Place(projects._label(self.file))
            self.collector.add(diagnostics.CONFIGURATION, [PlacedHit(place, error.message, error.hint)])


def _named_specs(config: located.Located) -> dict[str, Place | None]:
    """The specifications that a configuration names without a variable, and where."""
    found: dict[str, Place | None] = {}
    for name, api in mapping(mapping(config.data).get("apis")).items():
        spec = mapping(api).get("spec")
        if isinstance(spec, str) and "${" not in spec:
            found.setdefault(spec, config.place(("apis", name, "spec")))
    return found


def _document(path: Path) -> Document | None:
    label = projects._label(path)
    try:
        text = read_text(path, label)
        composed = yaml.compose(text, label)
    except InputError:
        return None
    return Document(label, label, text, composed.data, composed=composed)
