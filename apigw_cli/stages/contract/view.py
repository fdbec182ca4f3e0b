"""One way to look at an operation of any OpenAPI version: parameters, request body, responses.

Swagger 2 writes a body as a parameter and a schema beside it; here every version has the same parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.operations import Operation, mapping

# These header parameters are ignored where they stand (OpenAPI 3.1, section 4.8.12.2.1).
_IGNORED_HEADERS = ("accept", "content-type", "authorization")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`key` is its identity: place and name; a path parameter is known by its position, a header in lower case."""

    key: tuple[str, str]
    location: str
    name: str
    required: bool
    style: str
    schema: Node | None
    node: Node

    @property
    def has_default(self) -> bool:
        return self.schema is not None and "default" in mapping(self.schema.data)


@dataclass(frozen=True, slots=True)
class Content:
    """A body or response: schemas by media type (None: any value)."""

    node: Node
    media: dict[str, Node | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body(Content):
    required: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    name: str
    required: bool
    schema: Node | None
    node: Node


@dataclass(frozen=True, slots=True)
class Response(Content):
    status: str = ""
    headers: dict[str, Header] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        return self.status[:1] in ("1", "2", "3")


class View:
    """One document, looked at operation by operation."""

    def __init__(self, document: Document, library: Library) -> None:
        self.document = document
        self.library = library
        self.version = openapi.version(document)
        self.old = self.version == "2.0"
        self.operations: dict[tuple[str, str], Operation] = {}
        for operation in openapi.operations(document, library):
            self.operations.setdefault((operation.method, template(operation.path)), operation)

    # --- parameters

    def parameters(self, operation: Operation) -> dict[tuple[str, str], Parameter]:
        found: dict[tuple[str, str], Parameter] = {}
        order = openapi.path_variables(operation.path)
        for node in openapi.parameters(operation, self.library):
            location, name = str(node.data.get("in")), str(node.data.get("name"))
            if location == "body" or (location == "header" and name.lower() in _IGNORED_HEADERS):
                continue
            parameter = self._parameter(node, location, name, order)
            found[parameter.key] = parameter
        return found

    def _parameter(self, node: Node, location: str, name: str, order: list[str]) -> Parameter:
        if location == "path":
            identity = str(order.index(name)) if name in order else name
        else:
            identity = name.lower() if location == "header" else name
        required = node.data.get("required") is True or location == "path"
        schema = self._schema_of(node)
        style = self._style(node, location, schema)
        return Parameter((location, identity), location, name, required, style, schema, node)

    def _schema_of(self, node: Node) -> Node | None:
        if self.old:
            return node
        if "schema" in node.data:
            return node.child("schema")
        for media in mapping(node.data.get("content")):
            if "schema" in mapping(node.data["content"][media]):
                return node.child("content", media, "schema")
        return None

    def _style(self, node: Node, location: str, schema: Node | None) -> str:
        """How a value with several parts is written; '' where values have one part only."""
        if schema is None or not _composite(self.library.follow(schema).data):
            return ""
        if self.old:
            return str(node.data.get("collectionFormat", "csv"))
        if "content" in node.data:
            return ",".join(mapping(node.data["content"]))
        style = str(node.data.get("style", "form" if location in ("query", "cookie") else "simple"))
        explode = node.data.get("explode", style == "form")
        return f"{style}{', exploded' if explode is True else ''}"

    # --- bodies

    def body(self, operation: Operation) -> Body | None:
        if self.old:
            return self._old_body(operation)
        if not isinstance(operation.node.data.get("requestBody"), dict):
            return None
        node = self.library.follow(operation.node.child("requestBody"))
        return Body(node, self._media(node), mapping(node.data).get("required") is True)

    def _old_body(self, operation: Operation) -> Body | None:
        for node in openapi.parameters(operation, self.library):
            if node.data.get("in") == "body":
                schema = node.child("schema") if "schema" in node.data else None
                media: dict[str, Node | None] = dict.fromkeys(self._types(operation, "consumes"), schema)
                return Body(node, media, node.data.get("required") is True)
        return None

    def _types(self, operation: Operation, keyword: str) -> Iterable[str]:
        listed = operation.node.data.get(keyword, self.document.data.get(keyword))
        return [media_type(str(name)) for name in listed] if isinstance(listed, list) and listed else [_JSON]

    def _media(self, node: Node) -> dict[str, Node | None]:
        found: dict[str, Node | None] = {}
        for name, entry in mapping(mapping(node.data).get("content")).items():
            keyword = next((k for k in ("schema", "itemSchema") if k in mapping(entry)), None)
            found[media_type(name)] = node.child("content", name, keyword) if keyword else None
        return found

    # --- responses

    def responses(self, operation: Operation) -> dict[str, Response]:
        found: dict[str, Response] = {}
        for status in mapping(operation.node.data.get("responses")):
            if status.startswith("x-"):
                continue
            node = self.library.follow(operation.node.child("responses", status))
            if isinstance(node.data, dict):
                found[status] = Response(node, self._answers(operation, node), status, self._headers(node))
        return found

    def _answers(self, operation: Operation, node: Node) -> dict[str, Node | None]:
        if not self.old:
            return self._media(node)
        if "schema" not in node.data:
            return {}
        schema: Node | None = node.child("schema")
        return dict.fromkeys(self._types(operation, "produces"), schema)

    def _headers(self, node: Node) -> dict[str, Header]:
        found: dict[str, Header] = {}
        for name, entry in mapping(node.data.get("headers")).items():
            if name.lower() == "content-type" or not isinstance(entry, dict):
                continue
            header = self.library.follow(node.child("headers", name))
            required = mapping(header.data).get("required") is True
            found[name.lower()] = Header(name, required, self._schema_of(header), header)
        return found

    # --- servers

    def servers(self) -> dict[str, Node]:
        """The places where the API can be called, variables at their defaults."""
        root = Node(self.document, (), self.document.data)
        if self.old:
            return self._old_servers(root)
        found: dict[str, Node] = {}
        listed = self.document.data.get("servers")
        for index, server in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(server, dict):
                found.setdefault(_server_url(server), root.child("servers", index))
        return found

    def _old_servers(self, root: Node) -> dict[str, Node]:
        host = self.document.data.get("host")
        if not isinstance(host, str):
            return {}
        schemes = self.document.data.get("schemes")
        base = openapi.base_path(self.document)
        return {f"{scheme}://{host}{base}": root for scheme in (schemes if isinstance(schemes, list) else ["https"])}


def template(path: str) -> str:
    """A path without the names of its parameters: `/pets/{petId}` and `/pets/{id}` are one path."""
    return re.sub(r"\{[^{}]*\}", "{}", path)


def media_type(name: str) -> str:
    """A media type in one spelling: lower case, parameters sorted, without blanks (RFC 9110, section 8.3.1)."""
    first, *parameters = (piece.strip() for piece in name.split(";"))
    return ";".join([first.lower(), *sorted(p.lower() for p in parameters if p)])


def _composite(data: Any) -> bool:
    kind = mapping(data).get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    return "array" in kinds or "object" in kinds


def _server_url(server: dict[str, Any]) -> str:
    url = str(server.get("url", "/"))
    for name, variable in mapping(server.get("variables")).items():
        url = url.replace("{" + name + "}", str(mapping(variable).get("default", "")))
    return url.rstrip("/") or "/"
