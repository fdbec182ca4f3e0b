"""What the engine reports of itself, whatever the ruleset: files that cannot be read as what they should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from apigw_cli.errors import InputError
from apigw_cli.lint.model import ERROR, Hit, On, PlacedHit, Rule, Severity, reported_by_engine
from apigw_cli.lint.odd_keys import odd_keys
from apigw_cli.lint.subject import Reference, Subject, steps_of
from apigw_cli.openapi.document import Document, Node

if TYPE_CHECKING:
    from apigw_cli.lint.ruleset import Ruleset


def _rule(name: str, severity: Severity, summary: str, why: str, fix: str, family: str = "engine") -> Rule:
    return Rule(name, "", summary, why, fix, reported_by_engine, On.ENGINE, severity, family=family)


PARSER = _rule(
    "parser",
    ERROR,
    "The file is well-formed YAML or JSON, and no key stands twice in one mapping.",
    "What cannot be parsed cannot be checked; of two equal keys each reader picks one, and not the same.",
    "Mend the syntax at the place; of two equal keys keep one.",
)
UNRECOGNIZED = _rule(
    "unrecognized-format",
    ERROR,
    "The file is an OpenAPI document of version 2.0, 3.0, 3.1 or 3.2, or a configuration of apigw.",
    "Rules speak of OpenAPI; of anything else they can say nothing.",
    "Begin the document with openapi: 3.1.0 (or swagger: '2.0'), or do not name the file.",
)
CONFIGURATION = _rule(
    "configuration",
    ERROR,
    "apigw.yaml, the stage files and the specifications fit together: every declared stage compiles.",
    "`apigw serve` and `apigw deploy` refuse what does not compile; lint says it earlier, and all of it.",
    "The message says what is wrong and, where it is known, what was meant.",
)
INVALID_REF = _rule(
    "invalid-ref",
    ERROR,
    "Every $ref leads to a value, in this file or another, and not back to itself.",
    "A reference to nowhere leaves its reader with nothing.",
    "Mend the pointer; / in a name is written ~1 and ~ is written ~0.",
)


def of_error(error: InputError, code: Rule) -> Iterator[tuple[Rule, PlacedHit]]:
    """An error with all that it carries, as hits of one rule."""
    for each in (error, *error.others):
        if each.place is not None:
            yield code, PlacedHit(each.place, each.message, each.hint)


def of_reference(subject: Subject, reference: Reference, target: Node | InputError) -> Hit | PlacedHit | None:
    """What is wrong with a reference, if anything."""
    holder = steps_of(reference.link)
    if isinstance(target, InputError):
        if target.place is not None:
            return PlacedHit(target.place, target.message, target.hint)
        return Hit(reference.document, (*holder, "$ref"), target.message, hint=target.hint)
    if _leads_back(subject, Node(reference.document, holder, None), target):
        message = f"$ref {reference.text!r} goes in a circle"
        return Hit(reference.document, (*holder, "$ref"), message, hint="let one of the circle be a value")
    return None


def _leads_back(subject: Subject, holder: Node, target: Node) -> bool:
    """Whether a chain of references alone comes back to where it began. Each reference is followed once in all."""
    known, start = subject.circles, _key(holder)
    chain: dict[tuple[str, tuple[str, ...]], None] = {start: None}
    node = target
    while start not in known:
        key = _key(node)
        is_reference = isinstance(node.data, dict) and isinstance(node.data.get("$ref"), str)
        if key in chain:  # those from here on are the circle; those before only lead into it
            keys = list(chain)
            at = keys.index(key)
            known |= dict.fromkeys(keys[:at], False) | dict.fromkeys(keys[at:], True)
        elif not is_reference or key in known:
            known |= dict.fromkeys(chain, False)
        else:
            chain[key] = None
            try:
                node = subject.library.target(node.document, node.data["$ref"])
            except InputError:
                known |= dict.fromkeys(chain, False)
    return known[start]


def _key(node: Node) -> tuple[str, tuple[str, ...]]:
    return node.document.name, tuple(map(str, node.path))


def unreadable(document: Document, ruleset: Ruleset) -> Iterator[tuple[Rule, Hit | PlacedHit]]:
    """The duplicate keys of a document and, where they matter, its keys that are no text."""
    if ruleset.duplicates is not None:
        for problem in document.problems:
            if problem.place is not None:
                yield PARSER, PlacedHit(problem.place, problem.message, problem.hint, severity=ruleset.duplicates)
    if ruleset.incompatible is not None:
        rule = replace(PARSER, severity=ruleset.incompatible)
        for path, kind in odd_keys(document):
            yield rule, Hit(document, path, f"Mapping key must be a string scalar rather than {kind}", on_key=True)
