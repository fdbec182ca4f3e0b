"""One spelling for shapes that allow the same: what cannot matter is taken out, so that it is never a difference.

A bound on numbers beside `type: string` restricts nothing; `enum` says all that its types, bounds and patterns
could; an integer over 0.5 is one from 1 on; a string that is both longer than 5 and shorter than 3 is none.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import regex

from apigw_cli.stages.contract.shape import Bound, Shape, number

ALL = frozenset({"string", "number", "boolean", "array", "object"})
_SIZES = {"string": "length", "array": "items", "object": "properties"}
_PATTERN_SECONDS = 0.05


def settle(shape: Shape) -> None:
    """Bring a shape into its normal form, in place."""
    if shape.enum is not None:
        _settle_enum(shape)
    if shape.types is not None and "number" in shape.types:
        shape.types -= {"integer"}
    _settle_numbers(shape)
    _drop_impossible(shape)
    _drop_useless(shape)
    if shape.types == frozenset() and not shape.null:
        shape.never = True


# --- enum


def _settle_enum(shape: Shape) -> None:
    values = {key: value for key, value in (shape.enum or {}).items() if _holds(shape, value)}
    shape.null = shape.null and "null" in values
    values.pop("null", None)
    shape.enum = values
    if all(isinstance(value, str | int | float | bool) for value in values.values()):
        _clear_scalars(shape)
        shape.types = frozenset(type_of(value) for value in values.values())
    if not values:
        shape.enum, shape.types = None, frozenset()


def _clear_scalars(shape: Shape) -> None:
    shape.bounds, shape.patterns, shape.multiple, shape.format = {}, frozenset(), None, None
    shape.content = {}
    _drop_arrays(shape)
    _drop_objects(shape)


def type_of(value: Any) -> str:
    """The JSON Schema type of a value that is not null."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _holds(shape: Shape, value: Any) -> bool:
    """Whether a listed value passes what stands beside the list; True where that is not looked at."""
    if value is None:
        return shape.null
    kind = type_of(value)
    if shape.types is not None and kind not in shape.types and not (kind == "integer" and "number" in shape.types):
        return False
    if isinstance(value, str):
        return _within(shape, "length", len(value)) and all(matches(p, value) for p in shape.patterns)
    if number(value) is not None:
        return _within(shape, "", value) and (shape.multiple is None or Fraction(str(value)) % shape.multiple == 0)
    return True


def _within(shape: Shape, what: str, value: float) -> bool:
    return admits(shape.bounds.get(_name("min", what)), shape.bounds.get(_name("max", what)), value)


def _name(edge: str, what: str) -> str:
    return f"{edge}-{what}" if what else edge


def admits(low: Bound | None, high: Bound | None, value: float) -> bool:
    """Whether `value` lies within two bounds."""
    over = low is None or value > low.value or (value == low.value and not low.exclusive)
    return over and (high is None or value < high.value or (value == high.value and not high.exclusive))


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern finds something in a text; True where that cannot be told (soon enough)."""
    try:
        return regex.search(pattern, text, timeout=_PATTERN_SECONDS) is not None
    except (regex.error, TimeoutError):
        return True


# --- numbers


def _settle_numbers(shape: Shape) -> None:
    types = shape.types
    if types is None:
        return
    if "number" in types and shape.multiple is not None and shape.multiple.denominator == 1:
        shape.types = types = (types - {"number"}) | {"integer"}
    if "integer" not in types:
        return
    if shape.multiple is not None and shape.multiple.numerator == 1:
        shape.multiple = None
    for name, step in (("min", 1), ("max", -1)):
        bound = shape.bounds.get(name)
        if bound is not None and math.isfinite(bound.value):
            whole = math.ceil(bound.value) if step > 0 else math.floor(bound.value)
            if bound.exclusive and whole == bound.value:
                whole += step
            shape.bounds[name] = Bound(whole)


# --- what no value can be, and what restricts none


def _drop_impossible(shape: Shape) -> None:
    """Take out the types that no value can have, because its bounds exclude each other."""
    gone = {kind for kind, what in _SIZES.items() if _empty(shape, what)}
    if _empty(shape, ""):
        gone |= {"number", "integer"}
    if any(name in shape.properties and shape.properties[name].refused for name in shape.required):
        gone.add("object")
    if shape.additional is False and not shape.pattern_properties and shape.required - shape.properties.keys():
        gone.add("object")
    if gone:
        shape.types = (ALL if shape.types is None else shape.types) - gone


def _empty(shape: Shape, what: str) -> bool:
    low, high = shape.bounds.get(_name("min", what)), shape.bounds.get(_name("max", what))
    if high is not None and what and high.value < 0:
        return True
    if low is None or high is None:
        return False
    return low.value > high.value or (low.value == high.value and (low.exclusive or high.exclusive))


def _drop_useless(shape: Shape) -> None:
    least = shape.bounds.get("min-properties")
    if least is not None and least.value <= len(shape.required):
        del shape.bounds["min-properties"]
    if shape.additional is False:
        shape.properties = {name: part for name, part in shape.properties.items() if not part.refused}
    if not shape.contains:
        _drop_bounds(shape, "contains")
    else:
        shape.bounds.setdefault("min-contains", Bound(1))
    if shape.types is None:
        return
    if not shape.types & {"number", "integer"}:
        _drop_bounds(shape, "")
        shape.multiple = None
    if "string" not in shape.types:
        _drop_bounds(shape, "length")
        shape.patterns, shape.content = frozenset(), {}
    if "array" not in shape.types:
        _drop_arrays(shape)
    if "object" not in shape.types:
        _drop_objects(shape)


def _drop_bounds(shape: Shape, what: str) -> None:
    for edge in ("min", "max"):
        shape.bounds.pop(_name(edge, what), None)


def _drop_arrays(shape: Shape) -> None:
    _drop_bounds(shape, "items")
    _drop_bounds(shape, "contains")
    shape.items, shape.prefix, shape.contains, shape.unique = None, (), (), False
    shape.unevaluated.pop("unevaluatedItems", None)


def _drop_objects(shape: Shape) -> None:
    _drop_bounds(shape, "properties")
    shape.properties, shape.required, shape.additional = {}, frozenset(), True
    shape.pattern_properties, shape.names = {}, None
    shape.dependent_required, shape.dependent_schemas = {}, {}
    shape.unevaluated.pop("unevaluatedProperties", None)
