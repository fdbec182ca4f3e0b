"""CORS in nginx: preflights answered by a location of their own, and what other answers say to scripts."""

from __future__ import annotations

from apigw_cli.config.values import parse_duration
from apigw_cli.generate.nginx.answers import Line
from apigw_cli.generate.nginx.words import Block, Names, in_quotes, literal_regex, quoted
from apigw_cli.policies import cors
from apigw_cli.policies.cors import Cors
from apigw_cli.routing.methods import ANY
from apigw_cli.snapshot.model import Route

ASKED = "apigw_wanted"  # the method that a preflight is about; empty for all other requests
HIDDEN = tuple(
    f"Access-Control-{name}"
    for name in (
        *("Allow-Origin", "Allow-Credentials", "Allow-Methods", "Allow-Headers", "Allow-Private-Network"),
        *("Expose-Headers", "Max-Age"),
    )
)
_VARY = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
_HEADERS = r"~^[ \t]*(?<apigw_headers>(?=.{1,4096}[ \t]*\z)TOKEN(?:[ \t]*,[ \t]*TOKEN)*+)[ \t]*\z"
_TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]++"


class Origins:
    """The maps that say which origin is let in, and what a preflight is told."""

    def __init__(self) -> None:
        self._origins = Names("apigw_origin_")
        self._names = Names("apigw_cors_")
        self._maps: dict[str, Block] = {}

    def blocks(self) -> list[Block]:
        if not self._maps:
            return []
        wanted = Block(
            f'map "$request_method $apigw_has_origin $http_access_control_request_method" ${ASKED}',
            ['default "";', '"~^OPTIONS 1 (?<apigw_method>.+)" $apigw_method;'],
        )
        return [Block("map $http_origin $apigw_has_origin", ['"" 0;', "default 1;"]), wanted, *self._maps.values()]

    def lines(self, value: Cors) -> list[Line]:
        """What the answers of a route say."""
        origin = self._origin(value.origins)
        said = [Line("Access-Control-Allow-Origin", origin)]
        if value.credentials:
            said.append(Line("Access-Control-Allow-Credentials", self._if_allowed(origin, "true")))
        if value.expose:
            said.append(Line("Access-Control-Expose-Headers", self._if_allowed(origin, ", ".join(value.expose))))
        if cors.EVERY not in value.origins:
            said.append(Line("Vary", "Origin", stands=r"(?:^|,)[ \t]*(?:origin|\*)[ \t]*(?:,|\z)"))
        return said

    def preflight(self, value: Cors, route: Route) -> list[str | Block]:
        """The answer to preflights for a route."""
        origin = self._origin(value.origins)
        said = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Max-Age": str(int(parse_duration(value.max_age))),
            "Access-Control-Allow-Credentials": "true" if value.credentials else "",
            "Access-Control-Allow-Methods": self._methods(value, route),
            "Access-Control-Allow-Headers": self._headers(value),
            "Access-Control-Allow-Private-Network": self._private() if value.private_network else "",
            "Vary": in_quotes(", ".join(_VARY)),
            "X-Request-Id": "$apigw_request_id",
        }
        refused = [f'if ({origin} = "") {{ return 403; }}'] if origin.startswith("$") else []
        return [
            *refused,
            *(f"add_header {name} {text};" for name, text in said.items() if text),
            "return 204;",
        ]

    def _origin(self, origins: list[str]) -> str:
        """The variable that holds the request's origin where it is let in."""
        if cors.EVERY in origins:
            return '"*"'
        name = self._origins.of(tuple(origins), "")
        lines = [f"{in_quotes(f'~^{one}' + chr(92) + 'z')} $http_origin;" for one in map(_pattern, origins)]
        self._maps[name] = Block(f"map $http_origin ${name}", ['default "";', *dict.fromkeys(lines)])
        return f"${name}"

    def _if_allowed(self, origin: str, text: str) -> str:
        return (
            self._map(origin, ['"" "";', f"default {in_quotes(text)};"]) if origin.startswith("$") else in_quotes(text)
        )

    def _methods(self, value: Cors, route: Route) -> str:
        if value.methods is not None:
            return in_quotes(", ".join(value.methods)) if value.methods else ""
        taken = {"GET": "GET|HEAD", ANY: _TOKEN}.get(route.method, literal_regex(route.method))
        source = "$http_access_control_request_method"
        return self._map(
            source, [f"default {quoted(route.method)};", f"{in_quotes(f'~^(?:{taken}){chr(92)}z')} {source};"]
        )

    def _headers(self, value: Cors) -> str:
        if value.headers is not None:
            return in_quotes(", ".join(value.headers)) if value.headers else ""
        pattern = in_quotes(_HEADERS.replace("TOKEN", _TOKEN))
        return self._map("$http_access_control_request_headers", ['default "";', f"{pattern} $apigw_headers;"])

    def _private(self) -> str:
        return self._map("$http_access_control_request_private_network", ['default "";', r'"~^true\\z" true;'])

    def _map(self, source: str, lines: list[str]) -> str:
        name = self._names.of((source, *lines), str(len(self._maps)))
        self._maps[name] = Block(f"map {source} ${name}", list(lines))
        return f"${name}"


def _pattern(origin: str) -> str:
    """A regular expression for an origin as a browser sends it."""
    return cors.pattern(origin)
