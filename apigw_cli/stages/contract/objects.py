"""The properties of two objects: added, removed, required or not, and those that are not described."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.stages.contract.delta import Children, Delta, at_keyword, delta
from apigw_cli.stages.contract.facets import type_name
from apigw_cli.stages.contract.law import Direction
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
                yield self._removed(name, part, old, new, children)
        for name, part in after.items():
            if name not in before:
                yield self._added(name, part, old, new, children)
        alone = set(before) ^ set(after)
        for name in sorted((old.required ^ new.required) - hidden - alone):
            yield self._requiredness(name, old, new)
        yield from self._additional(old, new, children)

    def _visible(self, shape: Shape, shaper: Shaper) -> dict[str, Part]:
        request = self.direction is Direction.REQUEST
        found = {}
        for name, part in shape.properties.items():
            child = shaper.shape(part)
            if not (child.read_only if request else child.write_only):
                found[name] = part
        return found

    def _removed(self, name: str, part: Part, old: Shape, new: Shape, children: Children) -> Delta:
        needed = "required" if name in old.required else "optional"
        kind = type_name(self.base.shape(part))
        if name in new.properties:
            return self._mutable(name, needed, part, new.properties[name], hidden=True)
        facet = f"property-removed-{needed}"
        if self.direction is Direction.REQUEST:
            facet = "property-refused" if new.closed else "property-removed"
        if isinstance(new.additional, Part):  # it is one of those now
            children.append((name, part, new.additional))
        return Delta(facet, name, "removed", kind, None, part.nodes[0], new.node_with("properties"))

    def _added(self, name: str, part: Part, old: Shape, new: Shape, children: Children) -> Delta:
        needed = "required" if name in new.required else "optional"
        kind = type_name(self.revision.shape(part))
        if name in old.properties:
            return self._mutable(name, needed, old.properties[name], part, hidden=False)
        if isinstance(old.additional, Part):
            children.append((name, old.additional, part))
        return Delta(
            f"property-added-{needed}",
            name,
            f"added ({needed})",
            None,
            kind,
            old.node_with("properties"),
            part.nodes[0],
        )

    def _mutable(self, name: str, needed: str, old: Part, new: Part, *, hidden: bool) -> Delta:
        """It is described on both sides, but one of them says that it does not go in this direction."""
        word = "read-only" if self.direction is Direction.REQUEST else "write-only"
        how = f"became {word}" if hidden else f"became not {word}"
        return Delta(
            f"{needed}-property-{how.replace(' ', '-')}", name, how, not hidden, hidden, old.nodes[0], new.nodes[0]
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

    # --- properties that are not described

    def _additional(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        """Refused, limited to a schema, or accepted."""
        before, after = old.additional, new.additional
        left, right = _openness(before, self.base), _openness(after, self.revision)
        if isinstance(before, Part) and isinstance(after, Part) and left == right == 1:
            children.append(("{*}", before, after))
        elif left != right:
            words = ("refused", "limited to a schema", "accepted")
            facet = "additional-properties-refused" if right < left else "additional-properties-accepted"
            text = f"properties that are not described: {words[left]} → {words[right]}"
            yield delta(facet, text, old, new, "additionalProperties", words[left], words[right])


def _openness(additional: bool | Part, shaper: Shaper) -> int:
    if isinstance(additional, Part):
        shape = shaper.shape(additional)
        return 0 if shape.never else 2 if shape.anything else 1
    return 2 if additional else 0
