"""From a validator's errors to what is wrong: the deepest relevant place, and words for people.

A value that fits none of several forms fails all of them at once: a parameter without a schema is also not a
reference. `_dig` finds the form that was meant, as a person would: a reference has a `$ref`; `in` and `type` say
what an object wants to be; of the rest, the form that fits furthest.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.openapi.places import Steps

_UNIONS = ("OneOfNotValid", "AnyOf")
_SAYS_WHAT_IT_IS = ("in", "type")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where, and what to say of it."""

    path: Steps
    message: str
    on_key: bool = False
    hint: str | None = None


@dataclass(slots=True)
class ValidatorError:
    """A validator's error, read once: each look at the original converts it anew."""

    kind: str
    path: Steps
    detail: Any
    schema_path: tuple[str | int, ...]
    branches: list[list[ValidatorError]] = field(default_factory=list)

    @classmethod
    def of(cls, error: Any, data: Any) -> ValidatorError:
        """An error of jsonschema-rs about `data`, with those of the branches of a choice."""
        kind = type(error.kind).__name__.removeprefix("ValidationErrorKind_").split(".")[-1]
        path = _exact(error.instance_path, data)
        context = error.kind.context if kind in _UNIONS else []
        branches = [[cls.of(inner, data) for inner in branch] for branch in context]
        return cls(kind, path, error.kind, tuple(error.schema_path), branches)

    @property
    def depth(self) -> int:
        return max([len(self.path), *(error.depth for branch in self.branches for error in branch)])


def problems(errors: Iterable[Any], schema: dict[str, Any], data: Any) -> list[Problem]:
    """What is wrong with `data`, without repetitions, in the order of the errors."""
    explain = _Explainer(schema, data)
    return list(dict.fromkeys(explain.all([ValidatorError.of(error, data) for error in errors])))


def _exact(path: list[str | int], data: Any) -> Steps:
    """The validator gives `200` as a number although it is a key; lists alone have numbers."""
    exact: list[str | int] = []
    for step in path:
        step = step if isinstance(data, list) else str(step)
        exact.append(step)
        data = data[step]
    return tuple(exact)


class _Explainer:
    def __init__(self, schema: dict[str, Any], data: Any) -> None:
        self.schema = schema
        self.data = data

    def all(self, errors: list[ValidatorError]) -> Iterator[Problem]:
        for error in errors:
            if not _is_consequence(error, errors):
                yield from self.one(error)

    def one(self, error: ValidatorError) -> Iterator[Problem]:
        if error.kind in _UNIONS:
            yield from self._dig(error)
        elif error.kind in ("AdditionalProperties", "UnevaluatedProperties"):
            known = _known_keys(self.schema, error.schema_path[:-1])
            for name in error.detail.unexpected:
                message = f'Property "{name}" is not expected to be here.'
                yield Problem((*error.path, name), message, True, _instead(error.path, name, known))
        elif error.kind == "PropertyNames":
            name = error.detail.error.instance
            rest = _says(type(error.detail.error.kind).__name__, error.detail.error.kind, name)
            yield Problem((*error.path, str(name)), f'Property name "{name}" {rest}.', True)
        else:
            yield self._leaf(error)

    def _leaf(self, error: ValidatorError) -> Problem:
        value = self._at(error.path)
        name = f'"{error.path[-1]}" property' if error.path else "Object"
        if error.kind == "Required":
            return Problem(error.path, f'{name} must have required property "{error.detail.property}".')
        if error.kind == "Not" and isinstance(error.detail.schema, dict) and error.detail.schema.get("required"):
            both = " and ".join(f'"{key}"' for key in error.detail.schema["required"])
            return Problem(error.path, f"{both} must not stand together.", hint="keep one of them")
        return Problem(error.path, f"{name} {_says(error.kind, error.detail, value)}.", hint=_hint(error, value))

    def _at(self, path: Steps) -> Any:
        node = self.data
        for step in path:
            node = node[step]
        return node

    def _dig(self, union: ValidatorError) -> Iterator[Problem]:
        branches = _of_the_kind(union, self._at(union.path))
        if not branches:
            types = dict.fromkeys(kind for branch in union.branches for kind in _wanted_types(branch, union.path))
            name = f'"{union.path[-1]}" property' if union.path else "Object"
            yield Problem(union.path, f"{name} must be {' or '.join(types)}.")
            return
        missing = [branch[0].detail.property for branch in branches if _only_lacks_a_key(branch, union.path)]
        if len(missing) == len(branches) > 1:
            names = [f'"{name}"' for name in missing]
            yield Problem(union.path, f"{', '.join(names[:-1])} or {names[-1]} must be present.")
            return
        wrong = [_mismatch(branch, union.path) for branch in branches]
        if all(wrong):
            key = wrong[0][0]  # type: ignore[index]
            options = [option for found in wrong if found and found[0] == key for option in found[1]]
            value = self._at((*union.path, key))
            yield Problem((*union.path, key), f'"{key}" property {_one_of(options, value)}.')
            return
        fitting = [branch for branch, mismatch in zip(branches, wrong, strict=True) if not mismatch]
        best = min(fitting, key=lambda branch: (-max(error.depth for error in branch), len(branch)))
        yield from self.all(best)


