"""The places that say something about a route's policies, the most specific first, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from apigw_cli.config import located
from apigw_cli.config.decode import Decoder, Wrong
from apigw_cli.config.located import Located
from apigw_cli.config.model import ApiConfig, Config, Off, Policies, SiteConfig
from apigw_cli.errors import Place
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.operations import Operation
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot.problems import Problems
from apigw_cli.snapshot.provenance import Origin, Provenance

_OWN = ("route", "x-apigw of the operation", "site")


@dataclass(slots=True)
class Layer:
    """One source of policies for a route: what it says, what kind of source it is, and where it stands."""

    note: str
    policies: Policies
    place: Callable[..., Place]  # of one of its keys, or of what is below that

    @property
    def is_own(self) -> bool:
        """Whether it is about one route, or one site, and nothing else."""
        return self.note in _OWN


class Layers:
    """Finds the layers of a route; `registry` are the policies that there are, by name, in their order."""

    def __init__(
        self, config: Located, variables: Mapping[str, Any], registry: Mapping[str, Any], problems: Problems
    ) -> None:
        self._config = config
        self._variables = variables
        self.registry = registry
        self._problems = problems

    def of_operation(
        self, name: str, api: ApiConfig, config: Config, document: Document, operation: Operation, named: str | None
    ) -> Iterator[Layer]:
        """`named`: the key under the API's `routes` that means this operation."""
        at: Steps = ("apis", name)
        if named is not None:
            yield self._configured("route", api.routes[named], (*at, "routes", named))
        yield from self._extension("x-apigw of the operation", operation.node.document, operation.node.path)
        yield from self._extension("x-apigw of the path", operation.item.document, operation.item.path)
        yield self._configured("API default", api.defaults, (*at, "defaults"))
        yield from self._extension("x-apigw of the specification", document, ())
        yield self._configured("gateway default", config.defaults, ("defaults",))

    def of_site(self, name: str, site: SiteConfig, config: Config) -> Iterator[Layer]:
        yield self._configured("site", site.defaults, ("sites", name, "defaults"))
        yield self._configured("gateway default", config.defaults, ("defaults",))

    def policies(self, owner: str, layers: list[Layer], provenance: Provenance) -> dict[str, Any]:
        """Each policy whole, from the first layer that names it; without those that are switched off there."""
        resolved: dict[str, Any] = {}
        for name, policy in self.registry.items():
            named = [layer for layer in layers if name in layer.policies.policies]
            for layer in named:
                value = layer.policies.policies[name]
                text = "off" if isinstance(value, Off) else policy.describe(value)
                provenance.add(owner, f"policies.{name}", Origin(layer.note, partial(layer.place, name), text))
            if named and not isinstance(named[0].policies.policies[name], Off):
                resolved[name] = msgspec.to_builtins(named[0].policies.policies[name])
        return resolved

    def _configured(self, note: str, policies: Policies, at: Steps) -> Layer:
        return Layer(note, policies, lambda *steps: self._config.place((*at, *steps)))

    def _extension(self, note: str, document: Document, steps: Steps) -> Iterator[Layer]:
        try:
            data = document.get((*steps, "x-apigw"))
        except KeyError:
            return
        base: Steps = (*steps, "x-apigw")

        def place(steps: Steps, *, key: bool = False) -> Place:
            return document.place(base + steps, key=key)

        data, undefined = located.filled(data, self._variables, place)
        for problem in undefined:
            self._problems.once("x-apigw", f"{problem.place}{problem.message}", problem)
        decoder = Decoder(place, tuple(self.registry.values()))
        try:
            policies = decoder.decode(data, Policies)
        except Wrong:
            for problem in decoder.problems:
                self._problems.once("x-apigw", f"{problem.place}{problem.message}", problem)
            return
        yield Layer(note, policies, lambda *steps: place(steps))
