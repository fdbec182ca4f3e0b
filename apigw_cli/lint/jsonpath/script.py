"""Filters in Spectral's dialect, `[?(…)]`: a part of JavaScript, compiled into closures.

`@` is the value under test, `@property` its key, `@parentProperty` the key above, `@parent`, `@root`, `@path`, and
`@string()` and the like test its type. Nothing of Python is ever evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from apigw_cli.lint import javascript as values
from apigw_cli.lint import regex
from apigw_cli.lint.javascript import UNDEFINED, Method, ScriptError, member, truthy
from apigw_cli.lint.jsonpath.scanner import Scanner
from apigw_cli.lint.jsonpath.steps import Frame, Predicate, steps_of

Expression = tuple[Any, ...]  # ("member", object, name), ("&&", left, right) … as `_Parser` makes them
Closure = Callable[[Any, Frame], Any]

_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_REGEX = re.compile(r"/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\[])+)/([a-z]*)")
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||", "??"),
    ("&&",),
    ("===", "!==", "==", "!="),
    ("<=", ">=", "<", ">", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_CONSTANTS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": UNDEFINED,
    "NaN": math.nan,
    "Infinity": math.inf,
}


def compile_filter(scanner: Scanner) -> tuple[Predicate, str]:
    """Read an expression; the predicate, and a key that a value must have for it to hold ("" if not known)."""
    expression = _Parser(scanner).expression()
    closure = compiled(expression)

    def holds(value: Any, frame: Frame) -> bool:
        try:
            return truthy(closure(value, frame))
        except ScriptError:
            return False

    return holds, _required(expression)


def compile_script(scanner: Scanner) -> Predicate:
    """Read `(@.length-1)`: an expression about the parent that gives the index of a child."""
    closure = compiled(_Parser(scanner).expression())

    def is_it(_: Any, frame: Frame) -> bool:
        _value, key, parent = frame
        try:
            return bool(values.loosely_equal(closure(parent[0], parent), key))
        except ScriptError:
            return False

    return is_it


class _Parser:
    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner

    def expression(self) -> Expression:
        self.scanner.descend()
        test = self._binary(0)
        self.scanner.blank()
        if self.scanner.take("?"):
            then = self.expression()
            self.scanner.expect(":")
            test = ("?", test, then, self.expression())
        self.scanner.depth -= 1
        return test

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while operator := self._operator(_LEVELS[level]):
            left = (operator, left, self._binary(level + 1))
        return left

    def _operator(self, known: tuple[str, ...]) -> str:
        self.scanner.blank()
        for operator in known:
            if operator == "in" and not re.compile(r"in\b").match(self.scanner.text, self.scanner.at):
                continue
            if self.scanner.take(operator):
                return operator
        return ""

    def _unary(self) -> Expression:
        scanner = self.scanner
        scanner.blank()
        scanner.descend()
        try:
            for operator in ("!", "-", "+"):
                if scanner.take(operator):
                    return ("unary", operator, self._unary())
            for word in ("typeof", "void"):
                if re.compile(word + r"\b").match(scanner.text, scanner.at):
                    scanner.at += len(word)
                    return ("unary", word, self._unary())
            return self._postfix(self._primary())
        finally:
            scanner.depth -= 1

    def _postfix(self, expression: Expression) -> Expression:
        scanner = self.scanner
        while True:
            scanner.blank()
            if scanner.take("?."):
                expression = ("optional", expression, ("constant", self._name()))
            elif scanner.take("."):
                expression = ("member", expression, ("constant", self._name()))
            elif scanner.take("["):
                expression = ("member", expression, self.expression())
                scanner.expect("]")
            elif scanner.take("("):
                expression = ("call", expression, self._list(")"))
            else:
                return expression

    def _name(self) -> str:
        name = self.scanner.match(_NAME)
        if not name:
            raise self.scanner.error("a name is expected")
        return name

    def _list(self, end: str) -> list[Expression]:
        items: list[Expression] = []
        self.scanner.blank()
        while not self.scanner.take(end):
            if items:
                self.scanner.expect(",")
            items.append(self.expression())
            self.scanner.blank()
        return items

    def _primary(self) -> Expression:
        scanner = self.scanner
        char = scanner.next
        if char == "@":
            return self._shorthand()
        if char in ("'", '"'):
            return ("constant", scanner.quoted())
        if scanner.take("("):
            inner = self.expression()
            scanner.expect(")")
            return inner
        if scanner.take("["):
            return ("list", self._list("]"))
        if char == "/":
            return self._regex()
        if char.isdigit():
            return ("constant", scanner.number())
        name = scanner.match(_NAME)
        if name == "$":
            return ("root",)
        if name in _CONSTANTS:
            return ("constant", _CONSTANTS[name])
        if name:
            raise scanner.error(f"{name!r} is not known in a filter")
        raise scanner.error(f"unexpected {char!r}" if char else "the filter ends too early")

    def _regex(self) -> Expression:
        found = _REGEX.match(self.scanner.text, self.scanner.at)
        if not found:
            raise self.scanner.error("the regular expression is not closed")
        try:
            pattern = regex.of_source(found[1], found[2])
        except regex.PatternError as error:
            raise self.scanner.error(f"/{found[1]}/{found[2]}: {error}") from None
        self.scanner.at = found.end()
        return ("constant", pattern)

    def _shorthand(self) -> Expression:
        scanner = self.scanner
        scanner.at += 1
        name = scanner.match(_NAME)
        if not name:
            return ("value",)
        if scanner.take("()"):
            if name not in _TYPES:
                raise scanner.error(f"'@{name}()' is no type test: use {', '.join(f'@{each}()' for each in _TYPES)}")
            return ("type", name)
        if name not in _SHORTHANDS:
            raise scanner.error(f"unsupported shorthand '@{name}'")
        return (name,)


# --- closures


def compiled(expression: Expression) -> Closure:
    """The closure of an expression: called with a value and its frame. It may raise ScriptError."""
    kind = expression[0]
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "constant":
        constant = expression[1]
        return lambda value, frame: constant
    if kind == "type":
        is_type = _TYPES[expression[1]]
        return lambda value, frame: is_type(value)
    if kind == "list":
        items = [compiled(item) for item in expression[1]]
        return lambda value, frame: [item(value, frame) for item in items]
    if kind in ("member", "optional"):
        return _member(expression)
    if kind == "call":
        return _call(expression)
    if kind == "unary":
        return _unary(expression[1], compiled(expression[2]))
    if kind == "?":
        test, then, otherwise = (compiled(each) for each in expression[1:])
        return lambda value, frame: then(value, frame) if truthy(test(value, frame)) else otherwise(value, frame)
    general = _binary(kind, compiled(expression[1]), compiled(expression[2]))
    is_word = kind in ("==", "===") and expression[2][0] == "constant" and type(expression[2][1]) is str
    if is_word and expression[1][:2] == ("member", ("value",)) and expression[1][2][0] == "constant":
        return _says(expression[1][2][1], expression[2][1], general)
    return general


def _says(key: Any, word: str, general: Closure) -> Closure:
    """`@.type == "string"`, which most filters of most rulesets ask of every mapping there is."""

    def says(value: Any, frame: Frame) -> Any:
        found = value.get(key) if type(value) is dict else None
        return found == word if type(found) is str else general(value, frame)

    return says


def _root(value: Any, frame: Frame) -> Any:
    while frame[2] is not None:
        frame = frame[2]
    return frame[0]


def _parent_property(value: Any, frame: Frame) -> Any:
    parent = frame[2]
    return UNDEFINED if parent is None or parent[2] is None else parent[1]


def _path(value: Any, frame: Frame) -> str:
    """As jsonpath-plus writes it: $['paths']['/a'][0]."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in steps_of(frame))


