"""Server blocks: which hosts share one, and the locations in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from apigw_cli.generate.nginx.places import Location, Way, locations
from apigw_cli.generate.nginx.words import Block, comment, in_quotes, quoted
from apigw_cli.snapshot.model import Route

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
_ERRORS = "401 403 404 405 413 429 500 501 502 503 504"


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


def block(server: Server, listen: str, operation: Callable[[Route], str], operations: Sequence[Block]) -> Block:
    """One server block. `operation` gives the location that serves a route, `operations` holds their blocks."""
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
    body += [_path(location, operation) for location in locations(server.tiers)]
    body += [Block("location /", ["return 404;"]), *operations, _error_location()]
    return Block("server", body)


def _error_location() -> Block:
    """Our own answers: JSON, with the headers that belong to the status. The status stays that of the error."""
    headers = {
        "X-Request-Id": "$apigw_request_id",
        "RateLimit-Policy": "$apigw_rate_policy",
        "Allow": "$apigw_allow",
        "Retry-After": "$apigw_retry",
        "WWW-Authenticate": "$apigw_challenge",
    }
    lines: list[str | Block] = [f"add_header {name} {value} always;" for name, value in headers.items()]
    return Block("location @apigw_error", [*lines, f"return 200 {in_quotes(_MESSAGE)};"])


def _path(location: Location, operation: Callable[[Route], str]) -> Block:
    exact, regex = location.place.exact, location.place.regex
    body: list[str | Block] = []
    if any(way.only is not None for way in location.ways):
        body.append('set $apigw_asked "$request_method $uri";')  # the left side of an `if` must be one variable
    body += [_dispatch(way, operation(way.route)) for way in location.ways]
    body.append(f"set $apigw_allow {in_quotes(', '.join(location.allow))};")
    for way in location.ways:
        if way.only is not None:
            more = in_quotes(f"$apigw_allow, {', '.join(way.methods)}")
            body.append(f"if ($uri ~ {in_quotes(way.only.regex)}) {{ set $apigw_allow {more}; }}")
    head = f"location = {quoted(exact)}" if exact is not None else f"location ~ {in_quotes(regex)}"
    about = [] if exact is not None else [comment(location.place.path)]
    return Block(head, [*about, *body, "return 405;"])


def _dispatch(way: Way, target: str) -> str:
    methods = "|".join(way.methods)
    if way.only is not None:
        paths = way.only.regex.removeprefix("^")
        condition = f"$apigw_asked ~ {in_quotes(f'^(?:{methods}) {paths}')}"
    elif len(way.methods) == 1:
        condition = f"$request_method = {quoted(methods)}"
    else:
        condition = f"$request_method ~ {in_quotes(f'^(?:{methods})$')}"
    return f"if ({condition}) {{ rewrite ^ {quoted(target)} last; }}"
