"""The compiler: configuration, documents and a stage file in; a Snapshot and its provenance out.

A policy of a route comes from the most specific place that names it, whole (nothing is merged inside a policy):

    routes.X in apigw.yaml › x-apigw at the operation › x-apigw at the path item
    › defaults of the API › x-apigw at the document's root › defaults of the gateway

Every error in the configuration is found in one pass and raised as one InputError.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.config import located
from apigw_cli.config.decode import Wrong, decode, raise_problems
from apigw_cli.config.located import Located
from apigw_cli.config.model import ApiConfig, Config, Policies, SiteConfig
from apigw_cli.config.project import Project, secret_files
from apigw_cli.errors import InputError
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import Operation
from apigw_cli.openapi.references import references
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot import model, sites, staging
from apigw_cli.snapshot.layers import Layers
from apigw_cli.snapshot.paths import check_conflicts
from apigw_cli.snapshot.problems import Problems
from apigw_cli.snapshot.provenance import SETTINGS, Origin, Provenance
from apigw_cli.snapshot.release import Release, raw
from apigw_cli.snapshot.routes import ApiSource, RouteCompiler, refuse_idle
from apigw_cli.snapshot.security import Security
from apigw_cli.snapshot.surroundings import Surroundings

Registry = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A Snapshot, where its values came from, and the files that a change must be watched for."""

    snapshot: model.Snapshot
    provenance: Provenance
    files: tuple[Path, ...] = ()
    root: Path = field(default_factory=Path)


def compile_project(project: Project, stage: str | None, registry: Registry) -> Compiled:
    """Compile the working files with a stage (None: the default one)."""
    name, stage_file = project.stage(stage)
    compiler = _Compiler(project.config.copy(), project.library, name, stage_file, registry)
    snapshot = compiler.run()
    files = tuple(dict.fromkeys((*project.files, *secret_files(compiler.config.data, project.root))))
    return Compiled(snapshot, compiler.provenance, files, project.root)


def compile_release(release: Release, stage: str, stage_data: dict[str, Any] | Located, registry: Registry) -> Compiled:
    """Compile a release with a stage's data. Places are those of the release: names without lines.

    A stage's data that is `Located` keeps its own places.
    """
    label = f"release {release.digest[:7]}"
    config = Located(label, release.config, {}, {})
    library = Library.of({name: msgspec.json.decode(document) for name, document in release.documents.items()})
    if not isinstance(stage_data, Located):
        stage_data = Located(f"stage {stage}", stage_data, {}, {})
    compiler = _Compiler(config.copy(), library, stage, stage_data, registry)
    return Compiled(compiler.run(), compiler.provenance)


