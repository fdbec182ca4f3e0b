"""Whether the paths of a Snapshot's routes can be told apart, and matched at all."""

from __future__ import annotations

from functools import partial

from apigw_cli.errors import InputError
from apigw_cli.openapi import operations as openapi
from apigw_cli.snapshot import model
from apigw_cli.snapshot.provenance import Provenance


def path_problem(path: str) -> str | None:
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


def check_conflicts(routes: list[model.Route], provenance: Provenance) -> list[InputError]:
    """Two routes that the same request would reach, and two operations of one name, are errors."""
    conflict = partial(_conflict, provenance)
    problems: list[InputError] = []
    shapes: dict[tuple[str, str], list[model.Route]] = {}
    ids: dict[str, model.Route] = {}
    for route in routes:
        blank = _shape(route.path)
        for other in shapes.setdefault((route.method, blank), []):
            # Exact hosts come before any host: only a host that both name, or neither, makes them one.
            if set(other.hosts) & set(route.hosts) or other.hosts == route.hosts:
                words = f"{route.method} {route.path} and {other.method} {other.path} are one route"
                problems.append(conflict(other, route, words))
        shapes[(route.method, blank)].append(route)
        if ids.setdefault(route.id, route) is not route:
            problems.append(conflict(ids[route.id], route, f'two operations are called "{route.operation}"'))
    return problems


def _shape(path: str) -> str:
    """A path template without the names of its variables, which no request knows."""
    for variable in openapi.path_variables(path):
        path = path.replace("{" + variable + "}", "{+}" if variable.endswith("+") else "{}", 1)
    return path


def _conflict(provenance: Provenance, first: model.Route, second: model.Route, message: str) -> InputError:
    origins = provenance.of(second.id, "operation")
    other = provenance.of(first.id, "operation")
    index = -1 if first.id == second.id else 0
    place = origins[index].place if origins else None
    return InputError(f"{message}: see also {other[0].place if other else first.id}", place=place)
