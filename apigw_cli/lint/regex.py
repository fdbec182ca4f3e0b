r"""JavaScript's regular expressions (ECMA-262, section 22.2) on top of the `regex` package.

Rulesets are written for JavaScript: `\d` is ASCII, `$` is the very end, `(?<name>…)` names a group, `[^]` is anything.
`translate` rewrites a pattern piece by piece and refuses what has no equal. A match ends after `TIME_LIMIT` seconds
however the pattern backtracks, which Python's own `re` cannot do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

TIME_LIMIT = 1.0
LENGTH_LIMIT = 10_000
_PATIENCE = 3
_SLASHED = re.compile(r"/(.+)/([a-z]*)", re.DOTALL)
_QUANTIFIER = re.compile(r"\{\d+(?:,\d*)?\}|[*+?]")
_LINE_ENDS = r"\n\r\u2028\u2029"
_SETS = re.compile(r"\[[^\]]*(?:\[|&&|--)|\\q\{")
_GROUP_NAME = r"([^\W\d]|\$)([\w$]*)"
_WORD = "A-Za-z0-9_"
_SPACE = r"\t\n\x0b\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES = {
    "d": "0-9",
    "D": r"\x00-/:-\U0010ffff",
    "w": _WORD,
    "W": r"\x00-/:-@\[-\^`\{-\U0010ffff",
    "s": _SPACE,
    "S": (
        r"\x00-\x08\x0e-\x1f!-\u009f\u00a1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e"
        r"\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff"
    ),
}
_BOUNDARY = f"(?:(?<![{_WORD}])(?=[{_WORD}])|(?<=[{_WORD}])(?![{_WORD}]))"
_NO_BOUNDARY = f"(?:(?<![{_WORD}])(?![{_WORD}])|(?<=[{_WORD}])(?=[{_WORD}]))"
_CODE_POINTS = tuple(
    re.compile(form) for form in (r"\\u\{([0-9A-Fa-f]{1,6})\}", r"\\u([0-9A-Fa-f]{4})", r"\\x([0-9A-Fa-f]{2})")
)
_CONTROLS = {"t": "\t", "n": "\n", "v": "\x0b", "f": "\f", "r": "\r", "0": "\0"}


class PatternError(ValueError):
    """A pattern that is wrong, or that cannot be translated; the text says why."""


class PatternTimeout(Exception):
    """A pattern that has not decided about a text within the limit."""


class Pattern:
    """A compiled pattern. `test` says whether it matches anywhere in a text (with the flag y: at its beginning)."""

    __slots__ = ("_by_unit", "_overdue", "_search", "flags", "source")

    def __init__(self, source: str, flags: str = "") -> None:
        import regex

        self.source, self.flags = source, flags
        self._overdue = 0
        self._by_unit = not _by_code_point(flags)
        try:
            compiled = regex.compile(translate(source, flags), regex.IGNORECASE if "i" in flags else 0)
        except regex.error as error:
            raise PatternError(f"{error}") from None
        self._search = compiled.match if "y" in flags else compiled.search

    def search(self, text: str) -> Any:
        """The match object, or None; without the flag u, in `code_units` of the text.

        Raises PatternTimeout; after some of those, at once.
        """
        try:
            if self._overdue >= _PATIENCE:
                raise TimeoutError
            return self._search(code_units(text) if self._by_unit else text, timeout=TIME_LIMIT)
        except TimeoutError:
            self._overdue += 1
            raise PatternTimeout(f"the pattern {self.source} needs more than {TIME_LIMIT:g} s") from None

    def test(self, text: str) -> bool:
        return self.search(text) is not None


@lru_cache(maxsize=1024)
def compiled(text: str) -> Pattern:
    """A pattern as rulesets write it: `^a` or `/^a/i`. Raises PatternError."""
    slashed = _SLASHED.fullmatch(text)
    return Pattern(slashed[1], slashed[2]) if slashed else Pattern(text)


@lru_cache(maxsize=1024)
def of_source(source: str, flags: str = "") -> Pattern:
    """A pattern without slashes around it, as JSON Schema and regular expression literals have it."""
    return Pattern(source, flags)


def translate(source: str, flags: str = "") -> str:
    """The same pattern for the `regex` package. Raises PatternError for what is no pattern or has no equal."""
    if len(source) > LENGTH_LIMIT:
        raise PatternError(f"a pattern may have {LENGTH_LIMIT:,} characters at most")
    unknown = set(flags) - set("dgimsuvy")
    if unknown or len(set(flags)) != len(flags) or {"u", "v"} <= set(flags):
        raise PatternError(f"the flags {flags!r} are not supported: use g, i, m, s, u or v, y, each once")
    if "v" in flags and _SETS.search(source):
        raise PatternError("sets in classes (the flag v) are not supported: use the flag u and alternatives")
    if _by_code_point(flags):
        return _Translation(source, flags.replace("v", "u")).run()
    return _Translation(code_units(source), flags).run()


def _by_code_point(flags: str) -> bool:
    return "u" in flags or "v" in flags


def code_units(text: str) -> str:
    """A text as JavaScript sees it without the flag u: what is beyond 16 bits is two halves."""
    if text.isascii() or max(text) < "\U00010000":
        return text
    return "".join(char if char < "\U00010000" else _halves(ord(char) - 0x10000) for char in text)


def _halves(number: int) -> str:
    return chr(0xD800 + (number >> 10)) + chr(0xDC00 + (number & 0x3FF))


def whole(text: str) -> str:
    """The opposite of `code_units`."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(char: str) -> str:
    return (
        char
        if char.isalnum() or char == "_" or ord(char) > 127
        else "\\" + char
        if char > " "
        else f"\\x{ord(char):02x}"
    )


