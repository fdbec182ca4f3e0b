"""The ratchet: a file of the findings that are known, so that only new ones fail.

An entry is what a fingerprint covers: file (relative to the baseline's folder), rule, pointer, message. Lines do not
count, so edits elsewhere change nothing. What is left over on both sides is compared once more without the indexes of
lists: an item that moved is the same item. Each entry stands for one finding.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.errors import InputError, Place
from apigw_cli.lint.files import replace
from apigw_cli.lint.fingerprints import plain, pointer_of
from apigw_cli.lint.model import INFO, Finding, On, Rule, reported_by_engine
from apigw_cli.openapi.reading import read_text

DEFAULT = ".apigw-lint-baseline.json"
_HEAD = '{"version": 1, "findings": ['
_INDEX = re.compile(r"/\d+(?=/|$)")
_FIELDS = ("file", "rule", "pointer", "message")

STALE = Rule(
    "stale-baseline",
    "",
    "Everything in the baseline is still found.",
    "An entry that is mended would let the same fault come back unseen.",
    "Write the baseline anew with --update-baseline.",
    reported_by_engine,
    On.ENGINE,
    INFO,
    family="engine",
)

Entry = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """What is new, how many findings were known, and the entries that are found no more, each with its line."""

    new: list[Finding]
    known: int
    stale: list[tuple[Entry, int]]


def entry_of(finding: Finding, folder: Path) -> Entry:
    file = finding.file
    if "://" not in file:
        file = os.path.relpath(file, folder).replace(os.sep, "/")
    return file, finding.code, pointer_of(finding), plain(finding.message)


def compare(findings: Iterable[Finding], path: Path) -> Compared:
    """Findings against the baseline at `path`. Raises InputError where it cannot be read."""
    entries = read(path)
    folder = path.absolute().parent
    left: Counter[Entry] = Counter(entries)
    total = len(entries)
    waiting = _take([(finding, entry_of(finding, folder)) for finding in findings], left, lambda entry: entry)
    waiting = _take(waiting, left, _without_indexes)
    stale = []
    for line, entry in enumerate(entries, 2):
        if left[entry] > 0:
            left[entry] -= 1
            stale.append((entry, line))
    return Compared([finding for finding, _ in waiting], total - len(stale), stale)


def _take(
    findings: list[tuple[Finding, Entry]], left: Counter[Entry], key: Callable[[Entry], Entry]
) -> list[tuple[Finding, Entry]]:
    """Strike out of `left` what the findings stand for; the findings that no entry stands for."""
    open_ones: dict[Entry, list[Entry]] = {}
    for entry, count in left.items():
        open_ones.setdefault(key(entry), []).extend([entry] * count)
    new = []
    for finding, entry in findings:
        candidates = open_ones.get(key(entry))
        if candidates:
            left[candidates.pop(0)] -= 1
        else:
            new.append((finding, entry))
    return new


def _without_indexes(entry: Entry) -> Entry:
    file, rule, pointer, message = entry
    return file, rule, _INDEX.sub("/*", pointer), _INDEX.sub("/*", message)


def stale_finding(entry: Entry, path: Path, line: int) -> Finding:
    """The finding about an entry that is found no more."""
    file, rule, pointer, _ = entry
    place = Place(os.path.relpath(path), line, 1)
    message = f"{rule} at {file}{pointer} is in the baseline but found no more"
    span = ((line - 1, 0), (line - 1, 0))
    return Finding(STALE.id, message, STALE.severity, place, place, (), "run with --update-baseline", span=span)


def read(path: Path) -> list[Entry]:
    """The entries of a baseline. Raises InputError for a file that is none."""
    label = os.path.relpath(path)
    try:
        text = read_text(path, label)
    except InputError as error:
        hint = f"make one: apigw lint … --baseline {label} --update-baseline"
        raise InputError(error.message, place=error.place, hint=hint if not path.exists() else error.hint) from None
    try:
        data: Any = msgspec.json.decode(text)
        if data["version"] != 1:
            raise InputError(f"{label} is a baseline of version {data['version']!r}", place=Place(label))
        return [_checked(entry) for entry in data["findings"]]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        hint = "write it anew with --update-baseline"
        raise InputError(f"{label} is not a baseline of apigw lint", place=Place(label), hint=hint) from None


def _checked(entry: dict[str, str]) -> Entry:
    file, rule, pointer, message = (entry[name] for name in _FIELDS)
    if not all(isinstance(value, str) for value in (file, rule, pointer, message)):
        raise ValueError("text expected")
    return file, rule, pointer, message


def write(path: Path, findings: Iterable[Finding], keep: Iterable[Entry] = ()) -> int:
    """Write a baseline of `findings` and of the entries to keep, one to a line; how many there are."""
    folder = path.absolute().parent
    entries = sorted([*(entry_of(finding, folder) for finding in findings), *keep])
    replace(path, _text(entries).encode("utf-8"))
    return len(entries)


def _text(entries: list[Entry]) -> str:
    return "\n".join([_HEAD, ",\n".join(_lines(entries)), "]}", ""]) if entries else _HEAD + "]}\n"


def _lines(entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        yield msgspec.json.encode(dict(zip(_FIELDS, entry, strict=True))).decode()


def elsewhere(path: Path, files: set[str]) -> list[Entry]:
    """The entries of a baseline about files that this run did not look at (absolute paths), which an update keeps."""
    if not path.exists():
        return []
    folder = path.absolute().parent
    return [entry for entry in read(path) if os.path.normpath(folder / entry[0]) not in files]
