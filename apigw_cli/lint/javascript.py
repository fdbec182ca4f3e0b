"""JavaScript's view of JSON values, for filters written in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from apigw_cli.lint import regex


class Undefined:
    """JavaScript's undefined: what is not there, as opposed to null."""

    _only: Undefined | None = None

    def __new__(cls) -> Undefined:
        cls._only = cls._only or super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = Undefined()


class ScriptError(Exception):
    """What a filter throws: a property of null, a method that is none. The filter then does not hold."""


def truthy(value: Any) -> bool:
    """Empty lists and mappings are something in JavaScript."""
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return isinstance(value, dict | list) or bool(value)


def member(value: Any, name: Any) -> Any:
    """`value.name` or `value[name]`. Raises ScriptError for a property of null or undefined."""
    if type(value) is dict:
        found = value.get(name if type(name) is str else text(name), UNDEFINED)
        return _builtin(value, name) if found is UNDEFINED else found
    if value is None or value is UNDEFINED:
        raise ScriptError(f"a property of {value!r}")
    if type(value) is list or type(value) is str:
        if name == "length":
            return len(value)
        index = _index(name)
        if index is not None:
            return value[index] if index < len(value) else UNDEFINED
    return _builtin(value, name)


def _index(name: Any) -> int | None:
    if type(name) is str and name.isascii() and name.isdigit():
        return int(name)
    if isinstance(name, int | float) and not isinstance(name, bool) and name >= 0 and name == int(name):
        return int(name)
    return None


