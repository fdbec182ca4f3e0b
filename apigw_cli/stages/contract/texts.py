"""What two descriptions say for people only: counted apart, for nothing of it is a finding."""

from __future__ import annotations

from typing import Any

_WORDS = frozenset({"description", "summary", "title", "example", "examples", "externalDocs", "x-codeSamples"})


def notes(old: Any, new: Any) -> list[str]:
    """One line for how many texts differ at the same place of both documents; none where they are the same."""
    number = changed(old, new)
    if not number:
        return []
    words = "text for people (description, summary, title, example) differs"
    if number > 1:
        words = "texts for people (descriptions, summaries, titles, examples) differ"
    return [f"{number:,} {words}: not judged"]


def changed(old: Any, new: Any) -> int:
    """The number of texts that differ. Equal parts of the documents cost next to nothing."""
    stack, number = [(old, new)], 0
    while stack:
        one, other = stack.pop()
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            named = "type" not in one and isinstance(one.get("description"), dict)  # properties called description
            for key in one.keys() | other.keys():
                if key in _WORDS and not named:
                    number += one.get(key) != other.get(key)
                elif key in one and key in other:
                    stack.append((one[key], other[key]))
        elif isinstance(one, list) and isinstance(other, list):
            stack += zip(one, other, strict=False)
    return number
