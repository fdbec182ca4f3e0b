"""Rules about schemas, wherever they stand, and about references."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.messages import shown
from apigw_cli.lint.model import ERROR, Hit, On, rule
from apigw_cli.lint.subject import Visit

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


@rule(
    "typed-enum",
    "Enum values must respect the specified type.",
    on=On.KEYS,
    keys=("enum",),
    summary="The values of an enum have the type that stands beside it.",
    why="A value of another type can never be valid.",
    fix="Mend the value, or the type; text that looks like a number needs quotes.",
)
def typed_enum(visit: Visit) -> Iterator[Hit]:
    for index, message in wrong_enum_values(visit.node, visit.version):
        yield visit.hit("enum", index, message=message)


def wrong_enum_values(schema: dict[str, Any], version: str) -> Iterator[tuple[int, str]]:
    """The index of each value of an enum that has not the type beside it, and what to say of it."""
    values, declared = schema.get("enum"), schema.get("type")
    types: list[Any] = declared if isinstance(declared, list) else [declared]
    if not isinstance(values, list) or not types or not all(isinstance(name, str) for name in types):
        return
    nullable = schema.get("x-nullable" if version == "2.0" else "nullable") is True and version in ("2.0", "3.0")
    types = [*types, "null"] if nullable else types
    for index, value in enumerate(values):
        if not any(_has_type(value, name) for name in types):
            yield index, f'Enum value {shown(value)} must be "{",".join(types)}".'


def _has_type(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return name == "number" or isinstance(value, int) or value.is_integer()
    return name in _TYPES and isinstance(value, _TYPES[name])


@rule(
    "duplicated-entry-in-enum",
    '"enum" property must not have duplicate items',
    on=On.KEYS,
    keys=("enum",),
    summary="No value stands twice in an enum.",
    why="The second says nothing; often another value was meant.",
    fix="Remove it.",
)
def duplicated_entry_in_enum(visit: Visit) -> Iterator[Hit]:
    values = visit.node["enum"]
    if not isinstance(values, list) or visit.own_key == "properties":
        return
    last: dict[str, int] = {}
    found: tuple[int, int] | None = None
    for index, value in enumerate(values):
        text = _canonical(value)
        if text in last:
            found = last[text], index
        last[text] = index
    if found:
        which = f"(items ## {found[0]} and {found[1]} are identical)"
        yield visit.hit("enum", message=f'"enum" property must not have duplicate items {which}')


def _canonical(value: Any) -> str:
    """Equal for values that JSON holds equal: 1 and 1.0, but not 1 and true."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


@rule(
    "array-items",
    'Schemas with "type: array", require a sibling "items" field',
    on=On.KEYS,
    keys=("type",),
    severity=ERROR,
    summary="A schema of type array says what its items are.",
    why="Without items a client gets a list of anything; 2.0 and 3.0 demand it.",
    fix="Add items, be it items: {}.",
)
def array_items(visit: Visit) -> Iterator[Hit]:
    if _beyond_spectral(visit):
        return
    kind = visit.node["type"]
    is_array = kind == "array" or (visit.version in ("3.1", "3.2") and isinstance(kind, list) and "array" in kind)
    if is_array and not _truthy(visit.node.get("items")):
        yield visit.hit(*(("items",) if "items" in visit.node else ()))


def _beyond_spectral(visit: Visit) -> bool:
    """Whether a rule for the document before its references would look into another file, as Spectral does not."""
    return not visit.subject.corrected and visit.document is not visit.subject.document


def _truthy(value: Any) -> bool:
    """As JavaScript sees it: an empty mapping is something."""
    return isinstance(value, dict | list) or bool(value)


@rule(
    "no-$ref-siblings",
    "$ref must not be placed next to any other properties",
    on=On.KEYS,
    keys=("$ref",),
    severity=ERROR,
    formats=frozenset({"2.0", "3.0"}),
    summary="Nothing stands beside a $ref.",
    why="In 2.0 and 3.0 whatever stands there is ignored.",
    fix="Move it to what the reference names, or wrap the reference: allOf: [{$ref: …}].",
)
def no_ref_siblings(visit: Visit) -> Iterator[Hit]:
    if _beyond_spectral(visit):
        return
    if visit.subject.corrected and not isinstance(visit.node["$ref"], str):
        return  # a property of that name
    for key in visit.node:
        if key != "$ref":
            yield visit.hit(key, on_key=True)


@rule(
    "no-eval-in-markdown",
    'Markdown descriptions must not have "eval(".',
    on=On.KEYS,
    keys=("description", "title"),
    summary='No description or title holds "eval(".',
    why="Descriptions are rendered as HTML in a reader's browser.",
    fix="Remove it, or write it otherwise.",
)
def no_eval_in_markdown(visit: Visit) -> Iterator[Hit]:
    text = visit.node[visit.key]
    if isinstance(text, str) and "eval(" in text:
        yield visit.hit(visit.key)


@rule(
    "no-script-tags-in-markdown",
    'Markdown descriptions must not have "<script>" tags.',
    on=On.KEYS,
    keys=("description", "title"),
    summary='No description or title holds "<script".',
    why="Descriptions are rendered as HTML in a reader's browser.",
    fix="Remove it.",
)
def no_script_tags_in_markdown(visit: Visit) -> Iterator[Hit]:
    text = visit.node[visit.key]
    if isinstance(text, str) and "<script" in text:
        yield visit.hit(visit.key)
