"""Rules about examples and defaults: they fit their schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.messages import dotted
from apigw_cli.lint.model import ERROR, OAS2, OAS3, Hit, On, rule
from apigw_cli.lint.subject import Visit
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import mapping
from apigw_cli.openapi.places import Steps

_SAYS_SCHEMA = ("enum", "type", "format", "properties", "items")
_IN_SCHEMAS = {OAS2: ("definitions", "parameters", "responses"), OAS3: ("content", "headers", "parameters")}
_WHY = "Readers copy examples, mock servers answer with them and tests are made of them."
_FIX = "Mend the example, or the schema."


def _is_within(visit: Visit, path: Steps, words: tuple[str, ...]) -> bool:
    """Whether the mapping is somewhere below one of the words; in other files all is, or it had not been met."""
    return visit.document is not visit.subject.document or any(word in path[:-1] for word in words)


def _truthy(value: Any) -> bool:
    return isinstance(value, dict | list) or bool(value)


def _schema_examples(visit: Visit, words: tuple[str, ...], fields: tuple[str, ...]) -> Iterator[Hit]:
    node = visit.node
    if next(field for field in fields if field in node) != visit.key or visit.own_key == "properties":
        return  # another of its keys has brought us here already
    if isinstance(node.get("$ref"), str) or not any(_truthy(node.get(word)) for word in _SAYS_SCHEMA):
        return
    path = visit.path
    if not _is_within(visit, path, words) and path[:2] != ("components", "schemas"):
        return
    for field in fields:
        if field in node:
            yield from _faults(visit, Node(visit.document, path, node), node[field], (*path, field))


def _faults(visit: Visit, schema: Node, value: Any, place: Steps, relaxed: str = "") -> Iterator[Hit]:
    return visit.subject.examples.hits(schema, Node(visit.document, place, value), relaxed)


@rule(
    "oas3-valid-schema-example",
    "The example does not fit its schema.",
    on=On.KEYS,
    keys=("example", "default"),
    late=True,
    severity=ERROR,
    formats=OAS3,
    summary="The example and the default of a schema fit it.",
    why=_WHY,
    fix=_FIX,
)
def oas3_valid_schema_example(visit: Visit) -> Iterator[Hit]:
    return _schema_examples(visit, _IN_SCHEMAS[OAS3], ("example", "default"))


@rule(
    "oas2-valid-schema-example",
    "The example does not fit its schema.",
    on=On.KEYS,
    keys=("example", "x-example", "default"),
    late=True,
    severity=ERROR,
    formats=OAS2,
    summary="The example and the default of a schema fit it.",
    why=_WHY,
    fix=_FIX,
)
def oas2_valid_schema_example(visit: Visit) -> Iterator[Hit]:
    return _schema_examples(visit, _IN_SCHEMAS[OAS2], ("example", "x-example", "default"))


@rule(
    "oas2-valid-media-example",
    "The example does not fit its schema.",
    on=On.KEYS,
    keys=("examples",),
    late=True,
    severity=ERROR,
    formats=OAS2,
    summary="The examples of a response fit its schema.",
    why=_WHY,
    fix=_FIX,
)
def oas2_valid_media_example(visit: Visit) -> Iterator[Hit]:
    path = visit.path
    if not isinstance(visit.node.get("schema"), dict) or not _is_within(visit, path, ("responses",)):
        return
    schema = _schema(visit, path)
    if schema is not None:
        relaxed = "writeOnly" if _is_response(path) else ""
        for key, value in mapping(visit.node["examples"]).items():
            yield from _faults(visit, schema, value, (*path, "examples", key), relaxed)


def _schema(visit: Visit, path: Steps) -> Node | None:
    schema = visit.subject.follow(Node(visit.document, (*path, "schema"), visit.node["schema"]))
    return schema if schema is not None and isinstance(schema.data, dict) else None


@rule(
    "oas3-valid-media-example",
    "The example does not fit its schema.",
    on=On.KEYS,
    keys=("example", "examples"),
    late=True,
    severity=ERROR,
    formats=OAS3,
    summary="The examples of a body, parameter or header fit its schema.",
    why=_WHY,
    fix=_FIX,
)
def oas3_valid_media_example(visit: Visit) -> Iterator[Hit]:
    node = visit.node
    if not isinstance(node.get("schema"), dict) or (visit.key == "examples" and "example" in node):
        return
    path = visit.path
    if not _is_within(visit, path, _IN_SCHEMAS[OAS3]):
        return
    schema = _schema(visit, path)
    if schema is None:
        return
    relaxed = "readOnly" if _is_request(path) else "writeOnly" if _is_response(path) else ""
    if visit.key == "example":
        yield from _faults(visit, schema, node["example"], (*path, "example"), relaxed)
    elif isinstance(node["examples"], dict):
        for name, example in node["examples"].items():
            yield from _named(visit, schema, Node(visit.document, (*path, "examples", name), example), relaxed)


def _named(visit: Visit, schema: Node, example: Node, relaxed: str) -> Iterator[Hit]:
    found = visit.subject.follow(example)
    if found is None or not isinstance(found.data, dict) or "externalValue" in found.data:
        return
    if "value" not in found.data:
        yield Hit(found.document, found.path, f'"{dotted((str(found.path[-1]), "value"))}" property must exist')
        return
    yield from visit.subject.examples.hits(schema, found.child("value"), relaxed)


def _is_request(path: Steps) -> bool:
    return path[:2] == ("components", "requestBodies") or (path[:1] == ("paths",) and path[3:4] == ("requestBody",))


def _is_response(path: Steps) -> bool:
    in_components = path[:2] == ("components", "responses") or path[:1] == ("responses",)
    return in_components or (path[:1] == ("paths",) and path[3:4] == ("responses",))


@rule(
    "oas3-examples-value-or-externalValue",
    'Examples must have either "value" or "externalValue" field.',
    on=On.KEYS,
    keys=("examples",),
    late=True,
    formats=OAS3,
    summary="An example has a value or says where it is, not both.",
    why="Of two values a reader cannot know which is meant; without any there is nothing to show.",
    fix="Write value or externalValue.",
)
def oas3_examples_value_or_external_value(visit: Visit) -> Iterator[Hit]:
    path = (*visit.path, "examples")
    if visit.document is visit.subject.document and not _holds_examples(path):
        return
    for name, example in mapping(visit.node["examples"]).items():
        found = visit.subject.follow(Node(visit.document, (*path, name), example))
        data = found.data if found is not None else None
        if found is not None and isinstance(data, dict) and ("value" in data) is ("externalValue" in data):
            yield Hit(found.document, found.path)


def _holds_examples(path: Steps) -> bool:
    """Whether the examples are those of components, or of a body, parameter or header."""
    owner = path[-3] if len(path) > 2 else ""
    if path[:1] == ("components",):
        return len(path) == 2 or owner in ("parameters", "headers", "content")
    return path[:1] == ("paths",) and len(path) > 4 and owner in ("parameters", "headers", "content")
