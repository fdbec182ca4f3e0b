"""Two shapes compared facet by facet: types, null, enum, bounds, patterns. Pure; says nothing about levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from apigw_cli.stages.contract.shape import BOUND_KEYWORDS, Bound, Shape, tighter


@dataclass(frozen=True, slots=True)
class Difference:
    """`facet` is a suffix of the rule table; `text` reads on from the name of what differs."""

    facet: str
    text: str
    old: Any
    new: Any
    keyword: str


def differences(old: Shape, new: Shape) -> Iterator[Difference]:
    """How what `new` allows differs from what `old` allows, in the order in which people would look."""
    types = list(_types(old, new))
    yield from types
    if (old.types is None) == (new.types is None):  # else "any type" says it of null, too
        yield from nulls(old, new)
    if not any(found.facet == "type-changed" for found in types):  # else nothing that was said of the values holds
        yield from _values_differ(old, new)
    yield from _default(old.default, new.default)
    if old.opaque != new.opaque:
        keyword = _opaque_keyword(old, new)
        text = f"{keyword} changed"
        yield Difference("composition-changed", text, old.opaque or None, new.opaque or None, keyword)


def _values_differ(old: Shape, new: Shape) -> Iterator[Difference]:
    yield from _enum(old, new)
    yield from _open_enum(old.open_enum or {}, new.open_enum or {})
    for name in BOUND_KEYWORDS:
        if name.endswith("-contains") and not (old.contains and new.contains):
            continue
        yield from _bound(name, old.bounds.get(name), new.bounds.get(name))
    yield from _pattern(old.patterns, new.patterns)
    yield from _unique(old.unique, new.unique)
    yield from _multiple(old.multiple, new.multiple)
    yield from _content(old.content, new.content)


def _show(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _change(old: Any, new: Any) -> str:
    """The last word of a facet: added, removed, changed."""
    return "added" if old is None else "removed" if new is None else "changed"


def _opaque_keyword(old: Shape, new: Shape) -> str:
    text = new.opaque or old.opaque
    return text.split('"')[1]


# --- types

# A format that another one contains: what the first allows, the second allows too.
_WITHIN = {("int32", "int64"), ("float", "double")}


def _types(old: Shape, new: Shape) -> Iterator[Difference]:
    if old.never or new.never:
        if old.never != new.never:
            facet = "type-specialized" if new.never else "type-generalized"
            yield Difference(
                facet, "nothing is allowed" if new.never else "is allowed", type_name(old), type_name(new), ""
            )
        return
    if _listed_within(old, new):
        return
    narrower, wider = _covers(old.types, new.types), _covers(new.types, old.types)
    if narrower and wider:
        narrower, wider = _formats(old, new)
    if narrower and wider:
        return
    facet = "type-specialized" if narrower else "type-generalized" if wider else "type-changed"
    text = f"type {type_name(old)} → {type_name(new)}"
    yield Difference(facet, text, type_name(old), type_name(new), "format" if old.types == new.types else "type")


def _listed_within(old: Shape, new: Shape) -> bool:
    """Whether lists of values say it all: both have one, or one has a list of values that the other's types allow."""
    if old.enum is not None and new.enum is not None:
        return True
    if old.enum is not None:
        return _covers(new.types, old.types)
    return new.enum is not None and _covers(old.types, new.types)


def _covers(wide: frozenset[str] | None, narrow: frozenset[str] | None) -> bool:
    """Whether `wide` allows every type that `narrow` allows."""
    if wide is None:
        return True
    if narrow is None:
        return wide >= {"string", "number", "boolean", "array", "object"}
    return all(kind in wide or (kind == "integer" and "number" in wide) for kind in narrow)


def _formats(old: Shape, new: Shape) -> tuple[bool, bool]:
    """Whether the new format is within the old one, and the old within the new."""
    if old.format == new.format:
        return True, True
    narrower = old.format is None or (new.format or "", old.format) in _WITHIN
    wider = new.format is None or (old.format or "", new.format) in _WITHIN
    return narrower, wider


def type_name(shape: Shape) -> str:
    """`string (date-time)`, `integer or string`, `any`."""
    if shape.never:
        return "nothing"
    if shape.types is None:
        name = "any"
    else:
        name = " or ".join(sorted(shape.types)) or "null"
    return f"{name} ({shape.format})" if shape.format else name


def nulls(old: Shape, new: Shape) -> Iterator[Difference]:
    """Whether null is allowed on one side only."""
    if old.null != new.null and not (old.never or new.never):
        facet = "became-nullable" if new.null else "became-not-nullable"
        yield Difference(facet, facet.replace("-", " "), old.null, new.null, "type")


# --- values


