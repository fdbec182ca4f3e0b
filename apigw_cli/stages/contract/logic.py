"""What holds beside plain values: not, if/then/else, contains, dependents, pattern properties, what is left over.

Each is one more condition: added it allows less, removed it allows more; where both sides have it, what it says is
compared, and only what cannot be told from that is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apigw_cli.stages.contract.delta import Children, Delta, delta
from apigw_cli.stages.contract.law import Effect
from apigw_cli.stages.contract.shape import Condition, Part, Shape
from apigw_cli.stages.contract.shaper import Shaper

Decide = Callable[[Part, Part], frozenset[Effect]]


class Logic:
    """`decide` says which effects the differences between two parts have; UNDECIDED where that takes too long."""

    def __init__(self, base: Shaper, revision: Shaper, decide: Decide) -> None:
        self.base = base
        self.revision = revision
        self.decide = decide

    def compare(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        yield from self._not(old, new)
        yield from self._conditions(old, new, children)
        yield from self._contains(old, new, children)
        yield from self._dependents(old, new, children)
        yield from self._patterns(old, new, children)
        yield from self._one(old, new, children, "property-names", "propertyNames", "{name}", old.names, new.names)
        for keyword, facet in (
            ("unevaluatedProperties", "unevaluated-properties"),
            ("unevaluatedItems", "unevaluated-items"),
        ):
            parts = old.unevaluated.get(keyword), new.unevaluated.get(keyword)
            yield from self._one(old, new, children, facet, keyword, f"{{{keyword}}}", *parts)

    def _one(
        self,
        old: Shape,
        new: Shape,
        children: Children,
        facet: str,
        keyword: str,
        step: str,
        before: Part | None,
        after: Part | None,
    ) -> Iterator[Delta]:
        """One keyword with a schema that both, one or none of the sides have."""
        if before is not None and after is not None:
            children.append((step, before, after))
        elif before is not None or after is not None:
            action = "removed" if after is None else "added"
            yield delta(f"{facet}-{action}", f"{keyword} {action}", old, new, keyword)

    # --- not

    def _not(self, old: Shape, new: Shape) -> Iterator[Delta]:
        gone = [part for text, part in old.nots.items() if text not in new.nots]
        fresh = [part for text, part in new.nots.items() if text not in old.nots]
        if gone and fresh:
            effect = self._opposite(gone[0], fresh[0]) if len(gone) == len(fresh) == 1 else None
            if effect is not Effect.NOTHING:
                yield delta("not-changed", "what is excluded changed", old, new, "not", effect=effect)
        elif gone or fresh:
            action = "removed" if gone else "added"
            text = "an exclusion (not) was removed" if gone else "an exclusion (not) was added"
            yield delta(f"not-{action}", text, old, new, "not")

    def _opposite(self, gone: Part, fresh: Part) -> Effect | None:
        """What excluding `fresh` in place of `gone` does; told for plain values only."""
        shapes = self.base.shape(gone), self.revision.shape(fresh)
        if any(shape.types is None or shape.types & {"object", "array"} or shape.groups for shape in shapes):
            return None
        effects = self.decide(gone, fresh) - {Effect.NOTHING}
        if effects <= {Effect.WIDENS}:
            return Effect.NARROWS if effects else Effect.NOTHING
        return Effect.WIDENS if effects == {Effect.NARROWS} else None

    # --- if, then, else

    def _conditions(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        before = {condition.text: condition for condition in old.conditions}
        after = {condition.text: condition for condition in new.conditions}
        gone, fresh = before.keys() - after.keys(), after.keys() - before.keys()
        if gone and fresh:
            yield delta("if-changed", "the condition (if) changed", old, new, "if")
        elif gone or fresh:
            action = "removed" if gone else "added"
            yield delta(f"if-{action}", f"a condition (if) was {action}", old, new, "if")
        for text in sorted(before.keys() & after.keys()):
            yield from self._branches(before[text], after[text], old, new, children)

    def _branches(
        self, before: Condition, after: Condition, old: Shape, new: Shape, children: Children
    ) -> Iterator[Delta]:
        yield from self._one(old, new, children, "then", "then", "<then>", before.then, after.then)
        yield from self._one(old, new, children, "else", "else", "<else>", before.otherwise, after.otherwise)

    # --- contains

    def _contains(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        if len(old.contains) == len(new.contains) == 1:
            one, other = old.contains[0], new.contains[0]
            if "max-contains" not in old.bounds and "max-contains" not in new.bounds:
                children.append(("[contains]", one, other))
            elif self.decide(one, other) - {Effect.NOTHING}:
                yield delta("contains-changed", "what the items are counted by changed", old, new, "contains")
        elif len(old.contains) != len(new.contains) and (not old.contains or not new.contains):
            action = "added" if new.contains else "removed"
            yield delta(f"contains-{action}", f"contains {action}", old, new, "contains")
        elif old.contains and self._texts(self.base, old) != self._texts(self.revision, new):
            yield delta("contains-changed", "what the items must contain changed", old, new, "contains")

    @staticmethod
    def _texts(shaper: Shaper, shape: Shape) -> set[str]:
        return {shaper.text(node) for part in shape.contains for node in part.nodes}

    # --- dependents

    def _dependents(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        keyword, before, after = "dependentRequired", old.dependent_required, new.dependent_required
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name, frozenset()), after.get(name, frozenset())
            if was == now:
                continue
            action = "added" if not was else "removed" if not now else "changed"
            effect = Effect.NARROWS if was < now else Effect.WIDENS if now < was else None
            text = f"properties that come with {name}: {_names(was)} → {_names(now)}"
            yield delta(
                f"dependent-required-{action}", text, old, new, keyword, sorted(was), sorted(now), effect=effect
            )
        one, other = old.dependent_schemas, new.dependent_schemas
        for name in sorted(one.keys() | other.keys()):
            parts = one.get(name), other.get(name)
            words = f"what must hold beside {name}"
            yield from self._one(old, new, children, "dependent-schema", words, f"<with {name}>", *parts)

    # --- pattern properties

    def _patterns(self, old: Shape, new: Shape, children: Children) -> Iterator[Delta]:
        one, other = old.pattern_properties, new.pattern_properties
        for pattern in sorted(one.keys() | other.keys()):
            before, after = one.get(pattern), other.get(pattern)
            effect = self._of_pattern(old if before is None else new, added=before is None)
            words = f"properties that match {pattern}:"
            for found in self._one(old, new, children, "pattern-property", words, f"{{{pattern}}}", before, after):
                base, revision = (s.node_with("patternProperties") for s in (old, new))
                yield Delta(found.facet, found.path, found.text, None, None, base, revision, effect)

    def _of_pattern(self, without: Shape, *, added: bool) -> Effect | None:
        """Where other properties are accepted a pattern restricts them; where they are refused it admits some."""
        if without.additional is True and not without.closed:
            return None
        if without.additional is False:
            return Effect.WIDENS if added else Effect.NARROWS
        return Effect.UNDECIDED


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
