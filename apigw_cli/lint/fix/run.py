"""`apigw lint --fix`: from findings to edited files.

Each file is edited in rounds: the changes that do not touch each other are made at once, then the file is linted again
in memory. After each round the new text is parsed, and must mean what the changes mean, or they are made one by one and
those that do not are left out. Files are written only when they still hold what was read.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apigw_cli.errors import InputError, Place, StaleError
from apigw_cli.lint.files import replace
from apigw_cli.lint.fix.changes import Change, applied
from apigw_cli.lint.fix.fixes import fix_of
from apigw_cli.lint.fix.source import CannotFix, source_of
from apigw_cli.lint.model import Finding
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.reading import URL, read_document, read_text

ROUNDS = 10
Relint = Callable[[Document], Iterable[Finding]]


@dataclass(slots=True)
class FixedFile:
    """One file: its text before and after, how many fixes were made, and what was left with the reason."""

    label: str
    before: str
    after: str
    fixes: int = 0
    left: dict[tuple[Place, str], str] = field(default_factory=dict)

    @property
    def is_changed(self) -> bool:
        return self.before != self.after

    def diff(self) -> Iterator[str]:
        """A unified diff, as `patch` and `git apply` take it."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{self.label}",
            f"b/{self.label}",
        )
        for line in lines:
            yield line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"

    def write(self) -> None:
        """Replace the file in one step. Raises StaleError where it holds something else than was read."""
        path = Path(self.label)
        data = path.read_bytes()
        mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
        if read_text(path, self.label) != self.before:
            raise StaleError(
                f"{self.label} was changed while it was linted: nothing was written to it", hint="try again"
            )
        replace(path, mark + self.after.encode("utf-8"))


def fix_file(document: Document, findings: Iterable[Finding], relint: Relint) -> FixedFile:
    """Mend what can be mended of the findings in one document; `relint` says what is left after a round."""
    result = FixedFile(document.label, document.text or "", document.text or "")
    if URL.match(document.label) or not Path(document.label).is_file():
        return result
    for _ in range(ROUNDS):
        made = list(_changes(document, findings, result))
        after, count = _made(document, made, result)
        if count == 0:
            break
        result.fixes += count
        document = after
        result.after = document.text or ""
        findings = [finding for finding in relint(document) if finding.file == document.label]
    return result


def _changes(document: Document, findings: Iterable[Finding], result: FixedFile) -> Iterator[tuple[Finding, Change]]:
    """The changes of one round: none touches the text or the values of another."""
    fixable = [(finding, fix) for finding in findings if (fix := fix_of(finding)) is not None]
    if not fixable:
        return
    try:
        source = source_of(document)
    except CannotFix as reason:
        result.left |= {(finding.start, finding.code): str(reason) for finding, _ in fixable}
        return
    source.prepare([finding.path for finding, _ in fixable])
    taken: list[Change] = []
    for finding, fix in fixable:
        try:
            change = fix(source, document, finding.path)
        except CannotFix as reason:
            result.left[finding.start, finding.code] = str(reason)
            continue
        if not any(_touches(change, other) for other in taken):
            taken.append(change)
            yield finding, change


def _touches(one: Change, other: Change) -> bool:
    if _is_above(one.path, other.path) or _is_above(other.path, one.path):
        return True
    return any(a.start <= b.end and b.start <= a.end for a in one.edits for b in other.edits)


def _is_above(one: Steps, other: Steps) -> bool:
    return other[: len(one)] == one


def _made(document: Document, changes: list[tuple[Finding, Change]], result: FixedFile) -> tuple[Document, int]:
    """The document after the changes: all at once, or one by one where they do not mean what they should."""
    if not changes:
        return document, 0
    after = _after(document, [change for _, change in changes])
    if after is not None:
        return after, len(changes)
    for finding, change in changes:  # the offsets of the others change with the first: the next round makes them
        after = _after(document, [change])
        if after is not None:
            return after, 1
        result.left[finding.start, finding.code] = "the file would not mean what it should"
    return document, 0


def _after(document: Document, changes: list[Change]) -> Document | None:
    """The document with the changes, if its text means exactly what they mean."""
    expected = copy.deepcopy(document.data)
    for change in changes:
        change.meaning(expected)
    text = applied(document.text or "", (edit for change in changes for edit in change.edits))
    try:
        data, composed, problems = read_document(text, document.label)
    except InputError:
        return None
    if problems or not _same(data, expected):
        return None
    return Document(document.name, document.label, text, data, composed=composed)


def _same(one: Any, other: Any) -> bool:
    """Equal in kind too: 1 is neither 1.0 nor true."""
    stack = [(one, other)]
    while stack:
        a, b = stack.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, dict):
            if a.keys() != b.keys():
                return False
            stack += [(a[key], b[key]) for key in a]
        elif isinstance(a, list):
            if len(a) != len(b):
                return False
            stack += zip(a, b, strict=True)
        elif a != b:
            return False
    return True