def _enum(old: Shape, new: Shape) -> Iterator[Difference]:
    if old.enum is None or new.enum is None:
        if old.enum is not None or new.enum is not None:
            facet = "became-enum" if old.enum is None else "became-not-enum"
            values = _listed(new.enum if old.enum is None else old.enum)
            text = f"limited to {values}" if old.enum is None else f"not limited to {values} any more"
            yield Difference(facet, text, _values(old.enum), _values(new.enum), "enum")
        return
    removed = {key: value for key, value in old.enum.items() if key not in new.enum}
    added = {key: value for key, value in new.enum.items() if key not in old.enum}
    if removed:
        text = f"value{_s(removed)} {_listed(removed)} removed"
        yield Difference("enum-value-removed", text, _values(old.enum), _values(new.enum), "enum")
    if added:
        text = f"value{_s(added)} {_listed(added)} added"
        yield Difference("enum-value-added", text, _values(old.enum), _values(new.enum), "enum")


def _open_enum(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    removed = {key: value for key, value in old.items() if key not in new}
    added = {key: value for key, value in new.items() if key not in old}
    lists = _values(old), _values(new)
    if removed:
        text = f"known value{_s(removed)} {_listed(removed)} removed"
        yield Difference("x-extensible-enum-value-removed", text, *lists, "x-extensible-enum")
    if added:
        text = f"known value{_s(added)} {_listed(added)} added"
        yield Difference("x-extensible-enum-value-added", text, *lists, "x-extensible-enum")


def _s(values: dict[str, Any]) -> str:
    return "" if len(values) == 1 else "s"


def _values(enum: dict[str, Any] | None) -> list[Any] | None:
    return None if enum is None else list(enum.values())


def _listed(enum: dict[str, Any] | None) -> str:
    shown = [text if len(text) <= 40 else text[:39] + "…" for text in list(enum or {})[:8]]
    return ", ".join(shown) + (f" and {len(enum) - 8} more" if enum and len(enum) > 8 else "")


# --- bounds


def _bound(name: str, old: Bound | None, new: Bound | None) -> Iterator[Difference]:
    if old == new:
        return
    exclusive = (old is not None and old.exclusive) or (new is not None and new.exclusive)
    facet = f"exclusive-{name}" if exclusive else name
    text = f"{BOUND_KEYWORDS[name]} {_edge(old)} → {_edge(new)}"
    if old is None or new is None:
        action = "set" if old is None else "unset"
    elif tighter(name, new, old):
        action = "decreased" if name.startswith("max") else "increased"
    else:
        action = "increased" if name.startswith("max") else "decreased"
    keyword = BOUND_KEYWORDS[name]
    yield Difference(f"{facet}-{action}", text, _plain(old), _plain(new), keyword)


def _edge(bound: Bound | None) -> str:
    if bound is None:
        return "none"
    number = bound.value
    return f"{number:,}".replace(",", "") + (" (exclusive)" if bound.exclusive else "")


def _plain(bound: Bound | None) -> float | None:
    return None if bound is None else bound.value


def _pattern(old: frozenset[str], new: frozenset[str]) -> Iterator[Difference]:
    if old == new:
        return
    facet = "pattern-added" if old < new else "pattern-removed" if new < old else "pattern-changed"
    before, after = (" and ".join(sorted(patterns)) or None for patterns in (old, new))
    yield Difference(facet, f"pattern {_show(before)} → {_show(after)}", before, after, "pattern")


def _unique(old: bool, new: bool) -> Iterator[Difference]:
    if old != new:
        text = "items must be unique" if new else "items need not be unique any more"
        yield Difference("unique-items-set" if new else "unique-items-unset", text, old, new, "uniqueItems")


def _multiple(old: Fraction | None, new: Fraction | None) -> Iterator[Difference]:
    if old == new:
        return
    before, after = (None if value is None else float(value) for value in (old, new))
    if old is None or new is None:
        action = "set" if old is None else "unset"
    else:
        action = "specialized" if new % old == 0 else "generalized" if old % new == 0 else "changed"
    text = f"multipleOf {_show(before)} → {_show(after)}"
    yield Difference(f"multiple-of-{action}", text, before, after, "multipleOf")


def _default(old: str | None, new: str | None) -> Iterator[Difference]:
    if old != new:
        text = f"default {_show(old)} → {_show(new)}"
        yield Difference(f"default-value-{_change(old, new)}", text, old, new, "default")


def _content(old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for keyword, facet in (("contentMediaType", "content-media-type"), ("contentEncoding", "content-encoding")):
        before, after = old.get(keyword), new.get(keyword)
        if before != after:
            text = f"{keyword} {_show(before)} → {_show(after)}"
            yield Difference(f"{facet}-changed", text, before, after, keyword)
