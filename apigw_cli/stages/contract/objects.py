"""The properties of two objects: added, removed, required or not."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.stages.contract.delta import Children, Delta, at_keyword
from apigw_cli.stages.contract.facets import type_name
from apigw_cli.stages.contract.rules import Direction
from apigw_cli.stages.contract.shape import Part, Shape
from apigw_cli.stages.contract.shaper import Shaper


class Properties:
    """The properties of two objects. In a request what is read-only takes no part, in a response what is write-only."""

    def __init__(self, base: Shaper, revision: Shaper, direction: Direction) -> None:
        self.base = base
        self.revision = revision
        self.direction = direction

    def compare(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        before, after = self._visible(old, self.base), self._visible(new, self.revision)
        hidden = (set(old.properties) - set(before)) | (set(new.properties) - set(after))
        for name, part in before.items():
            if name in after:
                children.append((name, part, after[name]))
            else:
                yield self._removed(name, part, old, new)
        for name, part in after.items():
            if name not in before:
                yield self._added(name, part, old, new)
        alone = set(before) ^ set(after)
        for name in sorted((old.required ^ new.required) - hidden - alone):
            yield self._requiredness(name, old, new)

    def _visible(self, shape: Shape, shaper: Shaper) -> dict[str, Part]:
        request = self.direction is Direction.REQUEST
        found = {}
        for name, part in shape.properties.items():
            child = shaper.shape(part)
            if not (child.read_only if request else child.write_only):
                found[name] = part
        return found

    def _removed(self, name: str, part: Part, old: Shape, new: Shape) -> Delta:
        facet = "property-removed-required" if name in old.required else "property-removed-optional"
        if self.direction is Direction.REQUEST:
            facet = "property-refused" if new.additional is False else "property-removed"
        kind = type_name(self.base.shape(part))
        return Delta(facet, name, "removed", kind, None, part.nodes[0], new.node_with("properties"))

    def _added(self, name: str, part: Part, old: Shape, new: Shape) -> Delta:
        needed = "required" if name in new.required else "optional"
        kind = type_name(self.revision.shape(part))
        return Delta(
            f"property-added-{needed}",
            name,
            f"added ({needed})",
            None,
            kind,
            old.node_with("properties"),
            part.nodes[0],
        )

    def _requiredness(self, name: str, old: Shape, new: Shape) -> Delta:
        word = "required" if name in new.required else "optional"
        return Delta(
            f"property-became-{word}",
            name,
            f"became {word}",
            name in old.required,
            name in new.required,
            at_keyword(old.node_with("required"), "required"),
            at_keyword(new.node_with("required"), "required"),
        )
