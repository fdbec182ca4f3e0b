"""Two schemas compared, deep: each pair of parts is looked at once, so that recursion ends and cost is bounded.

A pair's own differences and its child pairs do not depend on where the pair stands; they are found once and kept.
A comparison walks the graph of pairs from a root, breadth first, and visits each pair once: a change inside a
component is reported at the first place where the body uses it, not at every one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from apigw_cli.openapi.document import Node
from apigw_cli.stages.contract import arrays
from apigw_cli.stages.contract.alternatives import Alternatives
from apigw_cli.stages.contract.delta import Children, Delta, delta_of, join
from apigw_cli.stages.contract.facets import differences, nulls
from apigw_cli.stages.contract.lifecycle import Lifecycle
from apigw_cli.stages.contract.logic import Logic
from apigw_cli.stages.contract.objects import Properties
from apigw_cli.stages.contract.polymorph import discriminators
from apigw_cli.stages.contract.rules import Direction, Effect, effect_of
from apigw_cli.stages.contract.shape import Part, Shape
from apigw_cli.stages.contract.shaper import Shaper

_Key = tuple[tuple[int, ...], tuple[int, ...], Direction]


@dataclass(frozen=True, slots=True)
class _Pair:
    deltas: tuple[Delta, ...] = ()
    children: tuple[tuple[str, Part, Part, _Key], ...] = ()


_SAME = _Pair()
_UNDECIDED = frozenset({Effect.UNDECIDED})
_PAIRS = 200  # pairs that are looked at to decide what one alternative does; beyond that it is undecided
_NESTED = 6  # decisions that wait for another one


class Schemas:
    """Compares schemas of two documents. `unchanged` may say quickly that two nodes mean the same."""

    def __init__(
        self, base: Shaper, revision: Shaper, unchanged: Callable[[Node, Node], bool], lifecycle: Lifecycle
    ) -> None:
        self.base = base
        self.revision = revision
        self.unchanged = unchanged
        self.lifecycle = lifecycle
        self._pairs: dict[_Key, _Pair] = {}
        self._found: dict[_Key, tuple[Delta, ...]] = {}  # of whole schemas, for many operations have the same
        self._effects: dict[_Key, frozenset[Effect]] = {}
        self._deciding: set[_Key] = set()
        self._cold: set[_Key] = set()  # pairs from which no difference can be reached

    def compare(self, old: Node, new: Node, direction: Direction) -> tuple[Delta, ...]:
        """Every difference between the schemas at two nodes, as values go in `direction`."""
        left, right = Part((old,)), Part((new,))
        key = self._key(left, right, direction)
        if key in self._cold:
            return ()
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = tuple(self._walk(left, right, key))
        return known

    def _walk(self, left: Part, right: Part, root: _Key) -> list[Delta]:
        queue = deque([("", left, right, root)])
        found: list[Delta] = []
        parents: dict[_Key, list[_Key]] = {}
        visited: set[_Key] = {root}
        hot: list[_Key] = []
        while queue:
            path, one, other, key = queue.popleft()
            pair = self._pair(key, one, other)
            if pair.deltas:
                hot.append(key)
                found += [delta.below(path) for delta in pair.deltas]
            for step, a, b, child in pair.children:
                if child in self._cold:
                    continue
                parents.setdefault(child, []).append(key)
                if child not in visited:
                    visited.add(child)
                    queue.append((join(path, step), a, b, child))
        self._cold |= visited - _ancestors(hot, parents)
        return found

    def decide(self, left: Part, right: Part, direction: Direction) -> frozenset[Effect]:
        """The effects that the differences between two parts have; UNDECIDED where that takes too long to tell."""
        key = self._key(left, right, direction)
        if key in self._cold:
            return frozenset()
        known = self._effects.get(key)
        if known is None:
            if key in self._deciding or len(self._deciding) >= _NESTED:
                return _UNDECIDED
            self._deciding.add(key)
            known = self._effects[key] = self._decided(left, right, direction)
            self._deciding.discard(key)
        return known

    def _decided(self, left: Part, right: Part, direction: Direction) -> frozenset[Effect]:
        stack, visited, found = [(left, right)], set(), set()
        while stack:
            one, other = stack.pop()
            key = self._key(one, other, direction)
            if key in visited or key in self._cold:
                continue
            visited.add(key)
            if len(visited) > _PAIRS:
                return _UNDECIDED
            pair = self._pair(key, one, other)
            found |= {d.sets or d.effect or effect_of(d.facet, direction) for d in pair.deltas}
            stack += [(a, b) for _, a, b, _ in pair.children]
        return frozenset(found)

    def _key(self, left: Part, right: Part, direction: Direction) -> _Key:
        return self.base.key(left), self.revision.key(right), direction

    def _pair(self, key: _Key, left: Part, right: Part) -> _Pair:
        found = self._pairs.get(key)
        if found is None:
            deltas, children = self._look(left, right, key[2])
            keyed = ((step, a, b, self._key(a, b, key[2])) for step, a, b in children)
            found = self._pairs[key] = _Pair(tuple(deltas), tuple(keyed)) if deltas or children else _SAME
        return found

    def _same(self, left: Part, right: Part) -> bool:
        return len(left.nodes) == len(right.nodes) and all(map(self.unchanged, left.nodes, right.nodes))

    def _look(self, left: Part, right: Part, direction: Direction) -> tuple[list[Delta], Children]:
        if self._same(left, right):
            return [], []
        old, new = self.base.shape(left), self.revision.shape(right)

        def decide(one: Part, other: Part) -> frozenset[Effect]:
            return self.decide(one, other, direction)

        alternatives = Alternatives(self.base, self.revision, self._same, decide, direction)
        if bool(old.groups) != bool(new.groups) and _only_choice(old if old.groups else new):
            deltas, children = alternatives.wrapped(left, right, old, new)
            deltas += [delta_of(difference, old, new) for difference in nulls(old, new)]
            return deltas, children
        children = []
        deltas = [delta_of(difference, old, new) for difference in differences(old, new)]
        if not (old.never or new.never):
            deltas += self._inside(old, new, direction, children)
            deltas += Logic(self.base, self.revision, decide).compare(old, new, children)
            alternatives.groups(old, new, deltas, children)
        return deltas, children

    def _inside(self, old: Shape, new: Shape, direction: Direction, children: Children) -> list[Delta]:
        found = [*discriminators(old, new), *self.lifecycle.of_schema(old, new)]
        if _both_have("object", old, new):
            found += Properties(self.base, self.revision, direction).compare(old, new, children)
        if _both_have("array", old, new):
            arrays.items(old, new, children)
        return found


def _both_have(kind: str, old: Shape, new: Shape) -> bool:
    return all(shape.types is None or kind in shape.types for shape in (old, new))


def _only_choice(shape: Shape) -> bool:
    """Whether a shape is one choice and restricts values no further."""
    if len(shape.groups) != 1 or shape.types is not None or shape.additional is not True:
        return False
    return not replace(shape, groups=()).says_more


def _ancestors(keys: list[_Key], parents: dict[_Key, list[_Key]]) -> set[_Key]:
    """`keys` and everything that leads to one of them."""
    found, stack = set(keys), list(keys)
    while stack:
        for parent in parents.get(stack.pop(), ()):
            if parent not in found:
                found.add(parent)
                stack.append(parent)
    return found
