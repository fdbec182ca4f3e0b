"""What a schema says, as values that can be compared: parts and shapes.

A `Part` is a conjunction of schema nodes (all must hold); its `Shape` is what they say together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
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

    @property
    def refused(self) -> bool:
        """Whether it plainly allows nothing: `false` is among its nodes."""
        return any(node.data is False for node in self.nodes)


def both(first: Part | None, *nodes: Node) -> Part:
    """What `first` says and what `nodes` say."""
    return Part((*(first.nodes if first else ()), *nodes))


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


@dataclass(frozen=True, slots=True)
class Condition:
    """`if` with its `then` and `else`; `text` is what `if` says, canonical."""

    text: str
    node: Node
    then: Part | None
    otherwise: Part | None


@dataclass(frozen=True, slots=True)
class Discriminator:
    """The property that names the alternative, and which name stands for which component."""

    name: str
    mapping: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Life:
    """What a schema, parameter or operation says of its own future."""

    deprecated: bool = False
    sunset: str | None = None
    stability: str | None = None


@dataclass(slots=True)
class Shape:
    """What a part says. None stands for "says nothing"; `types` leaves out null, which is `null`."""

    leaves: tuple[Node, ...] = ()
    types: frozenset[str] | None = None
    null: bool = True
    format: str | None = None
    enum: dict[str, Any] | None = None
    open_enum: dict[str, Any] | None = None
    bounds: dict[str, Bound] = field(default_factory=dict)
    patterns: frozenset[str] = frozenset()
    unique: bool = False
    multiple: Fraction | None = None
    content: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Part] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: bool | Part = True
    pattern_properties: dict[str, Part] = field(default_factory=dict)
    names: Part | None = None
    dependent_required: dict[str, frozenset[str]] = field(default_factory=dict)
    dependent_schemas: dict[str, Part] = field(default_factory=dict)
    items: Part | None = None
    prefix: tuple[Part, ...] = ()
    contains: tuple[Part, ...] = ()
    nots: dict[str, Part] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    unevaluated: dict[str, Part] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    discriminator: Discriminator | None = None
    default: str | None = None
    read_only: bool = False
    write_only: bool = False
    life: Life = Life()
    never: bool = False
    opaque: str = ""

    @property
    def anything(self) -> bool:
        """Whether it allows every value."""
        return self.types is None and self.null and self.additional is True and not self.says_more

    @property
    def says_more(self) -> bool:
        """Whether it restricts values otherwise than by type, null and additional properties."""
        scalars = (self.bounds, self.patterns, self.unique, self.multiple, self.format, self.never)
        objects = (self.properties, self.required, self.pattern_properties, self.names, self.dependent_required)
        rest = (self.dependent_schemas, self.items, self.prefix, self.contains, self.nots, self.conditions)
        return self.enum is not None or any((*scalars, *objects, *rest, self.unevaluated, self.groups, self.opaque))

    @property
    def closed(self) -> bool:
        """Whether properties that are not described are refused."""
        rest = self.unevaluated.get("unevaluatedProperties")
        return self.additional is False or (rest is not None and rest.refused)

    def node_with(self, *keywords: str) -> Node:
        """The node that says one of the keywords, else the first one: where to point at."""
        for leaf in self.leaves:
            if isinstance(leaf.data, dict) and any(keyword in leaf.data for keyword in keywords):
                return leaf
        return self.leaves[0]


_UPPER = {
    "maximum": "max", "maxLength": "max-length", "maxItems": "max-items", "maxProperties": "max-properties",
    "maxContains": "max-contains",
}  # fmt: skip
_LOWER = {
    "minimum": "min", "minLength": "min-length", "minItems": "min-items", "minProperties": "min-properties",
    "minContains": "min-contains",
}  # fmt: skip
BOUND_KEYWORDS = {name: keyword for keyword, name in (_UPPER | _LOWER).items()}
BOUNDS_OF = _UPPER | _LOWER  # keyword to name


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


def number(value: Any) -> float | None:
    """`value` if it is a number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def tighter(name: str, first: Bound, second: Bound) -> bool:
    """Whether `first` allows less than `second`."""
    if first.value == second.value:
        return first.exclusive and not second.exclusive
    return first.value < second.value if name.startswith("max") else first.value > second.value


def tighten(shape: Shape, name: str, bound: Bound) -> None:
    """Add a bound to what is known already."""
    before = shape.bounds.get(name)
    if before is None or tighter(name, bound, before):
        shape.bounds[name] = bound