class _Translation:
    def __init__(self, source: str, flags: str) -> None:
        self.source = source
        self.at = 0
        self.flags = flags
        self.out: list[str] = []
        bare = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", source, flags=re.DOTALL)
        self.groups = len(re.findall(r"\((?!\?)|\(\?<(?![=!])", bare))
        self.quantifiable = False
        self.names: set[str] = set()

    def run(self) -> str:
        depth = 0
        while self.at < len(self.source):
            char = self.source[self.at]
            if char == "\\":
                self._escape()
            elif char == "[":
                self._class()
            elif char == "(":
                depth += 1
                self._group()
            elif char == ")":
                depth -= 1
                if depth < 0:
                    raise PatternError("a ) closes no group")
                self._put(")", 1)
            elif not self._quantifier(char):
                self._plain(char)
        if depth:
            raise PatternError("a group is not closed")
        return "".join(self.out)

    def _put(self, text: str, length: int, *, quantifiable: bool = True) -> None:
        self.out.append(text)
        self.at += length
        self.quantifiable = quantifiable

    def _plain(self, char: str) -> None:
        multiline = "m" in self.flags
        if char == ".":
            self._put(r"[\s\S]" if "s" in self.flags else f"[^{_LINE_ENDS}]", 1)
        elif char == "^":
            self._put(rf"(?:\A|(?<=[{_LINE_ENDS}]))" if multiline else r"\A", 1, quantifiable=False)
        elif char == "$":
            self._put(rf"(?=[{_LINE_ENDS}]|\Z)" if multiline else r"\Z", 1, quantifiable=False)
        elif char == "|":
            self._put("|", 1, quantifiable=False)
        else:
            self._put(_escaped(char), 1)

    def _quantifier(self, char: str) -> bool:
        found = _QUANTIFIER.match(self.source, self.at) if char in "*+?{" else None
        if found is None:
            return False
        if not self.quantifiable:
            raise PatternError(f"nothing to repeat before {found[0]}")
        text = found[0]
        if self.source.startswith("?", found.end()):
            text += "?"
        self._put(text, len(text), quantifiable=False)
        return True

    def _group(self) -> None:
        rest = self.source[self.at : self.at + 3]
        name = re.compile(rf"\(\?<({_GROUP_NAME})>").match(self.source, self.at)
        if name:
            if name[1] in self.names:
                raise PatternError(f"two groups are called {name[1]}")
            self.names.add(name[1])
            self._put(f"(?P<{name[1].replace('$', '_')}>", len(name[0]), quantifiable=False)
        elif rest in ("(?:", "(?=", "(?!"):
            self._put(rest, 3, quantifiable=False)
        elif rest == "(?<" and self.source[self.at + 3 : self.at + 4] in ("=", "!"):
            self._put(self.source[self.at : self.at + 4], 4, quantifiable=False)
        elif rest.startswith("(?"):
            raise PatternError(f"{self.source[self.at : self.at + 6]!r} begins no group that JavaScript knows")
        else:
            self._put("(", 1, quantifiable=False)

    def _escape(self) -> None:
        char = self.source[self.at + 1 : self.at + 2]
        if char in _CLASSES:
            self._put(f"[{_CLASSES[char]}]", 2)
        elif char in ("b", "B"):
            self._put(_BOUNDARY if char == "b" else _NO_BOUNDARY, 2, quantifiable=False)
        elif char in "pP" and char and "u" in self.flags:
            self._property()
        elif char == "k" and "(?<" in self.source:
            self._named_reference()
        elif char and char in "123456789":
            self._numbered_reference()
        else:
            value, length = self._character()
            self._put(_escaped(value), length)

    def _property(self) -> None:
        found = re.compile(r"\\[pP]\{[\w=]+\}").match(self.source, self.at)
        if not found:
            raise PatternError(r"\p needs a property in braces: \p{L}")
        self._put(found[0], len(found[0]))

    def _named_reference(self) -> None:
        found = re.compile(rf"\\k<({_GROUP_NAME})>").match(self.source, self.at)
        if not found:
            raise PatternError(r"\k needs the name of a group: \k<name>")
        name = found[1].replace("$", "_")
        self._put(f"(?({name})(?P={name})|)", len(found[0]))

    def _numbered_reference(self) -> None:
        found = re.compile(r"\\(\d+)").match(self.source, self.at)
        assert found is not None
        number = int(found[1])
        if number <= self.groups:
            # A group that has not matched yet is empty in JavaScript.
            self._put(f"(?({number})(?:\\{number})|)", len(found[0]))
        elif "u" in self.flags:
            raise PatternError(f"there is no group {number}")
        elif found[1][0] in "89":
            self._put(found[1][0], 2)
        else:
            octal = re.match(r"[0-3]?[0-7]{1,2}", found[1])
            assert octal is not None
            self._put(_escaped(chr(int(octal[0], 8))), 1 + len(octal[0]))

    def _character(self) -> tuple[str, int]:
        """The character that an escape at the current position stands for, and the escape's length."""
        source, at = self.source, self.at
        forms = _CODE_POINTS if "u" in self.flags else _CODE_POINTS[1:]
        for form in forms:
            found = form.match(source, at)
            if found:
                return _code_point(found[1]), len(found[0])
        char = source[at + 1 : at + 2]
        if not char:
            raise PatternError("the pattern ends in a backslash")
        octal = re.compile(r"\\0[0-7]{1,2}").match(source, at)
        if octal and "u" not in self.flags:
            return chr(int(octal[0][1:], 8)), len(octal[0])
        if char == "c" and source[at + 2 : at + 3].isalpha():
            return chr(ord(source[at + 2]) % 32), 3
        if "u" in self.flags and ((char.isalnum() or char == "_") and char not in _CONTROLS):
            raise PatternError(f"\\{char} means nothing with the flag u")
        return _CONTROLS.get(char, char), 2

    # --- classes

    def _class(self) -> None:
        self.at += 1
        negated = self.source.startswith("^", self.at)
        self.at += negated
        parts: list[str] = []
        while not self.source.startswith("]", self.at):
            if self.at >= len(self.source):
                raise PatternError("a [ is not closed")
            parts.append(self._class_part())
        if parts:
            self._put(f"[{'^' if negated else ''}{''.join(parts)}]", 1)
        else:
            self._put(r"[\s\S]" if negated else "(?!)", 1)

    def _class_part(self) -> str:
        first, is_set = self._class_atom()
        if is_set or self.source[self.at : self.at + 1] != "-" or self.source[self.at + 1 : self.at + 2] in ("]", ""):
            return first if is_set else _escaped(first)
        self.at += 1
        last, last_is_set = self._class_atom()
        if last_is_set:
            return f"{_escaped(first)}\\-{last}"
        if ord(last) < ord(first):
            raise PatternError(f"the range {first}-{last} goes backwards")
        return f"{_escaped(first)}-{_escaped(last)}"

    def _class_atom(self) -> tuple[str, bool]:
        """A character, or the content of a set such as \\d (then True)."""
        char = self.source[self.at]
        if char != "\\":
            self.at += 1
            return char, False
        kind = self.source[self.at + 1 : self.at + 2]
        if kind in _CLASSES:
            self.at += 2
            return _CLASSES[kind], True
        if kind == "b":
            self.at += 2
            return "\b", False
        if kind and kind in "pP" and "u" in self.flags:
            mark = len(self.out)
            self._property()
            return self.out.pop(mark), True
        if kind == "-":
            self.at += 2
            return "-", False
        value, length = self._character()
        self.at += length
        return value, False


def _code_point(digits: str) -> str:
    number = int(digits, 16)
    if number > 0x10FFFF:
        raise PatternError(f"{digits} is no code point")
    return chr(number)
