"""Schemas that must all hold, as one: for making values, where every keyword can be looked at beside its like."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from apigw_cli.bench.bundle import Schema


class Impossible(Exception):
    """No value is valid, or none was found; the message says why, for people."""


def merged(parts: list[Schema]) -> Schema:
    """The parts as one schema. Examples of a part are not examples of the whole. Raises Impossible."""
    result: Schema = {}
    for part in parts:
        for word, value in part.items():
            if word in ("example", "examples", "default") and len([one for one in parts if one]) > 1:
                continue
            result[word] = _MERGE[word](result[word], value) if word in result and word in _MERGE else value
    if "enum" in result and "const" in result:
        result["enum"] = [one for one in result["enum"] if one == result["const"]]
    return result


def _types(one: Any, other: Any) -> list[str]:
    first, second = (value if isinstance(value, list) else [value] for value in (one, other))
    common = [kind for kind in first if kind in second]
    if "integer" in (*first, *second) and "number" in (*first, *second) and "integer" not in common:
        common.append("integer")
    if not common:
        raise Impossible(f"it must be {' or '.join(map(str, first))} and {' or '.join(map(str, second))} at once")
    return common


def _properties(one: Schema, other: Schema) -> Schema:
    both = {name: {"allOf": [one[name], value]} if name in one else value for name, value in other.items()}
    return one | both


def _both(one: Schema | bool, other: Schema | bool) -> Schema | bool:
    if one is False or other is False:
        return False
    return other if one is True else one if other is True else {"allOf": [one, other]}


def _multiple(one: float, other: float) -> float:
    return math.lcm(one, other) if isinstance(one, int) and isinstance(other, int) else other


_MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": lambda one, other: [value for value in one if value in other],
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "dependentRequired": lambda one, other: one | other,
    "properties": _properties,
    "patternProperties": _properties,
    "items": _both,
    "additionalProperties": _both,
    "uniqueItems": lambda one, other: one or other,
    "multipleOf": _multiple,
    "pattern": lambda one, other: one,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}
