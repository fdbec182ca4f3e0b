"""One meaning of YAML for every file: the YAML 1.2 core schema, and keys are strings.

OpenAPI asks for YAML 1.2's JSON schema with string keys (OpenAPI 3.1, "Format"), so `NO` is text, `012` is
twelve, `2020-01-01` is text and the key `200` is "200". PyYAML's own resolver is YAML 1.1 and would read
false, ten, a date and a number.

Two readers share that meaning. `parse` uses a native parser where it provably agrees, and falls back on
`compose`, which is exact and knows where everything stands, but takes a hundred times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml as pyyaml

from apigw_cli.errors import InputError, Place

Steps = tuple[str | int, ...]

MAX_DEPTH = 200  # deeper nesting than any real document; a guard for every recursive walk after this one
MAX_NODES = 5_000_000  # aliases expanded: stops an alias bomb ("billion laughs") before memory does

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCT = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)")
_NAN = re.compile(r"\.nan|\.NaN|\.NAN")

# Where the native parser's reading is known to differ from the core schema: leading zeros and other integer
# spellings, tags, merge keys, and keys whose spelling is lost when they become numbers.
_NEEDS_EXACT = re.compile(
    r"(?m)(?:^|[:\-,\[{?])[ \t]*(?:[-+]?0[0-9]+|[-+][0-9.]+|0[xo][0-9a-fA-F]+|![^\s=]*|<<)[ \t]*(?:$|[,\]}#:]|[ \t])"
)


@dataclass(slots=True)
class Composed:
    """A document read exactly: its data, and for each path the place of its value and of its key."""

    data: Any
    values: dict[Steps, Place]
    keys: dict[Steps, Place]
    problems: list[InputError] = field(default_factory=list)


def parse(text: str, file: str) -> Any:
    """The data of one YAML document.

    Raises InputError with its place where the text is not one well-formed document.
    """
    if not _NEEDS_EXACT.search(text):
        try:
            return _string_keys(_native(text))
        except (ValueError, KeyError, TypeError, RecursionError):
            pass  # the exact reader says what is wrong and where, or reads what the native one cannot
    composed = compose(text, file)
    if composed.problems:
        first, *rest = composed.problems
        raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
    return composed.data


def _native(text: str) -> Any:
    import ryaml

    return ryaml.loads(text)  # type: ignore[attr-defined]


def _string_keys(data: Any) -> Any:
    """Turn integer keys back into the text they were; any other non-text key needs the exact reader."""
    stack = [data]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            if any(type(key) is not str for key in node):
                items = [(_key_text(key), value) for key, value in node.items()]
                node.clear()
                node.update(items)
            stack.extend(v for v in node.values() if type(v) is dict or type(v) is list)
        elif type(node) is list:
            stack.extend(v for v in node if type(v) is dict or type(v) is list)
    return data


def _key_text(key: object) -> str:
    if type(key) is str:
        return key
    if type(key) is int:
        return str(key)
    raise KeyError(key)


def compose(text: str, file: str) -> Composed:
    """Read one YAML document exactly, keeping places.

    Problems that leave the rest readable (duplicate keys) are collected; others raise InputError.
    """
    return _Composer(file).read(text)


class _Composer:
    """Builds data and places from PyYAML's events; our own resolver gives scalars their meaning."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.out = Composed(None, {}, {})
        self.anchors: dict[str, Any] = {}
        self.nodes = 0

    def read(self, text: str) -> Composed:
        loader = getattr(pyyaml, "CLoader", pyyaml.Loader)
        try:
            events = iter(pyyaml.parse(text.removeprefix("\ufeff"), Loader=loader))
            self._document(events)
        except pyyaml.MarkedYAMLError as error:
            raise self._syntax_error(error, text) from None
        except pyyaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise InputError(
                f"not text: character {error.character!r} is not allowed in YAML",
                place=Place(self.file, line),
            ) from None
        return self.out

    def _syntax_error(self, error: pyyaml.MarkedYAMLError, text: str) -> InputError:
        mark = error.problem_mark or error.context_mark
        place = Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)
        conflict = re.search(r"(?m)^(<{7} |={7}$|>{7} )", text)
        if conflict:
            line = text.count("\n", 0, conflict.start()) + 1
            return InputError(
                "merge conflict markers in the file",
                place=Place(self.file, line),
                hint="resolve the conflict first",
            )
        what = error.problem or error.context or "not valid YAML"
        hint = "indent with spaces" if "'\\t'" in what else None
        return InputError(f"not valid YAML: {what}", place=place, hint=hint)

    def _document(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            if isinstance(event, pyyaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise InputError(
                        "more than one YAML document in the file",
                        place=self._place(event),
                        hint="keep one document per file: remove the second '---'",
                    )
                self.out.data = self._node(next(events), events, (), 0)

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, events: Iterator[Any], path: Steps, depth: int) -> Any:
        place = self._place(event)
        self.out.values[path] = place
        self._count(1, place)
        if depth > MAX_DEPTH:
            raise InputError(f"nested deeper than {MAX_DEPTH} levels", place=place)
        if isinstance(event, pyyaml.AliasEvent):
            return self._alias(event, place)
        value: Any
        if isinstance(event, pyyaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, pyyaml.SequenceStartEvent):
            value = []
            while not isinstance(item := next(events), pyyaml.SequenceEndEvent):
                value.append(self._node(item, events, (*path, len(value)), depth + 1))
        else:
            value = self._mapping(events, path, depth)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def _alias(self, event: Any, place: Place) -> Any:
        if event.anchor not in self.anchors:
            raise InputError(f"alias *{event.anchor} has no anchor before it", place=place)
        value = self.anchors[event.anchor]
        self._count(_size(value, MAX_NODES - self.nodes), place)
        return value

    def _mapping(self, events: Iterator[Any], path: Steps, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        while not isinstance(item := next(events), pyyaml.MappingEndEvent):
            where = self._place(item)
            key = self._key(item, where)
            if key in value:
                self.out.problems.append(
                    InputError(f"duplicate key {key!r}", place=where, hint="keep one; the last one was read")
                )
            self.out.keys[(*path, key)] = where
            value[key] = self._node(next(events), events, (*path, key), depth + 1)
        return value

    def _key(self, event: Any, where: Place) -> str:
        if isinstance(event, pyyaml.ScalarEvent):
            return str(event.value)
        if isinstance(event, pyyaml.AliasEvent):
            target = self.anchors.get(str(event.anchor))
            if isinstance(target, str):
                return target
        raise InputError("a key must be plain text", place=where)

    def _count(self, nodes: int, place: Place) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise InputError("aliases expand to more nodes than can be read", place=place)


def _size(value: Any, limit: int) -> int:
    """How many nodes `value` holds, counting shared ones as often as they appear; stops above `limit`."""
    count, stack = 0, [value]
    while stack and count <= limit:
        node = stack.pop()
        count += 1
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return count


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.tag:
        return _tagged(event.tag, text)
    if event.style:  # None (Python) or empty (libyaml) for a plain scalar
        return text
    return resolve_plain(text)


def _tagged(tag: str, text: str) -> Any:
    if tag == "tag:yaml.org,2002:str" or not tag.startswith("tag:yaml.org,2002:"):
        return text
    return resolve_plain(text)


def resolve_plain(text: str) -> Any:
    """The value of a plain scalar in the core schema (YAML 1.2.2, section 10.3.2)."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return _integer(text)
    if _OCT.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INF.fullmatch(text):
        return float("-inf") if text[0] == "-" else float("inf")
    if _NAN.fullmatch(text):
        return float("nan")
    return text


def _integer(text: str) -> int | float:
    # int() refuses over 4,300 digits; such a number is a float for every reader of JSON too.
    return int(text) if len(text) < 4000 else float(text)
