"""`apigw lint --explain RULE`: all that there is to say about a rule."""

from __future__ import annotations

import textwrap

from apigw_cli.errors import UsageError
from apigw_cli.lint.model import OAS, Rule
from apigw_cli.lint.registry import ALWAYS, BY_ID
from apigw_cli.lint.ruleset import nearest


def explain(name: str) -> str:
    """A rule's documentation. Raises UsageError for a name that is none."""
    if name not in BY_ID:
        raise UsageError(f'there is no rule "{name}"', hint=nearest(name, lambda _: True) or "see docs/lint.md")
    return _text(BY_ID[name])


def _text(rule: Rule) -> str:
    facts = [rule.severity.word, _formats(rule), _where(rule)]
    parts = (("checks", rule.summary), ("why", rule.why), ("fix", rule.fix))
    lines = [f"{rule.id}  ({', '.join(facts)})"]
    lines += [
        textwrap.fill(text, 100, initial_indent=f"  {name:<8}", subsequent_indent=" " * 10) for name, text in parts
    ]
    return "\n".join(lines)


def _formats(rule: Rule) -> str:
    return "every OpenAPI version" if rule.formats == OAS else "OpenAPI " + ", ".join(sorted(rule.formats))


def _where(rule: Rule) -> str:
    if rule.id in ALWAYS:
        return "always on"
    if rule.family == "apigw:full":
        return "with --full"
    if rule.family == "apigw:network":
        return "with --check-upstreams"
    if rule.family.startswith("target:"):
        return f"with --target {rule.family.removeprefix('target:')}"
    return f"in {rule.family}" + ("" if rule.recommended else ", off unless asked for")
