"""A list of API keys: who holds each, and the SHA-256 of the key itself.

    alice: {sha256: c3fe0b46…}

Only hashes are kept, so the file opens nothing by itself. Keys are random and long,
so that one round of SHA-256 protects them well; a password would need a slow hash.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.document import Document, parse
from apigw_cli.openapi.yaml import Steps

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class _Problem(NamedTuple):
    steps: Steps
    message: str
    hint: str | None = None
    key: bool = False  # it is the key that is wrong, not the value


def load(data: bytes, label: str) -> dict[bytes, str]:
    """Holders by the digest of their key. `label` names the file in messages.

    Raises InputError, with the place and with everything that is wrong, for a list that cannot be used.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{label} is not UTF-8 text (byte {error.start})", place=Place(label)) from None
    content = parse(text, label)
    problems: list[_Problem] = []
    found = _entries(content, problems)
    if problems:
        _report(problems, Document(label, label, text, content))
    return found


def _entries(content: Any, problems: list[_Problem]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    if content is None:
        return found
    if not isinstance(content, dict):
        problems.append(_Problem((), "expected a mapping from names to keys", "write NAME: {sha256: HEX}"))
        return found
    for name, entry in content.items():
        digest = _digest(name, entry, problems)
        if digest is not None and digest in found:
            message = f'"{name}" has the same key as "{found[digest]}"'
            problems.append(_Problem((name,), message, "give each its own key", key=True))
        elif digest is not None:
            found[digest] = name
    return found


def _digest(name: str, entry: Any, problems: list[_Problem]) -> bytes | None:
    hint = 'write NAME: {sha256: HEX}, where HEX comes from: printf %s "$KEY" | sha256sum'
    if not _NAME.fullmatch(name):
        problems.append(_Problem((name,), "a name must be plain text of 1 to 200 characters", key=True))
    elif not isinstance(entry, dict) or "sha256" not in entry:
        near = difflib.get_close_matches("sha256", entry, n=1) if isinstance(entry, dict) else []
        problems.append(_Problem((name,), f'"{name}" has no sha256', f'"{near[0]}" is not known' if near else hint))
    elif len(entry) > 1:
        extra = next(key for key in entry if key != "sha256")
        problems.append(_Problem((name, extra), f'unknown key "{extra}"', "known here: sha256", key=True))
    elif not (isinstance(entry["sha256"], str) and _HASH.fullmatch(entry["sha256"])):
        # The value itself is not shown: a person may have put the key there.
        problems.append(_Problem((name, "sha256"), "expected 64 hexadecimal digits", hint))
    else:
        return bytes.fromhex(entry["sha256"])
    return None


def _report(problems: list[_Problem], document: Document) -> None:
    document.locate(problem.steps for problem in problems)
    errors = [
        InputError(problem.message, place=document.place(problem.steps, key=problem.key), hint=problem.hint)
        for problem in problems
    ]
    first, *rest = errors
    raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
