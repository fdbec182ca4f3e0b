"""The table of contract rules: each id with its direction, effect, level and reason.

Ids follow oasdiff's where the check is the same, so that ignore lists carry over. The level follows one law:
what narrows a request or widens a response breaks a client that kept to the old contract (ERR); the other way
round it does not (INFO); what cannot be decided from the description is WARN. A rule that departs from the law
says why. Every rule names its mirrors, the rules that report the opposite change, or says why it has none.
"""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.stages.contract.law import Direction, Effect, Rule, law
from apigw_cli.stages.contract.rule_facets import FACETS
from apigw_cli.stages.contract.rule_rows import ROWS

__all__ = ["FACETS", "RULES", "SUBJECTS", "Direction", "Effect", "Rule", "effect_of", "law", "of_facet"]

SUBJECTS: dict[str, Direction] = {
    "request-parameter": Direction.REQUEST,
    "request-parameter-property": Direction.REQUEST,
    "request-body": Direction.REQUEST,
    "request-property": Direction.REQUEST,
    "response-body": Direction.RESPONSE,
    "response-property": Direction.RESPONSE,
    "response-header": Direction.RESPONSE,
}


def _of_facets() -> Iterator[Rule]:
    for subject, direction in SUBJECTS.items():
        for facet in FACETS.values():
            level = facet.level(direction)
            departs = facet.departs if level is not law(direction, facet.effect) else ""
            mirrors = tuple(f"{subject}-{mirror}" for mirror in facet.mirrors)
            yield Rule(
                f"{subject}-{facet.suffix}", direction, facet.effect, level, facet.why, mirrors, departs, facet.alone
            )


RULES: dict[str, Rule] = {rule.id: rule for rule in (*ROWS, *_of_facets())}

_PROPERTY = {
    Direction.REQUEST: {
        "property-added-required": "new-required-request-property",
        "property-added-optional": "new-optional-request-property",
        "property-removed": "request-property-removed",
        "property-refused": "request-property-refused",
        "property-became-required": "request-property-became-required",
        "property-became-optional": "request-property-became-optional",
    },
    Direction.RESPONSE: {
        "property-added-required": "response-required-property-added",
        "property-added-optional": "response-optional-property-added",
        "property-removed-required": "response-required-property-removed",
        "property-removed-optional": "response-optional-property-removed",
        "property-became-required": "response-property-became-required",
        "property-became-optional": "response-property-became-optional",
    },
}
_ANY = {Direction.REQUEST: "request-property", Direction.RESPONSE: "response-property"}


def of_facet(subject: str, facet: str) -> Rule:
    """The rule for a facet of a subject ("request-property", "type-changed")."""
    direction = SUBJECTS[subject]
    if "-property-became-" in facet:  # required-property-became-read-only and the like
        return RULES[f"{direction}-{facet}"]
    irregular = _PROPERTY[direction].get(facet) if facet.startswith("property-") else None
    return RULES[irregular or f"{subject}-{facet}"]


# What a removed property does to the set of values, where its rule looks at what people may do about it.
_SETS = {
    (Direction.REQUEST, "property-removed"): Effect.NARROWS,
    (Direction.REQUEST, "property-refused"): Effect.NARROWS,
    (Direction.RESPONSE, "property-removed-optional"): Effect.WIDENS,
}


def effect_of(facet: str, direction: Direction) -> Effect:
    """What a difference of this kind does to the set of values, wherever it is; opposite for the opposite change."""
    return _SETS.get((direction, facet)) or of_facet(_ANY[direction], facet).effect
