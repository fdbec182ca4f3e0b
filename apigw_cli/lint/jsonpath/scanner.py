"""Reading a path's text from left to right: what its own grammar and that of its filters share."""

from __future__ import annotations

import re

from apigw_cli.lint.jsonpath.steps import PathError

_NUMBER = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
DEPTH_LIMIT = 100


class Scanner:
    """A text and how far it is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def error(self, message: str) -> PathError:
        return PathError(message, self.at)

    def descend(self) -> None:
        """Count a level of nesting: a filter in brackets in a filter … Raises PathError where it is too deep."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise self.error("nested too deeply")

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def ahead(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        """Read `text` if it comes next."""
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def expect(self, text: str) -> None:
        self.blank()
        if not self.take(text):
            found = repr(self.next) if self.next else "the end"
            raise self.error(f"{text!r} is expected, not {found}")

    def match(self, pattern: re.Pattern[str]) -> str:
        """Read what `pattern` matches; empty where it does not."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def number(self) -> int | float | None:
        text = self.match(_NUMBER)
        if not text:
            return None
        if len(text) > 400:
            raise self.error("a number with too many digits")
        return int(text) if text.isdigit() else float(text)

    def quoted(self) -> str:
        """A string in single or double quotes, escapes as in JavaScript."""
        quote, begin = self.next, self.at
        self.at += 1
        parts: list[str] = []
        while self.next != quote:
            char = self.next
            if not char:
                self.at = begin
                raise self.error("the string is not closed")
            self.at += 1
            parts.append(self._escaped() if char == "\\" else char)
        self.at += 1
        return "".join(parts)

    def _escaped(self) -> str:
        char = self.next
        self.at += 1
        if char == "u":
            code = self._code_unit()
            if 0xD800 <= code < 0xDC00 and self.take("\\u"):
                code = 0x10000 + ((code - 0xD800) << 10) + (self._code_unit() - 0xDC00)
            try:
                return chr(code)
            except (ValueError, OverflowError):
                raise self.error("this is no character") from None
        return _SHORT.get(char, char)

    def _code_unit(self) -> int:
        digits = self.text[self.at : self.at + 4]
        if not re.fullmatch(r"[0-9A-Fa-f]{4}", digits):
            raise self.error("four hexadecimal digits are expected after \\u")
        self.at += 4
        return int(digits, 16)
