"""The audit log: one JSON line for each change and each refused attempt, chained by the hash of the line before.

A line that was edited, removed or put in later does not follow from the one before it: the break is located. The
chain tells of tampering with a copy of the log at hand; it cannot stop who rewrites the whole file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apigw_cli.errors import InputError, Place
from apigw_cli.stages.records import FIRST, Entry


@dataclass(frozen=True, slots=True)
class Log:
    """The entries, oldest first; `broken` is the number of the first line (from 1) that does not follow.

    `unreadable`: a line that is no entry at all; nothing behind it was read.
    """

    entries: tuple[Entry, ...]
    broken: int | None = None
    unreadable: InputError | None = None


def read(path: Path, label: str, offset: int | None = None, pending: str = "", torn: bool = False) -> Log:
    """The log; from byte `offset` on, `pending` stands for what a decided change may not have written yet.

    Raises InputError for a line that cannot be read; with `torn` the log ends there.
    """
    try:
        data = path.read_bytes() if path.is_file() else b""
        text = data[:offset].decode() + pending
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {label}: {error}") from None
    entries: list[Entry] = []
    previous, broken = FIRST, None
    # Not splitlines(): a reason may hold other characters that it takes for line ends.
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        try:
            entry = _entry(line, label, number)
        except InputError as error:
            if not torn:
                raise
            return Log(tuple(entries), broken, error)
        if broken is None and entry.previous != previous:
            broken = number
        entries.append(entry)
        previous = digest(line)
    return Log(tuple(entries), broken)


def continues(path: Path, offset: int, previous: str, lines: str) -> bool:
    """Whether the log up to `offset` ends with the line of hash `previous`, and nothing but `lines` follows."""
    data = path.read_bytes() if path.is_file() else b""
    begin = data.rfind(b"\n", 0, max(offset - 1, 0)) + 1
    before = hashlib.sha256(data[begin : offset - 1]).hexdigest() if offset else FIRST
    return len(data) >= offset and before == previous and lines.encode().startswith(data[offset:])


def _entry(line: str, label: str, number: int) -> Entry:
    try:
        return msgspec.json.decode(line, type=Entry)
    except msgspec.MsgspecError as error:
        raise InputError(
            f"not a line of the audit log: {error}",
            place=Place(label, number),
            hint="restore the file from version control",
        ) from None


def digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def last(path: Path) -> tuple[str, int]:
    """The hash of the last complete line, and the offset behind it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return FIRST, 0
    end = data.rfind(b"\n") + 1
    if end == 0:
        return FIRST, 0
    begin = data.rfind(b"\n", 0, end - 1) + 1
    return hashlib.sha256(data[begin : end - 1]).hexdigest(), end


def chain(entries: list[Entry], previous: str) -> str:
    """The lines of `entries`, each with the hash of the line before it."""
    lines = []
    for entry in entries:
        line = msgspec.json.encode(msgspec.structs.replace(entry, previous=previous)).decode()
        lines.append(line + "\n")
        previous = digest(line)
    return "".join(lines)
