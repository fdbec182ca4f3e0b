"""File patterns as rulesets write them (minimatch): `*`, `**`, `?`, `[abc]`, `{yaml,json}`.

A pattern without a slash fits a file of that name in any folder.
"""

from __future__ import annotations

import re
from functools import lru_cache


def fits(path: str, pattern: str) -> bool:
    """Whether a path with forward slashes fits a pattern."""
    pattern = pattern.removeprefix("./")
    if "/" not in pattern:
        path = path.rsplit("/", 1)[-1]
    return any(_compiled(each).fullmatch(path) is not None for each in _alternatives(pattern))


def _alternatives(pattern: str, limit: int = 64) -> list[str]:
    """The pattern without braces: `a.{yaml,json}` is two."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", pattern)
    if found is None or limit <= 1:
        return [pattern]
    rest = [pattern[: found.start()] + option + pattern[found.end() :] for option in found[1].split(",")]
    return [each for option in rest[:limit] for each in _alternatives(option, limit // len(rest))]


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out.append("(?:[^/]+/)*")
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : end]
            inner = f"^{inner[1:]}" if inner[0] in "!^" else inner
            out.append(f"[{inner}]".replace("\\", r"\\"))
            at = end + 1
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at])))
            at += 1
    try:
        return re.compile("".join(out))
    except re.error:
        return re.compile(re.escape(pattern))
