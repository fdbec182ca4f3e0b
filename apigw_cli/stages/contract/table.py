"""The table of rules for people: `apigw diff --rules`, and docs/diff-rules.md, which is made of it."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.stages.contract.law import Direction
from apigw_cli.stages.contract.rule_facets import FACETS
from apigw_cli.stages.contract.rule_rows import ROWS
from apigw_cli.stages.contract.rules import RULES, SUBJECTS

_HEAD = """# The rules of the contract

Made by `apigw diff --rules markdown` of the rules in the code; a test holds this page to them. An id that oasdiff
has, too, means the same check.

**Levels**: `ERR` breaks a client that kept to the old contract, `WARN` may, `INFO` does not. The law: what narrows a
request or widens a response is `ERR`, the other way round `INFO`, what cannot be decided `WARN`. Where a rule departs
from it, the last column says why. A single finding can be known better than its rule (one more alternative of a `oneOf`
that may overlap with the others is `WARN`); then it says so. Levels of your own: [stages.md](stages.md).
"""


def plain() -> Iterator[str]:
    """A line for each rule: id, axis, direction, level, why."""
    width = max(map(len, RULES))
    for rule in sorted(RULES.values(), key=lambda rule: rule.id):
        yield f"{rule.id:{width}}  contract  {rule.direction:8}  {rule.level:4}  {rule.why}"


def markdown() -> str:
    """The page of all rules; those of schemas by what differs, for they are the same for every subject."""
    return "\n".join([_HEAD, *_irregular(), "", *_facets()]) + "\n"


def _irregular() -> Iterator[str]:
    yield "## Operations, parameters, bodies, responses, security, callbacks"
    yield ""
    yield "| id | direction | level | why | departs from the law |"
    yield "|---|---|---|---|---|"
    for rule in ROWS:
        yield f"| `{rule.id}` | {rule.direction} | {rule.level} | {rule.why} | {rule.departs} |"


def _facets() -> Iterator[str]:
    yield "## Schemas"
    yield ""
    for direction in (Direction.REQUEST, Direction.RESPONSE):
        subjects = ", ".join(f"`{name}`" for name, other in SUBJECTS.items() if other is direction)
        yield f"- in a {direction}: {subjects}"
    yield ""
    yield "Each of them with `-` and one of these is a rule's id, as in `request-property-type-changed`."
    yield ""
    yield "| what differs | in a request | in a response | why | departs from the law |"
    yield "|---|---|---|---|---|"
    for facet in FACETS.values():
        levels = [facet.level(direction) for direction in (Direction.REQUEST, Direction.RESPONSE)]
        yield f"| `{facet.suffix}` | {levels[0]} | {levels[1]} | {facet.why} | {facet.departs} |"
