"""A text that a regular expression accepts: for mock answers, from the part of ECMA-262 that specifications use.

Literals, classes, groups, alternatives, quantifiers, anchors. Anything else (look-around, back references, Unicode
properties) gives None, and the caller makes do without.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

_LONGEST = 10_000
_CLASSES = {"d": "09", "w": "azAZ09__", "s": "  "}  # pairs: first and last of each range
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_HEX = frozenset("0123456789abcdefABCDEF")
_QUANTIFIER = re.compile(r"([*+?])|\{(\d{1,5})(?:(,)(\d{0,5}))?\}")
_OTHERS = "a0A-_ .:/é"  # candidates for what a negated class leaves


def example(pattern: str, shortest: int = 0, longest: int = _LONGEST) -> str | None:
    """A text of `shortest` to `longest` characters that `pattern` accepts, or None where none is found easily."""
    accepts = _acceptance(pattern)
    for repeat in dict.fromkeys((1, 0, min(shortest, 256))):
        try:
            text = _Reader(pattern, repeat).read()
        except _Unsupported:
            return None
        # A long text is not tried: an ambiguous expression could take for ever to say no to it.
        if shortest <= len(text) <= longest and (repeat > 1 or accepts(text)):
            return text
    return None


def _acceptance(pattern: str) -> Callable[[str], bool]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return lambda text: True  # ECMA-262 where Python's syntax differs: the reader's word is taken
    return lambda text: compiled.search(text) is not None


class _Unsupported(Exception):
    pass


class _Reader:
    """Reads a pattern once, making the text on the way. `repeat`: how often what is optional is repeated."""

    def __init__(self, pattern: str, repeat: int) -> None:
        self.pattern = pattern
        self.repeat = repeat
        self.position = 0
        self.depth = 0

    def read(self) -> str:
        text = self._alternatives()
        if self.position < len(self.pattern):
            raise _Unsupported
        return text

    def _peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise _Unsupported
        self.position += 1
        return character

    def _alternatives(self) -> str:
        self.depth += 1
        if self.depth > 50:
            raise _Unsupported
        first = self._sequence()
        while self._peek() == "|":
            self.position += 1
            self._sequence()
        self.depth -= 1
        return first

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in ("", "|", ")"):
            text += self._atom() * self._count()
            if len(text) > _LONGEST:
                raise _Unsupported
        return text

    def _count(self) -> int:
        match = _QUANTIFIER.match(self.pattern, self.position)
        if match is None:
            return 1
        self.position = match.end()
        if self._peek() in ("?", "+"):  # lazy, possessive
            self.position += 1
        sign, low, comma, high = match.groups()
        if sign:
            return max(self.repeat, 1) if sign == "+" else min(self.repeat, 1) if sign == "?" else self.repeat
        if comma is None:
            return int(low)
        return min(max(int(low), self.repeat), int(high) if high else _LONGEST)

    def _atom(self) -> str:
        character = self._next()
        if character in "^$":
            return ""
        if character == ".":
            return "a"
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise _Unsupported
        return character

    def _group(self) -> str:
        match = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>)").match(self.pattern, self.position)
        if match:
            self.position = match.end()
        elif self._peek() == "?":
            raise _Unsupported
        text = self._alternatives()
        if self._next() != ")":
            raise _Unsupported
        return text

    def _escape(self) -> str:
        character = self._next()
        if character in _CLASSES:
            return _CLASSES[character][0]
        if character in "bB":
            return ""
        if character in "DSW":
            return "a" if character != "W" else "-"
        return self._literal_escape(character)

    def _literal_escape(self, character: str) -> str:
        if character in "ux":
            length = 4 if character == "u" else 2
            digits = self.pattern[self.position : self.position + length]
            if len(digits) < length or not _HEX.issuperset(digits):
                raise _Unsupported
            self.position += length
            return chr(int(digits, 16))
        if character.isalnum() and character not in _CONTROLS:
            raise _Unsupported
        return _CONTROLS.get(character, character)

    def _class(self) -> str:
        negated = self._peek() == "^"
        self.position += negated
        ranges: list[tuple[str, str]] = []
        while (character := self._next()) != "]":
            ranges.extend(self._range(character))
        if not negated:
            if not ranges:
                raise _Unsupported
            return ranges[0][0]
        for candidate in _OTHERS:
            if not any(low <= candidate <= high for low, high in ranges):
                return candidate
        raise _Unsupported

    def _range(self, character: str) -> list[tuple[str, str]]:
        if character == "\\":
            letter = self._next()
            if letter in _CLASSES:
                pairs = _CLASSES[letter]
                return [(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]
            character = "\b" if letter == "b" else self._literal_escape(letter)
        if self._peek() == "-" and self.pattern[self.position + 1 : self.position + 2] not in ("]", ""):
            self.position += 1
            last = self._next()
            return [(character, self._literal_escape(self._next()) if last == "\\" else last)]
        return [(character, character)]
