"""Gateway rules: what a router, or a client behind a limit, would stumble over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, Hit, On, PlacedHit, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import Operation


@rule(
    "gateway-ambiguous-paths",
    "Two operations answer the same requests.",
    on=On.DOCUMENT,
    severity=ERROR,
    family="apigw:gateway",
    summary="No two paths with the same method match exactly the same requests.",
    why="A gateway cannot know which of /a/{x} and /a/{y} was meant. With different methods they are no fault.",
    fix="Make them one path, or give one of them a literal segment.",
)
def gateway_ambiguous_paths(subject: Subject) -> Iterator[Hit]:
    first: dict[tuple[str, str], Operation] = {}
    for operation in subject.operations:
        shape = re.sub(r"\{[^{}]*?(\+?)\}", r"{\1}", operation.path)
        other = first.setdefault((operation.method, shape), operation)
        if other.path == operation.path:
            continue
        message = f"{operation.method} {operation.path} is the same route as {other.method} {other.path}"
        related = ((other.node.document, other.node.path, f"{other.method} {other.path}"),)
        yield Hit(operation.node.document, operation.node.path, message, related=related, see_also=True)


@rule(
    "gateway-limit-undocumented",
    "A limited route documents no 429 response.",
    on=On.GATEWAY,
    family="apigw:gateway",
    summary="Every route with a rate limit documents the 429 that the limit answers with.",
    why="A client that does not know of the limit does not wait, and its generated code cannot tell a 429 apart.",
    fix="Add a '429' response with a Retry-After header to the operation, best by a shared component.",
)
def gateway_limit_undocumented(stage: Any) -> Iterable[PlacedHit]:
    groups: dict[tuple[Any, str], list[Any]] = {}
    for route in stage.limited_routes():
        if not route.documents("429", "4XX"):
            groups.setdefault((route.limit_place, route.limit), []).append(route)
    for (place, limit), routes in groups.items():
        yield PlacedHit(
            place or routes[0].operation_place,
            _message([route.name for route in routes], limit),
            related=tuple((route.operation_place, route.name) for route in routes),
        )


def _message(names: list[str], limit: str) -> str:
    if len(names) == 1:
        return f"{names[0]} is limited to {limit} but documents no 429 response"
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} routes ({shown}) are limited to {limit} but document no 429 response"
