"""A list of API keys: who holds each, and the SHA-256 of the key itself.

    alice: {sha256: c3fe0b46…}
    bob: {sha256: cfdd601b…, expires: 2027-01-01T00:00:00Z, plan: gold, scopes: ["pets:read"], enabled: false}

Only hashes are kept, so the file opens nothing by itself. Keys are random and long,
so that one round of SHA-256 protects them well; a password would need a slow hash.
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.document import Document, parse
from apigw_cli.openapi.yaml import Steps

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
SCOPE = re.compile(r"[!#-\[\]-~]{1,200}")  # RFC 6749, section 3.3
FIELDS = ("sha256", "enabled", "expires", "plan", "scopes")


class Holder(NamedTuple):
    """Who holds a key. `expires`: seconds since 1970."""

    name: str
    expires: float | None = None
    plan: str | None = None
    scopes: frozenset[str] = frozenset()
    enabled: bool = True


class Problem(NamedTuple):
    """What is wrong with a list, and where."""

    steps: Steps
    message: str
    hint: str | None = None
    key: bool = False  # it is the key that is wrong, not the value


def load(data: bytes, label: str) -> dict[bytes, Holder]:
    """Who may call, by the digest of their key; keys that are not enabled are left out.

    `label` names the file in messages. Raises InputError, with the place and with everything that is wrong, for a
    list that cannot be used.
    """
    return {digest: holder for digest, holder in entries(data, label).items() if holder.enabled}


def entries(data: bytes, label: str) -> dict[bytes, Holder]:
    """Every key of the list. Raises InputError as `load` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{label} is not UTF-8 text (byte {error.start})", place=Place(label)) from None
    content = parse(text, label)
    problems: list[Problem] = []
    found = _entries(content, problems)
    if problems:
        report(problems, Document(label, label, text, content))
    return found


def _entries(content: Any, problems: list[Problem]) -> dict[bytes, Holder]:
    found: dict[bytes, Holder] = {}
    if content is None:
        return found
    if not isinstance(content, dict):
        problems.append(Problem((), "expected a mapping from names to keys", "write NAME: {sha256: HEX}"))
        return found
    for name, entry in content.items():
        digest = _digest(name, entry, problems)
        if digest is None:
            continue
        if digest in found:
            message = f'"{name}" has the same key as "{found[digest].name}"'
            problems.append(Problem((name,), message, "give each its own key", key=True))
            continue
        try:
            found[digest] = holder_of(name, entry)
        except ValueError as error:
            field, message = error.args
            problems.append(Problem((name, field), message))
    return found


def _digest(name: str, entry: Any, problems: list[Problem]) -> bytes | None:
    hint = "write NAME: {sha256: HEX}; apigw keys new NAME makes a key and its entry"
    if not NAME.fullmatch(name):
        problems.append(Problem((name,), "a name must be plain text of 1 to 200 characters", key=True))
    elif not isinstance(entry, dict) or "sha256" not in entry:
        near = difflib.get_close_matches("sha256", entry, n=1) if isinstance(entry, dict) else []
        problems.append(Problem((name,), f'"{name}" has no sha256', f'"{near[0]}" is not known' if near else hint))
    elif not entry.keys() <= set(FIELDS):
        extra = next(key for key in entry if key not in FIELDS)
        hint = f"known here: {', '.join(FIELDS)}"
        problems.append(Problem((name, extra), f'unknown key "{extra}"', hint, key=True))
    elif not (isinstance(entry["sha256"], str) and _HASH.fullmatch(entry["sha256"])):
        # The value itself is not shown: a person may have put the key there.
        problems.append(Problem((name, "sha256"), "expected 64 hexadecimal digits", hint))
    else:
        return bytes.fromhex(entry["sha256"])
    return None


def holder_of(name: str, entry: dict[str, Any]) -> Holder:
    """What an entry says beside its hash. Raises ValueError with the field that is wrong and why."""
    enabled, plan, scopes = entry.get("enabled", True), entry.get("plan"), entry.get("scopes", [])
    if not isinstance(enabled, bool):
        raise ValueError("enabled", "expected true or false")
    if "plan" in entry and not (isinstance(plan, str) and NAME.fullmatch(plan)):
        raise ValueError("plan", "expected the name of a usage plan")
    if not isinstance(scopes, list) or not all(isinstance(one, str) and SCOPE.fullmatch(one) for one in scopes):
        raise ValueError("scopes", "expected a list of scopes: words without blanks, quotes and backslashes")
    expires = moment(entry["expires"]) if "expires" in entry else None
    return Holder(name, expires, plan, frozenset(scopes), enabled)


def moment(text: Any) -> float:
    """Seconds since 1970 of a time with its zone, or of the beginning (UTC) of a day. Raises ValueError."""
    try:
        if isinstance(text, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
        if when is not None and when.tzinfo is not None:
            return when.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ValueError("expires", "expected a day or a time with its zone: 2027-01-31 or 2027-01-31T18:00:00Z")


def report(problems: list[Problem], document: Document) -> None:
    """Raise one InputError that carries all of them, with their places."""
    document.locate(problem.steps for problem in problems)
    errors = [
        InputError(problem.message, place=document.place(problem.steps, key=problem.key), hint=problem.hint)
        for problem in problems
    ]
    first, *rest = errors
    raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
