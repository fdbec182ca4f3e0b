"""Makes shapes: references followed, `allOf` merged, different spellings of one thing made one.

Shapes are made when asked for and kept, so that the cost follows what is compared, never the resolved tree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from apigw_cli.openapi.document import Library, Node
from apigw_cli.stages.contract.absorb import absorb_values
from apigw_cli.stages.contract.choices import as_list, said
from apigw_cli.stages.contract.normal import matches, settle
from apigw_cli.stages.contract.shape import Condition, Group, Part, Shape, both, canonical

# Keywords that are compared as they stand, references followed: what they allow is not worked out.
OPAQUE = ("dependencies", "$dynamicRef", "$recursiveRef", "contentSchema")
_ANNOTATIONS = frozenset({"description", "title", "summary", "example", "examples", "externalDocs", "$comment", "xml"})
_MAX_TEXT_NODES = 5000  # a keyword compared as text that refers to half the document is cut there


class Shaper:
    """Makes shapes of one document's schemas.

    `siblings`: keywords beside a `$ref` count, and `nullable` does not (OpenAPI 3.1 on).
    """

    def __init__(self, library: Library, *, siblings: bool) -> None:
        self.library = library
        self.siblings = siblings
        self._shapes: dict[tuple[int, ...], Shape] = {}
        self._targets: dict[tuple[str, str], Node] = {}

    def key(self, part: Part) -> tuple[int, ...]:
        """Names what the part says, within the document's life: the same for each reference to one component."""
        return tuple(id(self._target(node).data) for node in part.nodes)

    def _target(self, node: Node) -> Node:
        data = node.data
        if isinstance(data, dict) and isinstance(data.get("$ref"), str) and (len(data) == 1 or not self.siblings):
            return self.resolve(node)
        return node

    def shape(self, part: Part) -> Shape:
        key = self.key(part)
        if key not in self._shapes:
            self._shapes[key] = self._make(part)
        return self._shapes[key]

    def properties(self, node: Node) -> dict[str, Part]:
        """The properties that the schema at a node describes."""
        return self.shape(Part((node,))).properties

    def resolve(self, node: Node) -> Node:
        """The target of a node that is a reference. Raises InputError for one that leads nowhere."""
        ref = node.data["$ref"]
        key = (node.document.name, ref)
        if key not in self._targets:
            self._targets[key] = self.library.resolve(node.document, ref, at=(*node.path, "$ref"))
        return self._targets[key]

    def _make(self, part: Part) -> Shape:
        shape = Shape()
        groups: list[Group] = []
        found = list(self._leaves(part, groups))
        shape.leaves = tuple(leaf for leaf, _, _ in found)
        shape.groups = tuple(groups)
        nulls = (self._null_of(leaf, null_allowed) for leaf, null_allowed, _ in found)
        shape.null = all(null for null in nulls if null is not None)
        for leaf, _, beside_null in found:
            if leaf.data is False:
                shape.never, shape.types, shape.null = True, frozenset(), False
            elif isinstance(leaf.data, dict):
                absorb_values(shape, leaf.data, beside_null=beside_null)
                self._absorb_arrays(shape, leaf)
                self._absorb_objects(shape, leaf)
                self._absorb_logic(shape, leaf)
        _close(shape)
        shape.opaque = self._opaque(shape.leaves)
        settle(shape)
        return shape

    # --- the nodes that hold together

    def _leaves(self, part: Part, groups: list[Group]) -> Iterator[tuple[Node, bool, bool]]:
        """Every node that holds, through `$ref`, `allOf` and alternatives that leave no choice.

        With each: whether null passes it all the same, and whether that is because null stands beside it.
        """
        queue = deque((node, False, False) for node in part.nodes)
        seen: set[int] = set()
        while queue:
            node, null_allowed, beside = queue.popleft()
            data = node.data
            if isinstance(data, dict):
                if id(data) in seen:
                    continue
                seen.add(id(data))
                null_allowed = null_allowed or self._nullable(data)
                if isinstance(data.get("$ref"), str):
                    queue.append((self.resolve(node), null_allowed, beside))
                    if not self.siblings:
                        continue
                queue += [(child, null_allowed, beside) for child in _children(node, "allOf")]
                for keyword in ("oneOf", "anyOf"):
                    for child, with_null in self._alternatives(node, keyword, groups):
                        queue.append((child, null_allowed or with_null, beside or with_null))
            yield node, null_allowed, beside

    def _nullable(self, data: dict[str, Any]) -> bool:
        return data.get("x-nullable") is True or (data.get("nullable") is True and not self.siblings)

    def _alternatives(self, node: Node, keyword: str, groups: list[Group]) -> list[tuple[Node, bool]]:
        """Add the group of `keyword`; what is no choice comes back instead, and whether null stands beside it."""
        children = [child for child in _children(node, keyword) if child.data is not False]
        rest = [child for child in children if not _is_null(child.data)]
        if keyword == "oneOf" and len(rest) < len(children) and not all(map(self._refuses_null, rest)):
            rest = children  # null is of two alternatives, so it is refused
        if not isinstance(node.data.get(keyword), list) or not node.data[keyword]:
            return []
        if keyword == "anyOf" and any(child.data is True or child.data == {} for child in rest):
            return []
        if not children:
            return [(Node(node.document, node.path, False), False)]
        null_allowed = len(rest) < len(children)
        if len(rest) == 1:
            return [(rest[0], null_allowed)]
        listed = as_list(keyword, [self._target(child).data for child in rest])
        if listed is not None:
            return [(Node(node.document, node.path, listed), null_allowed)]
        if rest:
            groups.append(Group(keyword, tuple(Part((child,)) for child in rest)))
        return []

    # --- null

    def _null_of(self, leaf: Node, allowed: bool) -> bool | None:
        """Whether one node lets null pass; None where it says nothing about it."""
        data = leaf.data
        if not isinstance(data, dict):
            return None if data is True else False
        if allowed:
            return True
        kind = data.get("type")
        if kind is not None:
            return "null" in kind if isinstance(kind, list) else kind == "null"
        for keyword in ("oneOf", "anyOf"):
            children = _children(leaf, keyword)
            if children:
                return None if not all(self._refuses_null(child) for child in children) else False
        return None

    def _refuses_null(self, node: Node, depth: int = 4) -> bool:
        """Whether a schema plainly says that null is not allowed."""
        data = self._target(node).data
        if not isinstance(data, dict) or self._nullable(data):
            return data is False
        kind = data.get("type")
        if kind is not None and "null" not in (kind if isinstance(kind, list) else [kind]):
            return True
        values = [data["const"]] if "const" in data else data.get("enum")
        if isinstance(values, list) and None not in values:
            return True
        return depth > 0 and self._parts_refuse_null(self._target(node), depth - 1)

    def _parts_refuse_null(self, node: Node, depth: int) -> bool:
        if any(self._refuses_null(child, depth) for child in _children(node, "allOf")):
            return True
        choices = (_children(node, keyword) for keyword in ("oneOf", "anyOf"))
        return any(parts and all(self._refuses_null(part, depth) for part in parts) for parts in choices)

    # --- keywords with schemas in them

    def _absorb_objects(self, shape: Shape, leaf: Node) -> None:
        data = leaf.data
        for name in _mapping(data, "properties"):
            shape.properties[name] = both(shape.properties.get(name), leaf.child("properties", name))
        for name in _mapping(data, "patternProperties"):
            before = shape.pattern_properties.get(name)
            shape.pattern_properties[name] = both(before, leaf.child("patternProperties", name))
        for name in _mapping(data, "dependentSchemas"):
            before = shape.dependent_schemas.get(name)
            shape.dependent_schemas[name] = both(before, leaf.child("dependentSchemas", name))
        for name, needed in _mapping(data, "dependentRequired").items():
            known = shape.dependent_required.get(name, frozenset())
            shape.dependent_required[name] = known | frozenset(map(str, needed if isinstance(needed, list) else ()))
        if isinstance(data.get("required"), list):
            shape.required |= {name for name in data["required"] if isinstance(name, str)}
        if isinstance(data.get("propertyNames"), dict | bool):
            shape.names = both(shape.names, leaf.child("propertyNames"))
        additional = data.get("additionalProperties", True)
        if additional is False:
            shape.additional = False
        elif isinstance(additional, dict) and additional and shape.additional is not False:
            before = shape.additional if isinstance(shape.additional, Part) else None
            shape.additional = both(before, leaf.child("additionalProperties"))

    def _absorb_arrays(self, shape: Shape, leaf: Node) -> None:
        data = leaf.data
        if isinstance(data.get("items"), dict | bool):
            shape.items = both(shape.items, leaf.child("items"))
        if isinstance(data.get("prefixItems"), list):
            parts = [Part((child,)) for child in _children(leaf, "prefixItems")]
            merged = [both(old, *new.nodes) for old, new in zip(shape.prefix, parts, strict=False)]
            longer = shape.prefix if len(shape.prefix) > len(parts) else parts
            shape.prefix = (*merged, *longer[len(merged) :])
        if isinstance(data.get("contains"), dict | bool):
            shape.contains += (Part((leaf.child("contains"),)),)

    def _absorb_logic(self, shape: Shape, leaf: Node) -> None:
        data = leaf.data
        if isinstance(data.get("not"), dict | bool):
            shape.nots[self.text(leaf.child("not"))] = Part((leaf.child("not"),))
        if "if" in data and ("then" in data or "else" in data):
            branches = (Part((leaf.child(k),)) if k in data else None for k in ("then", "else"))
            shape.conditions += (Condition(self.text(leaf.child("if")), leaf.child("if"), *branches),)
        for keyword in ("unevaluatedProperties", "unevaluatedItems"):
            value = data.get(keyword)
            if value is False or (isinstance(value, dict) and value):
                shape.unevaluated[keyword] = both(shape.unevaluated.get(keyword), leaf.child(keyword))

    def _opaque(self, leaves: Iterable[Node]) -> str:
        found = []
        for leaf in leaves:
            if isinstance(leaf.data, dict):
                found += [(k, self.text(leaf.child(k))) for k in OPAQUE if k in leaf.data]
        return canonical(sorted(found)) if found else ""

    # --- a schema as text

    def text(self, node: Node) -> str:
        """Plain data with references put in and annotations left out, for comparing as it stands."""
        return canonical(self._plain(node, [_MAX_TEXT_NODES], ()))

    def _plain(self, node: Node, budget: list[int], inside: tuple[int, ...]) -> Any:
        budget[0] -= 1
        data = node.data
        if budget[0] < 0 or (id(data) in inside and isinstance(data, dict | list)):
            return "…"
        if isinstance(data, list):
            return [self._plain(node.child(i), budget, (*inside, id(data))) for i in range(len(data))]
        if not isinstance(data, dict):
            return data
        if isinstance(data.get("$ref"), str):
            return self._plain(self.resolve(node), budget, (*inside, id(data)))
        return {
            key: self._plain(node.child(key), budget, (*inside, id(data)))
            for key in data
            if key not in _ANNOTATIONS and not key.startswith("x-")
        }


def _close(shape: Shape) -> None:
    """`additionalProperties` of one node holds for the properties that it needs or other nodes describe."""
    for leaf in shape.leaves:
        data = leaf.data
        if not isinstance(data, dict) or data.get("additionalProperties", True) in (True, {}):
            continue
        own, patterns = _mapping(data, "properties"), _mapping(data, "patternProperties")
        for name in sorted({*shape.properties, *shape.required} - own.keys()):
            if not any(matches(pattern, name) for pattern in patterns):
                shape.properties[name] = both(shape.properties.get(name), leaf.child("additionalProperties"))


def _mapping(data: dict[str, Any], keyword: str) -> dict[str, Any]:
    found = data.get(keyword)
    return found if isinstance(found, dict) else {}


def _children(node: Node, keyword: str) -> list[Node]:
    listed = node.data.get(keyword)
    return [node.child(keyword, i) for i in range(len(listed))] if isinstance(listed, list) else []


def _is_null(data: Any) -> bool:
    """Whether a schema allows null and nothing else."""
    if not isinstance(data, dict) or not said(data) <= {"type", "enum", "const", "nullable"}:
        return False
    return data.get("type") == "null" or data.get("enum") == [None] or ("const" in data and data["const"] is None)
