"""From libyaml's events to data, with the place of everything: see `yaml`, which says what it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
    StreamEndEvent,
)

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.places import Lines
from apigw_cli.openapi.scalars import resolve_plain
from apigw_cli.openapi.yaml import MAX_DEPTH, Composed, Raw

MAX_ALIASED = 1_000_000  # nodes that aliases may stand for: stops an alias bomb before memory or patience does

# What libyaml refuses (YAML 1.2.2, section 5.1: the printable characters).
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CORE = "tag:yaml.org,2002:"
_TAGS: dict[str, tuple[type, ...]] = {
    _CORE + "null": (type(None),),
    _CORE + "bool": (bool,),
    _CORE + "int": (int,),
    _CORE + "float": (int, float),
}
_TEXT_TAGS = frozenset({"!", *(_CORE + name for name in ("str", "binary", "timestamp"))})
_COLLECTION_TAGS = frozenset({"!", _CORE + "map", _CORE + "seq"})


def scalar_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where every scalar of a text stands: what is outside of all of them may be a comment. Raises InputError."""
    loader: Any = getattr(pyyaml, "CLoader", pyyaml.Loader)(text)
    try:
        kind: type = object
        while kind is not StreamEndEvent:
            event = loader.get_event()
            kind = event.__class__
            if kind is ScalarEvent:
                yield event.start_mark.index, event.end_mark.index
    except pyyaml.YAMLError:
        raise InputError("not valid YAML") from None


class _Mapping:
    """A mapping under construction."""

    __slots__ = ("anchor", "data", "expects_key", "key", "key_end", "key_start", "merge", "table")

    def __init__(self, anchor: str | None) -> None:
        self.data: dict[str, Any] = {}
        self.table: dict[str, Raw] = {}
        self.anchor = anchor
        self.expects_key = True
        self.key = ""
        self.key_start = self.key_end = -1
        self.merge = False

    def add(self, value: Any, start: int, end: int) -> None:
        self.data[self.key] = value
        self.table[self.key] = (start, end, self.key_start, self.key_end)
        self.expects_key = True

    def set_end(self, end: int) -> None:
        """Note where the value that was added last ends."""
        start, _, key_start, key_end = self.table[self.key]
        self.table[self.key] = (start, end, key_start, key_end)


class _Sequence:
    """A sequence under construction; the document itself is one of a single item."""

    __slots__ = ("anchor", "data", "table")
    expects_key = False

    def __init__(self, anchor: str | None) -> None:
        self.data: list[Any] = []
        self.table: list[Raw] = []
        self.anchor = anchor

    def add(self, value: Any, start: int, end: int) -> None:
        self.data.append(value)
        self.table.append((start, end, -1, -1))

    def set_end(self, end: int) -> None:
        start, _, key_start, key_end = self.table[-1]
        self.table[-1] = (start, end, key_start, key_end)


