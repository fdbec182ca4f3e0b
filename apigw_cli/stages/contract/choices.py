"""Alternatives that are no more than a list: `oneOf` of constants is an enum, `anyOf` of bare types a type list."""

from __future__ import annotations

from typing import Any

from apigw_cli.stages.contract.shape import canonical

_BESIDE = frozenset({"title", "description", "deprecated", "summary", "$comment", "example", "examples", "default"})


def as_list(keyword: str, alternatives: list[Any]) -> dict[str, Any] | None:
    """The one schema that says the same as the alternatives, or None where they are more than a list."""
    if not all(isinstance(data, dict) for data in alternatives):
        return None
    found = [said(data) for data in alternatives]
    if all(keys in ({"const"}, {"enum"}, {"const", "type"}, {"enum", "type"}) for keys in found):
        return _enum(keyword, alternatives)
    if all(keys == {"type"} for keys in found):
        return _types(keyword, alternatives)
    return None


def said(data: dict[str, Any]) -> set[str]:
    """The keywords of a schema that say something of values."""
    return {key for key in data if key not in _BESIDE and not key.startswith("x-")}


def _enum(keyword: str, alternatives: list[dict[str, Any]]) -> dict[str, Any] | None:
    values: dict[str, Any] = {}
    for data in alternatives:
        listed = [data["const"]] if "const" in data else data["enum"]
        if not isinstance(listed, list) or not all(_fits(value, data.get("type")) for value in listed):
            return None
        for value in listed:
            text = canonical(value)
            if text in values and keyword == "oneOf":
                return None  # a value of two alternatives is refused
            values[text] = value
    return {"enum": list(values.values())}


_PYTHON = {"string": str, "boolean": bool, "integer": int}


def _fits(value: Any, kind: Any) -> bool:
    """Whether a scalar is plainly of the type that stands beside it."""
    if kind is None:
        return isinstance(value, str | int | float | bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    expected = _PYTHON.get(kind) if isinstance(kind, str) else None
    return expected is not None and type(value) is expected


def _types(keyword: str, alternatives: list[dict[str, Any]]) -> dict[str, Any] | None:
    found: list[str] = []
    for data in alternatives:
        listed = data["type"] if isinstance(data["type"], list) else [data["type"]]
        if not all(isinstance(kind, str) and kind != "file" for kind in listed):
            return None
        found += listed
    if keyword == "oneOf" and (len(found) != len(set(found)) or {"integer", "number"} <= set(found)):
        return None
    return {"type": list(dict.fromkeys(found))}
