"""What a path consists of, and evaluating one alone.

A `Frame` is a value on the way from the root: (value, key, frame of the parent). Paths are only made of frames for what
is reported, so a walk costs no tuple of steps per value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

# (value, key in the parent, the parent's frame or None): a plain tuple, since a walk makes one for every container.
Frame = tuple[Any, Any, Any]
Predicate = Callable[[Any, Frame], bool]

LENGTH_LIMIT = 10_000


class PathError(ValueError):
    """A path that cannot be read; `at` is the offset in its text."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Step:
    """One step down: any child, children by name or index, slices, or those for which a filter holds.

    `deep`: not only children but all descendants.
    """

    deep: bool = False
    any: bool = False
    names: frozenset[str] = frozenset()  # indexes too, as text: a list's 0 and a mapping's "0" are matched alike
    slices: tuple[slice, ...] = ()
    predicates: tuple[Predicate, ...] = ()
    # A key that a value must have for any predicate to hold; "" if that is not known.
    requires: str = ""

    @property
    def dynamic(self) -> bool:
        return bool(self.slices or self.predicates)

    @property
    def singular(self) -> bool:
        """Whether the step leads to one value at most (RFC 9535, section 2.3.5.1)."""
        indexes = [each for each in self.slices if each.stop == ((each.start or 0) + 1 or None)]
        several = self.deep or self.any or self.predicates or len(indexes) != len(self.slices)
        return not several and len(self.names) + len(indexes) == 1

    def selects(self, frame: Frame) -> bool:
        """Whether the step leads to the value of `frame` from its parent."""
        value, key, parent = frame
        if self.any or (self.names and str(key) in self.names):
            return True
        if self.slices and type(key) is int:
            length = len(parent[0])
            if any(key in range(*each.indices(length)) for each in self.slices):
                return True
        return any(predicate(value, frame) for predicate in self.predicates)


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path: steps down, then maybe up `up` levels and on along `tail`; `keys`: the key is the value."""

    text: str
    steps: tuple[Step, ...]
    up: int = 0
    tail: Path | None = None
    keys: bool = False


def children(frame: Frame) -> Iterator[Frame]:
    value = frame[0]
    if isinstance(value, dict):
        for key, child in value.items():
            yield child, key, frame
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield child, index, frame


def steps_of(frame: Frame) -> tuple[Any, ...]:
    """The keys from the root to a frame."""
    steps = []
    while frame[2] is not None:
        steps.append(frame[1])
        frame = frame[2]
    return tuple(reversed(steps))


def ancestor(frame: Frame, up: int) -> Frame | None:
    """The frame `up` levels above."""
    for _ in range(up):
        if frame[2] is None:
            return None
        frame = frame[2]
    return frame


def find(path: Path, root: Frame, *, limit: int = 1_000_000) -> list[Frame]:
    """Every frame that `path` leads to from `root`, in the order of the document; each once.

    `limit` bounds how many values are looked at, so that a value that contains itself ends too.
    """
    found = [root]
    budget = [limit]
    for step in path.steps:
        found = _once(each for frame in found for each in _down(step, frame, budget))
    if path.up:
        raised = (ancestor(frame, path.up) for frame in found)
        found = _once(frame for frame in raised if frame is not None)
    if path.tail is not None:
        found = _once(each for frame in found for each in find(path.tail, frame, limit=budget[0]))
    return found


def _once(frames: Iterator[Frame]) -> list[Frame]:
    # A child is made anew each time it is met: its parent's value and its key say which it is.
    found: dict[tuple[int, Any], Frame] = {}
    for frame in frames:
        parent = frame[2]
        found.setdefault((0 if parent is None else id(parent[0]), frame[1]), frame)
    return list(found.values())


def _down(step: Step, frame: Frame, budget: list[int]) -> Iterator[Frame]:
    stack = [frame]
    while stack:
        inner = list(children(stack.pop()))
        budget[0] -= len(inner)
        if budget[0] < 0:
            return
        for each in inner:
            if step.selects(each):
                yield each
        if step.deep:
            stack += [each for each in reversed(inner) if isinstance(each[0], dict | list)]
        else:
            return