def _property(value: Any, frame: Frame) -> Any:
    return UNDEFINED if frame[2] is None else frame[1]


_SIMPLE: dict[str, Closure] = {
    "value": lambda value, frame: value,
    "property": _property,
    "parentProperty": _parent_property,
    "parent": lambda value, frame: UNDEFINED if frame[2] is None else frame[2][0],
    "root": _root,
    "path": _path,
}
_SHORTHANDS = frozenset(_SIMPLE) - {"value"}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "undefined": lambda value: value is UNDEFINED,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "scalar": lambda value: not isinstance(value, dict | list),
}


def _member(expression: Expression) -> Closure:
    kind, owner, name = expression
    get = compiled(owner)
    if kind == "optional":
        key = name[1]

        def optional(value: Any, frame: Frame) -> Any:
            found = get(value, frame)
            return UNDEFINED if found is None or found is UNDEFINED else member(found, key)

        return optional
    if name[0] == "constant":
        constant = name[1]
        if owner == ("value",):
            return lambda value, frame: member(value, constant)
        return lambda value, frame: member(get(value, frame), constant)
    key_of = compiled(name)
    return lambda value, frame: member(get(value, frame), key_of(value, frame))


def _call(expression: Expression) -> Closure:
    callee = compiled(expression[1])
    arguments = [compiled(argument) for argument in expression[2]]

    def call(value: Any, frame: Frame) -> Any:
        method = callee(value, frame)
        if not isinstance(method, Method):
            raise ScriptError("what is called is no method")
        try:
            return method.call(*(argument(value, frame) for argument in arguments))
        except (TypeError, ValueError, regex.PatternTimeout) as error:
            raise ScriptError(str(error)) from None

    return call


