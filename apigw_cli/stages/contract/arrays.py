"""The items of two arrays: those with a place of their own (prefixItems) and the rest."""

from __future__ import annotations

from apigw_cli.openapi.document import Node
from apigw_cli.stages.contract.delta import Children
from apigw_cli.stages.contract.shape import Part, Shape


def items(old: Shape, new: Shape, children: Children) -> None:
    """Add what to compare: place by place, then the rest; what one side does not describe may be anything there."""
    for index in range(max(len(old.prefix), len(new.prefix))):
        children.append((f"[{index}]", _at(old, index), _at(new, index)))
    if old.items is not None or new.items is not None:
        children.append(("[]", old.items or _anything(old), new.items or _anything(new)))


def _at(shape: Shape, index: int) -> Part:
    return shape.prefix[index] if index < len(shape.prefix) else shape.items or _anything(shape)


def _anything(shape: Shape) -> Part:
    node = shape.node_with("items", "prefixItems", "type")
    return Part((Node(node.document, node.path, {}),))
