"""The source of a YAML document: a tree of the parser's events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml as pyyaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from apigw_cli.lint.fix.source import CannotFix, Range
from apigw_cli.openapi.places import Steps


@dataclass(slots=True)
class _Node:
    """A YAML node as written; the end of a block collection is that of its last content."""

    kind: str  # scalar, mapping, sequence, alias
    start: int
    end: int
    flow: bool = False
    text: str = ""
    anchor: str | None = None
    tag: str | None = None
    keys: list[_Node] = field(default_factory=list)
    values: list[_Node] = field(default_factory=list)


class YamlSource:
    """YAML: a tree of the parser's events, since only those tell flow from block and anchors from values."""

    is_json = False

    def __init__(self, text: str) -> None:
        self.text = text
        self.aliases: set[str] = set()
        self.root = self._read()

    def prepare(self, paths: list[Steps]) -> None:
        """The tree has them all."""

    def _read(self) -> _Node:
        loader: Any = getattr(pyyaml, "CLoader", pyyaml.Loader)(self.text)
        top = _Node("sequence", 0, 0)
        stack = [top]
        kind: type = object
        while kind is not DocumentEndEvent:
            event = loader.get_event()
            kind = event.__class__
            if kind in (MappingEndEvent, SequenceEndEvent):
                closed = stack.pop()
                closed.end = event.end_mark.index if closed.flow or not closed.values else closed.values[-1].end
            elif kind in (MappingStartEvent, SequenceStartEvent, ScalarEvent, AliasEvent):
                node = self._node(event)
                _add(stack[-1], node)
                if node.kind in ("mapping", "sequence"):
                    stack.append(node)
            elif kind is DocumentStartEvent:
                continue
        return top.values[0] if top.values else _Node("scalar", 0, 0)

    def _node(self, event: Any) -> _Node:
        kind = event.__class__
        start, end = event.start_mark.index, event.end_mark.index
        if kind is AliasEvent:
            self.aliases.add(event.anchor)
            return _Node("alias", start, end, text=event.anchor)
        if kind is ScalarEvent:
            if event.style in ("|", ">"):
                end = start + len(self.text[start:end].rstrip())
            return _Node("scalar", start, end, event.style in ("|", ">"), event.value, event.anchor, event.tag)
        name = "mapping" if kind is MappingStartEvent else "sequence"
        return _Node(name, start, end, bool(event.flow_style), "", event.anchor, event.tag)

    def _walk(self, path: Steps) -> tuple[_Node, _Node | None]:
        """The node at a path and that of its key. Raises CannotFix on the way through an alias or a shared value."""
        node, key = self.root, None
        self._check(node)
        for step in path:
            if node.kind == "mapping":
                index = next((n for n, k in enumerate(node.keys) if k.kind == "scalar" and k.text == str(step)), -1)
            else:
                index = int(step) if node.kind == "sequence" and str(step).isdigit() else -1
            if not 0 <= index < len(node.values):
                raise CannotFix("it comes from a merge (<<) or another place")
            key = node.keys[index] if node.kind == "mapping" else None
            node = node.values[index]
            self._check(node)
        return node, key

    def _check(self, node: _Node) -> None:
        if node.kind == "alias":
            raise CannotFix(f"it is written elsewhere, as &{node.text}")
        if node.anchor in self.aliases:
            raise CannotFix(f"it is part of &{node.anchor}, which is used elsewhere too")

    def value(self, path: Steps) -> Range:
        node, _ = self._walk(path)
        if node.kind == "scalar" and (node.flow or node.tag or node.anchor):
            raise CannotFix("it is a block of text, or has a tag or an anchor")
        return Range(node.start, node.end)

    def key(self, path: Steps) -> Range:
        _, key = self._walk(path)
        if key is None or key.kind != "scalar" or key.tag or key.anchor or key.flow:
            raise CannotFix("its key is no plain text")
        return Range(key.start, key.end)

    def items(self, path: Steps) -> list[Range]:
        node, _ = self._walk(path)
        return [Range(item.start, item.end) for item in node.values]

    def is_flow(self, path: Steps) -> bool:
        return self._walk(path)[0].flow

    def has_marks(self, path: Steps) -> bool:
        return any(node.kind == "alias" or node.anchor or node.tag for node in _below(self._walk(path)[0]))


def _add(parent: _Node, node: _Node) -> None:
    if parent.kind == "mapping" and len(parent.keys) == len(parent.values):
        parent.keys.append(node)
    else:
        parent.values.append(node)


def _below(node: _Node) -> Iterator[_Node]:
    stack = [*node.keys, *node.values]
    while stack:
        inner = stack.pop()
        yield inner
        stack += inner.keys + inner.values
