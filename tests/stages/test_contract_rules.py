"""The rule table holds together: mirrors, the law, and a written reason for every exception."""

from __future__ import annotations

from apigw_cli.stages.contract.rules import FACETS, RULES, SUBJECTS, Direction, Effect, law, of_facet
from apigw_cli.stages.finding import Level


def test_every_rule_has_its_mirror_or_a_reason() -> None:
    lonely = [rule.id for rule in RULES.values() if not (rule.mirrors or rule.alone)]
    assert lonely == []


def test_mirrors_name_each_other() -> None:
    one_way = [
        (rule.id, mirror)
        for rule in RULES.values()
        for mirror in rule.mirrors
        if mirror not in RULES or rule.id not in RULES[mirror].mirrors
    ]
    assert one_way == []


def test_a_level_follows_the_law_or_says_why_not() -> None:
    for rule in RULES.values():
        assert (rule.level is law(rule.direction, rule.effect)) == (rule.departs == ""), rule.id
        assert rule.why, rule.id


def test_mirrors_have_opposite_effects() -> None:
    opposite = {
        Effect.NARROWS: {Effect.WIDENS, Effect.DIFFERS, Effect.UNDECIDED},
        Effect.WIDENS: {Effect.NARROWS, Effect.DIFFERS, Effect.UNDECIDED},
    }
    for rule in RULES.values():
        for mirror in rule.mirrors:
            assert RULES[mirror].effect in opposite.get(rule.effect, set(Effect)), (rule.id, mirror)


def test_every_subject_has_every_facet() -> None:
    missing = [(s, f) for s in SUBJECTS for f in FACETS if of_facet(s, f).id != f"{s}-{f}"]
    assert missing == []


def test_direction_decides() -> None:
    assert law(Direction.REQUEST, Effect.NARROWS) is Level.ERR
    assert law(Direction.REQUEST, Effect.WIDENS) is Level.INFO
    assert law(Direction.RESPONSE, Effect.NARROWS) is Level.INFO
    assert law(Direction.RESPONSE, Effect.WIDENS) is Level.ERR
