"""What is to be ignored, and which of it is stale: marks in the specification, in comments and in ignore files.

Four sources make the same thing, a `Mark`: `x-lint-ignore` in a mapping (it and all below), a comment
`# apigw-lint-ignore RULE` (its line, or the next one if it stands alone), `.apigw-lint-ignore.yaml`, and Redocly's
`.redocly.lint-ignore.yaml`. A mark that ignores nothing is a finding itself, unless it is Redocly's.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from apigw_cli.errors import InputError, Place
from apigw_cli.lint.files import absolute
from apigw_cli.lint.model import WARN, Finding, On, Rule, reported_by_engine
from apigw_cli.lint.redocly import OURS
from apigw_cli.openapi import yaml
from apigw_cli.openapi.document import Document, pointer_path
from apigw_cli.openapi.places import Lines, Steps
from apigw_cli.openapi.reading import read_text

OWN_FILE = ".apigw-lint-ignore.yaml"
REDOCLY_FILE = ".redocly.lint-ignore.yaml"
KEY = "x-lint-ignore"
_WORD = "apigw-lint-ignore"
_COMMENT = re.compile(rf"(?m)(?:^|(?<=[ \t]))#[ \t]*{_WORD}(?![\w-])[ \t]*:?[ \t]*([^\r\n]*)")

UNUSED = Rule(
    "unused-ignore",
    "",
    "Everything that is ignored is there to be ignored.",
    "An ignore that ignores nothing hides the next finding at its place, which nobody has looked at.",
    "Remove it, or mend the rule, the file or the pointer that it names.",
    reported_by_engine,
    On.ENGINE,
    WARN,
    family="engine",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing to ignore: `rules` (`*`: any) in `file` (a pattern of absolute paths), at a line or at a path.

    `path` with `subtree`: all below as well. Without line and path: the whole file. `place` is where it is written.
    """

    rules: tuple[str, ...]
    file: str
    place: Place
    line: int | None = None
    path: tuple[str, ...] | None = None
    subtree: bool = False
    ours: bool = True

    def covers(self, finding: Finding, file: str, path: tuple[str, ...]) -> bool:
        """Whether a finding, in a file by its absolute path, is meant (the rule was compared before)."""
        if not matches(file, self.file):
            return False
        if self.line is not None:
            return finding.start.line == self.line
        if self.path is None or path == self.path:
            return True
        if self.subtree:
            return path[: len(self.path)] == self.path
        return not self.ours and path == self.path[:-1]  # Redocly names the missing value, we what should hold it


@dataclass(frozen=True, slots=True)
class Applied:
    """The findings that stay, how many were ignored, and the marks that ignored nothing."""

    kept: list[Finding]
    ignored: int
    unused: list[Mark]


def matches(file: str, pattern: str) -> bool:
    """Whether an absolute path is the one that a mark names, or fits its pattern (`*` also stands for folders)."""
    return file == pattern or ("*" in pattern and fnmatch(file, pattern))


def apply(findings: Iterable[Finding], marks: Iterable[Mark]) -> Applied:
    """Take out what the marks cover."""
    by_rule: dict[str, list[Mark]] = {}
    for mark in marks:
        for rule in mark.rules:
            by_rule.setdefault(rule, []).append(mark)
    used: set[tuple[Mark, str]] = set()
    kept, ignored = [], 0
    for finding in findings:
        file, path = absolute(finding.file), tuple(map(str, finding.path))
        hit = False
        for rule in (finding.code, "*"):
            for mark in by_rule.get(rule, ()):
                if mark.covers(finding, file, path):
                    used.add((mark, rule))
                    hit = True
        if hit:
            ignored += 1
        else:
            kept.append(finding)
    stale = [
        Mark((rule,), mark.file, mark.place, mark.line, mark.path)
        for rule, group in by_rule.items()
        for mark in group
        if mark.ours and (mark, rule) not in used
    ]
    return Applied(kept, ignored, stale)


def unused(mark: Mark, nearest: Callable[[str], str | None]) -> Finding:
    """The finding about a mark that ignored nothing."""
    (rule,) = mark.rules
    message = f'"{rule}" is ignored here but not found' if rule else "nothing is named that should be ignored"
    start = mark.place
    span = ((start.line - 1, start.column - 1), (start.line - 1, start.column - 1))
    hint = nearest(rule) if rule else "name a rule, or * for any"
    return Finding(UNUSED.id, message, UNUSED.severity, start, start, (), hint, span=span)


# --- in a document


