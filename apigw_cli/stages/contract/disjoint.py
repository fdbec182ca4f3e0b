"""Whether two schemas have no value in common: what makes `oneOf` safe. Says so only when it is certain."""

from __future__ import annotations

from apigw_cli.stages.contract.normal import ALL
from apigw_cli.stages.contract.shape import Part, Shape
from apigw_cli.stages.contract.shaper import Shaper

_DEPTH = 4


def all_disjoint(parts: tuple[Part, ...], shaper: Shaper) -> bool:
    """Whether no value is of two of the alternatives."""
    if len(parts) > 60:  # for so many the pairs are not looked at
        return False
    shapes = [shaper.shape(part) for part in parts]
    return all(disjoint(one, other, shaper) for index, one in enumerate(shapes) for other in shapes[index + 1 :])


def disjoint(one: Shape, other: Shape, shaper: Shaper, depth: int = _DEPTH) -> bool:
    if one.null and other.null:
        return False
    common = _types(one) & _types(other)
    if "integer" in _types(one) | _types(other) and "number" in _types(one) | _types(other):
        common |= {"integer"}
    if one.enum is not None and other.enum is not None:
        return not one.enum.keys() & other.enum.keys()
    return all(_apart(kind, one, other, shaper, depth) for kind in common)


def _types(shape: Shape) -> frozenset[str]:
    return ALL | {"integer"} if shape.types is None else shape.types


def _apart(kind: str, one: Shape, other: Shape, shaper: Shaper, depth: int) -> bool:
    """Whether no value of one type is in both."""
    if kind in ("number", "integer"):
        return _beyond(one, other, "") or _beyond(other, one, "")
    if kind == "object":
        return _objects(one, other, shaper, depth)
    what = {"string": "-length", "array": "-items"}.get(kind)
    return what is not None and (_beyond(one, other, what) or _beyond(other, one, what))


def _beyond(one: Shape, other: Shape, what: str) -> bool:
    low, high = one.bounds.get(f"min{what}"), other.bounds.get(f"max{what}")
    if low is None or high is None:
        return False
    return low.value > high.value or (low.value == high.value and (low.exclusive or high.exclusive))


def _objects(one: Shape, other: Shape, shaper: Shaper, depth: int) -> bool:
    """A property that one needs and the other refuses, or that both have and one needs, with nothing in common."""
    if _needs_refused(one, other) or _needs_refused(other, one):
        return True
    for name in (one.required | other.required) if depth else ():
        parts = one.properties.get(name), other.properties.get(name)
        if parts[0] is not None and parts[1] is not None:
            shapes = shaper.shape(parts[0]), shaper.shape(parts[1])
            if disjoint(*shapes, shaper, depth - 1):
                return True
    return False


def _needs_refused(one: Shape, other: Shape) -> bool:
    refused = {name for name, part in other.properties.items() if part.refused}
    if other.additional is False and not other.pattern_properties:
        refused |= one.required - other.properties.keys()
    return bool(one.required & refused)
