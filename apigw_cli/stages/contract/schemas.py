"""Two schemas compared, deep: each pair of parts is looked at once, so that recursion ends and cost is bounded.

A pair's own differences and its child pairs do not depend on where the pair stands; they are found once and kept.
A comparison walks the graph of pairs from a root, breadth first, and visits each pair once: a change inside a
component is reported at the first place where the body uses it, not at every one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apigw_cli.openapi.document import Node
from apigw_cli.stages.contract.delta import Children, Delta, delta_of, join, plain_delta
from apigw_cli.stages.contract.facets import Difference, differences, type_name
from apigw_cli.stages.contract.objects import Properties
from apigw_cli.stages.contract.rules import Direction
from apigw_cli.stages.contract.shape import Group, Part, Shape, canonical
from apigw_cli.stages.contract.shaper import Shaper


@dataclass(frozen=True, slots=True)
class _Pair:
    deltas: tuple[Delta, ...] = ()
    children: tuple[tuple[str, Part, Part], ...] = ()


_NOTHING = _Pair()
_Key = tuple[tuple[int, ...], tuple[int, ...], Direction]


class Schemas:
    """Compares schemas of two documents. `unchanged` may say quickly that two nodes mean the same."""

    def __init__(self, base: Shaper, revision: Shaper, unchanged: Callable[[Node, Node], bool]) -> None:
        self.base = base
        self.revision = revision
        self.unchanged = unchanged
        self._pairs: dict[_Key, _Pair] = {}
        self._cold: set[_Key] = set()  # pairs from which no difference can be reached

    def compare(self, old: Node, new: Node, direction: Direction) -> list[Delta]:
        """Every difference between the schemas at two nodes, as values go in `direction`."""
        queue = deque([("", Part((old,)), Part((new,)))])
        found: list[Delta] = []
        parents: dict[_Key, list[_Key]] = {}
        visited: set[_Key] = set()
        hot: list[_Key] = []
        while queue:
            path, left, right = queue.popleft()
            key = (self.base.key(left), self.revision.key(right), direction)
            if key in visited or key in self._cold:
                continue
            visited.add(key)
            pair = self._pair(key, left, right)
            if pair.deltas:
                hot.append(key)
                found += [delta.below(path) for delta in pair.deltas]
            for step, one, other in pair.children:
                queue.append((join(path, step), one, other))
                child = (self.base.key(one), self.revision.key(other), direction)
                parents.setdefault(child, []).append(key)
        self._cold |= visited - _ancestors(hot, parents)
        return found

    def _pair(self, key: _Key, left: Part, right: Part) -> _Pair:
        found = self._pairs.get(key)
        if found is None:
            found = self._pairs[key] = self._look(left, right, key[2])
        return found

    def _look(self, left: Part, right: Part, direction: Direction) -> _Pair:
        if len(left.nodes) == len(right.nodes) and all(map(self.unchanged, left.nodes, right.nodes)):
            return _NOTHING
        old, new = self.base.shape(left), self.revision.shape(right)
        if bool(old.groups) != bool(new.groups):
            return self._wrapped(left, right, old, new)
        deltas = [delta_of(difference, old, new) for difference in differences(old, new)]
        children: Children = []
        deltas += Properties(self.base, self.revision, direction).compare(old, new, children)
        deltas += self._additional(old, new, children)
        deltas += self._items(old, new, children)
        self._groups(old, new, deltas, children)
        return _Pair(tuple(deltas), tuple(children))

    def _items(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        if old.items and new.items:
            children.append(("[]", old.items, new.items))
        elif old.items or new.items:
            before = type_name(self.base.shape(old.items)) if old.items else "any"
            after = type_name(self.revision.shape(new.items)) if new.items else "any"
            if before != after:
                facet = "type-specialized" if new.items else "type-generalized"
                yield delta_of(Difference(facet, f"type {before} → {after}", before, after, "items"), old, new, "[]")
        children += [(f"[{i}]", a, b) for i, (a, b) in enumerate(zip(old.prefix, new.prefix, strict=False))]
        if len(old.prefix) != len(new.prefix):
            text = f"described items {len(old.prefix)} → {len(new.prefix)}"
            yield plain_delta("composition-changed", text, old, new)

    def _additional(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        """Properties that are not described: refused, limited to a schema, or accepted."""
        before, after = old.additional, new.additional
        if isinstance(before, Part) and isinstance(after, Part):
            children.append(("{*}", before, after))
            return
        left, right = _openness(before, self.base), _openness(after, self.revision)
        if left != right:
            words = ("refused", "limited to a schema", "accepted")
            facet = "additional-properties-refused" if right < left else "additional-properties-accepted"
            text = f"properties that are not described: {words[left]} → {words[right]}"
            yield delta_of(Difference(facet, text, words[left], words[right], "additionalProperties"), old, new)

    # --- alternatives

    def _wrapped(self, left: Part, right: Part, old: Shape, new: Shape) -> _Pair:
        """One side has alternatives and the other has not: the plain schema may be one of them."""
        group = (old.groups or new.groups)[0]
        plain = right if old.groups else left
        twin = next((part for part in group.parts if self._same(part, plain, old_is_group=bool(old.groups))), None)
        if twin is None or len(old.groups) + len(new.groups) > 1 or _says_more(old if old.groups else new):
            text = (
                f"{type_name(old)} → {_alternatives(new)}" if new.groups else f"{_alternatives(old)} → {type_name(new)}"
            )
            return _Pair((plain_delta("composition-changed", text, old, new),))
        action = "removed" if old.groups else "added"
        others = (part for part in group.parts if part is not twin)
        deltas = [self._alternative(group, part, action, old, new) for part in others]
        within = (twin, plain) if old.groups else (plain, twin)
        return _Pair(tuple(deltas), (("", *within),))

    def _same(self, part: Part, plain: Part, *, old_is_group: bool) -> bool:
        a, b = (part, plain) if old_is_group else (plain, part)
        if part.label and part.label == plain.label:
            return True
        return len(a.nodes) == len(b.nodes) == 1 and self.unchanged(a.nodes[0], b.nodes[0])

    def _groups(self, old: Shape, new: Shape, deltas: list[Delta], children: Children) -> None:
        if len(old.groups) != len(new.groups):
            deltas.append(plain_delta("composition-changed", "alternatives combined differently", old, new))
            return
        for before, after in zip(old.groups, new.groups, strict=True):
            if before.keyword != after.keyword:
                text = f"{before.keyword} → {after.keyword}"
                deltas.append(plain_delta("composition-changed", text, old, new))
            matched, removed, added = self._match(before, after)
            children += [(f"<{a.label}>" if a.label else "", a, b) for a, b in matched]
            deltas += [self._alternative(before, part, "removed", old, new) for part in removed]
            deltas += [self._alternative(after, part, "added", old, new) for part in added]

    def _match(self, before: Group, after: Group) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
        """Pair up alternatives: by component name, then equal ones, then the most alike of what is left."""
        left, right = list(before.parts), list(after.parts)
        matched: list[tuple[Part, Part]] = []
        for test in (self._named_alike, self._equal, self._only_ones_left(left, right), self._alike):
            for part in list(left):
                twin = next((other for other in right if test(part, other)), None)
                if twin is not None:
                    matched.append((part, twin))
                    left.remove(part)
                    right.remove(twin)
        return matched, left, right

    def _named_alike(self, a: Part, b: Part) -> bool:
        return bool(a.label) and a.label == b.label

    def _equal(self, a: Part, b: Part) -> bool:
        return canonical(a.nodes[0].data) == canonical(b.nodes[0].data)

    def _only_ones_left(self, left: list[Part], right: list[Part]) -> Callable[[Part, Part], bool]:
        return lambda a, b: len(left) == len(right) == 1 and self._types(a, b)

    def _types(self, a: Part, b: Part) -> bool:
        old, new = self.base.shape(a).types, self.revision.shape(b).types
        return old is None or new is None or bool(old & new)

    def _alike(self, a: Part, b: Part) -> bool:
        """Whether two unnamed alternatives are versions of one: same types and most properties in common."""
        old, new = self.base.shape(a), self.revision.shape(b)
        if old.types != new.types or old.format != new.format or (old.enum is None) != (new.enum is None):
            return False
        names = set(old.properties) | set(new.properties)
        return len(set(old.properties) & set(new.properties)) * 2 >= len(names)

    def _alternative(self, group: Group, part: Part, action: str, old: Shape, new: Shape) -> Delta:
        facet = ("one-of" if group.keyword == "oneOf" else "any-of") + f"-{action}"
        name = _name(part, self.base if action == "removed" else self.revision)
        gone = action == "removed"
        return Delta(
            facet,
            "",
            f"alternative {name} {action}",
            name if gone else None,
            None if gone else name,
            part.nodes[0] if gone else old.node_with(group.keyword),
            new.node_with(group.keyword) if gone else part.nodes[0],
        )


def _openness(additional: bool | Part, shaper: Shaper) -> int:
    if isinstance(additional, Part):
        return 2 if shaper.shape(additional).anything else 1
    return 2 if additional else 0


def _ancestors(keys: list[_Key], parents: dict[_Key, list[_Key]]) -> set[_Key]:
    """`keys` and everything that leads to one of them."""
    found, stack = set(keys), list(keys)
    while stack:
        for parent in parents.get(stack.pop(), ()):
            if parent not in found:
                found.add(parent)
                stack.append(parent)
    return found


def _says_more(shape: Shape) -> bool:
    """Whether a shape with alternatives restricts values beside them, too."""
    return bool(shape.types or shape.properties or shape.required or shape.enum or shape.bounds)


def _alternatives(shape: Shape) -> str:
    return f"{shape.groups[0].keyword} of {len(shape.groups[0].parts)}"


def _name(part: Part, shaper: Shaper) -> str:
    return part.label or type_name(shaper.shape(part))
