"""From differences to findings: the rule gives id, level and reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from apigw_cli.openapi.document import Node
from apigw_cli.stages.contract import rules
from apigw_cli.stages.contract.delta import Delta, join
from apigw_cli.stages.finding import Axis, Finding, Side, Spot


def finding(
    rule: str,
    operation: str,
    path: str,
    message: str,
    base: Node | None,
    revision: Node | None,
    old: Any = None,
    new: Any = None,
    api: str = "",
) -> Finding:
    """A finding of the contract axis; its level is the rule's."""
    row = rules.RULES[rule]
    spots = []
    if base is not None:
        spots.append(Spot.of(Side.BASE, base, key=True))
    if revision is not None:
        spots.append(Spot.of(Side.REVISION, revision, key=True))
    return Finding(rule, Axis.CONTRACT, row.level, operation, path, message, old, new, tuple(spots), api, row.why)


@dataclass(frozen=True, slots=True)
class Judge:
    """Makes the findings of one operation; `name` is how they call it: `GET /pets`."""

    name: str
    api: str

    def finding(
        self,
        rule: str,
        path: str,
        message: str,
        base: Node | None,
        revision: Node | None,
        old: Any = None,
        new: Any = None,
    ) -> Finding:
        return finding(rule, self.name, path, message, base, revision, old, new, self.api)

    def of_delta(self, delta: Delta, subject: str, where: str, words: str, name: str = "") -> Finding:
        """The finding for a difference of two schemas: `where` they stand, what they are in `words`, and their name."""
        rule = rules.of_facet(subject, delta.facet)
        full = join(name, delta.path) if name else delta.path
        shown = f' "{full.removeprefix("[].")}"' if full else ""
        message = f"{words}{shown} {delta.text}"
        path = join(where, delta.path)
        found = self.finding(rule.id, path, message, delta.base, delta.revision, delta.old, delta.new)
        if delta.effect is None or delta.effect is rule.effect:
            return found
        return replace(found, level=rules.law(rule.direction, delta.effect), why=delta.why or found.why)


def is_inside(path: str) -> bool:
    """Whether a path leads into a value; an alternative (`<Cat>`) is still the value itself."""
    return bool(re.sub(r"<[^>]*>", "", path))
