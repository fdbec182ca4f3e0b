"""Templates (`${request.header.X}`) as text that nginx puts together.

nginx decodes nothing that it can put into a header safely, so variables of a path and of a query are taken out of the
request line as the client wrote it: no line break can be in them. A value that is not there, without a default, leaves
out the whole text: a `map` makes it empty, and nginx sends no header that is.

nginx encodes nothing either: where a value would have to be, `BAD` stands for the whole text, and the request is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from apigw_cli.config import template
from apigw_cli.config.template import Part, Value
from apigw_cli.generate.nginx.words import DOLLAR, Block, Names, header_variable, in_quotes, literal, literal_regex
from apigw_cli.policies.templates import writing
from apigw_cli.routing import template as paths

BAD = "\n"  # no value of a request has a line feed


@dataclass(frozen=True, slots=True)
class Place:
    """What texts are for. `fits`: values that need no encoding there, `spelled` those that are in a URL already.

    `encode` and `literal` are for texts that are known now: defaults, and what stands around values.
    """

    fits: str | None = None
    spelled: str | None = None
    encode: Callable[[str], str] = str
    literal: Callable[[str], str] = str


HEADER = Place()
_IN_URL = "[A-Za-z0-9._~:@!$'()*,-]"
_SPELLED = f"(?:{_IN_URL}|%(?!00)[0-9A-Fa-f]{{2}})+"
_IN_COOKIE = r"[!#-+\--:<-\[\]-~]+"
PATH = Place(f"{_IN_URL}+", _SPELLED, writing.as_path)
QUERY = Place(f"{_IN_URL}+", _SPELLED, writing.as_query, writing.as_query)
COOKIE = Place(_IN_COOKIE, _IN_COOKIE, writing.as_cookie, writing.as_cookie)

_PLAIN = {
    "request.method": "$request_method",
    "request.host": "$host",
    "request.path": "$apigw_path",
    "request.ip": "$remote_addr",
    "request.id": "$apigw_request_id",
}


class Values:
    """The maps that make the texts."""

    def __init__(self) -> None:
        self._names = Names("apigw_value_")
        self._maps: dict[str, Block] = {}

    def blocks(self) -> list[Block]:
        return list(self._maps.values())

    def text(self, written: str, path: str, caller: str | None, place: Place = HEADER) -> str | None:
        """A parameter that is what the template says for requests of a route with this path; None: nginx cannot.

        `caller` is the variable that names who calls, None where nobody is asked.
        """
        return self.of_parts(template.parts(written), path, caller, place)

    def of_parts(self, found: Sequence[Part], path: str, caller: str | None, place: Place) -> str | None:
        """The same of a template's parts."""
        parts = tuple(place.literal(one) if isinstance(one, str) else one for one in found)
        made = [part if isinstance(part, str) else self._value(part, path, caller, place) for part in parts]
        if None in made:
            return None
        variables = [one for one, part in zip(made, parts, strict=True) if isinstance(part, Value) and one is not None]
        if not variables:
            return literal("".join(map(str, parts)))
        if len(made) == 1:
            return variables[0]
        text = "".join(
            f"${{{one[1:]}}}" if isinstance(part, Value) else one.replace("$", f"${{{DOLLAR}}}")
            for one, part in zip(made, parts, strict=True)
            if one is not None
        )
        value = in_quotes(text)
        for variable in reversed(list(dict.fromkeys(variables))):
            value = self._map(variable, ['"" "";', f"default {value};"], "text")
        return value

    def _value(self, value: Value, path: str, caller: str | None, place: Place) -> str | None:
        variable = self._variable(value.name, path, caller)
        if variable is None or (value.name == "request.path" and place.encode is writing.as_query):
            return None
        if place.fits is not None:
            whole = place is PATH and _is_path(value.name, path)
            is_spelled = value.name.startswith(("request.path", "request.query"))
            fits = rf"~^{r'[^?]+' if whole else place.spelled if is_spelled else place.fits}\z"
            variable = self._map(
                variable, ['"" "";', f"{in_quotes(fits)} {variable};", f"default {in_quotes(BAD)};"], "fit"
            )
        if not value.default:
            return variable
        return self._map(variable, [f'"" {literal(place.encode(value.default))};', f"default {variable};"], "or")

    def _variable(self, name: str, path: str, caller: str | None) -> str | None:
        if name in _PLAIN:
            return _PLAIN[name]
        kind, _, rest = name.removeprefix("request.").partition(".")
        if name == "auth.principal":
            return caller or self._map('""', ['default "";'], "nobody")
        if kind == "header":
            return header_variable(rest)
        if kind == "cookie":
            return self._taken("$http_cookie", rf"(?:^|;[ \t]*){literal_regex(rest)}=(?<apigw_found>[^;]*)", rest)
        if kind == "query":
            return self._taken("$args", rf"(?:^|&){literal_regex(rest)}=(?<apigw_found>[^&]*)", rest)
        if kind == "path":
            pattern = _in_path(path, rest)
            return None if pattern is None else self._taken("$request_uri", pattern, rest)
        return None

    def chain(self, source: str, lines: list[str], like: str) -> str:
        """A variable that is made of `source`."""
        return self._map(source, lines, like)

    def _taken(self, source: str, pattern: str, like: str) -> str:
        return self._map(source, ['default "";', f"{in_quotes('~' + pattern)} $apigw_found;"], like)

    def _map(self, source: str, lines: list[str], like: str) -> str:
        name = self._names.of((source, *lines), like)
        self._maps[name] = Block(f"map {source} ${name}", list(lines))
        return f"${name}"


def gaps(written: str) -> Iterator[str]:
    """What nginx does differently with the values of a template that it can write."""
    for value in template.values(written):
        kind, _, name = value.name.removeprefix("request.").partition(".")
        if kind in ("path", "query"):
            yield f"nginx does not decode: {name} goes as the client spelled it"


def _is_path(name: str, path: str) -> bool:
    """Whether a value is several segments."""
    parsed = paths.parse(path)
    return name == "request.path" or (parsed.rest and name == f"request.path.{parsed.names[-1]}")


def _in_path(path: str, name: str) -> str | None:
    """What finds the variable in the path as the client wrote it; None where it is a part of a segment."""
    parsed = paths.parse(path)
    left = list(parsed.names)
    for position, segment in enumerate(parsed.segments):
        if isinstance(segment, paths.Mixed):
            names = [left.pop(0) for _ in segment.texts[1:]]
            if name in names:
                return None
        elif segment is paths.Variable and left.pop(0) == name:
            return f"{_after(position)}(?<apigw_found>[^/?]+)"
    return f"{_after(len(parsed.segments))}(?<apigw_found>[^?]+)"


def _after(count: int) -> str:
    """So many segments and a slash; a path with empty ones was refused."""
    return f"^(?:/[^/?]+){{{count}}}/"
