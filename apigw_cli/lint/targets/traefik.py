"""Traefik Proxy: what its open-source edition cannot do of a specification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import INFO, Hit
from apigw_cli.lint.subject import Subject
from apigw_cli.lint.targets import common
from apigw_cli.openapi.operations import Operation

_traefik = common.target_rules("traefik", "Traefik", "HTTP routers: rules and priorities; HTTP middlewares")


def _scheme(data: dict[str, Any]) -> str | None:
    kind, scheme = data.get("type"), str(data.get("scheme", "")).lower()
    if kind in ("basic", "mutualTLS") or (kind == "http" and scheme in ("basic", "digest")):
        return None
    name = f"{kind} {scheme}".strip()
    return f"{name} needs Traefik Hub, or a service of your own behind ForwardAuth"


def _shadowed(subject: Subject) -> Iterator[Hit]:
    """Literal paths that a path with variables matches as well: the longer rule goes first, and that is a pattern's."""
    templates: dict[int, list[tuple[re.Pattern[str], Operation]]] = {}
    for operation in subject.operations:
        if "{" in operation.path:
            pattern = re.compile(re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(operation.path)))
            templates.setdefault(operation.path.count("/"), []).append((pattern, operation))
    for operation in subject.operations:
        for pattern, other in templates.get(operation.path.count("/"), ()):
            if "{" not in operation.path and other.method == operation.method and pattern.fullmatch(operation.path):
                message = f"{operation.method} {other.path} matches {operation.path} too, by a longer rule"
                yield Hit.at(operation.node, message=message, on_key=True)
                break


def _bodies(subject: Subject) -> Iterator[Hit]:
    for operation in subject.operations:
        if operation.node.data.get("requestBody") or operation.node.data.get("parameters"):
            yield subject.hit("paths", message="requests will not be validated", on_key=True)
            return


TRAEFIK = (
    _traefik("security-type", common.scheme_check(_scheme), "Every security scheme is Basic, Digest or mutual TLS.",
             "There are middlewares for Basic and Digest, and TLS options; API keys, JWTs and OIDC are in Hub.",
             "Ask a service of your own with ForwardAuth."),
    _traefik("shadowed-paths", _shadowed, "No literal path is matched by one with variables.",
             "Of the routers that match, the one with the longest rule is taken, not the most specific one.",
             "Give the router of the literal path a higher priority."),
    _traefik("validation", _bodies, "Nothing relies on Traefik to validate requests.",
             "No middleware knows OpenAPI or JSON Schema.", "Validate in the backend.", severity=INFO),
)  # fmt: skip
