"""The keywords of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apigw_cli.lint.validation.evaluated import evaluated
from apigw_cli.lint.validation.keywords import Keywords, count, every
from apigw_cli.lint.validation.values import equal, list_of

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator


def _unique(run: Evaluator, on: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    pair = _duplicates(value) if on is True else None
    if pair is None:
        return True
    first, second = pair
    message = f"must NOT have duplicate items (items ## {first} and {second} are identical)"
    return run.fail("uniqueItems", path, message, i=second, j=first)


def _duplicates(value: list[Any]) -> tuple[int, int] | None:
    """The last pair of equal items."""
    if all(isinstance(item, str) for item in value) and len(set(value)) == len(value):
        return None
    for second in range(len(value) - 1, 0, -1):
        for first in range(second - 1, -1, -1):
            if equal(value[first], value[second]):
                return first, second
    return None


def _items(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if isinstance(inner, list):
        pairs = zip(inner, value, strict=False)
        return every(run, (run.check(each, item, (*path, at)) for at, (each, item) in enumerate(pairs)))
    start = len(list_of(schema.get("prefixItems")))
    if inner is False and len(value) > start:
        return _too_many(run, "items", start, path)
    return every(run, (run.check(inner, value[at], (*path, at)) for at in range(start, len(value))))


def _too_many(run: Evaluator, keyword: str, limit: int, path: tuple[Any, ...]) -> bool:
    return run.fail(keyword, path, f"must NOT have more than {limit} items", limit=limit)


def _prefix(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return _items(run, list_of(inner), value, schema, path)


def _additional_items(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    listed = schema.get("items")
    if not isinstance(listed, list):
        return True
    if inner is False and len(value) > len(listed):
        return _too_many(run, "additionalItems", len(listed), path)
    return every(run, (run.check(inner, value[at], (*path, at)) for at in range(len(listed), len(value))))


def _contains(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    count = sum(run.holds(inner, item) for item in value)
    if count >= least and (most is None or count <= most):
        return True
    text = f"at least {least}" if most is None else f"at least {least} and no more than {most}"
    return run.fail("contains", path, f"must contain {text} valid item(s)", minContains=least)


def _unevaluated_items(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    seen = evaluated(run, schema, value, lists=True)
    left = [at for at in range(len(value)) if at not in seen]
    if inner is False:
        return not left or _too_many(run, "unevaluatedItems", len(value) - len(left), path)
    return every(run, (run.check(inner, value[at], (*path, at)) for at in left))


LISTS: Keywords = {
    "maxItems": count("maxItems", True, "items"),
    "minItems": count("minItems", False, "items"),
    "uniqueItems": _unique,
    "prefixItems": _prefix,
    "additionalItems": _additional_items,
    "items": _items,
    "contains": _contains,
    "unevaluatedItems": _unevaluated_items,
}
