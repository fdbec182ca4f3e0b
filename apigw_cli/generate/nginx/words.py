"""The grammar of nginx.conf: how a text becomes one parameter, and blocks become lines.

nginx reads `\\"`, `\\'`, `\\\\`, `\\t`, `\\r` and `\\n` in a parameter as one character and leaves every other
backslash alone (ngx_conf_read_token), and puts variables in at each `$` of most values, with no way to write a
plain one; `DOLLAR` names a variable that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

DOLLAR = "apigw_dollar"
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~^*-]+")
_AFTER_BACKSLASH = frozenset(('"', "'", "\\", "t", "r", "n", "\n", ""))  # a line feed is written \\n; "": the end


@dataclass(slots=True)
class Block:
    """`head { body }`; a body's line is text that ends in `;` or `#…`, or a block."""

    head: str
    body: list[str | Block] = field(default_factory=list)


Lines = Iterable["str | Block"]


def text(lines: Lines, depth: int = 0) -> Iterator[str]:
    """The lines as they stand in the file, indented."""
    indent = "    " * depth
    for line in lines:
        if isinstance(line, Block):
            yield f"{indent}{line.head} {{"
            yield from text(line.body, depth + 1)
            yield f"{indent}}}"
        else:
            yield f"{indent}{line}" if line else ""


def quoted(value: str) -> str:
    """`value` as one parameter that is read back exactly; `$` keeps its meaning. Quotes only where they are needed."""
    return value if _PLAIN.fullmatch(value) else in_quotes(value)


def in_quotes(value: str) -> str:
    """The same, always in quotes."""
    out = []
    for position, char in enumerate(value):
        if char == "\n":
            out.append("\\n")
            continue
        if char == '"' or (char == "\\" and value[position + 1 : position + 2] in _AFTER_BACKSLASH):
            out.append("\\")
        out.append(char)
    return f'"{"".join(out)}"'


def literal(value: str) -> str:
    """A parameter that means exactly `value` where nginx would put variables in."""
    return quoted(value.replace("$", f"${{{DOLLAR}}}"))


def comment(value: str) -> str:
    """A comment of one line, whatever `value` holds."""
    return "# " + " ".join(value.split())


def literal_regex(value: str) -> str:
    """A regular expression that matches exactly `value`."""
    return re.escape(value).replace(r"\-", "-")


def spelled(value: str) -> str:
    """A regular expression for a text in each way that a client may write it in a path: characters may be escaped."""
    return "".join(map(_spelled, value))


def _spelled(char: str) -> str:
    code = "".join(f"%{byte:02X}" for byte in char.encode())
    escaped = re.sub("[A-F]", lambda match: f"[{match[0]}{match[0].lower()}]", code)
    return "/" if char == "/" else f"(?:{literal_regex(char)}|{escaped})"


def header_variable(name: str, of: str = "http") -> str | None:
    """nginx's variable for a request header; None for a name that none can be written for, or that nginx drops.

    `of`: `upstream_http` for a header of an upstream's answer.
    """
    return f"${of}_{name.lower().replace('-', '_')}" if re.fullmatch(r"[A-Za-z0-9-]+", name) else None


class Names:
    """Gives things names that a grammar allows, each its own; nginx compares variables and upstreams without case."""

    def __init__(self, prefix: str = "", other_than: str = r"[^A-Za-z0-9_]") -> None:
        self._prefix = prefix
        self._other_than = re.compile(other_than)
        self._by_thing: dict[Hashable, str] = {}
        self._taken: set[str] = set()

    def of(self, thing: Hashable, like: str) -> str:
        """The name of `thing`, which resembles `like`; the same thing has the same name."""
        if thing not in self._by_thing:
            base = name = self._prefix + self._other_than.sub("_", like)
            number = 2
            while name.lower() in self._taken:
                name, number = f"{base}_{number}", number + 1
            self._taken.add(name.lower())
            self._by_thing[thing] = name
        return self._by_thing[thing]
