"""What a schema says, as values that can be compared: parts, shapes, and the keywords that make a shape.

A `Part` is a conjunction of schema nodes (all must hold); its `Shape` is what they say together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from apigw_cli.openapi.document import Node


@dataclass(frozen=True, slots=True)
class Part:
    """Schema nodes that hold together."""

    nodes: tuple[Node, ...]

    @property
    def label(self) -> str:
        """The name of the component that the part refers to, else its title, else ''."""
        return _label(self.nodes[0].data) if len(self.nodes) == 1 else ""


def _label(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    if isinstance(data.get("$ref"), str):
        return str(data["$ref"]).rsplit("/", 1)[-1]
    for keyword in ("allOf", "oneOf", "anyOf"):
        listed = data.get(keyword)
        if isinstance(listed, list) and len(listed) == 1:
            return _label(listed[0])
    title = data.get("title")
    return title if isinstance(title, str) else ""


@dataclass(frozen=True, slots=True)
class Bound:
    value: float
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The alternatives of one `oneOf` or `anyOf`, null among them left out."""

    keyword: str
    parts: tuple[Part, ...]


@dataclass(slots=True)
class Shape:
    """What a part says. None stands for "says nothing"; `types` leaves out null, which is `null`."""

    leaves: tuple[Node, ...] = ()
    types: frozenset[str] | None = None
    null: bool = True
    format: str | None = None
    enum: dict[str, Any] | None = None
    bounds: dict[str, Bound] = field(default_factory=dict)
    pattern: str | None = None
    unique: bool = False
    multiple: float | None = None
    properties: dict[str, Part] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: bool | Part = True
    items: Part | None = None
    prefix: tuple[Part, ...] = ()
    groups: tuple[Group, ...] = ()
    discriminator: str | None = None
    default: str | None = None
    read_only: bool = False
    write_only: bool = False
    never: bool = False
    opaque: str = ""

    @property
    def anything(self) -> bool:
        """Whether it allows every value."""
        says = (self.enum, self.bounds, self.pattern, self.unique, self.multiple, self.properties, self.required)
        more = (self.items, self.prefix, self.groups, self.opaque, self.format, self.never)
        return self.types is None and self.null and self.additional is True and not any((*says, *more))

    def node_with(self, keyword: str) -> Node:
        """The node that says `keyword`, else the first one: where to point at."""
        for leaf in self.leaves:
            if isinstance(leaf.data, dict) and keyword in leaf.data:
                return leaf
        return self.leaves[0]


_UPPER = {"maximum": "max", "maxLength": "max-length", "maxItems": "max-items", "maxProperties": "max-properties"}
_LOWER = {"minimum": "min", "minLength": "min-length", "minItems": "min-items", "minProperties": "min-properties"}
BOUND_KEYWORDS = {name: keyword for keyword, name in (_UPPER | _LOWER).items()}


def canonical(value: Any) -> str:
    """A text that is the same for equal values: keys sorted, 1.0 written as 1."""
    try:
        return orjson.dumps(_numbers(value), option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # integers over 64 bits, lone surrogates
        return repr(value)


def _numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _numbers(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(child) for child in value]
    return value


# --- keywords of one node, added to what is known already


def absorb_values(shape: Shape, data: dict[str, Any]) -> None:
    kind = data.get("type")
    if isinstance(kind, str | list):
        types = frozenset([kind] if isinstance(kind, str) else (k for k in kind if isinstance(k, str))) - {"null"}
        shape.types = types if shape.types is None else _both(shape.types, types)
    values = [data["const"]] if "const" in data else data.get("enum")
    if isinstance(values, list):
        table = {canonical(value): value for value in values if value is not None}
        shape.enum = table if shape.enum is None else {k: v for k, v in shape.enum.items() if k in table}
    shape.format = data["format"] if isinstance(data.get("format"), str) else shape.format
    if isinstance(data.get("pattern"), str):
        shape.pattern = data["pattern"] if shape.pattern is None else f"{shape.pattern} and {data['pattern']}"
    if "default" in data:
        shape.default = canonical(data["default"])
    shape.unique = shape.unique or data.get("uniqueItems") is True
    shape.multiple = _number(data.get("multipleOf")) or shape.multiple
    shape.read_only = shape.read_only or data.get("readOnly") is True
    shape.write_only = shape.write_only or data.get("writeOnly") is True
    discriminator = data.get("discriminator")
    if isinstance(discriminator, str):  # Swagger 2 names the property only
        shape.discriminator = discriminator
    elif isinstance(discriminator, dict):
        shape.discriminator = str(discriminator.get("propertyName"))


def _both(first: frozenset[str], second: frozenset[str]) -> frozenset[str]:
    """The types that two sets allow together; every integer is a number."""
    both = first & second
    if "integer" in first | second and "number" in first | second:
        both |= {"integer"}
    return both


def absorb_bounds(shape: Shape, data: dict[str, Any]) -> None:
    for keyword, name in _UPPER.items():
        value = _number(data.get(keyword))
        if value is not None:
            _tighten(shape, name, Bound(value, keyword == "maximum" and data.get("exclusiveMaximum") is True))
    for keyword, name in _LOWER.items():
        value = _number(data.get(keyword))
        if value is not None and not (value == 0 and keyword != "minimum"):
            _tighten(shape, name, Bound(value, keyword == "minimum" and data.get("exclusiveMinimum") is True))
    for keyword, name in (("exclusiveMaximum", "max"), ("exclusiveMinimum", "min")):
        value = _number(data.get(keyword))
        if value is not None:
            _tighten(shape, name, Bound(value, True))


def _tighten(shape: Shape, name: str, bound: Bound) -> None:
    before = shape.bounds.get(name)
    if before is None or tighter(name, bound, before):
        shape.bounds[name] = bound


def tighter(name: str, first: Bound, second: Bound) -> bool:
    """Whether `first` allows less than `second`."""
    if first.value == second.value:
        return first.exclusive and not second.exclusive
    return first.value < second.value if name.startswith("max") else first.value > second.value


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
