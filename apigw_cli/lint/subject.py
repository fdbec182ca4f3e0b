"""What rules look at: one OpenAPI document with its operations, and a mapping met on the walk through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from apigw_cli.errors import InputError
from apigw_cli.lint.model import Hit
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.operations import METHODS, METHODS_3_2, Operation, mapping
from apigw_cli.openapi.places import Steps

if TYPE_CHECKING:
    from apigw_cli.lint.examples import Examples

Link = tuple[Any, str | int] | None  # a path from its end: (the link of the parent, the last step)


def steps_of(link: Link) -> Steps:
    """The path that a link stands for. Paths are only made for what is reported; a walk passes links on."""
    steps: list[str | int] = []
    while link is not None:
        link, step = link
        steps.append(step)
    return tuple(reversed(steps))


@dataclass(slots=True)
class Visit:
    """A mapping that has `key`, where it stands, and the document that it stands in."""

    node: dict[str, Any]
    key: str
    document: Document
    link: Link
    subject: Subject

    @property
    def version(self) -> str:
        return self.subject.version

    @property
    def path(self) -> Steps:
        return steps_of(self.link)

    @property
    def own_key(self) -> str | int | None:
        """The key under which the mapping stands."""
        return self.link[1] if self.link else None

    def hit(self, *steps: str | int, message: str = "", on_key: bool = False) -> Hit:
        return Hit(self.document, self.path + steps, message, on_key)


@dataclass(slots=True)
class Reference:
    """A `$ref` as it stands: the text, and the mapping that holds it."""

    text: str
    document: Document
    link: Link


@dataclass
class Subject:
    """One document under inspection. `references` is complete once the walk is done."""

    document: Document
    library: Library
    version: str
    references: list[Reference] = field(default_factory=list)
    circles: dict[tuple[str, tuple[str, ...]], bool] = field(default_factory=dict)  # references: do they lead back?
    used_paths: list[Steps] = field(default_factory=list)  # in the document itself, by references from anywhere
    # Of each reference's text, by the document that it stands in: what it leads to.
    targets: dict[tuple[str, str], Node | InputError] = field(default_factory=dict)
    foreign: dict[int, Document] = field(default_factory=dict)  # of mappings with $ref: the document, if another
    nullable: list[dict[str, Any]] = field(default_factory=list)  # the mappings with such a key
    _followed: dict[tuple[str, str], Node | None] = field(default_factory=dict)
    corrected: bool = True  # judge rightly where Spectral is known to be wrong

    @property
    def data(self) -> dict[str, Any]:
        return mapping(self.document.data)

    @cached_property
    def used(self) -> set[Steps]:
        """The paths in this document that a reference from anywhere leads to; if corrected, or through."""
        if not self.corrected:
            return set(self.used_paths)
        return {path[:length] for path in self.used_paths for length in range(1, len(path) + 1)}

    @cached_property
    def examples(self) -> Examples:
        """What judges examples by their schemas."""
        from apigw_cli.lint.examples import Examples

        return Examples(self)

    @property
    def root(self) -> Node:
        return Node(self.document, (), self.document.data)

    def hit(self, *steps: str | int, message: str = "", on_key: bool = False) -> Hit:
        return Hit(self.document, steps, message, on_key)

    def follow(self, node: Node) -> Node | None:
        """`node`, or what it refers to; None where that leads to nothing (which `invalid-ref` reports)."""
        data = node.data
        if type(data) is not dict or type(data.get("$ref")) is not str:
            return node
        key = (node.document.name, data["$ref"])
        if key not in self._followed:
            try:
                self._followed[key] = self.library.follow(node)
            except InputError:
                self._followed[key] = None
        return self._followed[key]

    @cached_property
    def items(self) -> list[tuple[str, Node]]:
        """The path items, references followed, by their paths."""
        found = []
        for path, data in mapping(self.data.get("paths")).items():
            if isinstance(data, dict) and not path.startswith("x-"):
                item = self.follow(self.root.child("paths", path))
                if item is not None and isinstance(item.data, dict):
                    found.append((path, item))
        return found

    @cached_property
    def operations(self) -> list[Operation]:
        methods = METHODS_3_2 if self.version == "3.2" and self.corrected else METHODS
        return [operation for path, item in self.items for operation in _of_item(path, item, methods)]

    @cached_property
    def operations_of(self) -> dict[str, list[Operation]]:
        """The operations by their paths."""
        found: dict[str, list[Operation]] = {path: [] for path, _ in self.items}
        for operation in self.operations:
            found[operation.path].append(operation)
        return found


def _of_item(path: str, item: Node, methods: tuple[str, ...]) -> list[Operation]:
    found = [
        Operation(key.upper(), path, item.child(key), item)
        for key, value in item.data.items()
        if key in methods and isinstance(value, dict)
    ]
    if "query" in methods:
        found += [
            Operation(method, path, item.child("additionalOperations", method), item)
            for method, value in mapping(item.data.get("additionalOperations")).items()
            if isinstance(value, dict)
        ]
    return found
