"""The keywords of texts, and the patterns of names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apigw_cli.lint import regex
from apigw_cli.lint.validation.keywords import Keywords, count, format_of
from apigw_cli.lint.validation.values import SchemaError

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator


def _pattern(run: Evaluator, source: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if matches(source, value):
        return True
    return run.fail("pattern", path, f'must match pattern "{source}"', pattern=source)


def _pattern_of(source: str) -> regex.Pattern:
    """As Ajv compiles it, with the flag u; what is only wrong with that flag is taken without it."""
    try:
        return regex.of_source(source, "u")
    except regex.PatternError:
        return regex.of_source(source)


def matches(source: Any, value: str) -> bool:
    try:
        return _pattern_of(str(source)).test(value)
    except regex.PatternError as error:
        raise SchemaError(f"Invalid regular expression: /{source}/: {error}") from None
    except regex.PatternTimeout as error:
        raise SchemaError(str(error)) from None


TEXTS: Keywords = {
    "maxLength": count("maxLength", True, "characters"),
    "minLength": count("minLength", False, "characters"),
    "pattern": _pattern,
    "format": format_of,
}
