"""The keywords of values of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apigw_cli.lint.validation.keywords import Keywords, every
from apigw_cli.lint.validation.values import equal, list_of

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator


def _reference(run: Evaluator, ref: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return run.check(run.resolve(schema, str(ref)), value, path) if isinstance(ref, str) else True


def _const(run: Evaluator, wanted: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if equal(wanted, value):
        return True
    return run.fail("const", path, "must be equal to constant", allowedValue=wanted)


def _enum(run: Evaluator, options: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if not isinstance(options, list) or any(equal(option, value) for option in options):
        return True
    return run.fail("enum", path, "must be equal to one of the allowed values", allowedValues=options)


def _not(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    relaxed, run.relaxed = run.relaxed, ""
    try:
        return not run.holds(inner, value) or run.fail("not", path, "must NOT be valid")
    finally:
        run.relaxed = relaxed


def _any_of(run: Evaluator, branches: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    before = len(run.problems)
    for branch in list_of(branches):
        if run.check(branch, value, path):
            del run.problems[before:]
            return True
    return run.fail("anyOf", path, "must match a schema in anyOf")


def _one_of(run: Evaluator, branches: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    before, passing = len(run.problems), []
    for index, branch in enumerate(list_of(branches)):
        if run.check(branch, value, path):
            passing.append(index)
            if len(passing) == 2:
                break
    if passing:
        del run.problems[before:]
    message = "must match exactly one schema in oneOf"
    return len(passing) == 1 or run.fail("oneOf", path, message, passingSchemas=passing or None)


def _all_of(run: Evaluator, branches: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return every(run, (run.check(branch, value, path) for branch in list_of(branches)))


def _if(run: Evaluator, condition: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    keyword = "then" if run.holds(condition, value) else "else"
    if keyword not in schema or run.check(schema[keyword], value, path):
        return True
    return run.fail("if", path, f'must match "{keyword}" schema', failingKeyword=keyword)


ANYTHING: Keywords = {
    "$ref": _reference,
    "$dynamicRef": _reference,
    "$recursiveRef": _reference,
    "const": _const,
    "enum": _enum,
    "not": _not,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "if": _if,
}
