"""Documents: read once, resolve references between them, and say where every value stands.

A `Library` holds the documents of one run by name. A name is the path relative to the library's root, with
forward slashes, or a URL; so the same names work from files and from a release that was read back.
"""

from __future__ import annotations

import os
import posixpath
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import json as json_format
from apigw_cli.openapi import yaml as yaml_format
from apigw_cli.openapi.yaml import Steps

MAX_BYTES = 128 * 1024 * 1024
_URL = re.compile(r"https?://", re.IGNORECASE)
# Below these keys stands data of the user's, where "$ref" is a word like any other.
_OPAQUE = frozenset({"example", "examples", "default", "enum", "const", "value"})


class Document:
    """One file's data, and the places of its values, found when first asked for."""

    def __init__(self, name: str, label: str, text: str | None, data: Any) -> None:
        self.name = name
        self.label = label
        self.text = text
        self.data = data
        self._composed: yaml_format.Composed | None = None
        self._values: dict[Steps, Place] = {}
        self._keys: dict[Steps, Place] = {}
        self._located: set[Steps] = set()

    @property
    def is_json(self) -> bool:
        return self.text is not None and self.text.lstrip("\ufeff \t\r\n").startswith(("{", "["))

    def get(self, path: Steps) -> Any:
        """The value at `path`. Raises KeyError where there is none."""
        node = self.data
        for step in path:
            if isinstance(node, dict):
                node = node[str(step)]
            elif isinstance(node, list):
                try:
                    node = node[int(step)]
                except (ValueError, IndexError):
                    raise KeyError(step) from None
            else:
                raise KeyError(step)
        return node

    def place(self, path: Steps = (), *, key: bool = False) -> Place:
        """Where the value at `path` (or its key) stands; the nearest ancestor's place where it has none."""
        self.locate([path])
        if key and path in self._keys:
            return self._keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self._values:
                if key and path[:length] in self._keys:
                    return self._keys[path[:length]]
                return self._values[path[:length]]
        return Place(self.label)

    def locate(self, paths: Iterable[Steps]) -> None:
        """Find the places of many paths at once; JSON needs one pass over its text for each call."""
        wanted = set(paths) - self._located
        if not wanted or self.text is None:
            return
        self._located |= wanted
        if self.is_json:
            values, keys = json_format.locate(self.text, self.label, wanted)
            self._values |= values
            self._keys |= keys
        elif self._composed is None:
            self._composed = yaml_format.compose(self.text, self.label)
            self._values, self._keys = self._composed.values, self._composed.keys

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its end; empty where there is none."""
        lines = (self.text or "").split("\n", number)
        return lines[number - 1].rstrip("\r") if number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands: the document that owns its text and the path in it."""

    document: Document
    path: Steps
    data: Any

    def child(self, *steps: str | int) -> Node:
        return Node(self.document, self.path + steps, _descend(self.data, steps))

    @property
    def place(self) -> Place:
        return self.document.place(self.path)


