"""Spectral's core functions: what a rule's `then` calls.

A function is made once, when the ruleset is loaded, from its options: options that it does not take are an error with
their place. It is called with a value (UNDEFINED where a field is missing) and says what is wrong, if anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from apigw_cli.lint import regex
from apigw_cli.lint.collation import after
from apigw_cli.lint.javascript import UNDEFINED, strictly_equal, truthy
from apigw_cli.lint.messages import shown
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.references import pointer_path

_PROPERTY = '#{{print("property")}}'


@dataclass(frozen=True, slots=True)
class Fault:
    """What a function found: a message, and where below the value it looked at."""

    message: str
    below: Steps = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a function may know besides its value: the document, where the value stands, and whether anyone will read
    what the function says of it."""

    subject: Subject
    path: Steps
    resolved: bool = True
    told: bool = True


Function = Callable[[Any, Context], Iterable[Fault]]
Maker = Callable[[Any], Function]


class OptionsError(ValueError):
    """Options that a function does not take; `steps` lead to them below functionOptions."""

    def __init__(self, message: str, steps: Steps = ()) -> None:
        super().__init__(message)
        self.steps = steps


# --- options


@dataclass(frozen=True, slots=True)
class _Option:
    """One option: which types it may have (as JSON names them) and whether it must be there."""

    types: tuple[str, ...]
    required: bool = False
    values: tuple[str, ...] = ()


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "")


def checked(name: str, options: Any, known: dict[str, _Option]) -> dict[str, Any]:
    """The options, if the function takes them. Raises OptionsError."""
    if options is None and not any(option.required for option in known.values()):
        return {}
    if not isinstance(options, dict):
        raise OptionsError(f'"{name}" needs functionOptions: {", ".join(known)}')
    for key, value in options.items():
        if key not in known:
            raise OptionsError(f'"{name}" does not support the option "{key}"', (key,))
        _check(name, key, value, known[key])
    for key, option in known.items():
        if option.required and key not in options:
            raise OptionsError(f'"{name}" is missing the option "{key}"')
    return options


def _check(name: str, key: str, value: Any, option: _Option) -> None:
    if _kind(value) not in option.types:
        raise OptionsError(f'the option "{key}" of "{name}" must be {" or ".join(option.types)}', (key,))
    if option.values and value not in option.values:
        raise OptionsError(f'the option "{key}" of "{name}" must be one of {", ".join(option.values)}', (key,))


def _nothing(name: str, options: Any) -> None:
    if options is not None and options != {}:
        raise OptionsError(f'"{name}" takes no options')


# --- presence


def _presence(name: str, wrong: Callable[[Any], bool]) -> Maker:
    def make(options: Any) -> Function:
        _nothing(name, options)
        found = [Fault(f"{_PROPERTY}must be {name}")]
        return lambda value, context: found if wrong(value) else ()

    return make


# --- one function each


def alphabetical(options: Any) -> Function:
    """The items of a list, or the keys of a mapping, are in order; `keyedBy`: by this property of the items."""
    keyed_by = checked("alphabetical", options, {"keyedBy": _Option(("string",))}).get("keyedBy")

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if not isinstance(value, list | dict) or len(value) < 2:
            return
        items: list[Any] = list(value)
        if keyed_by is not None:
            if not all(isinstance(item, dict | list) for item in items):
                yield Fault(f"{_PROPERTY}must be an object")
                return
            items = [item.get(keyed_by) if isinstance(item, dict) else None for item in items]
        if not all(_kind(item) in ("string", "number") for item in items):
            yield Fault(f"{_PROPERTY}must be one of the allowed types: number, string")
            return
        at = next((at for at in range(len(items) - 1) if after(items[at], items[at + 1])), None)
        if at is None:
            return
        if keyed_by is not None:
            yield Fault("properties must follow the alphabetical order")
            return
        below = (at if isinstance(value, list) else items[at],)
        yield Fault(f"{shown(items[at])} must be placed after {shown(items[at + 1])}", below)

    return check


