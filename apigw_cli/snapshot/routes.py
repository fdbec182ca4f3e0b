"""One operation of a specification, with what the configuration says of it, becomes one route of the Snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from apigw_cli.config import located
from apigw_cli.config.decode import Wrong
from apigw_cli.config.located import Located
from apigw_cli.config.model import ApiConfig, Config, Policies
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.operations import Operation
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot import model
from apigw_cli.snapshot.layers import Layer, Layers
from apigw_cli.snapshot.paths import path_problem
from apigw_cli.snapshot.problems import Problems
from apigw_cli.snapshot.provenance import Origin, Provenance
from apigw_cli.snapshot.security import Security


def refuse_idle(policy: Any, route: model.Route, layer: Layer, problems: Problems) -> None:
    """A policy that does nothing on this kind of route is a mistake where it is written for it, and not for others."""
    why = policy.idle(route) if layer.is_own and hasattr(policy, "idle") else ""
    if why:
        place = layer.place(policy.name)
        message = f"{policy.name} has no effect here: {why}"
        problems.once(policy.name, f"{place}{message}", InputError(message, place=place, hint="take it out"))


@dataclass(frozen=True, slots=True)
class ApiSource:
    """What all routes of an API are made from: its part of `apigw.yaml` and of what is around it, its specification."""

    name: str
    api: ApiConfig
    config: Config
    document: Document
    base: str
    hosts: tuple[str, ...]


class RouteCompiler:
    def __init__(
        self,
        config: Located,
        layers: Layers,
        registry: Mapping[str, Any],
        security: Security,
        provenance: Provenance,
        problems: Problems,
    ) -> None:
        self._config = config
        self._layers = layers
        self._registry = registry
        self._security = security
        self._provenance = provenance
        self._problems = problems

    def route(self, source: ApiSource, operation: Operation, named: str | None) -> model.Route:
        """`named`: the key under the API's `routes` that means it. Raises Wrong where no route can be made."""
        api = source.api
        layers = list(self._layers.of_operation(source.name, api, source.config, source.document, operation, named))
        owner = f"{source.name}:{operation.name}"
        node = operation.node
        stands = partial(node.document.place, node.path, key=True)
        self._provenance.add(owner, "operation", Origin("specification", stands))
        policies = self._layers.policies(owner, layers, self._provenance)
        if api.security == "spec" and "auth" in self._registry:
            self._require(owner, source, operation, policies)
        answered = any(getattr(self._registry[name], "answers", False) for name in policies)
        integration = self._integration(owner, source, operation, layers, answered)
        self._check_path(operation)
        path = source.base + operation.path
        route = model.Route(
            source.name,
            operation.name,
            operation.method,
            path,
            source.hosts,
            integration,
            policies,
            api.trailing_slash,
        )
        self._check_policies(route, layers)
        return route

    def _check_policies(self, route: model.Route, layers: list[Layer]) -> None:
        """What a policy says of its value for this route (`policies.interface.Checking`)."""
        for name in route.policies:
            problems = getattr(self._registry.get(name), "problems", None)
            layer = next((layer for layer in layers if name in layer.policies.policies), None)
            if layer is not None:
                refuse_idle(self._registry[name], route, layer, self._problems)
            if problems is None or layer is None:
                continue
            for at, message, hint in problems(layer.policies.policies[name], route):
                place = layer.place(name, *at)
                self._problems.once(name, f"{place}{message}", InputError(message, place=place, hint=hint))

    def _check_path(self, operation: Operation) -> None:
        wrong = path_problem(operation.path)
        if wrong:
            place = operation.item.document.place(operation.item.path, key=True)
            problem = InputError(f'path "{operation.path}" {wrong}', place=place)
            self._problems.once("path", operation.path, problem)

    # --- who may call

    def _require(self, owner: str, source: ApiSource, operation: Operation, policies: dict[str, Any]) -> None:
        """The policy `auth`, from what the specification says of the operation's security."""
        requirements, steps = openapi.security(source.document, operation)
        if not requirements:
            return
        document = operation.node.document if steps != ("security",) else source.document
        for scheme in dict.fromkeys(scheme for requirement in requirements for scheme in requirement):
            problem = self._security.why_not(source.name, scheme, source.document, document, steps, source.config)
            if problem:
                self._problems.once("scheme", f"{source.name}:{scheme}", problem)
        self._provenance.add(owner, "policies.auth", Origin("specification", partial(document.place, steps)))
        policies["auth"] = {"alternatives": [sorted(requirement) for requirement in requirements]}
        scopes = [_scopes(requirement) for requirement in requirements]
        if any(scopes):
            policies["auth"]["scopes"] = scopes

    # --- what answers

    def _integration(
        self, owner: str, source: ApiSource, operation: Operation, layers: list[Layer], answered: bool
    ) -> model.HttpIntegration | model.MockIntegration:
        """`answered`: by a policy, so that nothing behind it is ever asked."""
        mock = model.MockIntegration(operation.node.document.name, operation.node.path)
        strip = source.base if source.api.strip_base_path else ""
        for note, says, place in self._answering(source, layers):
            if says.mock:
                self._provenance.add(owner, "integration", Origin(note, partial(place, "mock"), "mock"))
                return mock
            if says.upstream is not None:
                self._note_upstream(owner, note, says.upstream, partial(place, "upstream"), source.config)
                return model.HttpIntegration(says.upstream, strip)
        if answered:
            return mock
        problem = InputError(
            f'nothing answers the routes of "{source.name}"',
            place=self._config.place(("apis", source.name), key=True),
            hint="name an upstream (upstream: NAME) or answer from the specification (mock: true)",
        )
        self._problems.once("integration", source.name, problem)
        raise Wrong

    def _answering(
        self, source: ApiSource, layers: list[Layer]
    ) -> list[tuple[str, Policies | ApiConfig, Callable[..., Place]]]:
        """Whoever may say what answers, the most specific first: the API itself comes last."""
        at: Steps = ("apis", source.name)
        own = ("API", source.api, lambda key: self._config.place((*at, key)))
        return [*((layer.note, layer.policies, layer.place) for layer in layers), own]

    def _note_upstream(self, owner: str, note: str, upstream: str, place: Callable[[], Place], config: Config) -> None:
        self._provenance.add(owner, "integration", Origin(note, place, f"upstream {upstream}"))
        if upstream not in config.upstreams:
            problem = InputError(
                f'there is no upstream "{upstream}"',
                place=place(),
                hint=located.nearest(upstream, list(config.upstreams)) or "declare it under upstreams",
            )
            self._problems.once("upstream", f"{upstream}{problem.place}", problem)


def _scopes(requirement: dict[str, Any]) -> dict[str, list[str]]:
    """The scopes (or roles) that an alternative asks for, by scheme; schemes that need none are left out."""
    listed = {name: scopes for name, scopes in sorted(requirement.items()) if isinstance(scopes, list)}
    return {name: sorted(map(str, set(scopes))) for name, scopes in listed.items() if scopes}
