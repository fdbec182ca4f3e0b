"""The ways in which two schemas can differ. With a subject in front (`request-property`) each is a rule's id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apigw_cli.stages.contract.law import Direction, Effect, law
from apigw_cli.stages.finding import Level


@dataclass(frozen=True, slots=True)
class Facet:
    """`mirrors` are the facets that report the opposite change. `levels` departs from the law, `departs` says why."""

    suffix: str
    effect: Effect
    mirrors: tuple[str, ...]
    why: str
    levels: tuple[tuple[Direction, Level], ...] = ()
    departs: str = ""
    alone: str = ""

    def level(self, direction: Direction) -> Level:
        return dict(self.levels).get(direction) or law(direction, self.effect)


_NARROWS, _WIDENS, _DIFFERS = Effect.NARROWS, Effect.WIDENS, Effect.DIFFERS
_UNDECIDED, _NOTHING = Effect.UNDECIDED, Effect.NOTHING
_IGNORED = ((Direction.RESPONSE, Level.INFO),)
_IGNORES_UNKNOWN = "clients are expected to ignore properties that they do not know"
_PROMISE = ((Direction.REQUEST, Level.ERR), (Direction.RESPONSE, Level.ERR))
_BROKEN = "it breaks the promise of notice before a removal, not today's contract"


def _two(plus: str, minus: str, why_plus: str, why_minus: str, effect: Effect = _NARROWS) -> Iterator[Facet]:
    """A facet that narrows (or, as `effect` says, widens) and its opposite."""
    opposite = {_NARROWS: _WIDENS, _WIDENS: _NARROWS}.get(effect, effect)
    yield Facet(plus, effect, (minus,), why_plus)
    yield Facet(minus, opposite, (plus,), why_minus)


def _itself(suffix: str, effect: Effect, why: str) -> Facet:
    return Facet(suffix, effect, (suffix,), why)


def _bounds() -> Iterator[Facet]:
    for upper, lower, what in (
        ("max", "min", "number"),
        ("exclusive-max", "exclusive-min", "number"),
        ("max-length", "min-length", "length"),
        ("max-items", "min-items", "number of items"),
        ("max-properties", "min-properties", "number of properties"),
        ("max-contains", "min-contains", "number of items that match"),
    ):
        less, more = f"a {what} allowed before is not now", f"a greater {what} is allowed"
        yield from _two(f"{upper}-decreased", f"{upper}-increased", less, more)
        yield from _two(f"{lower}-increased", f"{lower}-decreased", less, f"a smaller {what} is allowed")
        for name, side in ((upper, "upper"), (lower, "lower")):
            none, gone = f"the {what} had no {side} bound", f"the {what} has no {side} bound any more"
            yield from _two(f"{name}-set", f"{name}-unset", none, gone)


def _types() -> Iterator[Facet]:
    yield _itself("type-changed", _DIFFERS, "values of the old type are not of the new one")
    yield from _two(
        "type-specialized", "type-generalized", "values of fewer types are allowed", "values of more types are allowed"
    )
    yield from _two("became-not-nullable", "became-nullable", "null is not allowed any more", "null is allowed")
    yield from _two(
        "enum-value-removed",
        "enum-value-added",
        "a value of the old list is not allowed",
        "a value outside the old list is allowed",
    )
    yield from _two(
        "became-enum", "became-not-enum", "only listed values are allowed", "values are not limited to a list any more"
    )
    yield Facet(
        "x-extensible-enum-value-removed",
        _NARROWS,
        ("x-extensible-enum-value-added",),
        "a value that clients know is not used any more",
    )
    yield Facet(
        "x-extensible-enum-value-added",
        _WIDENS,
        ("x-extensible-enum-value-removed",),
        "one more value that may come",
        _IGNORED,
        "the list is declared open: clients expect unknown values",
    )


def _texts_and_numbers() -> Iterator[Facet]:
    yield from _bounds()
    yield from _two(
        "pattern-added", "pattern-removed", "text must match a pattern", "text need not match a pattern any more"
    )
    yield _itself("pattern-changed", _UNDECIDED, "which texts two patterns match is undecided")
    yield from _two(
        "unique-items-set", "unique-items-unset", "repeated items are not allowed", "repeated items are allowed"
    )
    yield from _two(
        "multiple-of-set",
        "multiple-of-unset",
        "only multiples are allowed",
        "any number is allowed, not only multiples",
    )
    yield from _two(
        "multiple-of-specialized",
        "multiple-of-generalized",
        "fewer multiples are allowed",
        "more multiples are allowed",
    )
    yield _itself("multiple-of-changed", _DIFFERS, "multiples of the old are not all allowed")


def _contents() -> Iterator[Facet]:
    yield _itself("content-media-type-changed", _DIFFERS, "the text holds something else")
    yield _itself("content-encoding-changed", _DIFFERS, "the same bytes are written differently")
    yield from _two(
        "default-value-added",
        "default-value-removed",
        "what is left out has a stated meaning",
        "what is left out has no stated meaning",
        _NOTHING,
    )
    yield Facet("default-value-changed", _NOTHING, ("default-value-changed",),
                "what is left out means something else", ((Direction.REQUEST, Level.WARN),),
                "calls that leave it out are accepted as before and do something else")  # fmt: skip


def _open_properties() -> Iterator[Facet]:
    for name, refused, accepted in (
        ("additional-properties", "refused", "accepted"),
        ("unevaluated-properties", "added", "removed"),
    ):
        yield Facet(
            f"{name}-{refused}",
            _NARROWS,
            (f"{name}-{accepted}",),
            "properties that are not described are not allowed any more",
        )
        yield Facet(
            f"{name}-{accepted}",
            _WIDENS,
            (f"{name}-{refused}",),
            "properties that are not described are allowed",
            _IGNORED,
            _IGNORES_UNKNOWN,
        )
    yield Facet(
        "pattern-property-added",
        _NARROWS,
        ("pattern-property-removed",),
        "properties with such names must match a schema",
    )
    yield Facet(
        "pattern-property-removed",
        _WIDENS,
        ("pattern-property-added",),
        "properties with such names need not match a schema any more",
        _IGNORED,
        _IGNORES_UNKNOWN,
    )


def _names_and_dependents() -> Iterator[Facet]:
    yield from _two(
        "property-names-added",
        "property-names-removed",
        "names of properties must match a schema",
        "names of properties need not match a schema any more",
    )
    for name, what in (("dependent-required", "other properties"), ("dependent-schema", "more")):
        yield from _two(
            f"{name}-added",
            f"{name}-removed",
            f"a property now needs {what} beside it",
            f"a property does not need {what} beside it any more",
        )
    yield _itself("dependent-required-changed", _DIFFERS, "a property needs other properties beside it")  # fmt: skip


def _conditions() -> Iterator[Facet]:
    yield from _two(
        "unevaluated-items-added",
        "unevaluated-items-removed",
        "items that are not described are refused",
        "items that are not described are allowed",
    )
    yield from _two(
        "contains-added", "contains-removed", "some item must match a schema", "no item need match a schema any more"
    )
    yield _itself("contains-changed", _UNDECIDED, "how many items of a list count is undecided")
    yield from _two(
        "not-added", "not-removed", "values of a schema are excluded", "values of a schema are not excluded any more"
    )
    yield _itself("not-changed", _UNDECIDED, "what two exclusions leave is undecided")
    for name in ("if", "then", "else"):
        yield from _two(
            f"{name}-added",
            f"{name}-removed",
            "values must match one more condition",
            "values must match one condition less",
        )
    yield _itself("if-changed", _UNDECIDED, "which values a condition holds for is undecided")


def _alternatives() -> Iterator[Facet]:
    yield from _two(
        "any-of-removed", "any-of-added", "an alternative is not allowed any more", "one more alternative is allowed"
    )
    yield from _two(
        "one-of-removed", "one-of-added", "an alternative is not allowed any more", "one more alternative is allowed"
    )
    yield Facet(
        "one-of-overlap-increased",
        _NARROWS,
        ("one-of-overlap-decreased",),
        "a value that matches two alternatives of a oneOf is refused",
        ((Direction.REQUEST, Level.WARN),),
        "whether there is such a value cannot be told",
    )
    yield Facet(
        "one-of-overlap-decreased",
        _WIDENS,
        ("one-of-overlap-increased",),
        "a value that matched two alternatives of a oneOf was refused",
        _IGNORED,
        "a client that reads either alternative reads what is both",
    )
    yield _itself("composition-changed", _UNDECIDED,
                  "what composed schemas allow is compared only where it is plain to see")  # fmt: skip


def _discriminators() -> Iterator[Facet]:
    picks = "a client that picks a type by the discriminator may pick another"
    yield from _two(
        "discriminator-added", "discriminator-removed", "alternatives are told apart by a property", picks, _UNDECIDED
    )
    yield _itself("discriminator-property-name-changed", _DIFFERS, "alternatives are told apart by another property")
    yield from _two(
        "discriminator-mapping-deleted",
        "discriminator-mapping-added",
        "a name of an alternative is not known any more",
        "one more name stands for an alternative",
    )
    yield _itself("discriminator-mapping-changed", _DIFFERS, "a name stands for another alternative")  # fmt: skip


_LATE = ("deprecated", "deprecated-with-sunset", "deprecated-sunset-missing", "deprecated-sunset-invalid",
         "sunset-date-too-small")  # fmt: skip


def _lifecycle() -> Iterator[Facet]:
    back = ("reactivated",)
    yield Facet("deprecated", _NOTHING, back, "clients should move on")
    yield Facet("deprecated-with-sunset", _NOTHING, back, "clients should move on before the date")
    yield Facet("deprecated-sunset-missing", _NOTHING, back, "clients cannot tell until when", _PROMISE, _BROKEN)
    yield Facet(
        "deprecated-sunset-invalid",
        _NOTHING,
        (*back, "sunset-set", "deprecated-sunset-invalid"),
        "clients cannot tell until when",
        _PROMISE,
        _BROKEN,
    )
    yield Facet("sunset-date-too-small", _NOTHING, back, "clients have less time than promised", _PROMISE, _BROKEN)
    yield Facet("reactivated", _NOTHING, _LATE, "clients may stay")
    yield Facet("sunset-deleted", _NOTHING, ("sunset-set",), "clients cannot tell until when", _PROMISE, _BROKEN)
    yield Facet("sunset-set", _NOTHING, ("sunset-deleted", "deprecated-sunset-invalid"), "clients know until when")
    yield Facet(
        "sunset-date-changed-too-small",
        _NOTHING,
        ("sunset-postponed",),
        "clients have less time than they were told",
        _PROMISE,
        _BROKEN,
    )
    yield Facet("sunset-postponed", _NOTHING, ("sunset-date-changed-too-small",), "clients have more time")
    yield Facet(
        "stability-decreased",
        _NOTHING,
        ("stability-increased",),
        "less is promised than before",
        _PROMISE,
        "it takes back the promise that changes do not break, not today's contract",
    )
    yield Facet("stability-increased", _NOTHING, ("stability-decreased",), "more is promised than before")
    yield Facet("invalid-stability-level", _NOTHING, (), "what is promised cannot be told", _PROMISE,
                "whoever reads the level takes it for stable", "a level that is put right is no news")  # fmt: skip


FACETS: dict[str, Facet] = {
    facet.suffix: facet
    for table in (
        _types,
        _texts_and_numbers,
        _contents,
        _open_properties,
        _names_and_dependents,
        _conditions,
        _alternatives,
        _discriminators,
        _lifecycle,
    )
    for facet in table()
}