_CASES = {
    "flat": "[a-z][a-z{d}]*",
    "camel": "[a-z][a-z{d}]*(?:[A-Z{d}](?:[a-z{d}]+|$))*",
    "pascal": "[A-Z][a-z{d}]*(?:[A-Z{d}](?:[a-z{d}]+|$))*",
    "kebab": "[a-z][a-z{d}]*(?:-[a-z{d}]+)*",
    "cobol": "[A-Z][A-Z{d}]*(?:-[A-Z{d}]+)*",
    "snake": "[a-z][a-z{d}]*(?:_[a-z{d}]+)*",
    "macro": "[A-Z][A-Z{d}]*(?:_[A-Z{d}]+)*",
}


def casing(options: Any) -> Function:
    """Text in a letter case; `separator` joins several words of it, `disallowDigits` forbids digits."""
    known = {
        "type": _Option(("string",), True, tuple(_CASES)),
        "disallowDigits": _Option(("boolean",)),
        "separator": _Option(("object",)),
    }
    given = checked("casing", options, known)
    separator = given.get("separator")
    if separator is not None:
        separator = checked(
            "casing", separator, {"char": _Option(("string",), True), "allowLeading": _Option(("boolean",))}
        )
        if len(separator["char"]) > 1:
            raise OptionsError('the option "separator.char" of "casing" must be one character', ("separator", "char"))
    word = _CASES[given["type"]].replace("{d}", "" if given.get("disallowDigits") else "0-9")
    source, lonely = f"^{word}$", None
    if separator is not None:
        char = f"[{re.escape(separator['char'])}]"
        leading = f"{char}?" if separator.get("allowLeading") else ""
        lonely = separator["char"] if leading else None
        source = f"^{leading}{word}(?:{char}{word})*$"
    pattern = regex.of_source(source)
    found = [Fault(f"must be {given['type']} case")]

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if not isinstance(value, str) or not value or value == lonely:
            return ()
        return () if pattern.test(value) else found

    return check


def enumeration(options: Any) -> Function:
    """The value is one of `values`."""
    values = checked("enumeration", options, {"values": _Option(("array",), True)})["values"]
    if any(isinstance(value, dict | list) for value in values):
        raise OptionsError('the option "values" of "enumeration" takes text, numbers, booleans and null', ("values",))
    listed = ", ".join(map(shown, values))
    found = [Fault(f'#{{{{print("value")}}}} must be equal to one of the allowed values: {listed}')]

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if isinstance(value, dict | list) or value is UNDEFINED:
            return ()
        return () if any(strictly_equal(value, each) for each in values) else found

    return check


def length(options: Any) -> Function:
    """How many items, keys or characters, or which number: between `min` and `max`."""
    given = checked("length", options or {}, {"min": _Option(("number",)), "max": _Option(("number",))})
    if not given:
        raise OptionsError('"length" needs the option "min" or "max"')
    least, most = given.get("min"), given.get("max")

    def check(value: Any, context: Context) -> Iterable[Fault]:
        kind = _kind(value)
        if kind not in ("array", "object", "string", "number"):
            return
        size = value if kind == "number" else _utf16(value) if kind == "string" else len(value)
        if least is not None and size < least:
            yield Fault(f"{_PROPERTY}must be longer than {shown(least)}")
        if most is not None and size > most:
            yield Fault(f"{_PROPERTY}must be shorter than {shown(most)}")

    return check


def _utf16(text: str) -> int:
    """As JavaScript counts characters."""
    return len(text) + sum(char > "\uffff" for char in text)


