"""Which findings can be mended, and how. A fix that is not safe says so; it is never half done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from apigw_cli.lint.fix import changes
from apigw_cli.lint.fix.changes import Change
from apigw_cli.lint.fix.source import CannotFix, Source
from apigw_cli.lint.model import Finding
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps

Fix = Callable[[Source, Document, Steps], Change]


def _trailing_slash(source: Source, document: Document, path: Steps) -> Change:
    value = document.get(path)
    if not isinstance(value, str):
        raise CannotFix("it is no text")
    return changes.without_trailing_slashes(source, path, value)


def _enum(source: Source, document: Document, path: Steps) -> Change:
    seen: set[str] = set()
    repeated = []
    for index, value in enumerate(document.get(path)):
        text = _canonical(value)
        if text in seen:
            repeated.append(index)
        seen.add(text)
    if not repeated:
        raise CannotFix("nothing stands in it twice")
    return changes.without_items(source, path, repeated)


def _canonical(value: Any) -> str:
    """Equal for values that JSON holds equal: 1 and 1.0, but not 1 and true."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _same_tags(source: Source, document: Document, path: Steps) -> Change:
    """Of equal tags the first one stays. One that says something else is a person's choice."""
    tags = document.get(("tags",))
    first: dict[str, Any] = {}
    repeated = []
    for index, tag in enumerate(tags):
        name = tag.get("name") if isinstance(tag, dict) else None
        if not isinstance(name, str):
            continue
        if name not in first:
            first[name] = tag
        elif tag in (first[name], {"name": name}):
            repeated.append(index)
        elif index == path[1]:
            raise CannotFix("the two say different things")
    if not repeated:
        raise CannotFix("the two say different things")
    return changes.without_items(source, ("tags",), repeated)


def _sorted_tags(source: Source, document: Document, path: Steps) -> Change:
    tags = document.get(("tags",))
    if not all(isinstance(tag, dict) and isinstance(tag.get("name"), str) for tag in tags):
        raise CannotFix("a tag has no name")
    order = sorted(range(len(tags)), key=lambda index: tags[index]["name"].casefold())
    if order == list(range(len(tags))):
        raise CannotFix("they are in order already")
    return changes.reordered(source, ("tags",), order)


def _required(source: Source, document: Document, path: Steps) -> Change:
    parameter = document.get(path)
    if "$ref" in parameter or parameter.get("in") != "path":
        raise CannotFix("it is no path parameter itself")
    if "required" not in parameter:
        return changes.with_key(source, path, "in", "required", "true", True)
    if parameter["required"] is True or isinstance(parameter["required"], dict | list):
        raise CannotFix("it has one")
    return changes.replace_scalar(source, (*path, "required"), "true", True)


def _quoted_key(source: Source, document: Document, path: Steps) -> Change:
    return changes.quoted_key(source, path)


_SLASH = ("oas3-server-trailing-slash", "oas2-host-trailing-slash")
_FIXES: dict[str, tuple[str, Fix]] = {  # by rule: how the message goes on that the fix is for, and the fix
    **dict.fromkeys(_SLASH, ("", _trailing_slash)),
    "duplicated-entry-in-enum": ("", _enum),
    "openapi-tags-uniqueness": ("", _same_tags),
    "openapi-tags-alphabetical": ("", _sorted_tags),
    "path-params": ('must have "required" property', _required),
    "response-codes-quoted": ("", _quoted_key),
    "parser": ("Mapping key must be a string", _quoted_key),
}


def has_fix(rule: str) -> bool:
    """Whether some findings of a rule can be mended."""
    return rule in _FIXES


def fix_of(finding: Finding) -> Fix | None:
    """What may mend a finding."""
    says, fix = _FIXES.get(finding.code, ("", None))
    return fix if fix is not None and says in finding.message and finding.path else None
