"""JSON documents: read natively, and located by one pass over the text, for the asked paths only."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

import orjson

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.places import Lines, Spot, Steps
from apigw_cli.openapi.scalars import integer
from apigw_cli.openapi.yaml import MAX_DEPTH

_BIG = "Integer exceeds 64-bit range"  # as orjson says it
_SPACE = re.compile(r"[ \t\n\r]*")
# Parses the value at an offset, in C: steps over what is not asked for.
_scan_value: Any = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009


def parse(text: str, file: str) -> Any:
    """The data of a JSON document.

    Raises InputError with its place where the text is not JSON, or a key stands twice in one object.
    """
    data, problems = read(text, file)
    if problems:
        first, *rest = problems
        raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
    return data


def read(text: str, file: str) -> tuple[Any, list[InputError]]:
    """The data, the last of equal keys counting, and every duplicate key. Raises InputError for what is not JSON."""
    try:
        try:
            data, has_duplicates = _loads(text)
            problem = _unusable(data)
        except json.JSONDecodeError:
            raise
        except ValueError:  # a number of more digits than Python converts
            problem = _BIG
        if problem == _BIG:
            data, has_duplicates = _loads(text, integer)
            problem = _unusable(data)
    except json.JSONDecodeError as error:
        raise InputError(f"not valid JSON: {error.msg}", place=Place(file, error.lineno, error.colno)) from None
    except RecursionError:
        problem = "Recursion limit reached"
    if problem == "Recursion limit reached":
        raise InputError(f"nested deeper than {MAX_DEPTH} levels", place=Place(file))
    if problem:
        raise _half_character(text, file)
    return data, _duplicates(text, file) if has_duplicates else []


def _loads(text: str, parse_int: Any = None) -> tuple[Any, bool]:
    has_duplicates = False

    def make(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal has_duplicates
        made = dict(pairs)
        if len(made) != len(pairs):
            has_duplicates = True
        return made

    def refuse(name: str) -> Any:
        at = re.search(rf"[\s:\[,]({name})|^{name}", text)
        raise json.JSONDecodeError(f"{name} is not a value in JSON", text, at.start() + 1 if at else 0)

    return json.loads(text, object_pairs_hook=make, parse_constant=refuse, parse_int=parse_int), has_duplicates


def _unusable(data: Any) -> str | None:
    """What no later step could handle, found by a native pass: deep nesting, big integers, half characters."""
    try:
        orjson.dumps(data)
    except orjson.JSONEncodeError as error:
        return str(error)
    return None


def _half_character(text: str, file: str) -> InputError:
    half = re.search(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", text)
    place = Place(file, *Lines(text).position(half.start() if half else 0))
    return InputError("not valid JSON: half of a surrogate pair is no character", place=place)


def _duplicates(text: str, file: str) -> list[InputError]:
    scan = _Scan(text, None)
    scan.run()
    position = Lines(text).position
    hint = "keep one; the last one was read"
    return [
        InputError(f"duplicate key {key!r}", place=Place(file, *position(at)), hint=hint) for key, at in scan.duplicates
    ]


def locate(text: str, wanted: set[Steps]) -> dict[Steps, Spot]:
    """Where the values at the `wanted` paths, and their ancestors, stand. Raises ValueError for what is not JSON."""
    scan = _Scan(text, _tree(wanted))
    try:
        scan.run()
    except (IndexError, StopIteration):
        raise ValueError("not JSON") from None
    return scan.spots


class _Tree(dict[str | int, "_Tree"]):
    """The asked paths as a tree of steps."""


def _tree(wanted: set[Steps]) -> _Tree:
    root = _Tree()
    for path in wanted:
        node = root
        for step in path:
            node = node.setdefault(step, _Tree())
    return root


class _Scan:
    """A walk over a document that notes where the paths of a tree stand (None: all) and steps over the rest."""

    def __init__(self, text: str, tree: _Tree | None) -> None:
        self.text = text
        self.tree = tree
        self.spots: dict[Steps, Spot] = {}
        self.duplicates: list[tuple[str, int]] = []

    def run(self) -> None:
        start = self._space(0)
        end = self._value(start, (), self.tree)
        self.spots[()] = Spot(start, end)

    def _space(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def _value(self, at: int, path: Steps, tree: _Tree | None) -> int:
        """Note what stands below `path`; returns the end of the value at offset `at`."""
        first = self.text[at]
        if first == "{":
            return self._object(at, path, tree)
        if first == "[":
            return self._array(at, path, tree)
        end: int = _scan_value(self.text, at)[1]
        return end

    def _inner(self, at: int, path: Steps, step: str | int, tree: _Tree | None, key: tuple[int, int]) -> int:
        if tree is not None and step not in tree:
            skipped: int = _scan_value(self.text, at)[1]
            return skipped
        inner = (*path, step)
        end = self._value(at, inner, None if tree is None else tree[step])
        self.spots[inner] = Spot(at, end, *key)
        return end

    def _object(self, at: int, path: Steps, tree: _Tree | None) -> int:
        at = self._space(at + 1)
        seen: set[str] = set()
        while self.text[at] != "}":
            if self.text[at] != '"':
                raise ValueError("not JSON")
            key, key_end = scanstring(self.text, at + 1)
            if tree is None and key in seen:
                self.duplicates.append((key, at))
            seen.add(key)
            value = self._space(self._space(key_end) + 1)
            at = self._space(self._inner(value, path, key, tree, (at, key_end)))
            if self.text[at] == ",":
                at = self._space(at + 1)
        return at + 1

    def _array(self, at: int, path: Steps, tree: _Tree | None) -> int:
        at = self._space(at + 1)
        index = 0
        while self.text[at] != "]":
            at = self._space(self._inner(at, path, index, tree, (-1, -1)))
            index += 1
            if self.text[at] == ",":
                at = self._space(at + 1)
        return at + 1
