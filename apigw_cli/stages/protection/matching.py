"""Which routes of two Snapshots are the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apigw_cli.snapshot.model import Route
from apigw_cli.stages.contract.view import template


@dataclass(frozen=True, slots=True)
class Matched:
    """Pairs of a route before and after, those that are new, and those that are gone."""

    pairs: tuple[tuple[Route, Route], ...]
    added: tuple[Route, ...]
    removed: tuple[Route, ...]


def match(old: tuple[Route, ...], new: tuple[Route, ...], apis: Mapping[str, str]) -> Matched:
    """Routes that are the same to a client (API, method, path), else of the same name. `apis`: their old names."""
    left = {(route.api, *wire(route)): route for route in old}
    pairs: list[tuple[Route, Route]] = []
    rest: list[Route] = []
    for route in new:
        before = left.pop((apis.get(route.api, ""), *wire(route)), None)
        if before is None:
            rest.append(route)
        else:
            pairs.append((before, route))
    names = {route.id: route for route in left.values()}
    added = []
    for route in rest:
        before = names.pop(f"{apis.get(route.api)}:{route.operation}", None)
        if before is None:
            added.append(route)
        else:
            pairs.append((before, route))
    return Matched(tuple(pairs), tuple(added), tuple(names.values()))


def wire(route: Route) -> tuple[str, str]:
    """A route as a client sees it: the method, and the path without the names of its variables."""
    return route.method, template(route.path)
