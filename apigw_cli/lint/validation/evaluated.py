"""Which items and properties of a value a schema has looked at: `unevaluated…` is about the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apigw_cli.lint.validation.texts import matches
from apigw_cli.lint.validation.values import DEPTH_LIMIT, list_of, mapping_of

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator


def evaluated(run: Evaluator, schema: Any, value: Any, *, lists: bool, own: bool = False) -> set[Any]:
    """The keys or indexes that a schema, or one beside or below it that holds, has looked at."""
    if not isinstance(schema, dict) or run.depth >= DEPTH_LIMIT:
        return set()
    seen: set[Any] = _evaluated_items(schema, value, own) if lists else _evaluated_keys(schema, value, own)
    inner = [branch for word in ("allOf", "anyOf", "oneOf") for branch in list_of(schema.get(word))]
    if isinstance(schema.get("$ref"), str):
        inner.append(run.resolve(schema, schema["$ref"]))
    if "if" in schema:
        holds = run.holds(schema["if"], value)
        inner += [schema["if"], schema.get("then")] if holds else [schema.get("else")]
    inner += [each for name, each in mapping_of(schema.get("dependentSchemas")).items() if name in value]
    run.depth += 1
    for branch in inner:
        if isinstance(branch, dict) and run.holds(branch, value):
            seen |= evaluated(run, branch, value, lists=lists, own=True)
    run.depth -= 1
    return seen


def _evaluated_keys(schema: dict[str, Any], value: Any, own: bool) -> set[Any]:
    if "additionalProperties" in schema or (own and "unevaluatedProperties" in schema):
        return set(value)
    declared, patterns = mapping_of(schema.get("properties")), mapping_of(schema.get("patternProperties"))
    return {name for name in value if name in declared or any(matches(each, name) for each in patterns)}


def _evaluated_items(schema: dict[str, Any], value: Any, own: bool) -> set[Any]:
    listed = schema.get("items")
    if isinstance(listed, dict | bool) or "additionalItems" in schema or (own and "unevaluatedItems" in schema):
        return set(range(len(value)))
    return set(range(len(list_of(listed) or list_of(schema.get("prefixItems")))))
