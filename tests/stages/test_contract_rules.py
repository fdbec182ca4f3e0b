"""The rule table holds together: mirrors, the law, and a written reason for every exception."""

from __future__ import annotations

from pathlib import Path

from apigw_cli.stages.contract import table
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


def test_the_page_of_rules_is_that_of_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "diff-rules.md"
    assert page.read_text() == table.markdown(), "write it again: apigw diff --rules markdown > docs/diff-rules.md"


def test_the_list_has_every_rule_with_its_level() -> None:
    lines = {line.split()[0]: line.split()[1:4] for line in table.plain()}
    assert lines == {rule.id: ["contract", rule.direction, rule.level] for rule in RULES.values()}
