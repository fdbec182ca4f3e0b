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
from apigw_cli.stages.contract import styles
from apigw_cli.stages.contract.absorb import life_of
from apigw_cli.stages.contract.shape import Life

# These header parameters are ignored where they stand (OpenAPI 3.1, section 4.8.12.2.1).
_IGNORED_HEADERS = ("accept", "content-type", "authorization")
_JSON, _MULTIPART, _URLENCODED = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"


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
    life: Life


@dataclass(frozen=True, slots=True)
class Content:
    """A body or response: schemas by media type (None: any value), and how a form's fields are written."""

    node: Node
    media: dict[str, Node | None] = field(default_factory=dict)
    encoding: dict[str, str] = field(default_factory=dict)


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
    links: dict[str, Node] = field(default_factory=dict)

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
            if location in ("body", "formData") or (location == "header" and name.lower() in _IGNORED_HEADERS):
                continue
            parameter = self._parameter(node, location, name, order)
            found[parameter.key] = parameter
        return found

    def _parameter(self, node: Node, location: str, name: str, order: list[str]) -> Parameter:
        if location == "path":
            identity = str(order.index(name)) if name in order else name
        else:
            identity = name.lower() if location == "header" else "" if location == "querystring" else name
        required = node.data.get("required") is True or location == "path"
        schema = self._schema_of(node)
        style = styles.of_parameter(node, location, self.library.follow(schema) if schema else None, old=self.old)
        life = Life() if schema is node else life_of(node.data)
        return Parameter((location, identity), location, name, required, style, schema, node, life)

    def _schema_of(self, node: Node) -> Node | None:
        if self.old:
            return node
        if "schema" in node.data:
            return node.child("schema")
        for media in mapping(node.data.get("content")):
            if "schema" in mapping(node.data["content"][media]):
                return node.child("content", media, "schema")
        return None

    # --- bodies

    def body(self, operation: Operation) -> Body | None:
        if self.old:
            return self._old_body(operation)
        if not isinstance(operation.node.data.get("requestBody"), dict):
            return None
        node = self.library.follow(operation.node.child("requestBody"))
        encoding = styles.of_form(node, self.library)
        return Body(node, self._media(node), encoding, mapping(node.data).get("required") is True)

    def _old_body(self, operation: Operation) -> Body | None:
        fields = []
        for node in openapi.parameters(operation, self.library):
            if node.data.get("in") == "body":
                schema = node.child("schema") if "schema" in node.data else None
                media: dict[str, Node | None] = dict.fromkeys(self._types(operation, "consumes"), schema)
                return Body(node, media, {}, node.data.get("required") is True)
            if node.data.get("in") == "formData":
                fields.append(node)
        return self._form(operation, fields) if fields else None

    def _form(self, operation: Operation, fields: list[Node]) -> Body:
        """The fields of a Swagger 2 form as one object, as OpenAPI 3 writes it."""
        files = any(field.data.get("type") == "file" for field in fields)
        listed = [t for t in self._types(operation, "consumes") if t.startswith(("multipart/", _URLENCODED))]
        schema = styles.form_schema(fields)
        media: dict[str, Node | None] = dict.fromkeys(listed or [_MULTIPART if files else _URLENCODED], schema)
        required = any(field.data.get("required") is True for field in fields)
        return Body(fields[0], media, styles.of_fields(fields), required)

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
                media = self._answers(operation, node)
                links = {
                    name: self.library.follow(node.child("links", name)) for name in mapping(node.data.get("links"))
                }
                found[status.upper() if status.endswith("xx") else status] = Response(
                    node, media, {}, status, self._headers(node), links
                )
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

    # --- calls the other way round

    def webhooks(self) -> dict[tuple[str, str], Operation]:
        """What the API may send to whoever registered (OpenAPI 3.1 on), by name and method."""
        key = "webhooks" if "webhooks" in self.document.data else "x-webhooks"
        root = Node(self.document, (), self.document.data)
        return self._called(root, key) if not self.old else {}

    def callbacks(self, operation: Operation) -> dict[tuple[str, str], Operation]:
        """What the API sends in answer to this operation, by name with its URL, and method."""
        found: dict[tuple[str, str], Operation] = {}
        for name in mapping(operation.node.data.get("callbacks")):
            callback = self.library.follow(operation.node.child("callbacks", name))
            if isinstance(callback.data, dict):
                for url in callback.data:
                    found |= self._items(callback, url, f"{name} {url}")
        return found

    def _called(self, node: Node, key: str) -> dict[tuple[str, str], Operation]:
        found: dict[tuple[str, str], Operation] = {}
        for name in mapping(node.data.get(key)):
            found |= self._items(node.child(key), name, name)
        return found

    def _items(self, holder: Node, key: str, name: str) -> dict[tuple[str, str], Operation]:
        if not isinstance(holder.data[key], dict) or key.startswith("x-"):
            return {}
        item = self.library.follow(holder.child(key))
        return {(name, o.method): o for o in openapi.operations_of(name, item, self.version)}

    # --- servers

    def servers(self) -> dict[str, Node]:
        """The places where the API can be called, variables at their defaults; `//host` where the scheme is open."""
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
        host, base = self.document.data.get("host"), openapi.base_path(self.document)
        if not isinstance(host, str):
            return {base: root} if base else {}
        schemes = self.document.data.get("schemes")
        return (
            {f"{s}://{host}{base}": root for s in schemes} if isinstance(schemes, list) else {f"//{host}{base}": root}
        )


def template(path: str) -> str:
    """A path without the names of its parameters: `/pets/{petId}` and `/pets/{id}` are one path."""
    return re.sub(r"\{[^{}]*\}", "{}", path)


def media_type(name: str) -> str:
    """A media type in one spelling: lower case, parameters sorted, without blanks (RFC 9110, section 8.3.1)."""
    first, *parameters = (piece.strip() for piece in name.split(";"))
    return ";".join([first.lower(), *sorted(p.lower() for p in parameters if p)])


def _server_url(server: dict[str, Any]) -> str:
    url = str(server.get("url", "/"))
    for name, variable in mapping(server.get("variables")).items():
        url = url.replace("{" + name + "}", str(mapping(variable).get("default", "")))
    return url.rstrip("/") or "/"
