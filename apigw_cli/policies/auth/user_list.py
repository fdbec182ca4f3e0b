"""A list of users: the argon2 hash of each one's password.

    alice: {argon2: "$argon2id$v=19$m=19456,t=2,p=1$…"}
    bob: {argon2: "$argon2id$…", expires: 2027-01-01, plan: gold, scopes: [staff], enabled: false}

`apigw passwd NAME` writes an entry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.document import Document, parse
from apigw_cli.policies.auth.key_list import Holder, Problem, holder_of, report

FIELDS = ("argon2", "enabled", "expires", "plan", "scopes")
MOST_MEMORY, MOST_TIME, MOST_LANES = 1 << 20, 20, 16  # KiB, rounds, threads: more would be a load of its own

# OWASP's first choice for argon2id: 15 to 30 ms on a current core.
MEMORY, TIME, LANES = 19_456, 2, 1


class User(NamedTuple):
    hash: str
    holder: Holder


def load(data: bytes, label: str) -> dict[str, User]:
    """Users by name; those that are not enabled are left out.

    Raises InputError, with the place and with everything that is wrong, for a list that cannot be used.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{label} is not UTF-8 text (byte {error.start})", place=Place(label)) from None
    content = parse(text, label)
    problems: list[Problem] = []
    found = _users(content, problems)
    if problems:
        report(problems, Document(label, label, text, content))
    return {name: user for name, user in found.items() if user.holder.enabled}


def _users(content: Any, problems: list[Problem]) -> dict[str, User]:
    found: dict[str, User] = {}
    if content is None:
        return found
    if not isinstance(content, dict):
        problems.append(Problem((), "expected a mapping from names to users", "apigw passwd NAME writes an entry"))
        return found
    for name, entry in content.items():
        problem = _problem(name, entry)
        if problem is not None:
            problems.append(problem)
            continue
        try:
            found[name] = User(entry["argon2"], holder_of(name, entry))
        except ValueError as error:
            field, message = error.args
            problems.append(Problem((name, field), message))
    return found


def _problem(name: str, entry: Any) -> Problem | None:
    if not is_name(name):
        return Problem((name,), "a name must be plain text of 1 to 200 characters without a colon", key=True)
    if not isinstance(entry, dict) or "argon2" not in entry:
        return Problem((name,), f'"{name}" has no argon2', f"apigw passwd {name} writes the entry")
    for key in entry:
        if key not in FIELDS:
            return Problem((name, key), f'unknown key "{key}"', f"known here: {', '.join(FIELDS)}", key=True)
    why = _why_not(entry["argon2"])
    return Problem((name, "argon2"), why, f"apigw passwd {name} makes a hash") if why else None


def is_name(name: str) -> bool:
    """Whether HTTP Basic can say it (RFC 7617, section 2): no colon, no control character."""
    return 0 < len(name) <= 200 and ":" not in name and name.isprintable()


def _why_not(text: Any) -> str | None:
    """Why a hash cannot be used. The text itself is not shown: a person may have put the password there."""
    import argon2

    try:
        found = argon2.extract_parameters(text if isinstance(text, str) else "")
    except argon2.exceptions.InvalidHashError:
        return "expected an argon2 hash: $argon2id$v=19$…"
    if found.memory_cost > MOST_MEMORY or found.time_cost > MOST_TIME or found.parallelism > MOST_LANES:
        return f"the hash costs too much: at most m={MOST_MEMORY}, t={MOST_TIME}, p={MOST_LANES}"
    return None


def hash_of(password: str) -> str:
    """A new hash of a password."""
    import argon2

    return argon2.PasswordHasher(time_cost=TIME, memory_cost=MEMORY, parallelism=LANES).hash(password)
