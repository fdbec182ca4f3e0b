"""The schemas of OpenAPI 2.0 to 3.2 as self-contained JSON Schema 2020-12, for what checks messages.

Of a schema only what accepts or refuses is kept: descriptions, examples, defaults and extensions are left out. What a
`$ref` leads to, in whichever document, stands below `$defs`, once. What OpenAPI says in words of its own is said in
those of JSON Schema:

    nullable, x-nullable      `null` beside the type (OpenAPI 3.0.3, 4.7.24); without a type, beside what is composed
    exclusiveMinimum: true    a number (2.0 and 3.0 have draft 4's booleans)
    format: int32, int64      their bounds (OpenAPI 3.1, 4.4)
    readOnly, writeOnly       not required in a request, or not in an answer (OpenAPI 3.0.3, 4.7.24)
"""

from __future__ import annotations

import enum
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.places import Steps

_ASSERTIONS = frozenset((
    "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties",
    "minProperties", "required", "dependentRequired", "format",
))  # fmt: skip
_BY_NAME = ("properties", "patternProperties", "dependentSchemas")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_COMPOSED = ("allOf", "anyOf", "oneOf")
_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


class Direction(enum.Enum):
    """Which way a message goes; its value is the mark of properties that need not be in it."""

    REQUEST = "readOnly"
    ANSWER = "writeOnly"


def self_contained(library: Library, schema: Node, version: str, direction: Direction) -> dict[str, Any] | bool:
    """`schema` as JSON Schema 2020-12 that refers to nothing outside itself.

    `version`: of OpenAPI, as `operations.version` gives it. Raises InputError for a `$ref` to nowhere and for schemas
    that are nested too deeply.
    """
    conversion = _Conversion(library, version, direction)
    try:
        converted = conversion.schema(schema.document, schema.data, schema.path)
    except RecursionError:
        raise InputError("the schema is nested too deeply", place=schema.place) from None
    if conversion.definitions and isinstance(converted, dict):
        return {**converted, "$defs": conversion.definitions}
    return converted


class _Conversion:
    def __init__(self, library: Library, version: str, direction: Direction) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[tuple[str, Steps], str] = {}
        self._library = library
        self._old = version in ("2.0", "3.0")  # a `$ref` stands alone; `nullable`
        self._direction = direction

    def schema(self, document: Document, data: Any, at: Steps) -> dict[str, Any] | bool:
        if not isinstance(data, dict):
            return data if isinstance(data, bool) else True
        for word in ("$ref", "$dynamicRef"):
            if isinstance(data.get(word), str):
                made = {"$ref": self._defined(document, data[word], (*at, word))}
                rest = {} if self._old else self._plain(document, {k: v for k, v in data.items() if k != word}, at)
                return {**rest, **made}
        return self._plain(document, data, at)

    def _defined(self, document: Document, ref: str, at: Steps) -> str:
        node = self._library.resolve(document, ref, at=at)
        key = (node.document.name, node.path)
        if key not in self._names:
            name = self._names[key] = f"s{len(self._names)}"
            self.definitions[name] = True  # its place, while it is made: it may lead back to itself
            self.definitions[name] = self.schema(node.document, node.data, node.path)
        return f"#/$defs/{self._names[key]}"

    def _plain(self, document: Document, data: dict[str, Any], at: Steps) -> dict[str, Any]:
        made = {word: value for word, value in data.items() if word in _ASSERTIONS}
        for word in _BY_NAME:
            inner = data.get(word)
            if isinstance(inner, dict):
                made[word] = {name: self.schema(document, one, (*at, word, name)) for name, one in inner.items()}
        for word in _LISTED:
            inner = data.get(word)
            if isinstance(inner, list) and inner:
                made[word] = [self.schema(document, one, (*at, word, i)) for i, one in enumerate(inner)]
        for word in _SINGLE:
            if isinstance(data.get(word), dict | bool):
                made[word] = self.schema(document, data[word], (*at, word))
        self._required(document, data, made)
        _bounds(made)
        if made.get("type") == "file":  # OpenAPI 2.0: a part of a form
            del made["type"]
        return self._nullable(data, made) if self._old else made

    def _required(self, document: Document, data: dict[str, Any], made: dict[str, Any]) -> None:
        required = made.get("required")
        if not isinstance(required, list):
            made.pop("required", None)  # a boolean in drafts before 4
            return
        properties = data.get("properties")
        kept = [name for name in required if not self._need_not_be(document, properties, name)]
        made["required"] = kept
        if not kept:
            del made["required"]

    def _need_not_be(self, document: Document, properties: Any, name: Any) -> bool:
        found = properties.get(name) if isinstance(properties, dict) and isinstance(name, str) else None
        if isinstance(found, dict) and isinstance(found.get("$ref"), str) and self._direction.value not in found:
            found = self._library.resolve(document, found["$ref"]).data
        return isinstance(found, dict) and found.get(self._direction.value) is True

    @staticmethod
    def _nullable(data: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
        if data.get("nullable") is not True and data.get("x-nullable") is not True:
            return made
        kind = made.get("type")
        if isinstance(kind, str):
            return {**made, "type": [kind, "null"]}
        # 3.0.3 gives this no meaning; its authors mean that null may be there.
        return {"anyOf": [{"type": "null"}, made]} if any(word in made for word in _COMPOSED) else made


def _bounds(made: dict[str, Any]) -> None:
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(word), bool) and made.pop(word) and bound in made:
            made[word] = made.pop(bound)
    integers = _INTEGERS.get(made.get("format", "")) if isinstance(made.get("format"), str) else None
    if integers is not None:
        lowest, highest = integers
        made["minimum"] = max(lowest, made["minimum"]) if _is_number(made.get("minimum")) else lowest
        made["maximum"] = min(highest, made["maximum"]) if _is_number(made.get("maximum")) else highest


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
