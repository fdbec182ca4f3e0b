"""What a text in a URL or a form may stand for, by the schema of its value: texts have no types of their own.

`Shape` says which JSON types a schema lets through, and of which shape the items and properties are. Where a schema
is composed, all that any part lets through counts; whether the value fits is decided by the schema itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_ALL = frozenset(("string", "number", "boolean", "null", "array", "object"))
_DEPTH = 32  # of references and compositions that are looked through
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,63})")
_IMPLIED = {
    "object": ("properties", "additionalProperties", "patternProperties", "required"),
    "array": ("items", "prefixItems"),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """`kinds`: JSON types that may be there ("number" for integers too); `items` and `rest` None: anything."""

    kinds: frozenset[str] = _ALL
    items: Shape | None = None
    properties: dict[str, Shape] = field(default_factory=dict)
    rest: Shape | None = None  # of properties that are not named
    is_open: bool = False  # other properties are expressly allowed

    @property
    def is_array(self) -> bool:
        return "array" in self.kinds and "string" not in self.kinds

    @property
    def is_object(self) -> bool:
        return "object" in self.kinds and "string" not in self.kinds

    def scalar(self, text: str) -> Any:
        """What `text` stands for; itself where it stands for nothing that the schema would take."""
        kinds = self.kinds
        if "number" in kinds:
            if _INTEGER.fullmatch(text):
                return int(text)
            if _NUMBER.fullmatch(text):
                return float(text)
        if "boolean" in kinds and text in ("true", "false"):
            return text == "true"
        if "null" in kinds and "string" not in kinds and text in ("", "null"):
            return None
        return text

    @property
    def is_ambiguous(self) -> bool:
        """Whether a text may stand for something else and for itself."""
        return "string" in self.kinds and not self.kinds.isdisjoint(("number", "boolean", "null"))


ANY = Shape()
TEXT = Shape(frozenset(("string",)))


def shape_of(schema: dict[str, Any] | bool) -> Shape:
    """The shape of what a self-contained JSON Schema (`openapi.json_schema`) lets through."""
    definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    return _Reader(definitions).shape(schema, 0)


class _Reader:
    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions

    def shape(self, schema: Any, depth: int) -> Shape:
        parts = self._parts(schema, depth)
        own = [part for part in parts if part]
        kinds = _ALL
        for part in own:
            kinds &= self._kinds(part, depth)
        properties: dict[str, Shape] = {}
        items = rest = None
        is_open = False
        for part in self._everywhere(own, depth):
            for name, one in part.get("properties", {}).items():
                properties.setdefault(name, self.shape(one, depth + 1) if depth < _DEPTH else ANY)
            if items is None and "items" in part and depth < _DEPTH:
                items = self.shape(part["items"], depth + 1)
            more = part.get("additionalProperties")
            if isinstance(more, dict) or more is True:
                is_open = True
                rest = self.shape(more, depth + 1) if rest is None and depth < _DEPTH else rest
        return Shape(kinds or _ALL, items, properties, rest, is_open)

    def _parts(self, schema: Any, depth: int) -> list[dict[str, Any]]:
        """The schemas that must all hold."""
        if not isinstance(schema, dict) or depth > _DEPTH:
            return []
        parts = [schema]
        ref = schema.get("$ref")
        if isinstance(ref, str):
            parts += self._parts(self._definitions.get(ref.rpartition("/")[2]), depth + 1)
        for one in schema.get("allOf", ()):
            parts += self._parts(one, depth + 1)
        return parts

    def _everywhere(self, parts: list[dict[str, Any]], depth: int) -> list[dict[str, Any]]:
        """Those parts and all the alternatives within them."""
        found = list(parts)
        if depth > _DEPTH:
            return found
        for part in parts:
            for word in ("anyOf", "oneOf"):
                for one in part.get(word, ()):
                    found += self._everywhere(self._parts(one, depth + 1), depth + 1)
        return found

    def _kinds(self, part: dict[str, Any], depth: int) -> frozenset[str]:
        kinds = _ALL
        named = part.get("type")
        if isinstance(named, str | list):
            listed = [named] if isinstance(named, str) else named
            kinds = frozenset("number" if one == "integer" else one for one in listed if isinstance(one, str))
        elif "enum" in part or "const" in part:
            kinds = frozenset(
                map(_kind_of, part["enum"] if isinstance(part.get("enum"), list) else [part.get("const")])
            )
        else:
            implied = [kind for kind, words in _IMPLIED.items() if any(word in part for word in words)]
            kinds = frozenset(implied) or _ALL
        for word in ("anyOf", "oneOf"):
            if part.get(word) and depth < _DEPTH:
                kinds &= frozenset().union(*(self.shape(one, depth + 1).kinds for one in part[word]))
        return kinds


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]
