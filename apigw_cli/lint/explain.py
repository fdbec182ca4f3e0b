"""`apigw lint --explain RULE`: all that there is to say about a rule."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from apigw_cli.errors import UsageError
from apigw_cli.lint import ruleset
from apigw_cli.lint.faults import EXAMPLES, SHOWN
from apigw_cli.lint.fix.fixes import has_fix
from apigw_cli.lint.model import OAS, Rule
from apigw_cli.lint.registry import ALWAYS, BY_ID

_OWASP = "owasp:api"


def explain(name: str, ruleset_name: str = "") -> str:
    """A rule's documentation: of a built-in one, or one of the ruleset's own ('': the one of the current folder).

    Raises UsageError for a name that is none, and what reading the ruleset raises.
    """
    if name in BY_ID:
        return _text(BY_ID[name])
    known: dict[str, Rule] = {}
    for source in (ruleset_name or ruleset.of_folder(Path()), _OWASP):
        known |= {each: rule for each, rule in ruleset.load(source).rules.items() if each not in BY_ID}
        if name in known:
            return _text(known[name])
    raise UsageError(
        f'there is no rule "{name}"', hint=ruleset.nearest(name, lambda _: True) or "see docs/lint.md, or add --ruleset"
    )


def _text(rule: Rule) -> str:
    facts = [rule.severity.word, _formats(rule), _where(rule)]
    lines = [f"{rule.id}  ({', '.join(facts)})"]
    parts = (("checks", rule.summary), ("why", rule.why), ("fix", rule.fix))
    for name, text in parts:
        if text:
            lines.append(_paragraph(name, text))
    lines += _example(rule)
    if has_fix(rule.id):
        lines.append(_paragraph("mend", "--fix does it where it is safe; --fix-dry-run shows the change."))
    lines.append(_paragraph("off", _off(rule)))
    if rule.documentation_url:
        lines.append(_paragraph("more", rule.documentation_url))
    return "\n".join(lines)


def _paragraph(name: str, text: str) -> str:
    return textwrap.fill(
        text,
        100,
        initial_indent=f"  {name:<8}",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _example(rule: Rule) -> Iterator[str]:
    example = EXAMPLES.get(rule.id) or SHOWN.get(rule.id)
    for name, text in zip(("bad", "good"), example or (), strict=False):
        first, *rest = text.split("\n")
        yield f"  {name:<8}{first}"
        yield from (" " * 10 + line for line in rest)


def _off(rule: Rule) -> str:
    one_place = f"in one place: a comment # apigw-lint-ignore {rule.id}"
    if rule.id in ALWAYS:
        return f"no ruleset turns it off; {one_place}"
    if rule.family in ("apigw:full", "apigw:network"):
        return "leave the option out"
    if rule.family.startswith("target:"):
        return f"leave --target out; {one_place}"
    return f"in a ruleset   rules: {{'{rule.id}': off}}   or {one_place}"


def _formats(rule: Rule) -> str:
    return "every OpenAPI version" if rule.formats >= OAS else "OpenAPI " + ", ".join(sorted(rule.formats & OAS))


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
