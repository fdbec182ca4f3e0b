"""Filters of RFC 9535, `[?…]` without parentheses around it: queries, comparisons and function extensions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apigw_cli.lint import regex
from apigw_cli.lint.javascript import UNDEFINED
from apigw_cli.lint.jsonpath.scanner import Scanner
from apigw_cli.lint.jsonpath.steps import Frame, Path, PathError, Predicate, find

if TYPE_CHECKING:
    from apigw_cli.lint.jsonpath.syntax import Reader

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
Nodes = Callable[[Frame], list[Frame]]
Value = Callable[[Frame], Any]


def compile_filter(reader: Reader) -> Predicate:
    """Read a logical expression."""
    test = _Parser(reader).either()
    return lambda value, frame: test(frame)


class _Parser:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.scanner: Scanner = reader.scanner

    def either(self) -> Callable[[Frame], bool]:
        self.scanner.descend()
        tests = [self._all()]
        while self._operator("||"):
            tests.append(self._all())
        self.scanner.depth -= 1
        return tests[0] if len(tests) == 1 else lambda frame: any(test(frame) for test in tests)

    def _all(self) -> Callable[[Frame], bool]:
        tests = [self._basic()]
        while self._operator("&&"):
            tests.append(self._basic())
        return tests[0] if len(tests) == 1 else lambda frame: all(test(frame) for test in tests)

    def _operator(self, text: str) -> bool:
        self.scanner.blank()
        return self.scanner.take(text)

    def _basic(self) -> Callable[[Frame], bool]:
        scanner = self.scanner
        scanner.blank()
        if scanner.ahead("!") and not scanner.ahead("!="):
            scanner.at += 1
            scanner.descend()
            test = self._basic()
            scanner.depth -= 1
            return lambda frame: not test(frame)
        if scanner.take("("):
            inner = self.either()
            scanner.expect(")")
            return inner
        return self._test_or_comparison()

    def _test_or_comparison(self) -> Callable[[Frame], bool]:
        begin = self.scanner.at
        kind, left = self._operand()
        self.scanner.blank()
        operator = next((each for each in _COMPARISONS if self.scanner.take(each)), None)
        if operator is None:
            if kind == "value":
                raise PathError("a comparison is expected", begin)
            return left if kind == "logical" else lambda frame: bool(left(frame))
        self.scanner.blank()
        right_kind, right = self._operand()
        if "logical" in (kind, right_kind):
            raise PathError("match and search give no value to compare", begin)
        first, second = self._comparable(kind, left, begin), self._comparable(right_kind, right, begin)
        return lambda frame: _compare(operator, first(frame), second(frame))

    def _comparable(self, kind: str, operand: Any, begin: int) -> Value:
        if kind == "value":
            return operand  # type: ignore[no-any-return]
        if kind == "nodes":
            raise PathError("a query that may find several values stands for no value: use count() or value()", begin)
        return self._single(operand)

    def _single(self, operand: Any) -> Value:
        def single(frame: Frame) -> Any:
            nodes = operand(frame)
            return nodes[0][0] if len(nodes) == 1 else UNDEFINED

        return single

    def _operand(self) -> tuple[str, Any]:
        """What kind it is (value, nodes, node or logical) and a closure over the frame of the value under test."""
        scanner = self.scanner
        char = scanner.next
        if char in ("@", "$"):
            return self._query(char)
        if char in ("'", '"'):
            text = scanner.quoted()
            return "value", lambda frame: text
        if char == "-" or char.isdigit():
            sign = -1 if scanner.take("-") else 1
            number = scanner.number()
            if number is None:
                raise scanner.error("a number is expected")
            return "value", lambda frame: sign * number
        name = scanner.match(_NAME)
        if name in _LITERALS:
            return "value", lambda frame: _LITERALS[name]
        if name and scanner.take("("):
            return self._function(name)
        raise scanner.error(
            f"unexpected {scanner.next or name!r}" if scanner.next or name else "the filter ends too early"
        )

    def _query(self, char: str) -> tuple[str, Nodes]:
        self.scanner.at += 1
        path: Path = self.reader.steps(in_filter=True)
        kind = "node" if all(step.singular for step in path.steps) else "nodes"
        if char == "@":
            return kind, lambda frame: find(path, frame, limit=100_000)

        def from_root(frame: Frame) -> list[Frame]:
            while frame[2] is not None:
                frame = frame[2]
            return find(path, frame, limit=100_000)

        return kind, from_root

    # --- functions (RFC 9535, section 2.4)

    def _function(self, name: str) -> tuple[str, Any]:
        if name not in ("length", "count", "value", "match", "search"):
            raise self.scanner.error(f"there is no function {name}(): use length, count, value, match or search")
        arguments = []
        while True:
            self.scanner.blank()
            arguments.append(self._operand())
            self.scanner.blank()
            if not self.scanner.take(","):
                break
        self.scanner.expect(")")
        if len(arguments) != (2 if name in ("match", "search") else 1):
            raise self.scanner.error(f"{name}() has a wrong number of arguments")
        kind, first = arguments[0]
        if name in ("count", "value"):
            if kind not in ("node", "nodes"):
                raise self.scanner.error(f"{name}() needs a query")
            return "value", (lambda frame: len(first(frame))) if name == "count" else self._single(first)
        value = self._comparable(kind, first, 0)
        if name == "length":
            return "value", lambda frame: _length(value(frame))
        pattern = self._comparable(*arguments[1], 0)
        return "logical", lambda frame: _matches(value(frame), pattern(frame), whole=name == "match")


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, str | list | dict) else UNDEFINED


def _matches(value: Any, pattern: Any, *, whole: bool) -> bool:
    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    try:
        pattern = _DOT.sub(lambda found: found[1] or "[^\\n\\r]", pattern)
        return regex.of_source(f"^(?:{pattern})$" if whole else pattern, "u").test(value)
    except (regex.PatternError, regex.PatternTimeout):
        return False


# What is not a dot, or a dot, which in I-Regexp (RFC 9485) stands for anything but these two line ends.
_DOT = re.compile(r"(\\.|\[(?:\\.|[^\]\\])*\])|\.", re.DOTALL)


def _compare(operator: str, a: Any, b: Any) -> bool:
    match operator:
        case "==":
            return _equal(a, b)
        case "!=":
            return not _equal(a, b)
        case "<":
            return _less(a, b)
        case ">":
            return _less(b, a)
        case "<=":
            return _less(a, b) or _equal(a, b)
    return _less(b, a) or _equal(a, b)


def _equal(a: Any, b: Any) -> bool:
    """Deep, by JSON's types: 1 equals 1.0 but not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return bool(a == b)


def _less(a: Any, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a < b
    both = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (a, b))
    return bool(both and a < b)
