"""What answers say beside what an upstream says: the `add_header` lines of locations.

nginx has several places that answer for one route: its own location, that of the errors, those of a site. So each
header is a variable, `set` as soon as the route is known, and said wherever the answer comes from. nginx leaves out a
header whose value is empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apigw_cli.generate.nginx.words import Block, Names, header_variable, in_quotes, quoted

_ALWAYS = {"X-Request-Id": "$apigw_request_id", "RateLimit-Policy": "$apigw_rate_policy"}
_ERRORS = {"Allow": "$apigw_allow", "Retry-After": "$apigw_retry", "WWW-Authenticate": "$apigw_challenge"}


@dataclass(frozen=True, slots=True)
class Line:
    """A header of a route's answers. `value` as it is written.

    `stands`: the line is left out where an upstream says something that this regular expression finds; "" is anything,
    None nothing. `late`: the value is known only with the upstream's answer, our own ones go without.
    """

    name: str
    value: str
    stands: str | None = None
    late: bool = False


class Answers:
    """The variables of all headers that routes add."""

    def __init__(self) -> None:
        self._names = Names("apigw_say_")
        self._own = Names("apigw_own_")
        self._headers: dict[str, str] = {}  # variable → header
        self._maps: dict[str, Block] = {}

    def sets(self, lines: Iterable[Line]) -> list[str]:
        """What gives a route's variables their values."""
        return [f"set ${variable} {line.value};" for variable, line in self._variables(lines) if not line.late]

    def adds(self, lines: Iterable[Line], more: dict[str, str] | None = None) -> list[str]:
        """All headers of a location. `more`: others, by name."""
        said = [(name, value) for name, value in (_ALWAYS | (more or {})).items()]
        for variable, line in self._variables(lines):
            said.append((line.name, line.value if line.late else self._unless_said(variable, line)))
        return _written(said)

    def of_errors(self) -> list[str]:
        """The headers of our own answers, whatever their route."""
        return _written([*(_ALWAYS | _ERRORS).items(), *((name, f"${one}") for one, name in self._headers.items())])

    def blocks(self) -> list[Block]:
        return list(self._maps.values())

    def _variables(self, lines: Iterable[Line]) -> list[tuple[str, Line]]:
        """A name that is said twice has two of them."""
        found: list[tuple[str, Line]] = []
        for line in lines:
            before = sum(other.name.lower() == line.name.lower() for _, other in found)
            variable = self._names.of((line.name.lower(), before), line.name)
            if not line.late:
                self._headers.setdefault(variable, line.name)
            found.append((variable, line))
        return found

    def _unless_said(self, variable: str, line: Line) -> str:
        if line.stands is None:
            return f"${variable}"
        name = self._own.of((variable, line.stands), line.name)
        upstream = header_variable(line.name, "upstream_http")
        body: list[str | Block] = [f'"" ${variable};', 'default "";']
        if line.stands:
            body = [f'{in_quotes("~*" + line.stands)} "";', f"default ${variable};"]
        self._maps[name] = Block(f"map {upstream} ${name}", body)
        return f"${name}"


def _written(said: list[tuple[str, str]]) -> list[str]:
    return [f"add_header {quoted(name)} {value} always;" for name, value in said]
