"""What keywords of several groups have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apigw_cli.lint.validation import formats
from apigw_cli.lint.validation.values import is_number, number_text

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator

Check = Callable[["Evaluator", Any, Any, "dict[str, Any]", tuple[Any, ...]], bool]
Keywords = dict[str, Check]  # in Ajv's order


def every(run: Evaluator, results: Any) -> bool:
    valid = True
    for result in results:
        valid = valid and result
        if not result and not run.all_errors:
            return False
    return valid


def count(keyword: str, most: bool, what: str) -> Check:
    def check(run: Evaluator, limit: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        if not is_number(limit) or (len(value) <= limit if most else len(value) >= limit):
            return True
        word = "more" if most else "fewer"
        return run.fail(keyword, path, f"must NOT have {word} than {number_text(limit)} {what}", limit=limit)

    return check


def format_of(run: Evaluator, name: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    known: Any = (formats.OF_TEXT if isinstance(value, str) else formats.OF_NUMBERS).get(str(name))
    if known is None or known(value):
        return True
    return run.fail("format", path, f'must match format "{name}"', format=name)
