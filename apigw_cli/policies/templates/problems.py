"""What can be said of templates once the route is known: whether its requests have the values that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.config import template
from apigw_cli.policies.interface import Problem
from apigw_cli.policies.templates.reading import path_variables


def of_template(data: Any, path: str, at: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Every variable of a path that this path does not have, in all texts of plain data."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from of_template(value, path, (*at, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from of_template(value, path, (*at, index))
    elif isinstance(data, str) and "${request.path." in data:
        known = path_variables(path)
        for value in template.values(data):
            name = value.name.removeprefix("request.path.")
            if name != value.name and name not in known:
                listed = ", ".join(known) or "none"
                yield Problem(at, f"the path {path} has no variable {{{name}}}", f"its variables: {listed}")