def pattern(options: Any) -> Function:
    """Text that fits `match` and does not fit `notMatch`."""
    given = checked("pattern", options or {}, {"match": _Option(("string",)), "notMatch": _Option(("string",))})
    if not given:
        raise OptionsError('"pattern" needs the option "match" or "notMatch"')
    tests = []
    for key, wanted, word in (("match", True, "must match"), ("notMatch", False, "must not match")):
        if key in given:
            try:
                compiled = regex.compiled(given[key])
            except regex.PatternError as error:
                raise OptionsError(f"this is no regular expression of JavaScript: {error}", (key,)) from None
            tests.append((compiled, wanted, f'#{{{{print("value")}}}} {word} the pattern {shown(given[key])}'))

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if not isinstance(value, str):
            return
        for compiled, wanted, message in tests:
            try:
                if compiled.test(value) is not wanted:
                    yield Fault(message)
            except regex.PatternTimeout as error:
                yield Fault(f"cannot be checked: {error}")

    return check


def _properties(name: str, options: Any) -> list[str]:
    found = checked(name, options, {"properties": _Option(("array",), True)})["properties"]
    if len(found) < 2 or not all(isinstance(each, str) for each in found):
        raise OptionsError(f'the option "properties" of "{name}" takes two names or more', ("properties",))
    return list(found)


def _none_of(properties: list[str]) -> Fault:
    if len(properties) > 4:
        first = '" or "'.join(properties[:3])
        return Fault(f'At least one of "{first}" or {len(properties) - 3} other properties must be defined')
    either = '" or "'.join(properties)
    return Fault(f'At least one of "{either}" must be defined')


def either(options: Any) -> Function:
    """The function `or`: at least one of `properties` is there."""
    properties = _properties("or", options)
    missing = [_none_of(properties)]
    return lambda value, context: (
        missing if isinstance(value, dict) and not any(each in value for each in properties) else ()
    )


def xor(options: Any) -> Function:
    """Exactly one of `properties` is there."""
    properties = _properties("xor", options)
    missing = [_none_of(properties)]

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if not isinstance(value, dict):
            return ()
        present = [key for key in value if key in properties]
        if not present:
            return missing
        both = '" and "'.join(present)
        return [Fault(f'Just one of "{both}" must be defined')] if len(present) > 1 else ()

    return check


def unreferenced(options: Any) -> Function:
    """The function unreferencedReusableObject: every object of a mapping is referred to."""
    name, key = "unreferencedReusableObject", "reusableObjectsLocation"
    location = checked(name, options, {key: _Option(("string",), True)})[key]
    if not re.fullmatch(r"#(?:/.*)?", location):
        raise OptionsError(f'the option "{key}" of "{name}" takes a JSON pointer such as #/components/schemas', (key,))
    base = pointer_path(location[1:])

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if not isinstance(value, dict):
            return
        used = context.subject.used
        for each in value:
            if (*base, each) not in used:
                yield Fault("Potential orphaned reusable object has been detected", (each,))

    return check


def typed_enum(options: Any) -> Function:
    """The values of an enum have the type beside it."""
    _nothing("typedEnum", options)

    def check(value: Any, context: Context) -> Iterable[Fault]:
        from apigw_cli.lint.rules.schemas import wrong_enum_values

        if isinstance(value, dict):
            for index, message in wrong_enum_values(value, context.subject.version):
                yield Fault(message, ("enum", index))

    return check


def _schema(options: Any) -> Function:
    from apigw_cli.lint.schema_function import schema

    return schema(options)


MAKERS: dict[str, Maker] = {
    "alphabetical": alphabetical,
    "casing": casing,
    "defined": _presence("defined", lambda value: value is UNDEFINED),
    "enumeration": enumeration,
    "falsy": _presence("falsy", truthy),
    "length": length,
    "or": either,
    "pattern": pattern,
    "schema": _schema,
    "truthy": _presence("truthy", lambda value: not truthy(value)),
    "typedEnum": typed_enum,
    "undefined": _presence("undefined", lambda value: value is not UNDEFINED),
    "unreferencedReusableObject": unreferenced,
    "xor": xor,
}
