"""How values with several parts are written: parameters' styles and forms' encodings, the same names for all versions.

Swagger 2's `collectionFormat` says what OpenAPI 3 says with `style` and `explode`.
"""

from __future__ import annotations

from typing import Any

from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.operations import mapping

PLAIN = "plain"  # of a value with one part
_OLD = {"multi": "form, exploded", "ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}
_OPEN = ("query", "cookie", "formData")


def of_parameter(node: Node, location: str, schema: Node | None, *, old: bool) -> str:
    """How the parameter's value is written; '' where that is not known."""
    if old:
        return _old(node.data, location) if composite(node.data) else PLAIN
    if "content" in node.data:
        media = ", ".join(mapping(node.data["content"]))
        return media if schema is None or not _one_word(schema.data) else PLAIN
    if schema is None:
        return ""
    style = str(node.data.get("style", "form" if location in _OPEN else "simple"))
    if not composite(schema.data):
        return style if style in ("label", "matrix") else PLAIN
    explode = node.data.get("explode", style == "form")
    return f"{style}{', exploded' if explode is True else ''}"


def _old(data: dict[str, Any], location: str) -> str:
    listed = str(data.get("collectionFormat", "csv"))
    return ("form" if location in _OPEN else "simple") if listed == "csv" else _OLD.get(listed, listed)


def _kinds(data: Any) -> list[Any]:
    kind = mapping(data).get("type")
    return kind if isinstance(kind, list) else [kind]


def composite(data: Any) -> bool:
    """Whether values have several parts."""
    return "array" in _kinds(data) or "object" in _kinds(data)


def _one_word(data: Any) -> bool:
    """Whether a value looks the same as text and as JSON."""
    return set(_kinds(data)) <= {"integer", "number", "boolean"}


# --- forms


def of_form(body: Node, library: Library) -> dict[str, str]:
    """How each field of a request body's forms is written, where that is not as by default."""
    found: dict[str, str] = {}
    for media, entry in mapping(mapping(body.data).get("content")).items():
        form = media.lower().startswith("application/x-www-form-urlencoded")
        encodings = mapping(mapping(entry).get("encoding"))
        schema = body.child("content", media, "schema") if "schema" in mapping(entry) else None
        known = mapping(mapping(library.follow(schema).data).get("properties")) if schema else {}
        for name in {**known, **encodings}:
            how = _field(mapping(encodings.get(name)), composite(known.get(name)) and form)
            if how:
                found[name] = how
    return found


def _field(encoding: dict[str, Any], listed: bool) -> str:
    pieces = [str(encoding["contentType"])] if "contentType" in encoding else []
    if listed or {"style", "explode"} & encoding.keys():
        style = str(encoding.get("style", "form"))
        how = f"{style}{', exploded' if encoding.get('explode', style == 'form') is True else ''}"
        pieces += [how] if how != "form, exploded" else []
    return "; ".join(pieces)


def of_fields(fields: list[Node]) -> dict[str, str]:
    """The same for the fields of a Swagger 2 form."""
    listed = {str(f.data.get("name")): _old(f.data, "formData") for f in fields if composite(f.data)}
    return {name: how for name, how in listed.items() if how != "form, exploded"}


def form_schema(fields: list[Node]) -> Node:
    """One object of the fields of a Swagger 2 form; its place is that of the first field."""
    properties = {str(field.data.get("name")): _as_schema(field.data) for field in fields}
    required = [str(field.data.get("name")) for field in fields if field.data.get("required") is True]
    data = {"type": "object", "properties": properties, "required": required}
    return Node(fields[0].document, fields[0].path, data)


def _as_schema(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("name", "in", "required", "collectionFormat")}