class _Compiler:
    def __init__(self, config: Located, library: Library, stage: str, stage_file: Located, registry: Registry) -> None:
        self.config = config
        self.library = library
        self.stage = stage
        self.stage_file = stage_file
        self.registry = registry
        self.by_name = {policy.name: policy for policy in registry}
        self.provenance = Provenance()
        self.problems = Problems()
        self.security = Security(config, library, self.provenance, self.problems)
        self.made: dict[str, Document] = {}  # specifications that nobody wrote
        self.checked: set[str] = set()  # documents whose references all lead to something, or are reported

    def run(self) -> model.Snapshot:
        variables = staging.apply(self.stage_file, self.config, self.problems)
        layers = Layers(self.config, variables, self.by_name, self.problems)
        compiler = RouteCompiler(self.config, layers, self.by_name, self.security, self.provenance, self.problems)
        decoded: Config = decode(self.config.data, Config, self.config.place, self.registry)
        routes: list[model.Route] = []
        apis: list[model.Api] = []
        for name, api in decoded.apis.items():
            try:
                routes += self._routes(self._api(name, api, decoded, apis), compiler)
            except InputError as error:
                self.problems += [error, *error.others]
        for name, site in decoded.sites.items():
            self._compile_site(name, site, decoded, layers, apis, routes)
        self.problems += check_conflicts(routes, self.provenance)
        outside = Surroundings(self.config, self.provenance, self.problems)
        upstreams, proxy, listen = outside.upstreams(decoded), outside.proxy(decoded), outside.listen(decoded)
        auth = self.security.compile(decoded, [api for api in apis if api.kind != sites.KIND])
        limits = outside.limits(decoded)
        raise_problems(self.problems)
        self._note_settings(("listen", "limits", "auth", "upstreams", "trusted_proxies", "forwarded", "via"))
        written = {**self.library.documents, **self.made}
        documents = {name: raw(document.data) for name, document in written.items()}
        return model.Snapshot(
            model.FORMAT, self.stage, tuple(apis), tuple(routes), upstreams, auth, documents, proxy, listen, limits
        )

    def _note_settings(self, sections: tuple[str, ...]) -> None:
        """The places of what no route says by itself, each value and what it stands in."""

        def note(data: Any, steps: Steps) -> None:
            origin = Origin("apigw.yaml", partial(self.config.place, steps))
            self.provenance.add(SETTINGS, ".".join(map(str, steps)), origin)
            for key, value in openapi.mapping(data).items():
                note(value, (*steps, key))

        for section in sections:
            if section in self.config.data:
                note(self.config.data[section], (section,))
        for name, api in openapi.mapping(self.config.data.get("apis")).items():
            for key in sorted(openapi.mapping(api).keys() - {"routes", "defaults"}):
                note(None, ("apis", name, key))

    # --- one API

    def _api(self, name: str, api: ApiConfig, config: Config, apis: list[model.Api]) -> ApiSource:
        """Read an API's specification, and add the API to `apis`."""
        at: Steps = ("apis", name)
        spec_place = self.config.place((*at, "spec")) if self.config.values else None
        document = self.library.read(api.spec, asked_at=spec_place)
        openapi.version(document)
        self.library.load_references(document)
        self._check_references()
        base = self._base_path(api, document, at)
        hosts = tuple(self._host(host, (*at, "hosts", i)) for i, host in enumerate(api.hosts))
        title = openapi.mapping(document.data.get("info")).get("title")
        apis.append(model.Api(name, api.kind, api.spec, hosts, base, str(title or name)))
        return ApiSource(name, api, config, document, base, hosts)

    def _routes(self, source: ApiSource, compiler: RouteCompiler) -> Iterator[model.Route]:
        """The routes of an API, but those that are wrong; and what `routes` names without meaning any."""
        known: set[str] = set()
        used: set[str] = set()
        for operation in openapi.operations(source.document, self.library):
            named = _config_name(operation, source.api.routes)
            used |= {named} if named else set()
            known |= {operation.name, f"{operation.method} {operation.path}"}
            try:
                yield compiler.route(source, operation, named)
            except Wrong:
                continue
        for key in source.api.routes:
            if key not in used:
                self.problems.append(
                    InputError(
                        f'no operation "{key}" in {source.document.label}',
                        place=self.config.place(("apis", source.name, "routes", key), key=True),
                        hint=located.nearest(key, known) or 'name an operationId or "METHOD /path"',
                    )
                )

    def _compile_site(
        self,
        name: str,
        site: SiteConfig,
        config: Config,
        layers: Layers,
        apis: list[model.Api],
        routes: list[model.Route],
    ) -> None:
        at: Steps = ("sites", name)
        if name in config.apis:
            self.problems.append(InputError(f'"{name}" is an API already', place=self.config.place(at, key=True)))
            return
        document = sites.specification(name, site)
        self.made[document.name] = document
        base = sites.base_path(site)
        hosts = tuple(self._host(host, (*at, "hosts", i)) for i, host in enumerate(site.hosts))
        apis.append(model.Api(name, sites.KIND, document.name, hosts, base, name))
        said = list(layers.of_site(name, site, config))
        folder = partial(self.config.place, (*at, "folder"))
        answers = sites.integration(site)
        for operation in openapi.operations(document, self.library):
            owner = f"{name}:{operation.name}"
            self.provenance.add(owner, "operation", Origin("site", partial(self.config.place, at, key=True)))
            self.provenance.add(owner, "integration", Origin("site", folder, f"files of {answers.folder}"))
            policies = layers.policies(owner, said, self.provenance)
            path = base + operation.path
            route = model.Route(name, operation.name, operation.method, path, hosts, answers, policies)
            for policy in policies:
                layer = next(one for one in said if policy in one.policies.policies)
                refuse_idle(layers.registry[policy], route, layer, self.problems)
            routes.append(route)

    def _check_references(self) -> None:
        """Every reference leads to a value: one that does not would fail a request, long after the load."""
        for document in [*self.library.documents.values()]:
            if document.name in self.checked:
                continue
            self.checked.add(document.name)
            seen: set[str] = set()
            for ref, at in references(document.data):
                if ref in seen:
                    continue
                seen.add(ref)
                try:
                    self.library.resolve(document, ref, at=(*at, "$ref"))
                except InputError as error:
                    self.problems.once("$ref", f"{document.name} {ref}", error)

    def _base_path(self, api: ApiConfig, document: Document, at: Steps) -> str:
        base = openapi.base_path(document) if api.base_path is None else api.base_path.rstrip("/")
        if base and (not base.startswith("/") or "{" in base or "?" in base):
            raise InputError(
                f'base path "{base}" must begin with "/" and hold no variable',
                place=self.config.place((*at, "base_path")) if api.base_path else document.place(("servers",)),
                hint="set base_path in apigw.yaml",
            )
        return base

    def _host(self, host: str, at: Steps) -> str:
        name = host.lower().rstrip(".")
        labels = name.removeprefix("*.").split(".")
        if not all(label and all(c.isalnum() or c in "-_" for c in label) for label in labels):
            self.problems.append(
                InputError(
                    f'"{host}" is not a host name',
                    place=self.config.place(at),
                    hint="write a name without scheme and port: api.example.com or *.example.com",
                )
            )
        return name


def _config_name(operation: Operation, routes: dict[str, Policies]) -> str | None:
    """The key under `routes` that means this operation."""
    for name in (operation.operation_id, f"{operation.method} {operation.path}"):
        if name is not None and name in routes:
            return name
    return None