def _unary(operator: str, operand: Closure) -> Closure:
    if operator == "!":
        return lambda value, frame: not truthy(operand(value, frame))
    if operator == "typeof":
        return lambda value, frame: values.type_of(operand(value, frame))
    if operator == "void":
        return lambda value, frame: UNDEFINED
    sign = -1 if operator == "-" else 1
    return lambda value, frame: sign * values.number(operand(value, frame))


def _plus(a: Any, b: Any) -> Any:
    if isinstance(a, str | dict | list) or isinstance(b, str | dict | list):
        return values.text(a) + values.text(b)
    return values.number(a) + values.number(b)


def _divided(a: Any, b: Any) -> float:
    a, b = values.number(a), values.number(b)
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)
    return float(a / b)


def _remainder(a: Any, b: Any) -> float:
    a, b = values.number(a), values.number(b)
    return math.nan if b == 0 or math.isinf(a) or math.isnan(a) or math.isnan(b) else math.fmod(a, b)


def _in(a: Any, b: Any) -> bool:
    """An item of a list, unlike JavaScript's own `in`, as Spectral's engine has it; else a key."""
    if isinstance(b, list):
        return any(values.strictly_equal(a, item) for item in b)
    if isinstance(b, dict):
        return values.text(a) in b
    raise ScriptError("in needs a list or a mapping")


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "===": values.strictly_equal,
    "!==": lambda a, b: not values.strictly_equal(a, b),
    "==": values.loosely_equal,
    "!=": lambda a, b: not values.loosely_equal(a, b),
    "<": values.less,
    ">": lambda a, b: values.less(b, a),
    "<=": lambda a, b: values.less(a, b) or _same_order(a, b),
    ">=": lambda a, b: values.less(b, a) or _same_order(a, b),
    "in": _in,
    "+": _plus,
    "-": lambda a, b: values.number(a) - values.number(b),
    "*": lambda a, b: values.number(a) * values.number(b),
    "/": _divided,
    "%": _remainder,
}


def _same_order(a: Any, b: Any) -> bool:
    return a == b if isinstance(a, str) and isinstance(b, str) else values.number(a) == values.number(b)


def _binary(operator: str, left: Closure, right: Closure) -> Closure:
    if operator == "&&":

        def both(value: Any, frame: Frame) -> Any:
            first = left(value, frame)
            return right(value, frame) if type(first) is dict or truthy(first) else first

        return both
    if operator in ("||", "??"):

        def either(value: Any, frame: Frame) -> Any:
            first = left(value, frame)
            kept = truthy(first) if operator == "||" else first is not None and first is not UNDEFINED
            return first if kept else right(value, frame)

        return either
    operation = _OPERATIONS[operator]
    return lambda value, frame: operation(left(value, frame), right(value, frame))


# --- what a value must have

_EVERYONES = frozenset({"length", "constructor"} | {name for kind in values.METHODS.values() for name in kind})


def _required(expression: Expression) -> str:
    """A key without which the expression cannot hold: it lets a walk pass over most values at once."""
    kind = expression[0]
    if kind == "&&":
        return _required(expression[1]) or _required(expression[2])
    if kind == "||":
        first = _required(expression[1])
        return first if first and first == _required(expression[2]) else ""
    if kind in ("==", "==="):
        for one, other in ((expression[1], expression[2]), (expression[2], expression[1])):
            if other[0] == "constant" and other[1] is not None and other[1] is not UNDEFINED:
                return _first_key(one)
        return ""
    return _first_key(expression)


def _first_key(expression: Expression) -> str:
    """`type` of `@.type.x.y(…)`."""
    while expression[0] in ("member", "call"):
        if expression[0] == "member" and expression[1] == ("value",):
            name = expression[2][1] if expression[2][0] == "constant" else ""
            return name if isinstance(name, str) and not name.isdigit() and name not in _EVERYONES else ""
        expression = expression[1]
    return ""
