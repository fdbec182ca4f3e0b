"""One path template, cut into segments: what each may be, and how the variables' values are taken out of a path.

literal      /pets            equal to the segment, once its escapes are decoded
mixed        /{a}...{b}       text and variables in one segment
variable     /{petId}         one segment that is not empty
rest         /{path+}         the last of a template: one or more segments, the whole rest of the path
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from apigw_cli.errors import InputError

_PARTS = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Mixed:
    """A segment such as `{base}...{head}`: `texts` around and between its variables (one more than those).

    Comparing takes time in proportion to the segment's length, whatever a client sends: no regular expression
    that could be made to backtrack.
    """

    texts: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, int, tuple[str, ...]]:
        """Most literal first; the texts themselves keep the order the same everywhere."""
        return (-sum(map(len, self.texts)), len(self.texts), self.texts)

    def values(self, segment: str) -> tuple[str, ...] | None:
        """What the variables stand for, each as short as can be from the left, at least one character; or None."""
        first, *between, last = self.texts
        end = len(segment) - len(last)
        if not (segment.startswith(first) and segment.endswith(last)):
            return None
        position, found = len(first), []
        for text in between:
            next_text = segment.find(text, position + 1, end)
            if next_text < 0:
                return None
            found.append(segment[position:next_text])
            position = next_text + len(text)
        if position >= end:
            return None
        return (*found, segment[position:end])


Variable = None  # a segment that is one variable and nothing else
Segment = str | Mixed | None


@dataclass(frozen=True, slots=True)
class Template:
    """A path template's segments and the names of its variables, in order. `rest`: the last one is `{name+}`."""

    segments: tuple[Segment, ...]
    names: tuple[str, ...]
    rest: bool

    @property
    def shape(self) -> tuple[tuple[Segment, ...], bool]:
        """The same for templates that match the same paths, whatever their variables are called."""
        return self.segments, self.rest

    def other_form(self) -> Template:
        """The same with a slash at its end, or without the one that is there; not for the template of `/`."""
        segments = self.segments[:-1] if self.segments[-1] == "" else (*self.segments, "")
        return Template(segments, self.names, self.rest)

    def parameters(self, segments: list[str]) -> dict[str, str]:
        """The variables' values in the (decoded) segments of a path that this template matches."""
        values: list[str] = []
        for position, segment in enumerate(self.segments):
            if segment is Variable:
                values.append(segments[position])
            elif type(segment) is Mixed:
                values.extend(segment.values(segments[position]) or ())
        if self.rest:
            values.append("/".join(segments[len(self.segments) :]))
        return dict(zip(self.names, values, strict=True))


def parse(path: str) -> Template:
    """Cut a path template. Raises InputError where `{name+}` is not the whole of the last segment, and the like."""
    if not path.startswith("/"):
        raise InputError(f'path "{path}" must begin with "/"')
    segments = path[1:].split("/")
    names = tuple(name.removesuffix("+") for name in _PARTS.findall(path))
    rest = bool(re.fullmatch(r"\{[^{}]*\+\}", segments[-1]))
    if rest:
        segments.pop()
    if any(name.endswith("+") for segment in segments for name in _PARTS.findall(segment)):
        raise InputError(
            f'path "{path}": a variable that takes the rest must be the whole last segment',
            hint="write it as /…/{name+}",
        )
    if len(set(names)) < len(names) or "" in names:
        raise InputError(f'path "{path}": every variable needs a name of its own')
    return Template(tuple(_segment(segment, path) for segment in segments), names, rest)


def _segment(text: str, path: str) -> Segment:
    texts = _PARTS.split(text)[::2]
    if any("{" in one or "}" in one for one in texts):
        raise InputError(f'path "{path}" has a "{{" or "}}" without its partner')
    if len(texts) == 1:
        return unquote(text)
    if len(texts) == 2 and not any(texts):
        return Variable
    return Mixed(tuple(unquote(one) for one in texts))
