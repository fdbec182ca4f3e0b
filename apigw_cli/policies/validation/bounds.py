"""Schemas whose checking is bounded, whatever is sent: what the engine would take too long over is guarded.

    pattern with lookaround or a back-reference    strings of `LONGEST` characters at most; a longer one does not fit
    multipleOf a fraction                          numbers up to 2**53, and none that is nearer to 0 than the fraction

All other patterns run in time that grows with the string alone (Rust's `regex`): only those two features backtrack, and
what they do is quadratic in the string at best. A fraction is exact here, so 1e308 would be a number of 308 digits.
"""

from __future__ import annotations

import functools
from typing import Any

LONGEST = 512  # characters that a backtracking pattern is held against
STEPS = 2_500  # of backtracking, of one pattern and one string; beyond that it does not match
_LARGEST = 2**53  # beyond, a double has no fraction
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip

Json = dict[str, Any] | bool


def engine() -> Any:
    """How patterns are run."""
    import jsonschema_rs

    return jsonschema_rs.FancyRegexOptions(backtrack_limit=STEPS)


@functools.lru_cache(4096)
def backtracks(pattern: str) -> bool:
    """Whether it takes more than Rust's `regex`; also for what is no pattern at all."""
    import jsonschema_rs

    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except (ValueError, jsonschema_rs.ValidationError):
        return True
    return False


def bounded(schema: Any) -> Any:
    """A self-contained schema (`openapi.json_schema`) with its guards; itself where it needs none, as nearly all do."""
    return _guarded(schema) if _needs_guards(schema) else schema


def _needs_guards(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    patterns = [*schema.get("patternProperties", ()), schema.get("pattern")]
    if any(isinstance(one, str) and backtracks(one) for one in patterns) or _fraction(schema) is not None:
        return True
    named = (one for word in _NAMED for one in schema.get(word, {}).values())
    listed = (one for word in _LISTED for one in schema.get(word, ()))
    return any(map(_needs_guards, (*named, *listed, *(schema.get(word) for word in _SINGLE))))


def _fraction(schema: dict[str, Any]) -> float | None:
    """What a number has to be a multiple of, where that is a fraction."""
    step = schema.get("multipleOf")
    return step if isinstance(step, float) and not step.is_integer() and step > 0 else None


def _guarded(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = {word: _inner(word, value) for word, value in schema.items()}
    guards = [guard for guard in (_of_pattern(made), _of_fraction(made)) if guard is not None]
    if guards:
        made["allOf"] = [*made.get("allOf", ()), *guards]
    if any(map(backtracks, made.get("patternProperties", ()))):
        short = {"propertyNames": {"maxLength": LONGEST}}
        definitions = {"$defs": made.pop("$defs")} if "$defs" in made else {}
        return {"if": short, "then": made, "else": short, **definitions}
    return made


def _inner(word: str, value: Any) -> Any:
    if word in _NAMED and isinstance(value, dict):
        return {name: _guarded(one) for name, one in value.items()}
    if word in _LISTED and isinstance(value, list):
        return [_guarded(one) for one in value]
    return _guarded(value) if word in _SINGLE else value


def _of_pattern(made: dict[str, Any]) -> Json | None:
    """Takes the pattern out of `made` where it needs a guard."""
    if not isinstance(made.get("pattern"), str) or not backtracks(made["pattern"]):
        return None
    short = {"maxLength": LONGEST}
    return {"if": short, "then": {"pattern": made.pop("pattern")}, "else": short}


def _of_fraction(made: dict[str, Any]) -> Json | None:
    """Takes `multipleOf` out of `made` where it needs a guard."""
    step = _fraction(made)
    if step is None:
        return None
    between = {"type": "number", "exclusiveMinimum": -step, "exclusiveMaximum": step, "not": {"const": 0}}
    fits = {"maximum": _LARGEST, "minimum": -_LARGEST, "not": between}
    return {"if": fits, "then": {"multipleOf": made.pop("multipleOf")}, "else": fits}
