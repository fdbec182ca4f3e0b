"""Reading a path: `$.paths[*][get,put]..[?(@.x)]^~`, in Spectral's dialect and in RFC 9535's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from apigw_cli.lint.jsonpath import query, script
from apigw_cli.lint.jsonpath.scanner import Scanner
from apigw_cli.lint.jsonpath.steps import LENGTH_LIMIT, Path, PathError, Predicate, Step

_NAME = re.compile(r"[^\s.\[\]^~*()?,'\"]+")
_NAME_IN_FILTER = re.compile(r"[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?(?=[,\]])")
_BARE = re.compile(r"[^\],'\"?()]+")


@lru_cache(maxsize=4096)
def parse(text: str) -> Path:
    """A compiled path. Raises PathError, with the offset of the fault."""
    if len(text) > LENGTH_LIMIT:
        raise PathError(f"a path may have {LENGTH_LIMIT:,} characters at most")
    reader = Reader(text.strip())
    if not reader.scanner.take("$"):
        raise PathError("a path begins with $")
    return reader.steps()


@dataclass
class _Selectors:
    """What stands between brackets, as it is read."""

    any: bool = False
    names: set[str] = field(default_factory=set)
    slices: list[slice] = field(default_factory=list)
    predicates: list[Predicate] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)

    def step(self, deep: bool) -> Step:
        only = self.requires[0] if len(self.requires) == 1 and not (self.names or self.slices or self.any) else ""
        return Step(deep, self.any, frozenset(self.names), tuple(self.slices), tuple(self.predicates), only)


class Reader:
    """A path's text and how far it is read."""

    def __init__(self, text: str) -> None:
        self.scanner = Scanner(text)

    def steps(self, *, in_filter: bool = False) -> Path:
        """The rest of the text; `in_filter`: as far as it is a path."""
        steps: list[Step] = []
        while True:
            step = self._step(in_filter)
            if step is None:
                break
            steps.append(step)
        up = 0
        while not in_filter and self.scanner.take("^"):
            up += 1
        if in_filter:
            return Path(self.scanner.text, tuple(steps))
        if self.scanner.take("~"):
            self._end()
            return Path(self.scanner.text, tuple(steps), up, None, True)
        if up and self.scanner.next:
            tail = self.steps()
            return Path(self.scanner.text, tuple(steps), up, tail, tail.keys)
        self._end()
        return Path(self.scanner.text, tuple(steps), up)

    def _end(self) -> None:
        if self.scanner.next:
            raise self.scanner.error(f"unexpected {self.scanner.next!r}")

    def _step(self, in_filter: bool) -> Step | None:
        scanner = self.scanner
        begin = scanner.at
        scanner.blank()
        if scanner.take(".."):
            return self._after_dot(True, in_filter)
        if scanner.take("."):
            return self._after_dot(False, in_filter)
        if scanner.take("["):
            return self._bracket(False, in_filter)
        scanner.at = begin
        return None

    def _after_dot(self, deep: bool, in_filter: bool) -> Step:
        scanner = self.scanner
        if scanner.take("["):
            return self._bracket(True, in_filter)  # Spectral's engine reads `.[` as `..[`
        if scanner.take("*"):
            return Step(deep, any=True)
        if scanner.next in ("'", '"'):
            return Step(deep, names=frozenset({scanner.quoted()}))
        name = scanner.match(_NAME_IN_FILTER if in_filter else _NAME)
        if not name:
            raise scanner.error("a name is expected after the dot")
        return Step(deep, names=frozenset({name}))

    # --- brackets

    def _bracket(self, deep: bool, in_filter: bool) -> Step:
        self.scanner.descend()
        found = _Selectors()
        self._selector(found, in_filter)
        self.scanner.blank()
        while self.scanner.take(","):
            self._selector(found, in_filter)
            self.scanner.blank()
        self.scanner.expect("]")
        self.scanner.depth -= 1
        return found.step(deep)

    def _selector(self, found: _Selectors, in_filter: bool) -> None:
        scanner = self.scanner
        scanner.blank()
        if scanner.take("*"):
            found.any = True
        elif scanner.next in ("'", '"'):
            found.names.add(scanner.quoted())
        elif scanner.take("?"):
            self._filter(found)
        elif scanner.take("("):
            found.predicates.append(script.compile_script(scanner))
            scanner.expect(")")
            found.requires.append("")
        elif not self._slice(found):
            name = scanner.match(_BARE).strip()
            if not name:
                raise scanner.error("a name, an index, a slice or a filter is expected in the brackets")
            self._bare(name, found, in_filter)

    def _bare(self, name: str, found: _Selectors, in_filter: bool) -> None:
        """A name without quotes, or an index. [-1] is the last item in RFC 9535's filters; Spectral finds nothing."""
        if in_filter and re.fullmatch(r"-[1-9]\d{0,15}", name):
            found.slices.append(slice(int(name), int(name) + 1 or None))
        else:
            found.names.add(name)

    def _slice(self, found: _Selectors) -> bool:
        match = _SLICE.match(self.scanner.text, self.scanner.at)
        if match is None:
            return False
        start, stop, step = (None if not part or part == "-" else int(part[:18]) for part in match.groups())
        self.scanner.at = match.end()
        if step != 0:  # which selects nothing (RFC 9535, section 2.3.4.2.2)
            found.slices.append(slice(start, stop, step))
        return True

    def _filter(self, found: _Selectors) -> None:
        """In parentheses it is JavaScript; else, or if JavaScript cannot read it, RFC 9535."""
        scanner = self.scanner
        scanner.blank()
        begin, depth = scanner.at, scanner.depth
        if not scanner.take("("):
            found.predicates.append(query.compile_filter(self))
            found.requires.append("")
            return
        try:
            predicate, requires = script.compile_filter(scanner)
            scanner.expect(")")
            scanner.blank()
            if scanner.next not in (",", "]"):
                raise scanner.error(f"unexpected {scanner.next!r}")
        except PathError as error:
            scanner.at, scanner.depth = begin, depth
            try:
                predicate, requires = query.compile_filter(self), ""
                scanner.blank()
                if scanner.next not in (",", "]"):
                    raise scanner.error("unexpected")
            except PathError:
                raise error from None
        found.predicates.append(predicate)
        found.requires.append(requires)
