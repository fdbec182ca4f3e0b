"""Editing a list of keys or users: an entry is added or taken out, every other letter stays, comments too.

What comes out is read again and compared with what was meant: a layout that a line cannot be put into or taken out
of is refused, never damaged.
"""

from __future__ import annotations

import json
import re
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Document, parse


def added(text: str, label: str, name: str, entry: str) -> str:
    """`text` with `NAME: entry` at its end; `entry` is a flow mapping. Raises InputError."""
    before = _mapping(text, label)
    if name in before:
        place = Document(label, label, text, before).place((name,), key=True)
        raise InputError(
            f'"{name}" is there already', place=place, hint="choose another name, or revoke this one first"
        )
    body = "" if text.strip() in ("{}", "---") else text
    break_before = "" if not body or body.endswith("\n") else "\n"
    after = f"{body}{break_before}{_key(name)}: {entry}\n"
    return _checked(after, {**before, name: parse(entry, label)}, label)


def removed(text: str, label: str, name: str) -> str:
    """`text` without the entry of `name`. Raises InputError."""
    before = _mapping(text, label)
    if name not in before:
        known = ", ".join(before) or "nobody"
        raise InputError(f'{label} has no "{name}"', hint=f"it has {known}")
    spot = Document(label, label, text, before).spot((name,))
    if spot is None or spot.key_start < 0:
        raise _by_hand(label)
    begin = text.rfind("\n", 0, spot.key_start) + 1
    end = begin + len(_without_what_follows(text[begin : spot.end]))
    line_end = text.find("\n", end)
    end = len(text) if line_end < 0 else line_end + 1
    left = {other: value for other, value in before.items() if other != name}
    return _checked(text[:begin] + text[end:], left, label)


def _without_what_follows(text: str) -> str:
    """An entry without the comments and blank lines behind it: they belong to the next one."""
    lines = text.splitlines(keepends=True)
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return "".join(lines).rstrip()


def _mapping(text: str, label: str) -> dict[str, Any]:
    content = parse(text, label)
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{label} is no mapping from names to entries")
    return content or {}


def _checked(text: str, meant: dict[str, Any], label: str) -> str:
    try:
        if _mapping(text, label) == meant:
            return text
    except InputError:
        pass
    raise _by_hand(label)


def _by_hand(label: str) -> InputError:
    return InputError(f"{label} is laid out in a way that is not edited here", hint="one entry a line: NAME: {…}")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]*", name) else json.dumps(name, ensure_ascii=False)