def of_document(document: Document) -> Iterator[Mark]:
    """The marks in a document: `x-lint-ignore` and, where it is YAML, comments."""
    text = document.text or ""
    if KEY in text:
        yield from _in_mappings(document)
    if _WORD in text:
        yield from _in_comments(document.label, text)


def _in_mappings(document: Document) -> Iterator[Mark]:
    stack: list[tuple[Any, Steps]] = [(document.data, ())]
    file = absolute(document.label)
    while stack:
        node, path = stack.pop()
        if isinstance(node, dict):
            if KEY in node:
                place = document.place((*path, KEY), key=True)
                yield Mark(_rules(node[KEY]), file, place, path=tuple(map(str, path)), subtree=True)
            stack += [(value, (*path, key)) for key, value in node.items() if isinstance(value, dict | list)]
        elif isinstance(node, list):
            stack += [(value, (*path, index)) for index, value in enumerate(node)]


def _rules(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    return tuple("*" if name is True else name if isinstance(name, str) else "" for name in names) or ("",)


def _in_comments(label: str, text: str) -> Iterator[Mark]:
    candidates = list(_COMMENT.finditer(text))
    scalars = _scalars(text) if candidates else []
    if scalars is None:
        return
    lines, starts = Lines(text), [start for start, _ in scalars]
    for found in candidates:
        at = found.start()
        index = bisect_right(starts, at) - 1
        if index >= 0 and at < scalars[index][1]:
            continue  # the text of a value, not a comment
        place = Place(label, *lines.position(at))
        names = re.split(r"\s(?:--\s|\(|#)", found[1], maxsplit=1)[0].replace(",", " ").split()
        yield Mark(tuple(names) or ("",), absolute(label), place, line=_target(lines, place))


def _scalars(text: str) -> list[tuple[int, int]] | None:
    """Where the scalars of a YAML text stand; None where it is JSON, which has no comments, or cannot be read."""
    from apigw_cli.openapi.yaml_composer import scalar_spans

    try:
        return sorted(scalar_spans(text))
    except InputError:
        return None


def _target(lines: Lines, place: Place) -> int:
    """The line that a comment speaks of: its own, or the next with content where it stands alone."""
    number = place.line
    while lines.line(number).lstrip().startswith("#") or not lines.line(number).strip():
        number += 1
        if number > len(lines.starts):
            return place.line
    return number


# --- in files of their own


def of_folder(folder: Path) -> Iterator[Mark]:
    """The marks of the ignore files in a folder, if there are any. Raises InputError for one that cannot be used."""
    for name, ours in ((OWN_FILE, True), (REDOCLY_FILE, False)):
        if (folder / name).is_file():
            yield from _of_file(folder / name, ours)


def _of_file(path: Path, ours: bool) -> Iterator[Mark]:
    label = os.path.relpath(path)
    composed = yaml.checked(yaml.compose(read_text(path, label), label))
    document = Document(path.name, label, composed.text, composed.data, composed=composed)
    for steps, pointer in _entries(document, ours):
        file, rule = steps[0], steps[1]
        rules = (rule,) if ours else OURS.get(rule, (rule,))
        pattern = os.path.normpath(path.absolute().parent / file)
        where = document.place(steps)
        if pointer is None:
            yield Mark(rules, pattern, where, ours=ours)
            continue
        text = pointer.removeprefix("#")
        subtree = text == "**" or text.endswith("/**")
        at = tuple(map(str, pointer_path(text.removesuffix("**").removesuffix("/"))))
        yield Mark(rules, pattern, where, path=at, subtree=subtree, ours=ours)


def _entries(document: Document, ours: bool) -> Iterator[tuple[tuple[Any, ...], str | None]]:
    """`file: {rule: [pointer, …]}`, each with its path in the ignore file. Raises InputError for any other form."""
    hint = "write   openapi.yaml: {operation-tags: ['#/paths/~1pets/get']}"
    for file, rules in _mapping(document, (), document.data or {}, hint).items():
        for rule, pointers in _mapping(document, (file,), rules, hint).items():
            steps = (file, rule)
            if pointers in ("*", "**"):
                yield steps, None
                continue
            if not isinstance(pointers, list):
                raise InputError("a list of JSON pointers is expected", place=document.place(steps), hint=hint)
            for index, pointer in enumerate(pointers):
                if not isinstance(pointer, str) or (ours and not re.match(r"#?(/|$)|\*\*$", pointer)):
                    place = document.place((*steps, index))
                    raise InputError(f"{pointer!r} is not a JSON pointer", place=place, hint=hint)
                yield (*steps, index), pointer


def _mapping(document: Document, steps: Steps, value: Any, hint: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError("a mapping is expected", place=document.place(steps), hint=hint)
    return value
