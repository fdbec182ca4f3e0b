"""The compiler: configuration, documents and a stage file in; a Snapshot and its provenance out.

A policy of a route comes from the most specific place that names it, whole (nothing is merged inside a policy):

    routes.X in apigw.yaml › x-apigw at the operation › x-apigw at the path item
    › defaults of the API › x-apigw at the document's root › defaults of the gateway

Every error in the configuration is found in one pass and raised as one InputError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from apigw_cli.config import located, template
from apigw_cli.config.decode import Decoder, PolicyModel, Wrong, raise_problems
from apigw_cli.config.decode import decode as decode_strictly
from apigw_cli.config.located import Located
from apigw_cli.config.model import ApiConfig, Config, Off, Policies, SiteConfig, StageFile
from apigw_cli.config.project import Project, secret_files
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import Operation
from apigw_cli.openapi.references import references
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot import model, sites
from apigw_cli.snapshot.provenance import SETTINGS, Origin, Provenance
from apigw_cli.snapshot.release import Release, raw
from apigw_cli.snapshot.security import Security
from apigw_cli.snapshot.surroundings import Surroundings


class RegisteredPolicy(PolicyModel, Protocol):
    def describe(self, value: Any) -> str: ...


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


@dataclass(slots=True)
class _Layer:
    """One source of policies for a route: what it says, what kind of source it is, and where it stands."""

    note: str
    policies: Policies
    place: Callable[..., Place]  # of one of its keys, or of what is below that


class _Compiler:
    def __init__(self, config: Located, library: Library, stage: str, stage_file: Located, registry: Registry) -> None:
        self.config = config
        self.library = library
        self.stage = stage
        self.stage_file = stage_file
        self.registry = registry
        self.by_name = {policy.name: policy for policy in registry}
        self.provenance = Provenance()
        self.problems: list[InputError] = []
        self.security = Security(config, library, self.provenance, self.problems)
        self.variables: Mapping[str, Any] = {}
        self.reported: set[tuple[str, str]] = set()
        self.made: dict[str, Document] = {}  # specifications that nobody wrote
        self.checked: set[str] = set()  # documents whose references all lead to something, or are reported

    def run(self) -> model.Snapshot:
        self._apply_stage()
        decoded: Config = decode_strictly(self.config.data, Config, self.config.place, self.registry)
        routes: list[model.Route] = []
        apis: list[model.Api] = []
        for name, api in decoded.apis.items():
            try:
                self._compile_api(name, api, decoded, apis, routes)
            except InputError as error:
                self.problems += [error, *error.others]
        for name, site in decoded.sites.items():
            self._compile_site(name, site, decoded, apis, routes)
        self._check_conflicts(routes)
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

    # --- the stage: overrides first, then variables, both with their places

    def _apply_stage(self) -> None:
        empty = self.stage_file.data is None
        stage: StageFile = decode_strictly({} if empty else self.stage_file.data, StageFile, self.stage_file.place)
        for dotted in stage.overrides:
            steps = located.override_steps(dotted)
            at: Steps = ("overrides", dotted)
            problem = self._override_problem(dotted, steps, at)
            if problem:
                self.problems.append(problem)
            else:
                self.config.graft(steps, self.stage_file, at)
        for name in filter(template.is_value, stage.variables):
            place = self.stage_file.place(("variables", name), key=True)
            hint = f"names that begin with {' '.join(f'{word}.' for word in template.NAMES)} are values of requests"
            self.problems.append(InputError(f'a variable cannot be called "{name}"', place=place, hint=hint))
        self.variables = stage.variables
        self.problems += located.substitute(self.config, stage.variables)
        raise_problems(self.problems)

    def _override_problem(self, dotted: str, steps: tuple[str, ...], at: Steps) -> InputError | None:
        place = partial(self.stage_file.place, at, key=True)
        if not steps:
            return InputError("an override needs a dotted path", place=place())
        if steps[0] in ("version", "stages"):
            return InputError(f"{steps[0]} is the same in every stage", place=place())
        if steps[0] not in Config.__struct_fields__:
            return InputError(
                f'override "{dotted}" names nothing in apigw.yaml',
                place=place(),
                hint=located.nearest(steps[0], list(Config.__struct_fields__)),
            )
        if len(steps) > 1 and steps[0] in ("apis", "sites", "upstreams"):
            known = openapi.mapping(self.config.data.get(steps[0]))
            if steps[1] not in known:
                return InputError(
                    f'override "{dotted}": there is no "{steps[1]}" under {steps[0]}',
                    place=place(),
                    hint=located.nearest(steps[1], known),
                )
        return None

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

    def _compile_api(
        self, name: str, api: ApiConfig, config: Config, apis: list[model.Api], routes: list[model.Route]
    ) -> None:
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
        compile_route = partial(self._route, name, api, config, document, base, hosts)
        known: set[str] = set()
        used: set[str] = set()
        for operation in openapi.operations(document, self.library):
            named = _config_name(operation, api.routes)
            used |= {named} if named else set()
            known |= {operation.name, f"{operation.method} {operation.path}"}
            try:
                routes.append(compile_route(operation, named))
            except Wrong:
                continue
        for key in api.routes:
            if key not in used:
                self.problems.append(
                    InputError(
                        f'no operation "{key}" in {document.label}',
                        place=self.config.place((*at, "routes", key), key=True),
                        hint=located.nearest(key, known) or 'name an operationId or "METHOD /path"',
                    )
                )

    def _compile_site(
        self, name: str, site: SiteConfig, config: Config, apis: list[model.Api], routes: list[model.Route]
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
        layers = [
            self._config_layer("site", site.defaults, (*at, "defaults")),
            self._config_layer("gateway default", config.defaults, ("defaults",)),
        ]
        folder = partial(self.config.place, (*at, "folder"))
        answers = sites.integration(site)
        for operation in openapi.operations(document, self.library):
            owner = f"{name}:{operation.name}"
            self.provenance.add(owner, "operation", Origin("site", partial(self.config.place, at, key=True)))
            self.provenance.add(owner, "integration", Origin("site", folder, f"files of {answers.folder}"))
            policies = self._policies(owner, layers)
            path = base + operation.path
            routes.append(model.Route(name, operation.name, operation.method, path, hosts, answers, policies))

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
                    self._report_once("$ref", f"{document.name} {ref}", error)

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

    def _route(
        self,
        api_name: str,
        api: ApiConfig,
        config: Config,
        document: Document,
        base: str,
        hosts: tuple[str, ...],
        operation: Operation,
        named: str | None,
    ) -> model.Route:
        layers = list(self._layers(api_name, api, config, document, operation, named))
        owner = f"{api_name}:{operation.name}"
        node = operation.node
        self.provenance.add(
            owner, "operation", Origin("specification", partial(node.document.place, node.path, key=True))
        )
        policies = self._policies(owner, layers)
        if api.security == "spec" and "auth" in self.by_name:
            self._security(owner, api_name, document, operation, config, policies)
        answered = any(getattr(self.by_name[name], "answers", False) for name in policies)
        integration = self._integration(owner, api_name, api, config, operation, layers, base, answered)
        self._check_path(operation)
        route = model.Route(
            api_name,
            operation.name,
            operation.method,
            base + operation.path,
            hosts,
            integration,
            policies,
            api.trailing_slash,
        )
        self._check_policies(route, layers)
        return route

    def _check_policies(self, route: model.Route, layers: list[_Layer]) -> None:
        """What a policy says of its value for this route (`policies.interface.Checking`)."""
        for name in route.policies:
            problems = getattr(self.by_name.get(name), "problems", None)
            layer = next((layer for layer in layers if name in layer.policies.policies), None)
            if problems is None or layer is None:
                continue
            for at, message, hint in problems(layer.policies.policies[name], route):
                place = layer.place(name, *at)
                self._report_once(name, f"{place}{message}", InputError(message, place=place, hint=hint))

    def _check_path(self, operation: Operation) -> None:
        wrong = _path_problem(operation.path)
        if wrong:
            place = operation.item.document.place(operation.item.path, key=True)
            self._report_once("path", operation.path, InputError(f'path "{operation.path}" {wrong}', place=place))

    # --- policies by layer

    def _layers(
        self,
        api_name: str,
        api: ApiConfig,
        config: Config,
        document: Document,
        operation: Operation,
        named: str | None,
    ) -> Iterator[_Layer]:
        at: Steps = ("apis", api_name)
        if named is not None:
            yield self._config_layer("route", api.routes[named], (*at, "routes", named))
        yield from self._extension("x-apigw of the operation", operation.node.document, operation.node.path)
        yield from self._extension("x-apigw of the path", operation.item.document, operation.item.path)
        yield self._config_layer("API default", api.defaults, (*at, "defaults"))
        yield from self._extension("x-apigw of the specification", document, ())
        yield self._config_layer("gateway default", config.defaults, ("defaults",))

    def _config_layer(self, note: str, policies: Policies, at: Steps) -> _Layer:
        return _Layer(note, policies, lambda *steps: self.config.place((*at, *steps)))

    def _extension(self, note: str, document: Document, steps: Steps) -> Iterator[_Layer]:
        try:
            data = document.get((*steps, "x-apigw"))
        except KeyError:
            return
        base: Steps = (*steps, "x-apigw")

        def place(steps: Steps, *, key: bool = False) -> Place:
            return document.place(base + steps, key=key)

        data, undefined = located.filled(data, self.variables, place)
        for problem in undefined:
            self._report_once("x-apigw", f"{problem.place}{problem.message}", problem)
        decoder = Decoder(place, self.registry)
        try:
            policies = decoder.decode(data, Policies)
        except Wrong:
            for problem in decoder.problems:
                self._report_once("x-apigw", f"{problem.place}{problem.message}", problem)
            return
        yield _Layer(note, policies, lambda *steps: place(steps))

    def _policies(self, owner: str, layers: list[_Layer]) -> dict[str, Any]:
        resolved: dict[str, Any] = {}
        for name, policy in self.by_name.items():
            named = [layer for layer in layers if name in layer.policies.policies]
            for layer in named:
                value = layer.policies.policies[name]
                text = "off" if isinstance(value, Off) else policy.describe(value)
                self.provenance.add(owner, f"policies.{name}", Origin(layer.note, partial(layer.place, name), text))
            if named and not isinstance(named[0].policies.policies[name], Off):
                resolved[name] = msgspec.to_builtins(named[0].policies.policies[name])
        return resolved

    # --- who may call

    def _security(
        self,
        owner: str,
        api_name: str,
        document: Document,
        operation: Operation,
        config: Config,
        policies: dict[str, Any],
    ) -> None:
        requirements, steps = openapi.security(document, operation)
        if not requirements:
            return
        source = operation.node.document if steps != ("security",) else document
        for scheme in dict.fromkeys(scheme for requirement in requirements for scheme in requirement):
            problem = self.security.why_not(api_name, scheme, document, source, steps, config)
            if problem:
                self._report_once("scheme", f"{api_name}:{scheme}", problem)
        self.provenance.add(owner, "policies.auth", Origin("specification", partial(source.place, steps)))
        policies["auth"] = {"alternatives": [sorted(requirement) for requirement in requirements]}
        scopes = [_scopes(requirement) for requirement in requirements]
        if any(scopes):
            policies["auth"]["scopes"] = scopes

    def _report_once(self, kind: str, what: str, problem: InputError) -> None:
        if (kind, what) not in self.reported:
            self.reported.add((kind, what))
            self.problems.append(problem)

    # --- what answers

    def _integration(
        self,
        owner: str,
        api_name: str,
        api: ApiConfig,
        config: Config,
        operation: Operation,
        layers: list[_Layer],
        base: str,
        answered: bool,
    ) -> model.HttpIntegration | model.MockIntegration:
        mock = model.MockIntegration(operation.node.document.name, operation.node.path)
        strip = base if api.strip_base_path else ""
        for layer in layers:
            if layer.policies.mock:
                self.provenance.add(owner, "integration", Origin(layer.note, partial(layer.place, "mock"), "mock"))
                return mock
            if layer.policies.upstream is not None:
                self._note_upstream(
                    owner, layer.note, layer.policies.upstream, partial(layer.place, "upstream"), config
                )
                return model.HttpIntegration(layer.policies.upstream, strip)
        at: Steps = ("apis", api_name)
        if api.mock:
            self.provenance.add(owner, "integration", Origin("API", partial(self.config.place, (*at, "mock")), "mock"))
            return mock
        if api.upstream is not None:
            self._note_upstream(owner, "API", api.upstream, partial(self.config.place, (*at, "upstream")), config)
            return model.HttpIntegration(api.upstream, strip)
        if answered:  # by a policy: nothing behind it is ever asked
            return mock
        problem = InputError(
            f'nothing answers the routes of "{api_name}"',
            place=self.config.place(at, key=True),
            hint="name an upstream (upstream: NAME) or answer from the specification (mock: true)",
        )
        self._report_once("integration", api_name, problem)
        raise Wrong

    def _note_upstream(self, owner: str, note: str, upstream: str, place: Callable[[], Place], config: Config) -> None:
        self.provenance.add(owner, "integration", Origin(note, place, f"upstream {upstream}"))
        if upstream not in config.upstreams:
            problem = InputError(
                f'there is no upstream "{upstream}"',
                place=place(),
                hint=located.nearest(upstream, list(config.upstreams)) or "declare it under upstreams",
            )
            self._report_once("upstream", f"{upstream}{problem.place}", problem)

    # --- across APIs

    def _check_conflicts(self, routes: list[model.Route]) -> None:
        """Two routes that the same request would reach, and two operations of one name, are errors."""
        shapes: dict[tuple[str, str], list[model.Route]] = {}
        ids: dict[str, model.Route] = {}
        for route in routes:
            blank = route.path
            for variable in openapi.path_variables(route.path):
                blank = blank.replace("{" + variable + "}", "{+}" if variable.endswith("+") else "{}", 1)
            for other in shapes.setdefault((route.method, blank), []):
                # Exact hosts come before any host: only a host that both name, or neither, makes them one.
                if set(other.hosts) & set(route.hosts) or other.hosts == route.hosts:
                    self._conflict(
                        other,
                        route,
                        f"{route.method} {route.path} and {other.method} {other.path} are one route",
                    )
            shapes[(route.method, blank)].append(route)
            if ids.setdefault(route.id, route) is not route:
                self._conflict(ids[route.id], route, f'two operations are called "{route.operation}"')

    def _conflict(self, first: model.Route, second: model.Route, message: str) -> None:
        origins = self.provenance.of(second.id, "operation")
        other = self.provenance.of(first.id, "operation")
        index = -1 if first.id == second.id else 0
        place = origins[index].place if origins else None
        self.problems.append(InputError(f"{message}: see also {other[0].place if other else first.id}", place=place))


def _config_name(operation: Operation, routes: dict[str, Policies]) -> str | None:
    """The key under `routes` that means this operation."""
    for name in (operation.operation_id, f"{operation.method} {operation.path}"):
        if name is not None and name in routes:
            return name
    return None


def _scopes(requirement: dict[str, Any]) -> dict[str, list[str]]:
    """The scopes (or roles) that an alternative asks for, by scheme; schemes that need none are left out."""
    listed = {name: scopes for name, scopes in sorted(requirement.items()) if isinstance(scopes, list)}
    return {name: sorted(map(str, set(scopes))) for name, scopes in listed.items() if scopes}


def _path_problem(path: str) -> str | None:
    """Why no request can match a path template, or None."""
    variables = openapi.path_variables(path)
    rest = path
    for variable in variables:
        rest = rest.replace("{" + variable + "}", "", 1)
    greedy = [variable for variable in variables if variable.endswith("+")]
    if not path.startswith("/"):
        return 'must begin with "/"'
    if "{" in rest or "}" in rest:
        return 'has a "{" or "}" without its partner'
    if "?" in rest or "#" in rest:
        return "holds a query or fragment, which is no part of a path"
    if "" in variables or "+" in variables:
        return "has a variable without a name"
    if len(set(variables)) != len(variables):
        return "names a variable twice"
    if greedy and not path.endswith("/{" + greedy[0] + "}"):
        return f"has {{{greedy[0]}}}, which must be the whole last segment"
    return None