def _is_consequence(error: ValidatorError, errors: list[ValidatorError]) -> bool:
    """Whether an error says no more than another one: forms that failed do not tell which keys they know."""
    if error.kind not in ("UnevaluatedProperties", "OneOfMultipleValid"):
        return False
    size = len(error.path)
    return any(
        other is not error
        and other.kind != error.kind
        and other.path[:size] == error.path
        and (error.kind == "OneOfMultipleValid" or len(other.path) <= size + 1)
        for other in errors
    )


def _of_the_kind(union: ValidatorError, value: Any) -> list[list[ValidatorError]]:
    """The branches that `value` can have been meant for."""
    branches = [branch for branch in union.branches if branch]
    if isinstance(value, dict):
        is_reference = "$ref" in value
        kept = [branch for branch in branches if _is_for_references(branch, union.path) == is_reference]
        branches = kept or branches
    return [branch for branch in branches if not _has_wrong_type(branch, union.path)]


def _wanted_types(branch: list[ValidatorError], path: Steps) -> list[str]:
    return [kind for error in branch if error.kind == "Type" and error.path == path for kind in error.detail.types]


def _has_wrong_type(branch: list[ValidatorError], path: Steps) -> bool:
    return bool(_wanted_types(branch, path))


def _is_for_references(branch: list[ValidatorError], path: Steps) -> bool:
    return any(
        (error.kind == "Required" and error.path == path and error.detail.property == "$ref")
        or (error.path == (*path, "$ref") and error.kind != "AdditionalProperties")
        for error in branch
    )


def _only_lacks_a_key(branch: list[ValidatorError], path: Steps) -> bool:
    return len(branch) == 1 and branch[0].kind == "Required" and branch[0].path == path


def _mismatch(branch: list[ValidatorError], path: Steps) -> tuple[str, list[Any]] | None:
    """The key by which the value says that it is something else, and what this branch wants there."""
    for error in branch:
        if error.kind in ("Enum", "Constant") and error.path[:-1] == path and error.path[-1] in _SAYS_WHAT_IT_IS:
            wanted = error.detail.options if error.kind == "Enum" else [error.detail.expected_value]
            return str(error.path[-1]), list(wanted)
        if error.branches and error.path == path:
            inner = [_mismatch(each, path) for each in error.branches if each]
            if inner and all(found and found[0] == inner[0][0] for found in inner):  # type: ignore[index]
                return inner[0][0], [option for found in inner if found for option in found[1]]  # type: ignore[index]
    return None


