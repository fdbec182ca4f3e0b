"""`anyOf` and `oneOf`, compared by what they accept where that can be told.

Alternatives are paired up: by component name, then equal ones, then the most alike of what is left. Of `anyOf` an
alternative that another one contains adds nothing. A value that is of two alternatives of a `oneOf` is refused, so
that one alternative more may also refuse; not where they plainly have nothing in common or a discriminator picks.
"""

from __future__ import annotations

from collections.abc import Callable

from apigw_cli.stages.contract.delta import Children, Delta, delta
from apigw_cli.stages.contract.disjoint import all_disjoint
from apigw_cli.stages.contract.facets import type_name
from apigw_cli.stages.contract.law import Direction, Effect
from apigw_cli.stages.contract.logic import Decide
from apigw_cli.stages.contract.shape import Group, Part, Shape, canonical
from apigw_cli.stages.contract.shaper import Shaper

_MAY_OVERLAP = "a value that matches two alternatives of a oneOf is refused, and these may have values in common"
_NOT_TOLD = "whether every value of before is one of the alternatives cannot be told"
_NOTHING = {Effect.NOTHING}


class Alternatives:
    """Compares the groups of two shapes. `decide` says which effects the differences between two parts have."""

    def __init__(
        self, base: Shaper, revision: Shaper, same: Callable[[Part, Part], bool], decide: Decide, direction: Direction
    ) -> None:
        self.base = base
        self.revision = revision
        self.same = same
        self.decide = decide
        self.direction = direction

    # --- a plain schema here, alternatives there

    def wrapped(self, left: Part, right: Part, old: Shape, new: Shape) -> tuple[list[Delta], Children]:
        """One side is nothing but alternatives and the other is none: the plain schema may be one of them."""
        gone = bool(old.groups)
        group, plain = (old.groups or new.groups)[0], right if gone else left
        twin = self._twin(group, plain, gone)
        if twin is None:
            return self._undecided(group, plain, old, new, gone), []
        others = [part for part in group.parts if part is not twin]
        action = "removed" if gone else "added"
        deltas = [
            self._one_more(group, part, action, old, new)
            for part in others
            if not (group.keyword == "anyOf" and self._contained(part, plain, gone))
        ]
        return deltas, [("", twin, plain) if gone else ("", plain, twin)]

    def _twin(self, group: Group, plain: Part, gone: bool) -> Part | None:
        for part in group.parts:
            a, b = (part, plain) if gone else (plain, part)
            if (part.label and part.label == plain.label) or (len(a.nodes) == len(b.nodes) == 1 and self.same(a, b)):
                return part
        wanted = {Effect.NARROWS} if gone else {Effect.WIDENS}
        for part in group.parts:
            a, b = (part, plain) if gone else (plain, part)
            if self.decide(a, b) <= wanted | _NOTHING:
                return part
        return None

    def _contained(self, part: Part, plain: Part, gone: bool) -> bool:
        """Whether the alternative allows nothing that the plain schema of the other side does not."""
        if gone:
            return self.decide(part, plain) <= {Effect.WIDENS} | _NOTHING
        return self.decide(plain, part) <= {Effect.NARROWS} | _NOTHING

    def _undecided(self, group: Group, plain: Part, old: Shape, new: Shape, gone: bool) -> list[Delta]:
        """All alternatives within the plain schema: at most that is less (or, the other way round, more)."""
        within, effect = True, Effect.WIDENS if gone else Effect.NARROWS
        for part in group.parts:
            a, b = (part, plain) if gone else (plain, part)
            within = within and self.decide(a, b) <= {effect} | _NOTHING
        text = f"{_listed(old)} → {type_name(new)}" if gone else f"{type_name(old)} → {_listed(new)}"
        known = effect if within and group.keyword == "anyOf" else None
        return [
            delta("composition-changed", text, old, new, group.keyword, effect=known, why="" if known else _NOT_TOLD)
        ]

    # --- alternatives on both sides

    def groups(self, old: Shape, new: Shape, deltas: list[Delta], children: Children) -> None:
        before, after = list(old.groups), list(new.groups)
        pairs = self._paired(before, after)
        for one, other in pairs:
            self._group(one, other, old, new, deltas, children)
        deltas += [self._condition(group, "removed", old, new) for group in before]
        deltas += [self._condition(group, "added", old, new) for group in after]

    def _paired(self, before: list[Group], after: list[Group]) -> list[tuple[Group, Group]]:
        """Pairs of groups of one keyword, then of what is left; what remains in the lists has none."""
        pairs = []
        for same_keyword in (True, False):
            for group in list(before):
                twin = next((o for o in after if not same_keyword or o.keyword == group.keyword), None)
                if twin is not None:
                    pairs.append((group, twin))
                    before.remove(group)
                    after.remove(twin)
        return pairs

    def _condition(self, group: Group, action: str, old: Shape, new: Shape) -> Delta:
        """A choice that stands beside all else: with it at most as much is allowed as without."""
        request, added = self.direction is Direction.REQUEST, action == "added"
        effect = Effect.NARROWS if added else Effect.WIDENS
        if request == added:  # the direction that could break: it may also allow the same
            effect = Effect.UNDECIDED
        text = f"{group.keyword} of {len(group.parts)} {action}"
        return delta("composition-changed", text, old, new, group.keyword, effect=effect, why=_NOT_TOLD)

    def _group(
        self, before: Group, after: Group, old: Shape, new: Shape, deltas: list[Delta], children: Children
    ) -> None:
        matched, removed, added = self._match(before, after)
        choice = before.keyword == after.keyword == "anyOf"
        unsure = before.keyword != after.keyword
        for one, other in matched:
            if not (choice and len(after.parts) > 1 and self._elsewhere(one, other, before, after)):
                children.append((f"<{one.label}>" if one.label else "", one, other))
        if choice:
            removed = [part for part in removed if not self._into(part, after)]
            added = [part for part in added if not self._from(part, before)]
        picks = old.discriminator is not None and new.discriminator is not None
        if unsure and not picks:
            self._keyword(before, after, old, new, deltas)
        deltas += [self._one_more(before, part, "removed", old, new, picks=picks) for part in removed]
        deltas += [self._one_more(after, part, "added", old, new, picks=picks) for part in added]
        if before.keyword == after.keyword == "oneOf" and not picks:
            deltas += self._overlap(before, after, matched, bool(removed), bool(added), old, new)

    def _keyword(self, before: Group, after: Group, old: Shape, new: Shape, deltas: list[Delta]) -> None:
        """anyOf → oneOf refuses what is of two alternatives; the other way round accepts it."""
        group, shaper = (after, self.revision) if after.keyword == "oneOf" else (before, self.base)
        if all_disjoint(group.parts, shaper):
            return
        text = f"{before.keyword} → {after.keyword}"
        effect = Effect.UNDECIDED if self._could_break(after.keyword == "oneOf") else None
        known = Effect.NARROWS if after.keyword == "oneOf" else Effect.WIDENS
        deltas.append(
            delta("composition-changed", text, old, new, after.keyword, effect=effect or known, why=_MAY_OVERLAP)
        )

    def _could_break(self, narrows: bool) -> bool:
        return narrows == (self.direction is Direction.REQUEST)

    def _overlap(
        self, before: Group, after: Group, matched: list[tuple[Part, Part]], removed: bool, added: bool, old: Shape,
        new: Shape,
    ) -> list[Delta]:  # fmt: skip
        """What alternatives grew into or out of: values of two of them are refused."""
        effects: set[Effect] = set().union(*(self.decide(one, other) for one, other in matched))
        effects -= _NOTHING  # where a difference of its own can break already, it says enough
        if effects == {Effect.WIDENS} and not added and not all_disjoint(after.parts, self.revision):
            return [delta("one-of-overlap-increased", "alternatives may overlap more", old, new, "oneOf")]
        if effects == {Effect.NARROWS} and not removed and not all_disjoint(before.parts, self.base):
            return [delta("one-of-overlap-decreased", "alternatives may overlap less", old, new, "oneOf")]
        return []

    # --- what contains what

    def _elsewhere(self, one: Part, other: Part, before: Group, after: Group) -> bool:
        """Whether a pair differs, but all that each side allows is allowed by some alternative of the other."""
        effects = self.decide(one, other) - _NOTHING
        if not effects:
            return False
        gone = not effects <= {Effect.WIDENS}
        fresh = not effects <= {Effect.NARROWS}
        return (not gone or self._into(one, after)) and (not fresh or self._from(other, before))

    def _into(self, part: Part, after: Group) -> bool:
        return any(self.decide(part, other) <= {Effect.WIDENS} | _NOTHING for other in after.parts[:20])

    def _from(self, part: Part, before: Group) -> bool:
        return any(self.decide(other, part) <= {Effect.NARROWS} | _NOTHING for other in before.parts[:20])

    # --- pairing

    def _match(self, before: Group, after: Group) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
        left, right = list(before.parts), list(after.parts)
        matched: list[tuple[Part, Part]] = []
        for test in (self._named_alike, self._equal, self._only_ones_left(left, right), self._alike):
            for part in list(left):
                twin = next((other for other in right if test(part, other)), None)
                if twin is not None:
                    matched.append((part, twin))
                    left.remove(part)
                    right.remove(twin)
        return matched, left, right

    def _named_alike(self, a: Part, b: Part) -> bool:
        return bool(a.label) and a.label == b.label

    def _equal(self, a: Part, b: Part) -> bool:
        return canonical(a.nodes[0].data) == canonical(b.nodes[0].data)

    def _only_ones_left(self, left: list[Part], right: list[Part]) -> Callable[[Part, Part], bool]:
        return lambda a, b: len(left) == len(right) == 1 and self._types(a, b)

    def _types(self, a: Part, b: Part) -> bool:
        old, new = self.base.shape(a).types, self.revision.shape(b).types
        return old is None or new is None or bool(old & new)

    def _alike(self, a: Part, b: Part) -> bool:
        """Whether two unnamed alternatives are versions of one: same types and most properties in common."""
        old, new = self.base.shape(a), self.revision.shape(b)
        if old.types != new.types or old.format != new.format or (old.enum is None) != (new.enum is None):
            return False
        names = set(old.properties) | set(new.properties)
        return len(set(old.properties) & set(new.properties)) * 2 >= len(names)

    def _one_more(self, group: Group, part: Part, action: str, old: Shape, new: Shape, *, picks: bool = False) -> Delta:
        """An alternative more or less; one more of a oneOf may refuse, too."""
        gone = action == "removed"
        facet = ("one-of" if group.keyword == "oneOf" else "any-of") + f"-{action}"
        name = part.label or type_name((self.base if gone else self.revision).shape(part))
        shaper = self.base if gone else self.revision
        overlaps = group.keyword == "oneOf" and not picks and not all_disjoint(group.parts, shaper)
        unsure = overlaps and not gone and self.direction is Direction.REQUEST
        return Delta(
            facet,
            "",
            f"alternative {name} {action}",
            name if gone else None,
            None if gone else name,
            part.nodes[0] if gone else old.node_with(group.keyword),
            new.node_with(group.keyword) if gone else part.nodes[0],
            Effect.UNDECIDED if unsure else None,
            _MAY_OVERLAP if unsure else "",
            Effect.UNDECIDED if overlaps else None,
        )


def _listed(shape: Shape) -> str:
    return f"{shape.groups[0].keyword} of {len(shape.groups[0].parts)}"
