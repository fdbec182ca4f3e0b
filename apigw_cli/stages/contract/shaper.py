"""Makes shapes: references followed, `allOf` merged, different spellings of one thing made one.

Shapes are made when asked for and kept, so that the cost follows what is compared, never the resolved tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apigw_cli.openapi.document import Library, Node
from apigw_cli.stages.contract.shape import Group, Part, Shape, absorb_bounds, absorb_values, canonical

# Keywords that are compared as they stand, references followed: what they allow is not worked out.
OPAQUE = (
    "not", "if", "then", "else", "patternProperties", "propertyNames", "contains", "minContains", "maxContains",
    "dependentSchemas", "dependentRequired", "dependencies", "unevaluatedProperties", "unevaluatedItems",
)  # fmt: skip
_ANNOTATIONS = frozenset({"description", "title", "summary", "example", "examples", "externalDocs", "$comment", "xml"})
_MAX_TEXT_NODES = 5000  # an opaque keyword that refers to half the document is cut there


class Shaper:
    """Makes shapes of one document's schemas. `siblings`: keywords beside a `$ref` count (OpenAPI 3.1 on)."""

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

    def resolve(self, node: Node) -> Node:
        """The target of a node that is a reference. Raises InputError for one that leads nowhere."""
        ref = node.data["$ref"]
        key = (node.document.name, ref)
        if key not in self._targets:
            self._targets[key] = self.library.resolve(node.document, ref, at=(*node.path, "$ref"))
        return self._targets[key]

    def _make(self, part: Part) -> Shape:
        shape = Shape()
        nulls: list[bool | None] = []
        groups: list[Group] = []
        leaves = []
        for leaf, null_allowed in self._leaves(part, groups):
            leaves.append(leaf)
            nulls.append(_null_of(leaf.data, null_allowed))
        shape.leaves = tuple(leaves)
        shape.groups = tuple(groups)
        known = [null for null in nulls if null is not None]
        shape.null = all(known)
        for leaf in leaves:
            if leaf.data is False:
                shape.never = True
            elif isinstance(leaf.data, dict):
                self._absorb(shape, leaf)
        shape.opaque = self._opaque(leaves)
        return shape

    def _leaves(self, part: Part, groups: list[Group]) -> Iterator[tuple[Node, bool]]:
        """Every node that holds, through `$ref`, `allOf` and alternatives that leave no choice."""
        queue = [(node, False) for node in part.nodes]
        seen: set[int] = set()
        while queue:
            node, null_allowed = queue.pop(0)
            data = node.data
            if isinstance(data, dict):
                if id(data) in seen:
                    continue
                seen.add(id(data))
                null_allowed = null_allowed or data.get("nullable") is True or data.get("x-nullable") is True
                if isinstance(data.get("$ref"), str):
                    queue.append((self.resolve(node), null_allowed))
                    if not self.siblings:
                        continue
                queue += [(child, null_allowed) for child in _children(node, "allOf")]
                for keyword in ("oneOf", "anyOf"):
                    queue += self._alternatives(node, keyword, null_allowed, groups)
            yield node, null_allowed

    def _alternatives(
        self, node: Node, keyword: str, null_allowed: bool, groups: list[Group]
    ) -> list[tuple[Node, bool]]:
        """Add the group of `keyword`; a single alternative beside null is no choice and comes back instead."""
        children = _children(node, keyword)
        rest = [child for child in children if not _is_null(child.data)]
        if len(rest) == 1:
            return [(rest[0], null_allowed or len(rest) < len(children))]
        if rest:
            groups.append(Group(keyword, tuple(Part((child,)) for child in rest)))
        return []

    def _absorb(self, shape: Shape, leaf: Node) -> None:
        data = leaf.data
        absorb_values(shape, data)
        absorb_bounds(shape, data)
        properties = data.get("properties")
        for name in properties if isinstance(properties, dict) else ():
            before = shape.properties.get(name)
            child = leaf.child("properties", name)
            shape.properties[name] = Part((*(before.nodes if before else ()), child))
        required = data.get("required")
        if isinstance(required, list):
            shape.required |= {name for name in required if isinstance(name, str)}
        self._absorb_children(shape, leaf)

    def _absorb_children(self, shape: Shape, leaf: Node) -> None:
        additional = leaf.data.get("additionalProperties", True)
        if additional is False:
            shape.additional = False
        elif isinstance(additional, dict) and additional and shape.additional is not False:
            before = shape.additional.nodes if isinstance(shape.additional, Part) else ()
            shape.additional = Part((*before, leaf.child("additionalProperties")))
        if isinstance(leaf.data.get("items"), dict | bool):
            shape.items = Part((*(shape.items.nodes if shape.items else ()), leaf.child("items")))
        if isinstance(leaf.data.get("prefixItems"), list) and not shape.prefix:
            shape.prefix = tuple(Part((child,)) for child in _children(leaf, "prefixItems"))

    def _opaque(self, leaves: Iterable[Node]) -> str:
        found = []
        for leaf in leaves:
            if isinstance(leaf.data, dict):
                found += [(k, self._text(leaf.child(k))) for k in OPAQUE if k in leaf.data]
        return canonical(sorted(found, key=lambda item: item[0])) if found else ""

    def _text(self, node: Node) -> Any:
        """Plain data with references put in and annotations left out, for comparing as it stands."""
        budget = [_MAX_TEXT_NODES]
        return self._plain(node, budget, ())

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


def _children(node: Node, keyword: str) -> list[Node]:
    listed = node.data.get(keyword)
    return [node.child(keyword, i) for i in range(len(listed))] if isinstance(listed, list) else []


def _is_null(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    return data.get("type") == "null" or data.get("enum") == [None] or ("const" in data and data["const"] is None)


def _null_of(data: Any, allowed: bool) -> bool | None:
    """Whether one node lets null pass; None where it says nothing about it."""
    if not isinstance(data, dict):
        return None if data is True else False
    kind = data.get("type")
    if allowed:
        return True
    if kind is None:
        return _null_in_alternatives(data)
    return "null" in kind if isinstance(kind, list) else kind == "null"


def _null_in_alternatives(data: dict[str, Any]) -> bool | None:
    for keyword in ("oneOf", "anyOf"):
        listed = data.get(keyword)
        if isinstance(listed, list):
            return True if any(_is_null(child) for child in listed) else None
    return None
