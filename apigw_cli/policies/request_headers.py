"""`request_headers`: `request: {headers: …}` in short, for a route that changes nothing else of its requests.

It comes after `request`; a name stands in one of the two. The request's body is not read for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec import Struct, to_builtins

from apigw_cli.policies.interface import Change, Problem, Reason, Runtime, Step, needs_an_upstream
from apigw_cli.policies.judging import judged
from apigw_cli.policies.request import POLICY as REQUEST
from apigw_cli.policies.request import headers
from apigw_cli.policies.request.model import Headers, Request
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.problems import of_template
from apigw_cli.snapshot.model import Route


def _named(value: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What plain data of either policy's headers names, and where."""
    for kind in ("set", "add", "rename"):
        for key, text in value.get(kind, {}).items():
            yield (kind, key), key
            if kind == "rename":
                yield (kind, key), text
    for index, name in enumerate(value.get("remove", ())):
        yield ("remove", index), name


def _as_request(value: Headers | None) -> Request | None:
    return None if value is None else Request(headers=value)


class _Policy:
    name = "request_headers"
    order = 80
    model: type[Struct] = Headers
    derived = False
    refuses = False
    neutral: ClassVar = REQUEST.neutral

    def compile(self, value: Headers, route: Route, runtime: Runtime) -> Step | None:
        return headers.step(value, route.path, "cache" in route.policies)

    def idle(self, route: Route) -> str:
        return needs_an_upstream(route)

    def problems(self, value: Headers, route: Route) -> Iterator[Problem]:
        """Values that requests of this route do not have, or that are not read here, and what `request` names too."""
        data = to_builtins(value)
        yield from of_template(data, route.path)
        if any(name.startswith("request.body") for name in writing.names(data)):
            yield Problem((), "request_headers does not read the body", "write request: {headers: …}")
        elsewhere = {name.lower() for _, name in _named(route.policies.get("request", {}).get("headers", {}))}
        for at, name in _named(data):
            if name.lower() in elsewhere:
                yield Problem(at, f"header {name} is named by request too", "name it in one of the two")

    def compare(self, old: Headers | None, new: Headers | None) -> Change:
        """What is set or removed no client can send: an upstream may rely on that."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Headers | None, new: Headers | None) -> Iterator[Reason]:
        yield from REQUEST.reasons(_as_request(old), _as_request(new))

    def describe(self, value: Headers) -> str:
        return REQUEST.describe(Request(headers=value)).replace(" header ", " ")


POLICY = _Policy()
