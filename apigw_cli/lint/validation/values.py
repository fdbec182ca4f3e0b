"""What checking a value needs to know of JSON and of schemas: types, equality, the errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

DEPTH_LIMIT = 150


class SchemaError(Exception):
    """A schema that cannot be used; the text is Ajv's."""


class MissingReference(SchemaError):
    """A `$ref` in a schema that leads to nothing that the schema holds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: Ajv's keyword, where, its parameters and message."""

    keyword: str
    path: tuple[Any, ...]
    message: str
    params: dict[str, Any] = field(default_factory=dict)


def is_type(value: Any, name: str) -> bool:
    """JSON Schema's types; 1.0 is an integer."""
    match name:
        case "string":
            return isinstance(value, str)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "number":
            return is_number(value)
        case "integer":
            return is_number(value) and (isinstance(value, int) or value.is_integer())
    return False


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def equal(a: Any, b: Any) -> bool:
    """Deep equality as JSON has it."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


def number_text(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(value)


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mapping_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
