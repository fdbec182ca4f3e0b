"""Changes of a document: what it means for the data, and the edits of the text that bring it about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from apigw_cli.lint.fix.source import CannotFix, Range, Source
from apigw_cli.openapi.places import Steps

Meaning = Callable[[Any], None]  # changes a copy of the data as the edits change the text


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of a range."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One fix: the value that it is about, the edits, and what they mean."""

    path: Steps
    edits: tuple[Edit, ...]
    meaning: Meaning


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with edits, which do not overlap."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join((*parts, text[at:]))


def _parent(data: Any, path: Steps) -> tuple[Any, Any]:
    for step in path[:-1]:
        data = data[step]
    return data, path[-1]


# --- one value


def replace_scalar(source: Source, path: Steps, raw: str, value: Any) -> Change:
    """Write `raw`, which means `value`, in the place of a scalar."""
    at = source.value(path)
    return Change(path, (Edit(at.start, at.end, raw),), _sets(path, value))


def without_trailing_slashes(source: Source, path: Steps, value: str) -> Change:
    """Cut the slashes at the end of a text, inside its quotes."""
    shorter = value.rstrip("/") or "/"
    if shorter == value or shorter.endswith(":"):
        raise CannotFix("nothing but slashes would be left")
    at = source.value(path)
    raw = source.text[at.start : at.end]
    found = re.search(r"""((?:\\?/)+)(["']?)$""", raw)
    if found is None:
        raise CannotFix("the slash is written in another way")
    keep = "/" if shorter == "/" else ""
    edit = Edit(at.start + found.start(1), at.start + found.end(1), keep)
    return Change(path, (edit,), _sets(path, shorter))


def _sets(path: Steps, value: Any) -> Meaning:
    def meaning(data: Any) -> None:
        parent, step = _parent(data, path)
        parent[step] = value

    return meaning


def quoted_key(source: Source, path: Steps) -> Change:
    """Put quotes around a key; ours read it as text anyway, so the data stays as it is."""
    at = source.key(path)
    raw = source.text[at.start : at.end]
    if not raw or raw[0] in "\"'":
        raise CannotFix("it has quotes")
    quote = "'" if re.search(r"(?m)^\s*'\d{3}'\s*:", source.text) else '"'
    return Change(path, (Edit(at.start, at.end, f"{quote}{raw}{quote}"),), lambda _: None)


# --- a key more


def with_key(source: Source, path: Steps, after: str, name: str, raw: str, value: Any) -> Change:
    """Write `name: raw` behind the key `after` of the mapping at `path`."""
    inner = (*path, after)
    key, end = source.key(inner), source.value(inner)
    if source.is_flow(path):
        edit = _flow_entry(source, key, end, name, raw)
    else:
        edit = _block_entry(source, key, end, name, raw)
    return Change(path, (edit,), _sets((*path, name), value))


def _flow_entry(source: Source, key: Range, end: Range, name: str, raw: str) -> Edit:
    quote = source.text[key.start] if source.text[key.start] in "\"'" else ""
    colon = source.text[key.end : end.start]
    before = re.search(r"\s*$", source.text[: key.start])
    space = before[0] if before else " "
    lead = f",{space}" if "\n" in space or source.is_json else ", "
    return Edit(end.end, end.end, f"{lead}{quote}{name}{quote}{colon}{raw}")


def _block_entry(source: Source, key: Range, end: Range, name: str, raw: str) -> Edit:
    text = source.text
    if "\n" in text[key.start : end.end]:
        raise CannotFix("it goes over several lines")
    line = text.rfind("\n", 0, key.start) + 1
    if not re.fullmatch(r" *(- +)*", text[line : key.start]):
        raise CannotFix("its line begins with something else")
    stop = text.find("\n", end.end)
    stop = len(text) if stop < 0 else stop
    newline = "\r\n" if text[stop - 1 : stop] == "\r" or (stop == len(text) and "\r\n" in text) else "\n"
    stop -= text[stop - 1 : stop] == "\r"
    return Edit(stop, stop, f"{newline}{' ' * (key.start - line)}{name}: {raw}")


