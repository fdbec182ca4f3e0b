"""Server blocks: which hosts share one, and the locations in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from apigw_cli.generate.nginx.cors import ASKED
from apigw_cli.generate.nginx.places import Location, Way, locations
from apigw_cli.generate.nginx.sites import CONDITION, range_location
from apigw_cli.generate.nginx.words import Block, comment, in_quotes, quoted
from apigw_cli.snapshot.model import Route, StaticIntegration

ANY = ""

_BAD_REQUEST = '{"message":"Bad Request"}\n'
_MESSAGE = '{"message":"$apigw_message"}\n'
_SET_LATER = (
    "apigw_operation",
    "apigw_api",
    "apigw_authority",
    "apigw_allow",
    "apigw_rate_policy",
    "apigw_retry_after",
)
_ERRORS = "401 403 404 405 412 413 429 500 501 502 503 504"


@dataclass(frozen=True, slots=True)
class Server:
    """Hosts that take the same routes. `tiers`: routes of the host itself, of wider wildcards, of any host."""

    hosts: tuple[str, ...]
    tiers: tuple[tuple[Route, ...], ...]

    @property
    def is_default(self) -> bool:
        return ANY in self.hosts


def servers(routes: Sequence[Route]) -> list[Server]:
    """The servers that our router's rules for hosts make; the last one takes every other host."""
    by_host: dict[str, list[Route]] = {}
    for route in routes:
        for host in dict.fromkeys(route.hosts) or [ANY]:
            by_host.setdefault(host, []).append(route)
    grouped: dict[tuple[int, ...], Server] = {}
    for host in sorted(by_host.keys() | {ANY}, key=lambda host: (host == ANY, host.startswith("*"), host)):
        tiers = tuple(tuple(by_host[one]) for one in _also(host, by_host))
        identity = tuple(part for tier in tiers for part in (*map(id, tier), 0))
        known = grouped.get(identity)
        grouped[identity] = Server((*known.hosts, host) if known else (host,), tiers)
    return list(grouped.values())


def _also(host: str, by_host: dict[str, list[Route]]) -> Iterator[str]:
    """The host and those that our router falls back on, in order."""
    if host in by_host:
        yield host
    if host != ANY:
        suffix = host.removeprefix("*")
        dot = suffix.find(".", 1)
        while dot > 0:
            if "*" + suffix[dot:] in by_host:
                yield "*" + suffix[dot:]
            dot = suffix.find(".", dot + 1)
        if ANY in by_host:
            yield ANY


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves a server's routes. `location`: where a route is served; `preflight`: where its preflights are, if it
    has CORS; `sets`: what is said of its refusals.

    `blocks` are those locations, `errors` the headers of our own answers; `files`: some of them are files.
    """

    location: Callable[[Route], str]
    preflight: Callable[[Route], str | None]
    sets: Callable[[Route], list[str]]
    blocks: Sequence[Block]
    errors: Sequence[str]
    files: bool


def block(server: Server, listen: str, serving: Serving) -> Block:
    """One server block."""
    default = " default_server" if server.is_default else ""
    names = " ".join(quoted(host or "_") for host in server.hosts)
    body: list[str | Block] = [
        f"listen {listen}{default};",
        f"server_name {names};",
        *(f'set ${name} "";' for name in _SET_LATER),
        f"if ($apigw_bad_path) {{ return 400 {in_quotes(_BAD_REQUEST)}; }}",
        "if ($apigw_raw_path) { rewrite ^ $apigw_raw_path; }",
        f"error_page {_ERRORS} @apigw_error;",
        "",
    ]
    body += [_path(location, serving) for location in locations(server.tiers)]
    body += [Block("location /", ["return 404;"]), *serving.blocks, _error_location(serving.errors)]
    return Block("server", [*body, *([range_location()] if serving.files else [])])


def _error_location(headers: Sequence[str]) -> Block:
    """Our own answers: JSON, with the headers that belong to the status. The status stays that of the error."""
    return Block("location @apigw_error", [*headers, f"return 200 {in_quotes(_MESSAGE)};"])


def _path(location: Location, serving: Serving) -> Block:
    exact, regex = location.place.exact, location.place.regex
    body: list[str | Block] = []
    if any(isinstance(way.route.integration, StaticIntegration) for way in location.ways):
        body.append(f"set ${CONDITION} $uri;")
    if any(way.only is not None for way in location.ways):
        body.append('set $apigw_asked "$request_method $uri";')  # the left side of an `if` must be one variable
    body += _preflights(location, serving)
    body += [_dispatch(way, serving) for way in location.ways]
    body.append(f"set $apigw_allow {in_quotes(', '.join(location.allow))};")
    for way in location.ways:
        if way.only is not None:
            more = in_quotes(f"$apigw_allow, {', '.join(way.methods)}")
            body.append(f"if ($uri ~ {in_quotes(way.only.regex)}) {{ set $apigw_allow {more}; }}")
    body += serving.sets(_nearest(location))
    head = f"location = {quoted(exact)}" if exact is not None else f"location ~ {in_quotes(regex)}"
    about = [] if exact is not None else [comment(location.place.path)]
    return Block(head, [*about, *body, "return 405;"])


def _nearest(location: Location) -> Route:
    """The route that a refused method is told of: that of the first method that is allowed."""
    return min(location.ways, key=lambda way: (way.only is not None, min(way.methods))).route


def _preflights(location: Location, serving: Serving) -> Iterator[str]:
    """Preflights go to the route of the method that they ask about; without one, to that of a method there is."""
    ways = [(way, serving.preflight(way.route)) for way in location.ways]
    if not any(target for _, target in ways):
        return
    yield f"set $apigw_preflight ${ASKED};"
    if any(way.only is not None for way in location.ways):
        yield 'set $apigw_preflight_at "$apigw_preflight $uri";'
    for way, target in ways:
        condition = _condition(way, "$apigw_preflight", "$apigw_preflight_at")
        then = 'set $apigw_preflight ""; set $apigw_preflight_at "";' if target is None else _last(target)
        yield f"if ({condition}) {{ {then} }}"
    for way, target in sorted(ways, key=lambda pair: min(pair[0].methods)):
        if target is not None:
            others = replace(way, methods=(".+",))
            yield f"if ({_condition(others, '$apigw_preflight', '$apigw_preflight_at')}) {{ {_last(target)} }}"


def _last(target: str) -> str:
    return f"rewrite ^ {quoted(target)} last;"


def _dispatch(way: Way, serving: Serving) -> str:
    """What answers say is set here: nginx refuses a body that is too long before the operation's own location."""
    then = " ".join([*serving.sets(way.route), _last(serving.location(way.route))])
    return f"if ({_condition(way, '$request_method', '$apigw_asked')}) {{ {then} }}"


def _condition(way: Way, method: str, asked: str) -> str:
    """Of an `if`. `method` is the variable that holds it, `asked` the one that holds method and path."""
    methods = "|".join(way.methods)
    if way.only is not None:
        paths = way.only.regex.removeprefix("^")
        return f"{asked} ~ {in_quotes(f'^(?:{methods}) {paths}')}"
    if methods.isalpha():
        return f"{method} = {quoted(methods)}"
    return f"{method} ~ {in_quotes(f'^(?:{methods})$')}"
