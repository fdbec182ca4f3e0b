"""One meaning of YAML for every file: the YAML 1.2 core schema, keys are strings, and `<<` merges.

OpenAPI asks for YAML 1.2's JSON schema with string keys (OpenAPI 3.1, "Format"), so `NO` is text, `012` is
twelve, `2020-01-01` is text and the key `200` is "200". PyYAML's own resolver is YAML 1.1 and would read
false, ten, a date and a number; only its parser (libyaml's, in C) is used here. Merge keys are not in YAML 1.2,
but every OpenAPI tool reads them.

One pass over the parser's events builds the data and notes where everything stands: 3 MB take 0.3 s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.places import Lines, Spot, Steps
from apigw_cli.openapi.scalars import resolve_plain

__all__ = ["MAX_DEPTH", "Composed", "Steps", "compose", "parse", "resolve_plain"]

MAX_DEPTH = 254  # deeper than any real document, and what orjson takes; a guard for every recursive walk
MAX_TEXT = 32 * 1024 * 1024  # the parser makes an object of every token; what is larger is written as JSON

Raw = tuple[int, int, int, int]  # a Spot before anyone asks for it; the end of a collection is -1


@dataclass
class Composed:
    """A document read exactly: its data, what is wrong but readable, and where each value stands."""

    data: Any
    text: str
    label: str
    problems: list[InputError] = field(default_factory=list)
    _tables: dict[int, Any] = field(default_factory=dict)  # id of a container -> its children's spots, as tuples
    _root: Raw = (0, 0, -1, -1)

    def spot(self, path: Steps) -> Spot | None:
        """Where the value at `path` stands, None where there is none."""
        node, spot = self.data, self._root
        for step in path:
            table = self._tables.get(id(node)) if isinstance(node, dict | list) else None
            try:
                key = str(step) if isinstance(table, dict) else int(step)
                spot, node = table[key], node[key]  # type: ignore[index]
            except (KeyError, IndexError, TypeError, ValueError):
                return None
        return Spot(*spot)._replace(end=max(spot[0], self._end(node, spot)))

    def _end(self, node: Any, spot: Raw) -> int:
        """The end of a collection is that of its last content: the parser's own mark is where the next token begins."""
        while spot[1] < 0:
            table = self._tables[id(node)]
            key = next(reversed(table)) if isinstance(table, dict) else len(table) - 1
            spot, node = table[key], node[key]
        return spot[1]

    @cached_property
    def _places(self) -> tuple[dict[Steps, Place], dict[Steps, Place]]:
        position = Lines(self.text).position
        values: dict[Steps, Place] = {}
        keys: dict[Steps, Place] = {}
        stack: list[tuple[Steps, Any, Raw]] = [((), self.data, self._root)]
        while stack:
            path, node, (start, _, key_start, _) = stack.pop()
            values[path] = Place(self.label, *position(start))
            if key_start >= 0:
                keys[path] = Place(self.label, *position(key_start))
            table = self._tables.get(id(node))
            if isinstance(table, dict):
                stack += [((*path, key), node[key], at) for key, at in table.items()]
            elif table is not None:
                stack += [((*path, index), node[index], at) for index, at in enumerate(table)]
        return values, keys

    @property
    def values(self) -> dict[Steps, Place]:
        """The places of all values: for the small files that a person writes."""
        return self._places[0]

    @property
    def keys(self) -> dict[Steps, Place]:
        """The places of all keys."""
        return self._places[1]


def parse(text: str, file: str) -> Any:
    """The data of one YAML document. Raises InputError with its place where it is not well-formed or ambiguous."""
    return checked(compose(text, file)).data


def checked(composed: Composed) -> Composed:
    """`composed` itself. Raises InputError where something in it is ambiguous."""
    if composed.problems:
        first, *rest = composed.problems
        raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
    return composed


def compose(text: str, file: str) -> Composed:
    """Read one YAML document, keeping places.

    Problems that leave the rest readable (duplicate keys) are collected; others raise InputError.
    """
    if len(text) > MAX_TEXT:
        raise InputError(
            f"{file} is larger than {MAX_TEXT >> 20} MiB of YAML", place=Place(file), hint="write it as JSON"
        )
    # The parser is 20 ms of imports, which a run over JSON alone does without.
    from apigw_cli.openapi.yaml_composer import Composer

    return Composer(text.removeprefix("\ufeff"), file).read()
