"""The one request that is sent to a route when nobody says which: the author's examples, then the plainest values.

Upstreams that keep data are likelier to have a pet 1 than one that is drawn by lot, as `operation_request` does for
load that has to differ.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

import orjson

from apigw_cli.bench.operation_request import Sample
from apigw_cli.errors import UsageError
from apigw_cli.integrations.sample import Sampler
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.operations import Operation, mapping
from apigw_cli.snapshot.model import Route, Snapshot


def sample_request(snapshot: Snapshot, route: Route) -> Sample:
    """A valid request for `route`. Raises UsageError where the operation wants what cannot be made up."""
    library = Library.of({name: orjson.loads(memoryview(data)) for name, data in snapshot.documents.items()})
    api = next(api for api in snapshot.apis if api.name == route.api)
    document = library.read(api.spec)
    operation = operation_of(document, library, route, api.base_path)
    values: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for node in openapi.parameters(operation, library):
        place, name = str(node.data.get("in")), str(node.data.get("name"))
        if place in values and (node.data.get("required") is True or place == "path"):
            values[place][name] = _parameter(node, library)
    body, content_type = _body(operation, library)
    headers = [(name, _text(value)) for name, value in values["header"].items()]
    if content_type:
        headers.append(("Content-Type", content_type))
    return Sample(_path(route.path, values["path"], values["query"]), tuple(headers), body)


def operation_of(document: Document, library: Library, route: Route, base_path: str) -> Operation:
    """The operation that a route is made from. Raises UsageError where there is none."""
    for operation in openapi.operations(document, library):
        if operation.method == route.method and route.operation in (
            operation.name,
            f"{operation.method} {operation.path}",
            f"{operation.method} {base_path}{operation.path}",
        ):
            return operation
    raise UsageError(f"{route.id} is not an operation of {document.name}", hint="give a URL instead")


def _parameter(node: Node, library: Library) -> Any:
    data = node.data
    if "example" in data:
        return data["example"]
    for example in mapping(data.get("examples")).values():
        if isinstance(example, dict) and "value" in example:
            return example["value"]
    schema = data.get("schema", data)  # OpenAPI 2.0 has the schema's words in the parameter itself
    value = Sampler(library).sample(node.document, schema)
    return 1 if value == 0 and mapping(schema).get("minimum") is None else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value)


def _path(template: str, variables: dict[str, Any], query: dict[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        return urllib.parse.quote(_text(variables.get(match[1].rstrip("+"), 1)), safe="") or "1"

    path = re.sub(r"\{([^{}]*)\}", value, template)
    pairs = [(name, _text(one)) for name, one in query.items()]
    return path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")


def _body(operation: Operation, library: Library) -> tuple[bytes, str]:
    """The body and its media type; both empty where none is wanted."""
    for node in openapi.parameters(operation, library):
        if node.data.get("in") == "body":  # OpenAPI 2.0
            return orjson.dumps(Sampler(library).sample(node.document, node.data.get("schema"))), "application/json"
    if "requestBody" not in operation.node.data:
        return b"", ""
    node = library.follow(operation.node.child("requestBody"))
    content = mapping(mapping(node.data).get("content"))
    kind = next((k for k in content if k.partition(";")[0].endswith(("/json", "+json"))), None)
    if kind is None:
        if mapping(node.data).get("required") is True:
            raise UsageError(
                f"{operation.name} takes {', '.join(content) or 'a body'}, which cannot be made up",
                hint="give a URL and the body with -d",
            )
        return b"", ""
    return orjson.dumps(_example(node.child("content", kind), library)), kind


def _example(node: Node, library: Library) -> Any:
    media = mapping(node.data)
    if "example" in media:
        return media["example"]
    for example in mapping(media.get("examples")).values():
        if isinstance(example, dict) and "value" in example:
            return example["value"]
    return Sampler(library).sample(node.document, media.get("schema"))