class Method:
    """A method read as a property; it exists, which is all that a filter asks of it, or calls it."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _builtin(value: Any, name: Any) -> Any:
    if name == "constructor":
        return {"name": type_name(value)}
    kind = METHODS.get(type(value))
    if kind is not None and name in kind:
        function = kind[name]
        return Method(lambda *arguments: function(value, *arguments))
    return UNDEFINED


def type_name(value: Any) -> str:
    """The name of the constructor."""
    if isinstance(value, bool):
        return "Boolean"
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return names.get(type(value), "Object")


def type_of(value: Any) -> str:
    """The operator typeof."""
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, Method):
        return "function"
    name = type_name(value).lower()
    return name if name in ("boolean", "string", "number") else "object"


def text(value: Any) -> str:
    """String(value)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else text(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def number(value: Any) -> float:
    """Number(value); NaN for what is none."""
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return 0
    if isinstance(value, str):
        return _number_of_text(value.strip())
    if isinstance(value, list):
        return number(text(value))
    return math.nan


def _number_of_text(value: str) -> float:
    if not value:
        return 0
    if value[:2].lower() in ("0x", "0o", "0b"):
        try:
            return int(value, 0)
        except ValueError:
            return math.nan
    if "_" in value or value.lower().lstrip("+-") in ("inf", "nan", "infinity"):
        return {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}.get(value, math.nan)
    try:
        return float(value)
    except ValueError:
        return math.nan


def strictly_equal(a: Any, b: Any) -> bool:
    """`===`: containers are equal to themselves alone."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    return a is b


def loosely_equal(a: Any, b: Any) -> bool:
    """`==`, with its conversions."""
    nothing = (None, UNDEFINED)
    if a is None or a is UNDEFINED or b is None or b is UNDEFINED:
        return any(a is each for each in nothing) and any(b is each for each in nothing)
    if type(a) is type(b) or (type(a) in (int, float) and type(b) in (int, float)):
        return strictly_equal(a, b)
    if isinstance(a, dict | list) and isinstance(b, dict | list):
        return a is b
    if isinstance(a, dict | list):
        a = text(a)
    if isinstance(b, dict | list):
        b = text(b)
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    return number(a) == number(b)


def less(a: Any, b: Any) -> bool:
    """`<`: text by text, everything else as numbers."""
    if isinstance(a, str) and isinstance(b, str):
        return a < b
    return number(a) < number(b)


def _pattern(value: Any) -> regex.Pattern:
    if isinstance(value, regex.Pattern):
        return value
    try:
        return regex.of_source("" if value is UNDEFINED else text(value))
    except regex.PatternError as error:
        raise ScriptError(str(error)) from None


def _match(value: str, pattern: Any = UNDEFINED, *_: Any) -> Any:
    found = _pattern(pattern).search(value)
    return None if found is None else [None if one is None else regex.whole(one) for one in (found[0], *found.groups())]


def _slice(value: Any, start: Any = 0, end: Any = UNDEFINED, *_: Any) -> Any:
    return value[_whole(start) : None if end is UNDEFINED else _whole(end)]


def _substring(value: str, start: Any = 0, end: Any = UNDEFINED, *_: Any) -> str:
    first = max(_whole(start), 0)
    last = len(value) if end is UNDEFINED else max(_whole(end), 0)
    return value[min(first, last) : max(first, last)]


def _whole(value: Any) -> int:
    found = number(value)
    return 0 if math.isnan(found) else int(max(min(found, 2**53), -(2**53)))


def _char_at(value: str, index: Any = 0, *_: Any) -> str:
    at = _whole(index)
    return value[at] if 0 <= at < len(value) else ""


def _index_in(value: list[Any], wanted: Any = UNDEFINED, *_: Any) -> int:
    return next((at for at, item in enumerate(value) if strictly_equal(item, wanted)), -1)


def _split(value: str, by: Any = UNDEFINED, *_: Any) -> list[Any]:
    if by is UNDEFINED:
        return [value]
    return list(value) if by == "" else list(value.split(text(by)))


METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    str: {
        "match": _match,
        "search": lambda value, pattern=UNDEFINED, *_: (
            -1 if (found := _pattern(pattern).search(value)) is None else found.start()
        ),
        "includes": lambda value, part=UNDEFINED, *_: text(part) in value,
        "startsWith": lambda value, part=UNDEFINED, *_: value.startswith(text(part)),
        "endsWith": lambda value, part=UNDEFINED, *_: value.endswith(text(part)),
        "indexOf": lambda value, part=UNDEFINED, *_: value.find(text(part)),
        "lastIndexOf": lambda value, part=UNDEFINED, *_: value.rfind(text(part)),
        "toLowerCase": lambda value, *_: value.lower(),
        "toUpperCase": lambda value, *_: value.upper(),
        "trim": lambda value, *_: value.strip(),
        "charAt": _char_at,
        "slice": _slice,
        "substring": _substring,
        "substr": lambda value, start=0, size=UNDEFINED, *_: value[_whole(start) :][
            : None if size is UNDEFINED else max(_whole(size), 0)
        ],
        "split": _split,
        "concat": lambda value, *parts: value + "".join(map(text, parts)),
        "toString": lambda value, *_: value,
    },
    list: {
        "includes": lambda value, wanted=UNDEFINED, *_: _index_in(value, wanted) >= 0,
        "indexOf": _index_in,
        "join": lambda value, by=",", *_: text(by).join("" if item is None else text(item) for item in value),
        "slice": _slice,
        "concat": lambda value, *parts: (
            value + [item for part in parts for item in (part if isinstance(part, list) else [part])]
        ),
        "toString": lambda value, *_: text(value),
    },
    dict: {
        "hasOwnProperty": lambda value, name=UNDEFINED, *_: text(name) in value,
        "toString": lambda value, *_: text(value),
    },
    int: {"toString": lambda value, *_: text(value)},
    float: {"toString": lambda value, *_: text(value)},
    bool: {"toString": lambda value, *_: text(value)},
    regex.Pattern: {
        "test": lambda value, tested=UNDEFINED, *_: value.test("undefined" if tested is UNDEFINED else text(tested)),
        "exec": lambda value, tested=UNDEFINED, *_: _match(text(tested), value),
    },
}
