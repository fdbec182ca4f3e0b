"""Rules written with `given` and `then`, as rulesets define them: all of them in one walk over a document."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from apigw_cli.lint import jsonpath
from apigw_cli.lint.functions import Context, Fault, Function
from apigw_cli.lint.javascript import UNDEFINED
from apigw_cli.lint.jsonpath.steps import Frame, steps_of
from apigw_cli.lint.messages import dotted, fill
from apigw_cli.lint.model import Hit, Rule
from apigw_cli.lint.subject import Subject
from apigw_cli.lint.timings import Stopwatch
from apigw_cli.lint.view import ResolvedView, View, child_of
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.references import pointer

_BRACKETS = re.compile(r"[^.\[\]]+|\[(?:(-?\d+(?:\.\d+)?)|([\"'])((?:(?!\2)[^\\]|\\.)*?)\2)\]")


@dataclass(frozen=True, slots=True)
class Then:
    """One `then`: the function, and the field of the given value that it is called with."""

    function: Function
    field: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a ruleset says of a rule beyond its severity. `given` by OpenAPI version, since aliases may differ."""

    given: dict[str, tuple[str, ...]]
    thens: tuple[Then, ...]
    message: str | None = None
    description: str | None = None
    resolved: bool = True

    @property
    def tells_error(self) -> bool:
        """Whether the message holds what the function said."""
        return "error" in self.message if self.message is not None else self.description is None


def run(subject: Subject, rules: Iterable[Rule], stopwatch: Stopwatch | None = None) -> list[tuple[Rule, Hit]]:
    """What the rules find in a document."""
    hits: list[tuple[Rule, Hit]] = []
    wanted = [rule for rule in rules if rule.definition is not None]
    for resolved, kind in ((True, ResolvedView), (False, View)):
        chosen = [rule for rule in wanted if rule.definition and rule.definition.resolved is resolved]
        if chosen:
            _run(kind(subject), chosen, hits, stopwatch)
    return hits


def _run(view: View, rules: list[Rule], hits: list[tuple[Rule, Hit]], stopwatch: Stopwatch | None) -> None:
    by_path: dict[str, list[Rule]] = {}
    for rule in rules:
        assert rule.definition is not None
        for given in dict.fromkeys(rule.definition.given.get(view.subject.version, ())):
            by_path.setdefault(given, []).append(rule)
    paths = [jsonpath.parse(text) for text in by_path]
    owners = list(by_path.values())
    met: set[tuple[Any, ...]] = set()

    def emit(index: int, frame: Frame) -> None:
        if paths[index].keys:
            if frame[2] is None:
                return
            frame = (frame[1], frame[1], frame[2])
        for rule in owners[index]:
            if view.shares:
                key = _identity(rule, frame)
                if key in met:
                    continue
                met.add(key)
            found: Iterable[Hit] = _of_rule(view, rule, frame)
            if stopwatch is not None:
                found = stopwatch.listed(rule.id, found)
            hits.extend((rule, hit) for hit in found)

    jsonpath.Program(paths).run(view.root, emit)


def _identity(rule: Rule, frame: Frame) -> tuple[Any, ...]:
    """What a rule says of a value depends on: itself, and its key where the error is told, which may name the key."""
    value, key, parent = frame
    if parent is not None and not isinstance(value, dict | list):
        return rule.id, id(parent[0]), key, False
    definition: Definition = rule.definition
    return rule.id, id(value), key if definition.tells_error else None, True


def _of_rule(view: View, rule: Rule, frame: Frame) -> Iterator[Hit]:
    definition: Definition = rule.definition
    place = steps_of(frame)
    for then in definition.thens:
        for below, value in _targets(frame, then.field):
            context = Context(view.subject, (*place, *below), definition.resolved, definition.tells_error)
            told: set[Steps] = set()
            for fault in then.function(value, context):
                if definition.tells_error or fault.below not in told:  # else it would only say the same again
                    told.add(fault.below)
                    yield _hit(view, definition, frame, below, fault)


def _targets(frame: Frame, field: str) -> list[tuple[Steps, Any]]:
    """The values that a `field` means, each with its path from the given value."""
    value = frame[0]
    if not field or not isinstance(value, dict | list):
        return [((), value)]
    if field == "@key":
        keys = value if isinstance(value, dict) else map(str, range(len(value)))
        return [((key,), key) for key in keys] or [((), UNDEFINED)]
    if is_path(field):
        path = jsonpath.parse(field)
        found = [
            (steps_of(each), each[1] if path.keys else each[0]) for each in jsonpath.find(path, (value, None, None))
        ]
        return found or [((), UNDEFINED)]
    return [field_of(value, field)]


def is_path(field: str) -> bool:
    """Whether a field is a JSONPath; `$ref` is a key."""
    return field == "$" or field.startswith(("$.", "$["))


def field_of(value: Any, field: str) -> tuple[Steps, Any]:
    """`info.contact` or `tags[0]`; a key that is spelt so goes first."""
    if isinstance(value, dict) and field in value:
        return split_field(field), value[field]
    steps = split_field(field)
    for step in steps:
        found, value = child_of(value, step)
        if not found:
            if step == "length" and isinstance(value, list | str):
                value = len(value)
                continue
            return steps, UNDEFINED
    return steps, value


def split_field(field: str) -> Steps:
    """The steps of a dotted field."""
    found = (match[1] or match[3] or match[0] for match in _BRACKETS.finditer(field))
    return tuple(found)


def _hit(view: View, definition: Definition, frame: Frame, below: Steps, fault: Fault) -> Hit:
    document, path, missing = view.position(frame, (*below, *fault.below))
    template = definition.message
    if template is None and definition.description is not None:
        return Hit(document, path, definition.description.strip())
    if template is not None and "{{" not in template:
        return Hit(document, path, template.strip())
    known = _known(definition, document, path, missing, fault)
    error = fill(fault.message, known)
    message = error if template is None else fill(template, {**known, "error": error})
    return Hit(document, path, message.strip())


def _known(definition: Definition, document: Document, path: Steps, missing: Steps, fault: Fault) -> dict[str, Any]:
    """What a message may name."""
    named: str | int
    if missing:
        named = dotted((*path, *missing)[max(len(path) - 1, 0) :] if path else missing[-1:])
    else:
        named = path[-1] if path else ""
    try:
        value = document.get(path)
    except KeyError:
        value = UNDEFINED
    return {
        "property": named,
        "error": fault.message,
        "path": "#" + urllib.parse.quote(pointer(path), safe="/~!*'()"),
        "description": "" if definition.description is None else definition.description,
        "value": value,
    }
