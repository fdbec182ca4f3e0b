"""Members of JSON, by pointer (RFC 6901): renamed, removed, set, in this order. Pure.

What is removed may be in each item of a list: there a step `*` is every index. In an object it is the member of that
name. (What is set stands in one place: as often as a list has items, it could be made as long as anybody likes.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.reading import Subject, child, index_of, steps_of

_LONGEST_LIST = 10_000

Edits = Callable[[Subject, Any], None]


class SomethingElse(ValueError):
    """What a member is to be put into is neither an object nor a list that has its place."""


def edits(set_: Mapping[str, Any], remove: Iterable[str], rename: Mapping[str, str], path: str) -> Edits:
    """What changes a JSON value in its place; `set_` has templates, whose values are those of before.

    Raises InputError for values that requests of this path do not have. What it returns raises SomethingElse, and
    UnicodeEncodeError for a value that is no text.
    """
    renamed = [(steps_of(old), steps_of(new)) for old, new in rename.items()]
    removed = [steps_of(pointer) for pointer in sorted(remove, reverse=True)]  # the last of a list first
    made = [(steps_of(pointer), writing.tree(value, path)) for pointer, value in set_.items()]

    def edit(subject: Subject, root: Any) -> None:
        values = [(steps, _copy(make(subject))) for steps, make in made]
        moved = [(new, take(root, old)) for old, new in renamed]
        for steps in removed:
            _take_each(root, steps)
        for _, new in renamed:
            take(root, new)
        for steps, value in (*moved, *values):
            if value is not None:
                put(root, steps, value)
            elif steps[-1] != "-":
                take(root, steps)

    return edit


def _take_each(root: Any, steps: tuple[str, ...]) -> None:
    """Take out what is there, in each item of a list where `*` is."""
    if "*" not in steps:
        take(root, steps)
        return
    at = steps.index("*")
    node = root
    for step in steps[:at]:
        node = child(node, step)
    rest = steps[at + 1 :]
    if type(node) is dict and not rest:
        node.pop("*", None)
    elif type(node) is dict:
        _take_each(node.get("*"), rest)
    elif type(node) is list and not rest:
        node.clear()
    elif type(node) is list:
        for item in node:
            _take_each(item, rest)


def _copy(value: Any) -> Any:
    """A value that may be a part of the body it is put into."""
    return writing.loads(writing.dumps(value)) if isinstance(value, (dict, list)) else value


def take(root: Any, steps: tuple[str, ...]) -> Any:
    """Take what is at `steps` out of `root`; None where nothing is. What follows it in a list moves up."""
    node = root
    for step in steps[:-1]:
        node = child(node, step)
    last = steps[-1]
    if type(node) is dict:
        return node.pop(last, None)
    index = index_of(last) if type(node) is list else None
    return node.pop(index) if index is not None and index < len(node) else None


def put(root: Any, steps: tuple[str, ...], value: Any) -> None:
    """Put `value` at `steps` of `root`; objects on the way are made. Raises SomethingElse."""
    node = root
    for step in steps[:-1]:
        inner = child(node, step)
        if inner is None:
            inner = {}
            _assign(node, step, inner)
        node = inner
    _assign(node, steps[-1], value)


def _assign(node: Any, step: str, value: Any) -> None:
    if type(node) is dict:
        node[step] = value
        return
    index = index_of(step) if type(node) is list else None
    if type(node) is list and step == "-" and len(node) < _LONGEST_LIST:
        node.append(value)
    elif index is not None and index < len(node):
        node[index] = value
    else:
        raise SomethingElse
