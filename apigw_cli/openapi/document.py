"""Documents: read once, resolve references between them, and say where every value stands.

A `Library` holds the documents of one run by name. A name is the path relative to the library's root, with
forward slashes, or a URL; so the same names work from files and from a release that was read back.
"""

from __future__ import annotations

import difflib
import os
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import json as json_format
from apigw_cli.openapi import yaml as yaml_format
from apigw_cli.openapi.places import Lines, Spot, Steps
from apigw_cli.openapi.reading import (
    URL,
    begins_like_json,
    collection_paused,
    fetch,
    first_of,
    parse,
    read_document,
    read_text,
)
from apigw_cli.openapi.references import external_references, in_data, join, pointer, pointer_path, references

__all__ = [
    "Document",
    "Library",
    "Node",
    "external_references",
    "in_data",
    "join",
    "parse",
    "pointer",
    "pointer_path",
    "read_text",
    "references",
]


class Document:
    """One file's data, and the places of its values, found when first asked for.

    `problems` are what makes it ambiguous but readable (duplicate keys): see `Library.read`.
    """

    def __init__(
        self,
        name: str,
        label: str,
        text: str | None,
        data: Any,
        *,
        composed: yaml_format.Composed | None = None,
        problems: tuple[InputError, ...] = (),
    ) -> None:
        self.name = name
        self.label = label
        self.text = text
        self.data = data
        self.problems = problems
        self._composed = composed
        self._spots: dict[Steps, Spot | None] = {}

    @property
    def is_yaml(self) -> bool:
        """Whether the text was read as YAML; known once something was located."""
        return self._composed is not None

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text or "")

    def get(self, path: Steps) -> Any:
        """The value at `path`. Raises KeyError where there is none."""
        node = self.data
        for step in path:
            if isinstance(node, dict):
                node = node[str(step)]
            elif isinstance(node, list):
                node = node[_index(step, len(node))]
            else:
                raise KeyError(step)
        return node

    def reach(self, path: Steps) -> tuple[Steps, Any]:
        """`path` as far as it leads to something, with numbers for the indexes of lists, and the value there."""
        node, exact = self.data, []
        for step in path:
            if type(node) is dict:
                key: str | int = step if type(step) is str else str(step)
                if key not in node:
                    break
            elif type(node) is list:
                text = str(step)
                if not text.isascii() or not text.isdigit() or int(text) >= len(node):
                    break
                key = int(text)
            else:
                break
            exact.append(key)
            node = node[key]
        return tuple(exact), node

    def place(self, path: Steps = (), *, key: bool = False) -> Place:
        """Where the value at `path` (or its key) stands; the nearest ancestor's place where it has none."""
        return self.span(path, key=key)[0]

    def span(self, path: Steps = (), *, key: bool = False) -> tuple[Place, Place]:
        """Where the value at `path` (or its key) begins and ends (exclusive); where it has none, its ancestor."""
        spot = self.spot(path)
        if spot is None:
            return Place(self.label), Place(self.label)
        start, end = (spot.key_start, spot.key_end) if key and spot.key_start >= 0 else (spot.start, spot.end)
        position = self.lines.position
        return Place(self.label, *position(start)), Place(self.label, *position(end))

    def spot(self, path: Steps) -> Spot | None:
        """The offsets of the value at `path`, or of its nearest ancestor; None without a text."""
        known = self._spots.get(path)
        if known is not None or self.text is None:
            return known
        self.locate([path])
        if self._composed is None:
            path = _exact(self.data, path)
        for length in range(len(path), -1, -1):
            inner = path[:length]
            found = self._spots.get(inner) if self._composed is None else self._composed.spot(inner)
            if found is not None:
                return found
        return None

    def locate(self, paths: Iterable[Steps]) -> None:
        """Find the places of many paths at once; JSON needs one pass over its text for each call."""
        if self.text is None or self._composed is not None:
            return
        wanted = {path for path in (_exact(self.data, path) for path in paths) if path not in self._spots}
        if not wanted:
            return
        try:
            located = json_format.locate(self.text, wanted) if begins_like_json(self.text) else None
        except ValueError:
            located = None  # a YAML flow mapping, which looks like JSON
        if located is None:
            self._composed = yaml_format.compose(self.text, self.label)
        else:
            self._spots |= dict.fromkeys(wanted) | located

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its end; empty where there is none."""
        return self.lines.line(number)

    @cached_property
    def anchors(self) -> dict[str, Steps]:
        """The paths of the schemas that have a name ($anchor, JSON Schema 2020-12)."""
        words = ("$anchor", "$dynamicAnchor")
        return {
            node[word]: path for node, path in _mappings(self.data) for word in words if isinstance(node.get(word), str)
        }

    @cached_property
    def identities(self) -> dict[str, Steps]:
        """The paths of what calls itself by a URI: the document ($self, OpenAPI 3.2) and its schemas ($id)."""
        own = self.base or ""
        found: dict[str, Steps] = {own: ()} if own else {}
        for node, path in _mappings(self.data):
            if path and isinstance(node.get("$id"), str) and not in_data(path):
                found.setdefault(urllib.parse.urldefrag(urllib.parse.urljoin(own, node["$id"])).url, path)
        return found

    @property
    def base(self) -> str | None:
        """The URI that the document gives itself (`$self`, OpenAPI 3.2)."""
        own = self.data.get("$self") if isinstance(self.data, dict) else None
        return urllib.parse.urldefrag(own).url if isinstance(own, str) else None


def _index(step: str | int, length: int) -> int:
    text = str(step)
    if not text.isascii() or not text.isdigit() or int(text) >= length:
        raise KeyError(step)
    return int(text)


def _exact(data: Any, path: Steps) -> Steps:
    """`path` with numbers for the indexes of lists and text for keys, as far as it leads."""
    for step in path:
        if type(step) is int or str(step).isdigit():
            break
    else:
        return path
    exact: list[str | int] = []
    for step in path:
        step = int(step) if isinstance(data, list) and str(step).isdigit() else str(step)
        exact.append(step)
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(exact)


def _mappings(data: Any) -> Iterator[tuple[dict[str, Any], Steps]]:
    stack: list[tuple[Any, Steps]] = [(data, ())]
    while stack:
        node, path = stack.pop()
        if isinstance(node, dict):
            yield node, path
            stack.extend((value, (*path, key)) for key, value in node.items())
        elif isinstance(node, list):
            stack.extend((value, (*path, index)) for index, value in enumerate(node))


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
        self.touched: set[str] = set()  # what was asked for by name since whoever cares has emptied it
        self._failed: dict[str, tuple[str, Place | None, str | None]] = {}  # so that nothing is tried twice

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

    def read(self, name: str, *, asked_at: Place | None = None, tolerant: bool = False) -> Document:
        """The document called `name`, read at most once.

        Raises InputError where it cannot be read or parsed; `asked_at` is the place that named it. A duplicate
        key is such an error too, unless `tolerant`: then it stands in the document's `problems`.
        """
        self.touched.add(name)
        document = self.documents.get(name)
        if document is None:
            document = self.documents[name] = self._read(name, asked_at)
        if document.problems and not tolerant:
            raise first_of(document.problems)
        return document

    def _read(self, name: str, asked_at: Place | None) -> Document:
        if name in self._failed:
            message, place, hint = self._failed[name]
            raise InputError(message, place=place or asked_at, hint=hint)
        label = self._label(name)
        try:
            text = self._text(name, asked_at)
            with collection_paused():
                data, composed, problems = read_document(text, label)
        except InputError as error:
            self._failed[name] = (error.message, None if error.place == asked_at else error.place, error.hint)
            raise
        return Document(name, label, text, data, composed=composed, problems=problems)

    def _label(self, name: str) -> str:
        if URL.match(name) or self.root is None:
            return name
        path = os.path.relpath(self.root / name)
        return os.path.normpath(self.root / name) if path.replace(os.sep, "/").startswith("../../..") else path

    def _text(self, name: str, asked_at: Place | None) -> str:
        if URL.match(name):
            return fetch(name, asked_at)
        if self.root is None:
            raise InputError(f"{name} is not part of the release", place=asked_at)
        return read_text(self.root / name, self._label(name), asked_at)

    def resolve(self, base: Document, ref: str, *, at: Steps = ()) -> Node:
        """The value that `ref` names, seen from `base`; follows chains of references.

        Raises InputError at the reference (path `at` in `base`) for a target that is not there or a circle.
        """
        holder, seen = Node(base, at, ref), set()
        text = ref
        while True:
            try:
                node = self.target(holder.document, text, asked_at=partial(holder.document.place, holder.path))
            except InputError as error:
                raise InputError(error.message, place=error.place or base.place(at), hint=error.hint) from None
            if not (isinstance(node.data, dict) and isinstance(node.data.get("$ref"), str)):
                return node
            if (node.document.name, node.path) in seen:
                raise InputError(f"$ref {ref!r} goes in a circle", place=base.place(at))
            seen.add((node.document.name, node.path))
            holder, text = node.child("$ref"), node.data["$ref"]

    def target(self, base: Document, ref: str, *, asked_at: Callable[[], Place] | None = None) -> Node:
        """What `ref` names, itself maybe a reference, seen from `base`. `asked_at` says where, if that is needed.

        Raises InputError, without a place where the fault is the reference's own.
        """
        file, _, fragment = ref.partition("#")
        known = self._known_as(base, file) if file else None
        document, root = (base, ()) if known is None else known
        if file and known is None:
            name = join(base.name, file)
            place = None if name in self.documents or asked_at is None else asked_at()
            document = self.read(name, asked_at=place, tolerant=True)
        path: Steps = root
        try:
            path = _path_of(document, root, fragment)
            return Node(document, path, document.get(path))
        except KeyError:
            where = "" if document is base else f" in {document.label}"
            message = f"$ref {ref!r} leads to nowhere{where}"
            raise InputError(message, hint=_nearest_hint(document, path)) from None

    def _known_as(self, base: Document, file: str) -> tuple[Document, Steps] | None:
        """What calls itself by the URI `file`, seen from `base`, among the documents that were read."""
        own = base.base
        if own is None and not URL.match(file):
            return None
        uri = urllib.parse.urljoin(own or "", file)
        for document in (base, *self.documents.values()):
            if uri in document.identities:
                return document, document.identities[uri]
        return None

    def follow(self, node: Node) -> Node:
        """`node` itself, or what it refers to when it is a reference."""
        if isinstance(node.data, dict) and isinstance(node.data.get("$ref"), str):
            return self.resolve(node.document, node.data["$ref"], at=(*node.path, "$ref"))
        return node

    def load_references(self, document: Document) -> None:
        """Read every document that `document` refers to, directly or through others."""
        queue, done = [document], {document.name}
        while queue:
            current = queue.pop()
            for ref, at in external_references(current.data):
                name = join(current.name, ref.partition("#")[0])
                if name not in done:
                    done.add(name)
                    place = None if name in self.documents else current.place((*at, "$ref"))
                    queue.append(self.read(name, asked_at=place))


def _path_of(document: Document, root: Steps, fragment: str) -> Steps:
    """Where a fragment leads, seen from `root`. Raises KeyError for a name that nothing has.

    A pointer that leads nowhere from the document's root may be meant from the root of a schema with an `$id`.
    """
    if fragment and not fragment.startswith("/"):
        return document.anchors[urllib.parse.unquote(fragment)]
    path = pointer_path(fragment)
    if root or not path or _leads(document, path):
        return (*root, *path)
    inner = (resource for resource in document.identities.values() if resource)
    return next(((*resource, *path) for resource in inner if _leads(document, (*resource, *path))), path)


def _leads(document: Document, path: Steps) -> bool:
    try:
        document.get(path)
    except KeyError:
        return False
    return True


def _nearest_hint(document: Document, path: Steps) -> str | None:

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
