"""A validator's errors in words for people, as @stoplight/better-ajv-errors puts them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.lint.validation.values import Problem
from apigw_cli.openapi.references import pointer

_SEGMENTS = re.compile(r"/[\w$_-]+(?:/\d+)?", re.ASCII)


@dataclass(slots=True)
class _Node:
    """The errors at one place and below."""

    problems: list[Problem] = field(default_factory=list)
    below: dict[str, _Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worded:
    """One message and where, from the value that was checked."""

    path: tuple[Any, ...]
    message: str


def worded(problems: list[Problem], value: Any, place: tuple[Any, ...]) -> list[Worded]:
    """What to tell of `problems` with `value`, which stands at `place`."""
    root = _Node()
    for problem in problems:
        text = pointer(problem.path)
        steps = [""] if not text else _SEGMENTS.findall(text)
        node = root
        for step in steps:
            node = node.below.setdefault(step, _Node())
        if steps:
            node.problems.append(problem)
    _without_redundant(root, None, "")
    unmatched = {
        problem.path: problem.keyword
        for problem in problems
        if problem.keyword in ("anyOf", "oneOf") and not problem.params.get("passingSchemas")
    }
    return [_told(problem, value, place, unmatched) for problem in _chosen(root)]


def _without_redundant(node: _Node, parent: _Node | None, key: str) -> None:
    """What an anyOf says is left out where its branches say more; lists of options where a neighbour says more."""
    if any(problem.keyword == "anyOf" for problem in node.problems) and node.below:
        node.problems = []
    is_enum = bool(node.problems) and all(problem.keyword == "enum" for problem in node.problems)
    if is_enum and parent is not None and len(parent.below) > 1:
        del parent.below[key]
    for name, child in list(node.below.items()):
        _without_redundant(child, node, name)


def _chosen(node: _Node) -> list[Problem]:
    if node.problems and all(problem.keyword == "enum" for problem in node.problems):
        options: list[Any] = []
        for problem in node.problems:
            options += [each for each in problem.params["allowedValues"] if each not in options]
        first = node.problems[0]
        return [Problem("enum", first.path, first.message, {"allowedValues": options})]
    return [*(inner for child in node.below.values() for inner in _chosen(child)), *node.problems]


def _told(problem: Problem, value: Any, place: tuple[Any, ...], unmatched: dict[tuple[Any, ...], str]) -> Worded:
    message = _sentence(problem, value, place)
    last = problem.path[-1] if problem.path else None
    if isinstance(last, int) or (isinstance(last, str) and last.isdigit()):
        for prefix in (f'"{last}" property type', f'"{last}" property'):
            if message.startswith(prefix):
                message = f"Item at index {last}{message[len(prefix) :]}"
                break
    keyword = unmatched.get(problem.path)
    if keyword is not None and message.endswith(f" in {keyword}"):
        message += ". None of the schemas matched, see the other errors reported for this value"
    return Worded(problem.path, message)


def _sentence(problem: Problem, value: Any, place: tuple[Any, ...]) -> str:
    name = _name(problem.path, place)
    if problem.keyword == "additionalProperties":
        return f'Property "{problem.params["additionalProperty"]}" is not expected to be here'
    if problem.keyword == "type":
        return f"Value type {problem.message}" if name is None else f'"{name}" property type {problem.message}'
    who = _kind(_at(value, problem.path)) if name is None else f'"{name}" property'
    if problem.keyword != "enum":
        message = problem.message.replace("'", '"').replace("NOT", "not")
        return f"{who} {message}"
    options = problem.params["allowedValues"]
    listed = ", ".join(_written(option) for option in options)
    sentence = f"{who} {problem.message}: {listed}"
    near = nearest(_at(value, problem.path), options)
    return sentence if near is None else f'{sentence}. Did you mean "{near}"?'


def _name(path: tuple[Any, ...], place: tuple[Any, ...]) -> Any:
    text = pointer(path)
    if text:
        return text.rsplit("/", 1)[1]
    return place[-1] if place else None


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, str):
        return "String"
    return "Number" if isinstance(value, int | float) else "Object"


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def nearest(value: Any, options: list[Any]) -> str | None:
    """The option that fewest edits make of `value`, if it is not all edits."""
    words = [option for option in options if isinstance(option, str)]
    if not isinstance(value, str) or not words:
        return None
    distance, best = min(((_distance(word, value), word) for word in words), key=lambda pair: pair[0])
    return best if len(options) == 1 or distance < len(best) else None


def _distance(a: str, b: str) -> int:
    """Levenshtein's; of long texts only the first 200 characters count."""
    a, b = a[:200], b[:200]
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]
