"""Where a value does not fit its schema, in bounded time: the engine lists all, within each form of an `anyOf` too.

    few checks in all      the engine lists every violation
    more                   the way goes down to the items and properties that do not fit, and lists those; where nothing
                           can be told apart, one violation says that this value does not fit

How many checks there would be is counted by walking schema and value together, up to `MOST`. Each error of the engine
holds a copy of the value: unbounded, a body of 1 MiB kept a worker busy for minutes and took all of the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from apigw_cli.openapi.references import pointer
from apigw_cli.policies.validation.problem import LISTED_MAXIMUM, Violation

MOST = 2_000  # checks that may fail, each 15 to 65 µs
LEVELS = 4  # that the way goes down; all that is below is checked again on each
# Values and characters that cost as much as another check: each error has a copy of the value that it is about.
_VALUES, _TEXT = 200, 20_000
_LONGEST = 300  # characters of a reason or a pointer: names in them come from the client
_ASPECTS: tuple[tuple[str, ...], ...] = (
    ("type",), ("enum",), ("const",), ("minItems",), ("maxItems",), ("uniqueItems",), ("minProperties",),
    ("maxProperties",), ("minLength",), ("maxLength",), ("pattern",), ("format",), ("dependentRequired",),
    ("contains", "minContains", "maxContains"), ("propertyNames",), ("anyOf",), ("oneOf",), ("not",),
)  # fmt: skip
_HERE = ("not", "if", "then", "else")
_OF_ITEMS = ("items", "contains", "unevaluatedItems")
_OF_MEMBERS = ("additionalProperties", "unevaluatedProperties")

Steps = tuple[str | int, ...]


class _Child(NamedTuple):
    step: str | int
    schema: Any
    value: Any


class Listing:
    """Lists the violations of one schema. `compile`: a schema that refers to nothing outside itself → a validator."""

    def __init__(self, schema: dict[str, Any] | bool, compile_: Callable[[Any], Any]) -> None:
        self._schema = schema
        self._definitions: dict[str, Any] = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self._compile = compile_
        self._known: dict[tuple[int, str], Any] = {}  # by a part of the schema, which lives as long as this does

    def violations(self, value: Any, where: str, name: str) -> Iterator[Violation]:
        """Of a value that does not fit: the first `LISTED_MAXIMUM` and one more at most."""
        found = self._of(self._schema, value, (), LEVELS)
        for at, reason, rule in itertools.islice(found, LISTED_MAXIMUM + 1):
            yield Violation(where, name, _cut(pointer(at)), _cut(reason), rule)

    def _of(self, schema: Any, value: Any, at: Steps, levels: int) -> Iterator[tuple[Steps, str, str]]:
        if self._is_short(schema, value):
            for error in self._ready(schema).iter_errors(value):
                rule = str(error.schema_path[-1]) if error.schema_path else "false"
                yield (*at, *error.instance_path), error.message, rule
            return
        several = False
        for part in self._parts(schema, value):
            for one in self._of_part(part, value, at, levels):
                several = True
                yield one
        if not several:
            yield at, "value does not fit; there is too much in it to say where", "schema"

    def _of_part(self, part: dict[str, Any], value: Any, at: Steps, levels: int) -> Iterator[tuple[Steps, str, str]]:
        if isinstance(value, dict):
            missing = (name for name in part.get("required", ()) if name not in value)
            yield from ((at, f'"{name}" is a required property', "required") for name in missing)
        for words in _ASPECTS:
            alone = {word: part[word] for word in words if word in part}
            if words[0] in alone and not self._ready(part, words[0], alone).is_valid(value):
                yield at, f"value does not fit {words[0]}", words[0]
        if levels:
            for step, schema, inner in _children(part, value):
                if not self._ready(schema).is_valid(inner):
                    yield from self._of(schema, inner, (*at, step), levels - 1)

    def _ready(self, schema: Any, kind: str = "", alone: dict[str, Any] | None = None) -> Any:
        """A validator for a part of the schema, or for what `alone` has of it."""
        key = (id(schema), kind)
        found = self._known.get(key)
        if found is None:
            text = schema if alone is None else alone
            if isinstance(text, dict):
                text = {**text, "$defs": self._definitions}
            found = self._known[key] = self._compile(text)
        return found

    def _parts(self, schema: Any, value: Any) -> list[dict[str, Any]]:
        """The schemas that must all hold, without those of alternatives."""
        todo = [schema]
        parts: list[dict[str, Any]] = []
        while todo and len(parts) < MOST:
            part = todo.pop()
            if isinstance(part, dict):
                parts.append(part)
                todo += part.get("allOf", ())
                todo += [self._definition(part)] if "$ref" in part else []
                if "if" in part:
                    todo.append(part.get("then" if self._ready(part["if"]).is_valid(value) else "else"))
        return parts

    def _definition(self, schema: dict[str, Any]) -> Any:
        return self._definitions.get(str(schema["$ref"]).rpartition("/")[2], True)

    def _is_short(self, schema: Any, value: Any) -> bool:
        """Whether there are `MOST` checks at most, with no alternative left out; of a large value, fewer."""
        each = 1 + _size(value) // _VALUES
        left, todo = MOST if each * 2 <= MOST else 0, [(schema, value)]
        while todo:
            part, one = todo.pop()
            left -= 1
            if isinstance(part, dict):
                words = len(part) + len(part.get("required", ())) + len(part.get("enum", ()))
                left -= words * (1 + len(one) // _TEXT if isinstance(one, str) else each)
                if isinstance(one, list | dict) and left < len(one):
                    return False
                todo += self._applied(part, one)
                if len(todo) > left:
                    return False
        return left >= 0

    def _applied(self, part: dict[str, Any], value: Any) -> list[tuple[Any, Any]]:
        """What is checked next: schemas, each with what it is about."""
        found = [(one, value) for word in ("allOf", "anyOf", "oneOf") for one in part.get(word, ())]
        found += [(part[word], value) for word in _HERE if word in part]
        if "$ref" in part:
            found.append((self._definition(part), value))
        if isinstance(value, list):
            found += [(part[word], one) for word in _OF_ITEMS if word in part for one in value]
            found += zip(part.get("prefixItems", ()), value, strict=False)
        elif isinstance(value, dict):
            named = part.get("properties", {})
            found += [(named[name], value[name]) for name in named if name in value]
            every = [*part.get("patternProperties", {}).values(), *(part[word] for word in _OF_MEMBERS if word in part)]
            found += [(schema, one) for schema in every for one in value.values()]
            found += [(part["propertyNames"], name) for name in value] if "propertyNames" in part else []
            found += [(one, value) for name, one in part.get("dependentSchemas", {}).items() if name in value]
        return found


def _size(value: Any) -> int:
    """How many values there are in it; of more than can be listed as one, a number that is large enough."""
    todo, count, most = [value], 0, MOST * _VALUES // 16
    while todo and count <= most:
        one = todo.pop()
        count += 1
        if isinstance(one, list | dict):
            if len(one) > most:
                return MOST * _VALUES
            todo += one.values() if isinstance(one, dict) else one
    return count if count <= most else MOST * _VALUES


def _children(part: dict[str, Any], value: Any) -> Iterator[_Child]:
    """Items and properties, each with its schema."""
    if isinstance(value, list):
        first = part.get("prefixItems", ())
        yield from (_Child(index, schema, one) for index, (schema, one) in enumerate(zip(first, value, strict=False)))
        if "items" in part:
            schema = part["items"]
            yield from (_Child(index, schema, value[index]) for index in range(len(first), len(value)))
    elif isinstance(value, dict):
        named = part.get("properties", {})
        yield from (_Child(name, schema, value[name]) for name, schema in named.items() if name in value)
        if "additionalProperties" in part and not part.get("patternProperties"):
            schema = part["additionalProperties"]
            yield from (_Child(name, schema, one) for name, one in value.items() if name not in named)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