def _descend(data: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        data = data[step]
    return data


class Library:
    """The documents of one run. `root` is the folder that names are relative to; None: memory only."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root
        self.documents: dict[str, Document] = {}

    @classmethod
    def of(cls, documents: Mapping[str, Any]) -> Library:
        """A library in memory, as a release or a Snapshot holds it."""
        library = cls()
        for name, data in documents.items():
            library.documents[name] = Document(name, name, None, data)
        return library

    def name_of(self, path: Path) -> str:
        root = self.root or Path.cwd()
        return os.path.relpath(path, root).replace(os.sep, "/")

    def add(self, name: str, text: str, data: Any) -> Document:
        document = Document(name, self._label(name), text, data)
        self.documents[name] = document
        return document

    def read(self, name: str, *, asked_at: Place | None = None) -> Document:
        """The document called `name`, read at most once.

        Raises InputError where it cannot be read or parsed; `asked_at` is the place that named it.
        """
        if name in self.documents:
            return self.documents[name]
        text = self._text(name, asked_at)
        return self.add(name, text, parse(text, self._label(name)))

    def _label(self, name: str) -> str:
        if _URL.match(name) or self.root is None:
            return name
        path = os.path.relpath(self.root / name)
        return str(self.root / name) if path.replace(os.sep, "/").startswith("../../..") else path

    def _text(self, name: str, asked_at: Place | None) -> str:
        if _URL.match(name):
            return _fetch(name, asked_at)
        if self.root is None:
            raise InputError(f"{name} is not part of the release", place=asked_at)
        return read_text(self.root / name, self._label(name), asked_at)

    def resolve(self, base: Document, ref: str, *, at: Steps = ()) -> Node:
        """The value that `ref` names, seen from `base`; follows chains of references.

        Raises InputError at the reference (path `at` in `base`) for a target that is not there or a circle.
        """
        origin, seen = (base, at), set()
        document, fragment = self._target(base, ref, at)
        while True:
            if (document.name, fragment) in seen:
                raise InputError(f"$ref {ref!r} goes in a circle", place=origin[0].place(origin[1]))
            seen.add((document.name, fragment))
            path = pointer_path(fragment)
            try:
                data = document.get(path)
            except KeyError:
                where = "" if document is base else f" in {document.label}"
                raise InputError(
                    f"$ref {ref!r} leads to nowhere{where}",
                    place=origin[0].place(origin[1]),
                    hint=_nearest_hint(document, path),
                ) from None
            if not (isinstance(data, dict) and isinstance(data.get("$ref"), str)):
                return Node(document, path, data)
            document, fragment = self._target(document, data["$ref"], (*path, "$ref"))

    def follow(self, node: Node) -> Node:
        """`node` itself, or what it refers to when it is a reference."""
        if isinstance(node.data, dict) and isinstance(node.data.get("$ref"), str):
            return self.resolve(node.document, node.data["$ref"], at=(*node.path, "$ref"))
        return node

    def _target(self, base: Document, ref: str, at: Steps) -> tuple[Document, str]:
        file, _, fragment = ref.partition("#")
        if not file:
            return base, fragment
        place = base.place(at) if base.text is not None else None
        return self.read(join(base.name, file), asked_at=place), fragment

    def load_references(self, document: Document) -> None:
        """Read every document that `document` refers to, directly or through others."""
        queue, done = [document], {document.name}
        while queue:
            current = queue.pop()
            for ref, at in external_references(current.data):
                name = join(current.name, ref.partition("#")[0])
                if name not in done:
                    done.add(name)
                    queue.append(self.read(name, asked_at=current.place((*at, "$ref"))))


def parse(text: str, label: str) -> Any:
    """Read JSON where the text is JSON, YAML otherwise. Raises InputError with its place."""
    if "\0" in text:
        raise InputError("a binary file, not text", place=Place(label))
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        try:
            return json_format.parse(text, label)
        except InputError as error:
            try:
                return yaml_format.parse(text, label)  # a YAML flow mapping looks like JSON too
            except InputError:
                raise error from None
    return yaml_format.parse(text, label)


def read_text(path: Path, label: str, asked_at: Place | None = None) -> str:
    """A file's text. Raises InputError where there is none, or it is too large or not UTF-8."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{label} is larger than {MAX_BYTES >> 20} MiB", place=asked_at or Place(label))
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"no such file: {label}", place=asked_at) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{label} is not UTF-8 text (byte {error.start})", place=asked_at or Place(label)) from None
    except OSError as error:
        raise InputError(f"cannot read {label}: {error.strerror}", place=asked_at) from None


def _fetch(url: str, asked_at: Place | None) -> str:
    import httpx

    try:
        with httpx.stream("GET", url, timeout=10, follow_redirects=True) as response:
            response.raise_for_status()
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise InputError(f"{url} is larger than {MAX_BYTES >> 20} MiB", place=asked_at)
            return body.decode("utf-8-sig")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InputError(f"cannot fetch {url}: {error}", place=asked_at) from None
    except UnicodeDecodeError:
        raise InputError(f"{url} is not UTF-8 text", place=asked_at) from None


def join(base: str, ref: str) -> str:
    """The name of `ref` as written in the document called `base`."""
    if _URL.match(ref):
        return ref
    if _URL.match(base):
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
            named = bool(path) and path[-1] in (
                "properties",
                "schemas",
                "definitions",
                "parameters",
                "responses",
            )
            for key, value in node.items():
                if (type(value) is dict or type(value) is list) and (
                    named or (key not in _OPAQUE and not key.startswith("x-")) or key == "examples"
                ):
                    stack.append((value, (*path, key)))
        elif type(node) is list:
            stack.extend((v, (*path, i)) for i, v in enumerate(node) if type(v) is dict or type(v) is list)


def external_references(data: Any) -> Iterator[tuple[str, Steps]]:
    return ((ref, path) for ref, path in references(data) if not ref.startswith("#"))


def _nearest_hint(document: Document, path: Steps) -> str | None:
    import difflib

    for length in range(len(path) - 1, -1, -1):
        try:
            parent = document.get(path[:length])
        except KeyError:
            continue
        if isinstance(parent, dict):
            near = difflib.get_close_matches(str(path[length]), parent, n=1)
            if near:
                return f"did you mean '#{pointer((*path[:length], near[0], *path[length + 1 :]))}'?"
        return None
    return None
