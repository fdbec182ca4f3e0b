"""YAML keys that are no text: `200:`, `true:`. apigw reads them as text; Spectral calls them errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.subject import Link, steps_of
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps

_FIRST = frozenset("0123456789+-.tTfFnN~")
_KINDS = (
    (
        re.compile(
            r"[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)"
        ),
        "number",
    ),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), "boolean"),
    (re.compile(r"null|Null|NULL|~"), "null"),
)


# What such a key looks like in the text, at the beginning of a line or in a flow mapping; or any key written with `?`.
_MAYBE = re.compile(
    r"(?:^[ \t]*(?:-[ \t]+)*|[{,][ \t]*)(?:[-+]?[.\d][\w.+-]*|~|null|Null|NULL|true|True|TRUE|false|False|FALSE)"
    r"[ \t]*:(?=\s|$)|^[ \t]*(?:-[ \t]+)*\?[ \t\r\n]|[{,][ \t]*\?[ \t]",
    re.MULTILINE,
)


def odd_keys(document: Document) -> Iterator[tuple[Steps, str]]:
    """The path of each such key, and what it is instead. JSON has none."""
    if document.text is None or document.text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return
    if not _MAYBE.search(document.text):
        return
    for path, kind in _candidates(document.data):
        spot = document.spot(path)
        if spot is not None and spot.key_start >= 0 and document.text[spot.key_start] not in "'\"!&|>":
            yield path, kind


def _candidates(data: Any) -> Iterator[tuple[Steps, str]]:
    stack: list[tuple[Any, Link]] = [(data, None)]
    seen: set[int] = set()
    kinds: dict[str, str | None] = {}  # most keys are met often
    while stack:
        node, link = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if type(node) is dict:
            for key, value in node.items():
                kind = kinds[key] if key in kinds else kinds.setdefault(key, _kind(key))
                if kind is not None:
                    yield (*steps_of(link), key), kind
                if type(value) is dict or type(value) is list:
                    stack.append((value, (link, key)))
        elif type(node) is list:
            stack.extend((value, (link, index)) for index, value in enumerate(node) if type(value) in (dict, list))


def _kind(key: str) -> str | None:
    if key[:1] not in _FIRST:
        return None
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(key)), None)
