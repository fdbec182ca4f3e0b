"""A value that a schema accepts, the same one every time: for mock answers.

What the author wrote comes first: `example`, `examples`, `default`, `const`, `enum`. Then type by type, as plain as
can be: "string", 0, true, one item, every property. Properties that are only written are left out of answers.
Recursion is cut where a schema meets itself; large schemas lose optional properties first.
"""

from __future__ import annotations

import math
from typing import Any

from apigw_cli.integrations.pattern import example as pattern_example
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import mapping

BUDGET = 2_000  # values in one answer before optional properties are left out; twice as many, and all is
DEPTH = 40
ITEMS = 100

_OBJECT_WORDS = ("properties", "additionalProperties", "required", "minProperties", "maxProperties")
_ARRAY_WORDS = ("items", "prefixItems", "minItems", "maxItems", "uniqueItems")
_STRING_WORDS = ("pattern", "minLength", "maxLength", "format")
_NUMBER_WORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")

_ASSERTIONS = {"type", "$ref", *_OBJECT_WORDS, *_ARRAY_WORDS, *_STRING_WORDS, *_NUMBER_WORDS}

_FORMATS = {
    "date-time": "2024-01-01T12:00:00Z",
    "date": "2024-01-01",
    "time": "12:00:00Z",
    "duration": "P1D",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "email": "user@example.com",
    "idn-email": "user@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/path",
    "iri-reference": "/path",
    "uri-template": "/path/{id}",
    "json-pointer": "/path",
    "relative-json-pointer": "0",
    "regex": "^a+$",
    "byte": "c3RyaW5n",
    "password": "********",
}


class _Cut(Exception):
    """There is no finite value here, or no room for one."""


