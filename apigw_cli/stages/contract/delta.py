"""One difference between two schemas, with its path below the root and the nodes that say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from apigw_cli.openapi.document import Node
from apigw_cli.stages.contract.facets import Difference
from apigw_cli.stages.contract.law import Effect
from apigw_cli.stages.contract.shape import Part, Shape

Children = list[tuple[str, Part, Part]]  # what to compare next: the step to it, and both sides


@dataclass(frozen=True, slots=True)
class Delta:
    """One difference at `path` below the root: "" is the root, `tag`, `owner.name`, `[].id`, `{*}`.

    `effect` and `why` stand for the rule's own where this very difference is known better than its kind; `sets` where
    what it does to the set of values is another question than whom it hurts.
    """

    facet: str
    path: str
    text: str
    old: Any
    new: Any
    base: Node | None
    revision: Node | None
    effect: Effect | None = None
    why: str = ""
    sets: Effect | None = None

    def below(self, path: str) -> Delta:
        return replace(self, path=join(path, self.path)) if path else self


def join(path: str, step: str) -> str:
    """`a` and `b` give `a.b`; `a` and `[]` give `a[]`; an alternative is written `a<Name>`."""
    if not path or not step or step.startswith(("[", "<", "{")):
        return f"{path}{step}"
    return f"{path}.{step}"


def delta_of(difference: Difference, old: Shape, new: Shape, path: str = "") -> Delta:
    return delta(
        difference.facet, difference.text, old, new, difference.keyword, difference.old, difference.new, path=path
    )


def delta(
    facet: str,
    text: str,
    old: Shape,
    new: Shape,
    keyword: str = "",
    before: Any = None,
    after: Any = None,
    *,
    path: str = "",
    effect: Effect | None = None,
    why: str = "",
) -> Delta:
    """A difference that both sides say at `keyword`."""
    base, revision = (at_keyword(shape.node_with(keyword), keyword) for shape in (old, new))
    return Delta(facet, path, text, before, after, base, revision, effect, why)


def at_keyword(node: Node, keyword: str) -> Node:
    """The node of a keyword's value, so that the place is the line that says it."""
    return node.child(keyword) if isinstance(node.data, dict) and keyword in node.data else node