def _says(kind: str, detail: Any, value: Any) -> str:
    kind = kind.removeprefix("ValidationErrorKind_").split(".")[-1]
    match kind:
        case "Type":
            return f"must be {' or '.join(detail.types)}"
        case "Enum":
            return _one_of(detail.options, value)
        case "Constant":
            return f"must be {_written(detail.expected_value)}"
        case "Format":
            return f'must match format "{detail.format}"'
        case "Pattern":
            return f'must match pattern "{detail.pattern}"'
        case "MinItems" | "MinProperties" | "MinLength":
            return f"must not have fewer than {detail.limit} {_COUNTED[kind]}"
        case "MaxItems" | "MaxProperties" | "MaxLength":
            return f"must not have more than {detail.limit} {_COUNTED[kind]}"
        case "Minimum" | "ExclusiveMinimum" | "Maximum" | "ExclusiveMaximum":
            return f"must be {_COMPARED[kind]} {detail.limit}"
        case "UniqueItems":
            return "must not have duplicate items"
        case "OneOfMultipleValid":
            return "must have exactly one of the forms that are allowed here"
        case "Not" | "FalseSchema":
            return "is not allowed here"
    return f"breaks the rule {kind} of the specification"


_COUNTED = {
    "MinItems": "items",
    "MaxItems": "items",
    "MinProperties": "properties",
    "MaxProperties": "properties",
    "MinLength": "characters",
    "MaxLength": "characters",
}
_COMPARED = {"Minimum": ">=", "ExclusiveMinimum": ">", "Maximum": "<=", "ExclusiveMaximum": "<"}


def _one_of(options: list[Any], value: Any) -> str:
    listed = ", ".join(_written(option) for option in dict.fromkeys(map(_hashable, options)))
    text = f"must be equal to one of the allowed values: {listed}"
    near = difflib.get_close_matches(str(value), [str(option) for option in options], n=1, cutoff=0.5)
    return f'{text}. Did you mean "{near[0]}"?' if near else text


def _hashable(option: Any) -> Any:
    return option if isinstance(option, str | int | float | bool | type(None)) else str(option)


def _written(value: Any) -> str:
    """A value as JSON has it; large ones cut short."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _hint(error: ValidatorError, value: Any) -> str | None:
    if error.kind == "Type" and error.detail.types == ["string"] and isinstance(value, int | float):
        return "write it in quotes"
    return None


def _instead(path: Steps, name: str, known: list[str]) -> str | None:
    """What to write instead of a key that is not expected."""
    if path == ("paths",):
        return 'a path begins with "/"'
    if path and path[-1] == "responses":
        return "a response has a status: '200', '2XX' or default"
    return _did_you_mean(name, known)


def _did_you_mean(name: str, known: list[str]) -> str | None:
    """The nearest known key; one that differs in case alone is nearest."""
    for key in known:
        if key.lower() == name.lower():
            return f'did you mean "{key}"?'
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None


def _known_keys(schema: dict[str, Any], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the schema at `path` names, its parts included."""
    node: Any = schema
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return []
    found: dict[str, None] = {}
    _collect(node, schema, found, 0)
    return list(found)


def _collect(node: Any, schema: dict[str, Any], found: dict[str, None], depth: int) -> None:
    if not isinstance(node, dict) or depth > 6:
        return
    found.update(dict.fromkeys(node.get("properties", ())))
    for pattern in node.get("patternProperties", ()):
        if re.fullmatch(r"\^\([A-Za-z|]+\)\$", pattern):
            found.update(dict.fromkeys(pattern[2:-2].split("|")))
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        target: Any = schema
        for step in ref[2:].split("/"):
            target = target.get(step, {})
        _collect(target, schema, found, depth + 1)
    for word in ("allOf", "anyOf", "oneOf"):
        for inner in node.get(word, ()):
            _collect(inner, schema, found, depth + 1)
    for word in ("then", "else", "if"):
        _collect(node.get(word), schema, found, depth + 1)
    for inner in node.get("dependentSchemas", {}).values():
        _collect(inner, schema, found, depth + 1)