# --- items of a list


def without_items(source: Source, path: Steps, indexes: list[int]) -> Change:
    """Take items (never the first) out of the list at `path`."""
    if source.has_marks(path):
        raise CannotFix("anchors or aliases stand in the list")
    ranges = source.items(path)
    cut = _cut_flow if source.is_flow(path) else _cut_block

    def meaning(data: Any) -> None:
        parent, step = _parent(data, path)
        parent[step] = [item for index, item in enumerate(parent[step]) if index not in indexes]

    return Change(path, tuple(cut(source.text, ranges, index) for index in indexes), meaning)


def _cut_flow(text: str, ranges: list[Range], index: int) -> Edit:
    before, item = ranges[index - 1], ranges[index]
    if not re.fullmatch(r"\s*,\s*", text[before.end : item.start]):
        raise CannotFix("a comment stands beside it")
    return Edit(before.end, item.end, "")


def _cut_block(text: str, ranges: list[Range], index: int) -> Edit:
    start, stop = _lines_of(text, ranges[index])
    if _has_comment(text[start:stop]):
        raise CannotFix("a comment stands beside it")
    if stop == len(text) and not text.endswith("\n"):  # the line end before it goes instead
        start -= 2 if text[start - 2 : start] == "\r\n" else 1
    return Edit(start, stop, "")


def _lines_of(text: str, item: Range) -> tuple[int, int]:
    """The whole lines of an item in block style, its dash included."""
    start = text.rfind("\n", 0, item.start) + 1
    if item.start == item.end or not re.fullmatch(r" *- +", text[start : item.start]):
        raise CannotFix("its line begins with something else")
    stop = text.find("\n", item.end)
    stop = len(text) if stop < 0 else stop + 1
    rest = text[item.end : stop].strip()
    if rest and not rest.startswith("#"):
        raise CannotFix("something stands behind it")
    return start, stop


def _has_comment(text: str) -> bool:
    return re.search(r"(^|\s)#", text) is not None


def reordered(source: Source, path: Steps, order: list[int]) -> Change:
    """Put the items of the list at `path` in another order, each with the comments above and beside it."""
    if source.has_marks(path):
        raise CannotFix("anchors or aliases stand in the list")
    ranges = source.items(path)
    edits = _reorder_flow if source.is_flow(path) else _reorder_block

    def meaning(data: Any) -> None:
        parent, step = _parent(data, path)
        parent[step] = [parent[step][index] for index in order]

    return Change(path, tuple(edits(source.text, ranges, order)), meaning)


def _reorder_flow(text: str, ranges: list[Range], order: list[int]) -> list[Edit]:
    for before, item in pairwise(ranges):
        if not re.fullmatch(r"\s*,\s*", text[before.end : item.start]):
            raise CannotFix("comments stand in the list")
    pieces = [text[item.start : item.end] for item in ranges]
    return [Edit(item.start, item.end, pieces[index]) for item, index in zip(ranges, order, strict=True)]


def _reorder_block(text: str, ranges: list[Range], order: list[int]) -> list[Edit]:
    extents = [_lines_of(text, item) for item in ranges]
    starts = [_with_comments_above(text, start) for start, _ in extents]
    ends = [*starts[1:], extents[-1][1]]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    if not pieces[-1].endswith("\n"):  # the last line of the file, which another item is going to be
        newline = "\r\n" if "\r\n" in text else "\n"
        pieces[-1] += newline
        joined = "".join(pieces[index] for index in order).removesuffix(newline)
    else:
        joined = "".join(pieces[index] for index in order)
    return [Edit(starts[0], ends[-1], joined)]


def _with_comments_above(text: str, start: int) -> int:
    """Where the comments begin that stand right above a line, as deep as the line."""
    indent = len(text[start:]) - len(text[start:].lstrip(" "))
    while start > 0:
        above = text.rfind("\n", 0, start - 1) + 1
        line = text[above:start]
        if not (line.lstrip(" ").startswith("#") and len(line) - len(line.lstrip(" ")) == indent):
            break
        start = above
    return start