class Composer:
    """Builds data and places from PyYAML's events; our own resolver gives scalars their meaning."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.out = Composed(None, text, file)
        self.open: list[_Mapping | _Sequence] = []  # those around the current one
        self.anchors: dict[str, Any] = {}
        self.anchored_texts: dict[str, str] = {}
        self.aliased = 0
        self.known: dict[str, Any] = {}  # plain scalars met before: most are met often

    def read(self) -> Composed:
        loader = getattr(pyyaml, "CLoader", pyyaml.Loader)
        try:
            next_event = loader(self.text).get_event
            next_event()  # the start of the stream
            event = next_event()
            if isinstance(event, DocumentStartEvent):
                self._build(next_event)
                event = next_event()
        except pyyaml.MarkedYAMLError as error:
            raise self._syntax_error(error) from None
        except pyyaml.reader.ReaderError:
            raise self._character_error() from None
        if not isinstance(event, StreamEndEvent):
            raise InputError(
                "more than one YAML document in the file",
                place=self._place(event.start_mark.index),
                hint="keep one document per file: remove the second '---'",
            )
        return self.out

    def _build(self, next_event: Callable[[], Any]) -> None:
        document = _Sequence(None)
        frame: _Mapping | _Sequence = document
        while True:
            event = next_event()
            kind = event.__class__
            if kind is ScalarEvent:
                if frame.expects_key:
                    self._key(frame, event, event.value)
                elif event.tag or event.anchor or event.style:
                    self._marked_scalar(frame, event)
                else:
                    text = event.value
                    value = self.known[text] if text in self.known else self._plain(text)
                    frame.add(value, event.start_mark.index, event.end_mark.index)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                frame = self._opened(frame, event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                frame = self._closed(frame, event)
            elif kind is AliasEvent:
                self._alias(frame, event)
            elif kind is DocumentEndEvent:
                break
        self.out.data, self.out._root = document.data[0], document.table[0]

    # --- scalars

    def _plain(self, text: str) -> Any:
        value = self.known[text] = resolve_plain(text)
        return value

    def _marked_scalar(self, frame: _Mapping | _Sequence, event: Any) -> None:
        """A scalar that is quoted, tagged or anchored."""
        start, end = event.start_mark.index, event.end_mark.index
        value = event.value
        if event.tag:
            value = self._tagged(event)
        elif not event.style:  # None from PyYAML's own parser, empty from libyaml's
            value = resolve_plain(value)
        if event.style == "|" or event.style == ">":
            end = start + len(self.text[start:end].rstrip())
        if event.anchor:
            self.anchors[event.anchor] = value
            self.anchored_texts[event.anchor] = event.value
        frame.add(value, start, end)

    def _tagged(self, event: Any) -> Any:
        tag, text = event.tag, event.value
        if tag in _TEXT_TAGS:
            return text
        value = resolve_plain(text)
        if tag not in _TAGS:
            self._problem(
                event, f"unknown tag {_short(tag)}", "remove it: the tools that read this file know no such tag"
            )
            return text
        if type(value) not in _TAGS[tag]:
            self._problem(
                event, f"{text!r} is not what its tag {_short(tag)} says", "remove the tag, or mend the value"
            )
            return text
        return float(value) if type(value) is int and tag == _CORE + "float" else value

    # --- keys

    def _key(self, frame: Any, event: Any, text: str) -> None:
        if text in frame.data:
            self._problem(event, f"duplicate key {text!r}", "keep one; the last one was read")
        if text == "<<" and not event.style:
            frame.merge = True
        if event.anchor and event.__class__ is ScalarEvent:
            self.anchors[event.anchor] = text if event.style else resolve_plain(text)
            self.anchored_texts[event.anchor] = text
        frame.key = text
        frame.key_start, frame.key_end = event.start_mark.index, event.end_mark.index
        frame.expects_key = False

    # --- collections

    def _opened(self, frame: _Mapping | _Sequence, event: Any) -> _Mapping | _Sequence:
        if frame.expects_key:
            raise self._key_error(event)
        if len(self.open) >= MAX_DEPTH:
            place = self._place(event.start_mark.index)
            raise InputError(f"nested deeper than {MAX_DEPTH} levels", place=place)
        if event.tag and event.tag not in _COLLECTION_TAGS:
            self._problem(event, f"unknown tag {_short(event.tag)}", "remove it: only plain data can be read")
        kind = _Mapping if event.__class__ is MappingStartEvent else _Sequence
        inner = kind(event.anchor)
        frame.add(inner.data, event.start_mark.index, -1)
        self.out._tables[id(inner.data)] = inner.table
        self.open.append(frame)
        return inner

    def _closed(self, frame: _Mapping | _Sequence, event: Any) -> _Mapping | _Sequence:
        if isinstance(frame, _Mapping) and frame.merge:
            self._merge(frame)
        if frame.anchor:
            self.anchors[frame.anchor] = frame.data
        outer = self.open.pop()
        if not frame.table:
            outer.set_end(event.end_mark.index)
        return outer

    def _merge(self, frame: _Mapping) -> None:
        """Put what `<<` names into the mapping, where it has no such key; of several the first one wins."""
        sources = frame.data.pop("<<")
        spot = frame.table.pop("<<")
        for source in sources if isinstance(sources, list) else [sources]:
            if not isinstance(source, dict):
                place = self._place(spot[0])
                self.out.problems.append(InputError("<< takes a mapping or a list of mappings", place=place))
                continue
            for key in source:
                if key not in frame.data:
                    frame.data[key] = source[key]
                    frame.table[key] = self.out._tables[id(source)][key]

    def _alias(self, frame: _Mapping | _Sequence, event: Any) -> None:
        name = event.anchor
        if frame.expects_key:
            if name not in self.anchored_texts:
                raise self._key_error(event)
            self._key(frame, event, self.anchored_texts[name])
            return
        place = self._place(event.start_mark.index)
        if any(outer.anchor == name for outer in (*self.open, frame)):
            raise InputError(f"alias *{name} stands inside the value it names", place=place)
        if name not in self.anchors:
            raise InputError(f"alias *{name} has no anchor before it", place=place)
        value = self.anchors[name]
        self.aliased += _size(value, MAX_ALIASED - self.aliased)
        if self.aliased > MAX_ALIASED:
            raise InputError("aliases stand for more values than can be read", place=place)
        frame.add(value, event.start_mark.index, event.end_mark.index)

    # --- what is wrong

    def _place(self, offset: int) -> Place:
        return Place(self.file, *Lines(self.text).position(min(offset, len(self.text))))

    def _problem(self, event: Any, message: str, hint: str) -> None:
        self.out.problems.append(InputError(message, place=self._place(event.start_mark.index), hint=hint))

    def _key_error(self, event: Any) -> InputError:
        return InputError("a key must be plain text", place=self._place(event.start_mark.index))

    def _syntax_error(self, error: pyyaml.MarkedYAMLError) -> InputError:
        mark = error.problem_mark or error.context_mark
        at = mark.index if mark else 0
        what = error.problem or error.context or "it cannot be parsed"
        hint = {"\t": "indent with spaces", "@": "write it in quotes", "`": "write it in quotes"}
        found = hint.get(self.text[at : at + 1])
        if self.text[max(0, at - 1) : at + 1] == "${":
            found = 'text with ${…} inside { } or [ ] needs quotes: "${…}"'
        return InputError(f"not valid YAML: {what}", place=self._place(at), hint=found)

    def _character_error(self) -> InputError:
        bad = _UNPRINTABLE.search(self.text)
        what = f"character U+{ord(bad[0]):04X} is not allowed in YAML" if bad else "it cannot be decoded"
        return InputError(f"not text: {what}", place=self._place(bad.start() if bad else 0))


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag


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
