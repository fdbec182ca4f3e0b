"""What to write instead of a value that does not fit, as a hint. Pure.

A model says much of what it takes: the pattern, the examples and the description of a key, which keys are needed. From
these comes what a person most likely meant: `rate: 5` → `5/s`, `max_body: 10m` → `10485760`,
`cors: "*"` → `{origins: ["*"]}`.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from apigw_cli.config import secrecy

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmg])(i?)b?", re.IGNORECASE)
_SECONDS = re.compile(r"([0-9]+) ?(s|m|h|d|w|y)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_ENDINGS = ("s", "/s", "%")  # of a bare number where a time, a rate or a share belongs

Accepts = Callable[[Any, Any], bool]  # (data, kind): whether data is one


def of_value(data: Any, kind: Any, metas: Iterable[Any]) -> str | None:
    """Where a single value is wanted, or a list of such."""
    said = _said(metas)
    meant = None
    if kind is str:
        meant = _of_text(data, said.pattern if said is not None else None)
    elif kind is int and isinstance(data, str):
        meant = _of_number(data, (said.description or "") if said is not None else "")
    return meant or examples(said)


def _of_text(data: Any, pattern: str | None) -> str | None:
    """Text is wanted; `data` is a number, true or false, or text of another form."""
    if not isinstance(data, (str, int, float)):
        return None
    written = str(data).lower() if isinstance(data, bool) else str(data)
    if not isinstance(data, str) and (pattern is None or re.search(pattern, written)):
        return f'write it as text: "{written}"'
    near = [written + ending for ending in _ENDINGS] if _NUMBER.fullmatch(written) else [f"/{written}"]
    meant = next((one for one in near if pattern is not None and re.search(pattern, one)), None)
    return f"did you mean {meant}?" if meant else None


def _of_number(text: str, description: str) -> str | None:
    """A whole number is wanted, and there is text."""
    seconds = _SECONDS.fullmatch(text)
    if seconds and "econds" in description:
        return f"in seconds: {int(seconds[1]) * _UNITS[seconds[2]]}"
    size = _SIZE.fullmatch(text)
    if size and "ytes" in description:
        step = 1024 if size[3] or not text.lower().endswith("b") else 1000
        return f"in bytes: {round(float(size[1]) * step ** ('kmg'.index(size[2].lower()) + 1))}"
    return f"without quotes: {text}" if text.isdecimal() else None


def of_list(data: Any) -> str | None:
    """Where a list is wanted, and `data` is one of its values."""
    return f"write a list: [{inline(data)}]" if _is_shown(data) else None


def of_struct(data: Any, kind: type[msgspec.Struct], accepts: Accepts, switch: bool) -> str | None:
    """Where a mapping is wanted. `switch`: it is a policy, which can be `off`."""
    fields = list(msgspec.structs.fields(kind))
    hints = typing.get_type_hints(kind, include_extras=True)
    needed = [field for field in fields if field.required]
    if fields and len(needed) < 2:
        first = (needed or fields)[0]
        meant = next((one for one in _meant(data) if accepts(one, hints[first.name])), None)
        if meant is not None:
            return f"did you mean {{{first.encode_name}: {inline(meant)}}}?"
    off = ", or off" if switch else ""
    if needed:
        written = ", ".join(f"{field.encode_name}: {_example(hints[field.name])}" for field in needed)
        return f"write {{{written}}}{off}"
    return f"write {{}} for its defaults{off}; known here: {', '.join(field.encode_name for field in fields)}"


def _meant(data: Any) -> list[Any]:
    """What may have been meant by a value that stands in place of a mapping."""
    if isinstance(data, list):
        return [data]
    return [data, [data]] if _is_shown(data) else []


def _is_shown(data: Any) -> bool:
    """Whether a value may be repeated: no switch, and nobody's password."""
    return isinstance(data, (str, int, float)) and not isinstance(data, bool) and not secrecy.in_line(str(data))


def examples(said: msgspec.Meta | None) -> str | None:
    """What a key takes, in its own words."""
    if said is None:
        return None
    if said.description:
        return said.description.rstrip(".")
    return "for example: " + ", ".join(map(inline, said.examples)) if said.examples else None


def inline(data: Any) -> str:
    """A value as it is written in a file; text in quotes only where it needs them."""
    if isinstance(data, list):
        return f"[{', '.join(map(inline, data))}]"
    plain = isinstance(data, str) and re.fullmatch(r"[A-Za-z0-9/_.][A-Za-z0-9/_.:+-]*", data) and ": " not in data
    return data if plain else json.dumps(data, ensure_ascii=False)


def _example(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        said = _said(get_args(kind)[1:])
        if said is not None and said.examples:
            return inline(said.examples[0])
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return str(get_args(kind)[0])
    return {str: "TEXT", int: "NUMBER"}.get(kind, "[…]" if get_origin(kind) is list else "{…}")


def _said(metas: Iterable[Any]) -> msgspec.Meta | None:
    return next((meta for meta in metas if isinstance(meta, msgspec.Meta)), None)
