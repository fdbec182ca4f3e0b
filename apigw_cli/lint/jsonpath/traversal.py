"""All paths of a ruleset in one walk over a document.

The paths make an automaton: a state is (path, how many of its steps are matched), and at each value the walk is in a
set of states. Sets, and where each key leads from them, are made when the walk first needs them and remembered, so
names cost one look-up however many paths there are; filters are asked only where a path has come. Each pair of value
and set is visited once: values that are met on several ways (a resolved document shares them) cost no more than their
number, and circles end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apigw_cli.lint.jsonpath.steps import Frame, Path, Step, ancestor, find

Item = tuple[int, int]  # path, step
Emit = Callable[[int, Frame], None]  # the path's number and the frame that it leads to


class _States:
    """A set of states with what follows from it by key; `other` for the keys that no path names.

    `names` are the keys that some path names, each as it is written there: an index of a list is a number here.
    """

    __slots__ = ("after", "items", "names", "other")

    def __init__(self, items: frozenset[Item], names: dict[Any, str]) -> None:
        self.items = items
        self.names = names
        self.after: dict[Any, _Move] = {}
        self.other: _Move | None = None


class _Move:
    """What a key leads to, before filters are asked."""

    __slots__ = ("emits", "filters", "states")

    def __init__(self, states: _States, emits: tuple[int, ...], filters: tuple[tuple[Step, str, Item], ...]) -> None:
        self.states = states
        self.emits = emits
        self.filters = filters


class Program:
    """Paths compiled together. `run` walks a document and calls back for each match."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._sets: dict[frozenset[Item], _States] = {}
        self._upwards = {index: path for index, path in enumerate(self.paths) if path.up}
        # Climbing further than a value's own parent depends on the way by which the walk came.
        self._by_parent = any(path.up > 1 for path in self.paths) or any("@par" in path.text for path in self.paths)
        self._start = self._set(frozenset((index, 0) for index, path in enumerate(self.paths) if path.steps))

    def run(self, root: Any, emit: Emit) -> None:
        """Call `emit` for each match in the tree (or graph) below `root`."""
        first: Frame = (root, None, None)
        for index, path in enumerate(self.paths):
            if not path.steps:
                self._emit(index, first, emit)
        if not isinstance(root, dict | list) or not self._start.items:
            return
        seen: set[tuple[int, ...]] = set()
        stack: list[tuple[Frame, _States]] = [(first, self._start)]
        while stack:
            frame, states = stack.pop()
            parent = frame[2]
            key = (id(frame[0]), id(states), id(parent[0]) if self._by_parent and parent is not None else 0)
            if key not in seen:
                seen.add(key)
                self._expand(frame, states, stack, emit)

    def _expand(self, frame: Frame, states: _States, stack: list[tuple[Frame, _States]], emit: Emit) -> None:
        value = frame[0]
        after, other, names = states.after, states.other or self._other(states), states.names
        for key, child in value.items() if type(value) is dict else enumerate(value):
            move = other
            if key in names:
                move = after.get(key) or self._named(states, key)
            is_container = type(child) is dict or type(child) is list
            if not is_container and not move.emits and not move.filters:
                continue
            inner: Frame = (child, key, frame)
            for index in move.emits:
                self._emit(index, inner, emit)
            following = move.states
            if move.filters:
                following = self._filtered(move, inner, emit)
            if is_container and following.items:
                stack.append((inner, following))

    def _filtered(self, move: _Move, frame: Frame, emit: Emit) -> _States:
        """Ask the filters; the states that follow with those that hold."""
        value = frame[0]
        more: list[Item] = []
        for step, requires, (path, at) in move.filters:
            if requires and not (type(value) is dict and requires in value):
                continue
            if not step.selects(frame):
                continue
            if at == len(self.paths[path].steps):
                self._emit(path, frame, emit)
            else:
                more.append((path, at))
        return self._set(move.states.items.union(more)) if more else move.states

    def _emit(self, index: int, frame: Frame, emit: Emit) -> None:
        path = self._upwards.get(index)
        if path is None:
            emit(index, frame)
            return
        raised = ancestor(frame, path.up)
        if raised is None:
            return
        for found in [raised] if path.tail is None else find(path.tail, raised):
            emit(index, found)

    # --- the automaton

    def _set(self, items: frozenset[Item]) -> _States:
        found = self._sets.get(items)
        if found is None:
            names: dict[Any, str] = {}
            for path, at in items:
                for name in self.paths[path].steps[at].names:
                    names[name] = name
                    if name.isascii() and name.isdigit() and str(int(name[:18])) == name:
                        names[int(name)] = name
            found = self._sets[items] = _States(items, names)
        return found

    def _named(self, states: _States, key: Any) -> _Move:
        found = states.after[key] = self._move(states, states.names[key])
        return found

    def _other(self, states: _States) -> _Move:
        states.other = self._move(states, None)
        return states.other

    def _move(self, states: _States, name: str | None) -> _Move:
        following: set[Item] = set()
        emits: list[int] = []
        filters: list[tuple[Step, str, Item]] = []
        for path, at in states.items:
            step = self.paths[path].steps[at]
            if step.deep:
                following.add((path, at))
            if step.any or (name is not None and name in step.names):
                if at + 1 == len(self.paths[path].steps):
                    emits.append(path)
                else:
                    following.add((path, at + 1))
            elif step.dynamic:
                filters.append((step, step.requires, (path, at + 1)))
        return _Move(self._set(frozenset(following)), tuple(sorted(emits)), tuple(filters))
