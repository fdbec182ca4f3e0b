"""What an OpenAPI document offers: its version, base path, operations, security. 2.0, 3.0, 3.1 and 3.2."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.yaml import Steps

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
METHODS_3_2 = (*METHODS, "query")
ANY_METHOD = "x-amazon-apigateway-any-method"  # AWS: an operation for every method that has none of its own
VERSIONS = ("2.0", "3.0", "3.1", "3.2")


def version(document: Document) -> str:
    """'2.0', '3.0', '3.1' or '3.2'. Raises InputError for anything else."""
    data = document.data
    if not isinstance(data, dict):
        raise InputError("not an OpenAPI document: a mapping is expected", place=document.place())
    for key in ("openapi", "swagger"):
        if key in data:
            found = _version_of(str(data[key]))
            if found is None:
                raise InputError(
                    f"{key} {data[key]!r} is not a version that apigw knows",
                    place=document.place((key,)),
                    hint="known: " + ", ".join(VERSIONS),
                )
            return found
    raise InputError(
        "not an OpenAPI document: it has neither 'openapi' nor 'swagger'",
        place=document.place(),
        hint="an OpenAPI document begins with, for example, openapi: 3.1.0",
    )


def _version_of(text: str) -> str | None:
    match = re.match(r"(\d+\.\d+)(\.\d+.*)?$", text)
    return match[1] if match and match[1] in VERSIONS else None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: METHOD and path as written, with its node and that of its path item.

    The method is in upper case; ANY for AWS's `x-amazon-apigateway-any-method`.
    """

    method: str
    path: str
    node: Node
    item: Node

    @property
    def operation_id(self) -> str | None:
        value = self.node.data.get("operationId")
        return value if isinstance(value, str) else None

    @property
    def name(self) -> str:
        """The operationId, or `METHOD /path` where there is none."""
        return self.operation_id or f"{self.method} {self.path}"


def operations(document: Document, library: Library) -> Iterator[Operation]:
    """Every operation in the order of the document; path items behind a `$ref` are followed."""
    paths = document.data.get("paths") if isinstance(document.data, dict) else None
    if not isinstance(paths, dict):
        return
    methods = METHODS_3_2 if version(document) == "3.2" else METHODS
    root = Node(document, (), document.data)
    for path, data in paths.items():
        if not isinstance(data, dict) or path.startswith("x-"):
            continue
        item = library.follow(root.child("paths", path))
        yield from _of_item(path, item, methods)


def operations_of(path: str, item: Node, version: str) -> Iterator[Operation]:
    """The operations of one path item (of a webhook, a callback), called by `path`."""
    yield from _of_item(path, item, METHODS_3_2 if version == "3.2" else METHODS)


def _of_item(path: str, item: Node, methods: tuple[str, ...]) -> Iterator[Operation]:
    if not isinstance(item.data, dict):
        return
    for key, value in item.data.items():
        if key in methods and isinstance(value, dict):
            yield Operation(key.upper(), path, item.child(key), item)
        elif key == ANY_METHOD and isinstance(value, dict):
            yield Operation("ANY", path, item.child(key), item)
    extra = item.data.get("additionalOperations")
    if "query" in methods and isinstance(extra, dict):
        for method, value in extra.items():
            if isinstance(value, dict):
                yield Operation(method, path, item.child("additionalOperations", method), item)


def parameters(operation: Operation, library: Library) -> list[Node]:
    """The operation's parameters, references followed; its own replace its path item's (OpenAPI 4.8.10)."""
    found: dict[tuple[str, str], Node] = {}
    for owner in (operation.item, operation.node):
        listed = owner.data.get("parameters")
        if not isinstance(listed, list):
            continue
        for index in range(len(listed)):
            node = library.follow(owner.child("parameters", index))
            if isinstance(node.data, dict):
                found[(str(node.data.get("in")), str(node.data.get("name")))] = node
    return list(found.values())


def base_path(document: Document) -> str:
    """The path of the first server, variables at their defaults; '' for the root. Never ends in '/'."""
    data = document.data
    if "swagger" in data:
        return str(data.get("basePath") or "").rstrip("/")
    servers = data.get("servers")
    if not (isinstance(servers, list) and servers and isinstance(servers[0], dict)):
        return ""
    url = str(servers[0].get("url", "/"))
    variables = servers[0].get("variables")
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        if isinstance(variable, dict):
            url = url.replace("{" + name + "}", str(variable.get("default", "")))
    try:
        return urllib.parse.urlsplit(url).path.rstrip("/")
    except ValueError as error:
        raise InputError(f"server URL {url!r}: {error}", place=document.place(("servers", 0, "url"))) from None


def security(document: Document, operation: Operation) -> tuple[list[dict[str, list[str]]], Steps]:
    """The requirements that hold for an operation (alternatives) and the path where they stand.

    An empty list: nothing is required. `{}` among the alternatives makes them optional.
    """
    own = operation.node.data.get("security")
    if isinstance(own, list):
        return [r for r in own if isinstance(r, dict)], (*operation.node.path, "security")
    root = document.data.get("security")
    if isinstance(root, list):
        return [r for r in root if isinstance(r, dict)], ("security",)
    return [], ()


def security_schemes(document: Document, library: Library) -> dict[str, Node]:
    """The declared security schemes by name."""
    base: Steps = ("securityDefinitions",) if "swagger" in document.data else ("components", "securitySchemes")
    try:
        found = document.get(base)
    except KeyError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: library.follow(Node(document, (*base, name), data)) for name, data in found.items()}


def path_variables(path: str) -> list[str]:
    """Names of the `{…}` in a path template, in order."""
    return re.findall(r"\{([^{}]*)\}", path)


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, else an empty one: for reading documents that may be wrong."""
    return value if isinstance(value, dict) else {}