class Sampler:
    """Makes one value; a new one for every answer, since it counts what it makes."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._made = 0
        self._open: list[tuple[str, tuple[str | int, ...]]] = []  # the references that lead here

    def sample(self, document: Document, schema: Any) -> Any:
        """A value for `schema`, which stands in `document`; None where there is no finite one.

        Raises InputError for a `$ref` to nowhere.
        """
        try:
            return self._value(document, schema, 0)
        except _Cut:
            return None

    def _value(self, document: Document, schema: Any, depth: int) -> Any:
        self._made += 1
        if depth > DEPTH or self._made > 2 * BUDGET or schema is False:
            raise _Cut
        if not isinstance(schema, dict):
            return {}
        if isinstance(schema.get("$ref"), str):
            return self._reference(document, schema, depth)
        given, value = _given(schema)
        if given:
            return value
        parts = _parts(schema)
        if parts == [schema]:
            return self._by_type(document, schema, depth)
        return _discriminated(schema, self._merged(document, parts, depth))

    def _reference(self, document: Document, schema: dict[str, Any], depth: int) -> Any:
        given, value = _given(schema)  # beside a reference only in OpenAPI 3.1; harmless elsewhere
        if given:
            return value
        node = self._library.resolve(document, schema["$ref"])
        where = (node.document.name, node.path)
        if where in self._open:
            raise _Cut
        self._open.append(where)
        try:
            return self._value(node.document, node.data, depth + 1)
        finally:
            self._open.pop()

    def _merged(self, document: Document, parts: list[dict[str, Any]], depth: int) -> Any:
        """All parts must hold: objects are laid over each other; scalars must satisfy all keywords at once."""
        plain = [part for part in parts if _type(part) not in ("object", None)]
        if len(plain) == len(parts):
            return self._value(document, {key: value for part in reversed(parts) for key, value in part.items()}, depth)
        values = [self._value(document, part, depth + 1) for part in parts]
        objects = [value for value in values if isinstance(value, dict)]
        others = [value for value in values if not isinstance(value, dict) and value is not None]
        if others and not any(objects):
            return others[0]
        return {key: value for one in objects for key, value in one.items()}

    def _by_type(self, document: Document, schema: dict[str, Any], depth: int) -> Any:
        kind = _type(schema)
        if kind == "object":
            return self._object(document, schema, depth)
        if kind == "array":
            return self._array(document, schema, depth)
        if kind == "string":
            return _string(schema)
        if kind in ("integer", "number"):
            return _number(schema, kind)
        if kind == "boolean":
            return True
        return None if kind == "null" else {}

    def _object(self, document: Document, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required")
        required = required if isinstance(required, list) else []  # a boolean in drafts before 4
        made: dict[str, Any] = {}
        for name, child in mapping(schema.get("properties")).items():
            if mapping(child).get("writeOnly") is True or (self._made > BUDGET and name not in required):
                continue
            try:
                made[name] = self._value(document, child, depth + 1)
            except _Cut:
                if mapping(child).get("nullable") is True:
                    made[name] = None
        more = schema.get("additionalProperties")
        if not made and isinstance(more, dict):
            try:
                made["property"] = self._value(document, more, depth + 1)
            except _Cut:
                pass
        return made

    def _array(self, document: Document, schema: dict[str, Any], depth: int) -> list[Any]:
        least, most = _count(schema, "minItems", 0), _count(schema, "maxItems", ITEMS)
        first = schema.get("prefixItems")
        made = [self._value(document, child, depth + 1) for child in first] if isinstance(first, list) else []
        if "items" not in schema or len(made) >= most or schema["items"] is False:
            return made[:most]
        try:
            item = self._value(document, schema["items"], depth + 1)
        except _Cut:
            if least > len(made):
                raise
            return made
        made.append(item)
        while len(made) < least:
            made.append(_varied(item, len(made), schema))
        return made


def _given(schema: dict[str, Any]) -> tuple[bool, Any]:
    """Whether the author wrote a value down, and that value."""
    if "example" in schema:
        return True, schema["example"]
    for key, kind in (("examples", list), ("default", object), ("const", object), ("enum", list)):
        value = schema.get(key)
        if key in schema and isinstance(value, kind) and (kind is object or value):
            return True, value[0] if isinstance(value, list) and kind is list else value
    return False, None


def _parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that must hold together: its own keywords, all of `allOf`, the first choice of the others."""
    if not any(word in schema for word in ("allOf", "oneOf", "anyOf")):
        return [schema]
    own = {key: value for key, value in schema.items() if key in _ASSERTIONS}
    parts = [own] if own else []
    every = schema.get("allOf")
    parts += [part for part in every if isinstance(part, dict)] if isinstance(every, list) else []
    for word in ("oneOf", "anyOf"):
        choices = schema.get(word)
        choices = [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
        parts += [c for c in choices if c.get("type") != "null"][:1] or choices[:1]
    return parts or [own]


def _discriminated(schema: dict[str, Any], value: Any) -> Any:
    """`value` with the discriminator's property naming the choice that was made, where nothing else said so."""
    name = mapping(schema.get("discriminator")).get("propertyName")
    choices = schema.get("oneOf") or schema.get("anyOf")
    ref = mapping(choices[0]).get("$ref") if isinstance(choices, list) and choices else None
    if not (isinstance(name, str) and isinstance(ref, str) and isinstance(value, dict)):
        return value
    if value.get(name, "string") != "string":
        return value
    named = mapping(schema["discriminator"].get("mapping"))
    return value | {name: next((key for key, target in named.items() if target == ref), ref.rpartition("/")[2])}


def _type(schema: dict[str, Any]) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null" if kind else None)
    if isinstance(kind, str):
        return kind
    if any(word in schema for word in ("$ref", "allOf", "oneOf", "anyOf")):
        return None
    for words, name in (
        (_OBJECT_WORDS, "object"),
        (_ARRAY_WORDS, "array"),
        (_STRING_WORDS, "string"),
        (_NUMBER_WORDS, "number"),
    ):
        if any(word in schema for word in words):
            return name
    return None


def _count(schema: dict[str, Any], word: str, otherwise: int) -> int:
    value = schema.get(word)
    return min(max(int(value), 0), ITEMS) if isinstance(value, int | float) and math.isfinite(value) else otherwise


def _varied(item: Any, number: int, schema: dict[str, Any]) -> Any:
    """A further item; another one than before where they must differ and that is easy."""
    if schema.get("uniqueItems") is not True:
        return item
    choices = mapping(schema.get("items")).get("enum")
    if isinstance(choices, list) and number < len(choices):
        return choices[number]
    if isinstance(item, str):
        return f"{item}{number}"
    return item + number if isinstance(item, int | float) and not isinstance(item, bool) else item


def _string(schema: dict[str, Any]) -> str:
    least = schema.get("minLength")
    least = least if isinstance(least, int) and 0 < least <= 10_000 else 0
    most = schema.get("maxLength")
    most = most if isinstance(most, int) and most >= 0 else 10_000
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        found = pattern_example(pattern, least, most)
        if found is not None:
            return found
    text = _FORMATS.get(str(schema.get("format")), "string")
    if len(text) < least:
        text = (text * least)[:least]
    return text[:most]


def _number(schema: dict[str, Any], kind: str) -> int | float:
    low, above = _bound(schema, "minimum", "exclusiveMinimum")
    high, below = _bound(schema, "maximum", "exclusiveMaximum")
    multiple = schema.get("multipleOf")
    step: Any = multiple if _is_number(multiple) and multiple else (1 if kind == "integer" else None)

    def fits(value: float) -> bool:
        large_enough = low is None or value > low or (value == low and not above)
        return large_enough and (high is None or value < high or (value == high and not below))

    candidates: list[int | float] = [0]
    if low is not None:
        first = low if step is None else math.ceil(low / step) * step
        candidates += [first, first + (step or 1)]
    if high is not None:
        last = high if step is None else math.floor(high / step) * step
        candidates += [last, last - (step or 1)]
    if low is not None and high is not None and step is None:
        candidates.append((low + high) / 2)
    return next(filter(fits, candidates), 0)


def _bound(schema: dict[str, Any], word: str, exclusive: str) -> tuple[float | None, bool]:
    """A bound and whether it is exclusive, in the spelling of draft 4 (a flag) or of 2020-12 (a number)."""
    value, flag = schema.get(word), schema.get(exclusive)
    plain = value if _is_number(value) else None
    if _is_number(flag):
        return flag, True
    return plain, flag is True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
