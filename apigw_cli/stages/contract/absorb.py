"""The keywords of one schema node, added to what is known of a shape already: all nodes of a part hold together."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from apigw_cli.stages.contract.shape import (
    BOUNDS_OF,
    Bound,
    Discriminator,
    Life,
    Shape,
    canonical,
    number,
    tighten,
)


def absorb_values(shape: Shape, data: dict[str, Any], *, beside_null: bool = False) -> None:
    """Everything that a node says of plain values. `beside_null`: null is an alternative, so no list excludes it."""
    _types(shape, data)
    _enum(shape, data, beside_null)
    _text(shape, data)
    _bounds(shape, data)
    shape.unique = shape.unique or data.get("uniqueItems") is True
    _multiple(shape, data)
    if "default" in data:
        shape.default = canonical(data["default"])
    shape.read_only = shape.read_only or data.get("readOnly") is True
    shape.write_only = shape.write_only or data.get("writeOnly") is True
    shape.life = _joined(shape.life, life_of(data))
    _discriminator(shape, data)


def life_of(data: dict[str, Any]) -> Life:
    """What `deprecated`, `x-sunset` and `x-stability-level` of a node say."""
    sunset, stability = data.get("x-sunset"), data.get("x-stability-level")
    return Life(
        data.get("deprecated") is True,
        None if sunset is None else str(sunset),
        None if stability is None else str(stability),
    )


def _joined(first: Life, second: Life) -> Life:
    return Life(
        first.deprecated or second.deprecated, first.sunset or second.sunset, first.stability or second.stability
    )


# --- types and values


def _types(shape: Shape, data: dict[str, Any]) -> None:
    kind = data.get("type")
    if kind == "file":  # Swagger 2: what OpenAPI 3 calls a binary string
        kind = "string"
    if isinstance(kind, str | list):
        types = frozenset([kind] if isinstance(kind, str) else (k for k in kind if isinstance(k, str))) - {"null"}
        shape.types = types if shape.types is None else _common(shape.types, types)


def _common(first: frozenset[str], second: frozenset[str]) -> frozenset[str]:
    """The types that two sets allow together; every integer is a number."""
    found = first & second
    if "integer" in first | second and "number" in first | second:
        found |= {"integer"}
    return found


def _enum(shape: Shape, data: dict[str, Any], beside_null: bool) -> None:
    values, extensible = data.get("enum"), data.get("x-extensible-enum")
    if isinstance(extensible, list) or (extensible is True and isinstance(values, list)):
        listed = extensible if isinstance(extensible, list) else values
        shape.open_enum = {canonical(value): value for value in listed or []}
        return
    for listed in (values, [data["const"]] if "const" in data else None):
        if isinstance(listed, list):
            table = {canonical(value): value for value in [*listed, *([None] if beside_null else ())]}
            shape.enum = table if shape.enum is None else {k: v for k, v in shape.enum.items() if k in table}


# How OpenAPI 3.1 writes the formats that 3.0 had for files (its migration guide).
_CONTENT_FORMATS = {"base64": "byte", "binary": "binary"}


def _text(shape: Shape, data: dict[str, Any]) -> None:
    found = data.get("format") if isinstance(data.get("format"), str) else None
    if data.get("type") == "file":
        found = "binary"
    encoding, media = data.get("contentEncoding"), data.get("contentMediaType")
    if isinstance(encoding, str) and encoding in _CONTENT_FORMATS:
        found = found or _CONTENT_FORMATS[encoding]
    elif isinstance(encoding, str):
        shape.content["contentEncoding"] = encoding
    if isinstance(media, str) and media != "application/octet-stream":
        shape.content["contentMediaType"] = media
    elif isinstance(media, str) and not encoding:
        found = found or "binary"
    if found:
        known = set(shape.format.split(" and ")) if shape.format else set()
        shape.format = " and ".join(sorted(known | {found}))
    if isinstance(data.get("pattern"), str):
        shape.patterns |= {data["pattern"]}


def _bounds(shape: Shape, data: dict[str, Any]) -> None:
    for keyword, name in BOUNDS_OF.items():
        value = number(data.get(keyword))
        lower = keyword.startswith("min")
        if value is None or (lower and value == 0 and keyword not in ("minimum", "minContains")):
            continue
        exclusive = data.get("exclusiveMinimum" if lower else "exclusiveMaximum") is True
        tighten(shape, name, Bound(value, exclusive and keyword in ("minimum", "maximum")))
    for keyword, name in (("exclusiveMaximum", "max"), ("exclusiveMinimum", "min")):
        value = number(data.get(keyword))
        if value is not None:
            tighten(shape, name, Bound(value, True))


def _multiple(shape: Shape, data: dict[str, Any]) -> None:
    value = number(data.get("multipleOf"))
    if value is None or value <= 0:
        return
    new, before = Fraction(str(value)), shape.multiple
    if before is not None:
        new = Fraction(math.lcm(new.numerator, before.numerator), math.gcd(new.denominator, before.denominator))
    shape.multiple = new


def _discriminator(shape: Shape, data: dict[str, Any]) -> None:
    found = data.get("discriminator")
    if isinstance(found, str):  # Swagger 2 names the property only
        shape.discriminator = Discriminator(found)
    elif isinstance(found, dict):
        mapping = found.get("mapping")
        names = {str(k): str(v).rsplit("/", 1)[-1] for k, v in mapping.items()} if isinstance(mapping, dict) else {}
        shape.discriminator = Discriminator(str(found.get("propertyName")), names)
