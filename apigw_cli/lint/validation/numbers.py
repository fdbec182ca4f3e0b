"""The keywords of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apigw_cli.lint.validation.keywords import Check, Keywords, format_of
from apigw_cli.lint.validation.values import is_number, number_text

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator


def _bound(word: str, holds: Callable[[Any, Any], bool], strict: Callable[[Any, Any], bool], sign: str) -> Check:
    exclusive = "exclusive" + word[0].upper() + word[1:]

    def check(run: Evaluator, limit: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        if not is_number(limit):
            return True
        is_strict = run.draft4 and schema.get(exclusive) is True
        if (strict if is_strict else holds)(value, limit):
            return True
        return run.fail(word, path, f"must be {sign if is_strict else sign + '='} {number_text(limit)}", limit=limit)

    return check


def _exclusive(word: str, holds: Callable[[Any, Any], bool], sign: str) -> Check:
    def check(run: Evaluator, limit: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        if run.draft4 or not is_number(limit) or holds(value, limit):
            return True
        return run.fail(word, path, f"must be {sign} {number_text(limit)}", limit=limit)

    return check


def _multiple(run: Evaluator, factor: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if not is_number(factor) or factor == 0 or float(value / factor).is_integer():
        return True
    return run.fail("multipleOf", path, f"must be multiple of {number_text(factor)}", multipleOf=factor)


NUMBERS: Keywords = {
    "maximum": _bound("maximum", lambda a, b: a <= b, lambda a, b: a < b, "<"),
    "minimum": _bound("minimum", lambda a, b: a >= b, lambda a, b: a > b, ">"),
    "exclusiveMaximum": _exclusive("exclusiveMaximum", lambda a, b: a < b, "<"),
    "exclusiveMinimum": _exclusive("exclusiveMinimum", lambda a, b: a > b, ">"),
    "multipleOf": _multiple,
    "format": format_of,
}
