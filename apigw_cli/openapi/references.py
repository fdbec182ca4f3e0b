"""References between documents: JSON pointers, relative names, and where in a document a `$ref` is one."""

from __future__ import annotations

import posixpath
import urllib.parse
from collections.abc import Iterator
from typing import Any

from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.reading import URL

# Below these keys stands data of the user's, where "$ref" is a word like any other.
_OPAQUE = frozenset({"example", "default", "enum", "const", "value"})
# And below these stand names that somebody gave, so that a response may be called "default".
# fmt: off
_NAMED = frozenset((
    "properties", "patternProperties", "dependentSchemas", "$defs", "definitions", "schemas", "responses",
    "parameters", "examples", "headers", "requestBodies", "securitySchemes", "links", "callbacks", "pathItems",
    "paths", "webhooks", "content", "encoding", "variables",
))
# fmt: on


def join(base: str, ref: str) -> str:
    """The name of `ref` as written in the document called `base`."""
    if URL.match(ref):
        return ref
    if URL.match(base):
        return urllib.parse.urljoin(base, ref)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), urllib.parse.unquote(ref)))


def pointer_path(fragment: str) -> Steps:
    """The path of a JSON pointer as it stands in a URI fragment (RFC 6901, section 6)."""
    text = urllib.parse.unquote(fragment)
    if not text or text == "/":
        return ()
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.removeprefix("/").split("/"))


def pointer(path: Steps) -> str:
    """The JSON pointer of a path (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def references(data: Any) -> Iterator[tuple[str, Steps]]:
    """Every `$ref` in `data` with the path of the object that holds it; the user's own data is not searched."""
    stack: list[tuple[Any, Steps]] = [(data, ())]
    while stack:
        node, path = stack.pop()
        if type(node) is dict:
            ref = node.get("$ref")
            if type(ref) is str:
                yield ref, path
            named = bool(path) and path[-1] in _NAMED
            for key, value in node.items():
                if (type(value) is dict or type(value) is list) and (named or not _holds_data(key, value)):
                    stack.append((value, (*path, key)))
        elif type(node) is list:
            stack.extend((v, (*path, i)) for i, v in enumerate(node) if type(v) is dict or type(v) is list)


def _holds_data(key: str, value: Any) -> bool:
    """Whether what stands under a keyword is the user's own data. `examples` of a schema is a list of it."""
    return key in _OPAQUE or key.startswith("x-") or (key == "examples" and type(value) is list)


def in_data(path: Steps) -> bool:
    """Whether `path` leads into data of the user's, where "$ref" is a word like any other."""
    for index, step in enumerate(path):
        if type(step) is int or (index and path[index - 1] in _NAMED):
            continue
        inner = path[index + 1] if index + 1 < len(path) else ""
        if _holds_data(str(step), [] if type(inner) is int else {}):
            return True
    return False


def external_references(data: Any) -> Iterator[tuple[str, Steps]]:
    return ((ref, path) for ref, path in references(data) if not ref.startswith("#"))
