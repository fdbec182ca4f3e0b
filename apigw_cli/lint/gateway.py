"""What gateway rules look at: a compiled stage, with its limited routes and what their operations document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apigw_cli.config.located import Located
from apigw_cli.errors import Place
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import Operation, mapping, operations
from apigw_cli.openapi.places import Steps
from apigw_cli.snapshot import sites
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route


@dataclass(frozen=True, slots=True)
class LimitedRoute:
    """A route with a rate limit: the limit in words, where it was set, and the operation behind it."""

    name: str
    limit: str
    limit_place: Place | None
    operation: Operation

    @property
    def operation_place(self) -> Place:
        return self.operation.node.document.place(self.operation.node.path, key=True)

    def documents(self, *statuses: str) -> bool:
        """Whether the operation has a response of one of these."""
        responses = mapping(mapping(self.operation.node.data).get("responses"))
        return any(status in responses or status.lower() in responses for status in statuses)


@dataclass(frozen=True, slots=True)
class Stage:
    """One compiled stage and the documents that it came from."""

    compiled: Compiled
    library: Library
    config: Located

    def place(self, *steps: str | int) -> Place:
        """Where a key of apigw.yaml stands, or the nearest thing above it."""
        return self.config.place(steps, key=True)

    def operations(self) -> dict[str, Operation]:
        """Every operation by the id of its route."""
        return self._operations({api.name for api in self.compiled.snapshot.apis})

    def limited_routes(self) -> Iterator[LimitedRoute]:
        """Every route with a rate limit, in the order of the Snapshot."""
        limited = [route for route in self.compiled.snapshot.routes if "rate_limit" in route.policies]
        found = self._operations({route.api for route in limited})
        self._locate([found[route.id] for route in limited if route.id in found])
        for route in limited:
            if route.id in found:
                yield self._limited(route, found[route.id])

    def _limited(self, route: Route, operation: Operation) -> LimitedRoute:
        origins = self.compiled.provenance.of(route.id, "policies.rate_limit")
        place = origins[0].place if origins else None
        return LimitedRoute(route.operation, origins[0].text if origins else "a rate", place, operation)

    def _operations(self, apis: set[str]) -> dict[str, Operation]:
        """The operations of some APIs by the id of their route."""
        return {
            f"{api.name}:{operation.name}": operation
            for api in self.compiled.snapshot.apis
            if api.name in apis and not sites.is_made(api.spec)
            for operation in operations(self.library.read(api.spec), self.library)
        }

    def _locate(self, found: list[Operation]) -> None:
        """Find the places of all at once, where a document is JSON."""
        paths: dict[str, list[Steps]] = {}
        for operation in found:
            node = operation.node
            paths.setdefault(node.document.name, []).extend((node.path, (*node.path, "x-apigw", "rate_limit")))
        for name, wanted in paths.items():
            self.library.read(name).locate(wanted)
