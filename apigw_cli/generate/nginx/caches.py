"""`cache` in nginx: proxy_cache, as far as it gives nobody an answer that our cache would not give.

nginx knows nothing of callers: requests that say who asks go by the cache, both ways. What an answer says (`private`,
`no-store`, `Set-Cookie`, `Vary`) it heeds by itself; what it does not know of (CDN-Cache-Control, Age, a request with a
body) keeps an answer out here. Conditions are made by `map`, since nginx takes a value of "0" for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apigw_cli.caching import asking
from apigw_cli.config.values import parse_duration
from apigw_cli.generate.nginx.words import Block, Names, header_variable, in_quotes, literal_regex, quoted
from apigw_cli.policies.cache import Cache

ZONE = "apigw_cache"
NOTES = (
    "Kept answers are files below apigw-cache/ of nginx's prefix, 64 MiB of them at most, for all of its workers.",
    "Kept answers have no Age and cannot be purged; what changes things (POST …) invalidates none.",
    "An empty header is none: one that is part of a cache's key does not go on.",
    "Only answers that say how long they are fresh, or routes with mode: ttl, are kept: nginx does not guess.",
)
_CONDITIONS = ("if-match", "if-unmodified-since")
_KEPT_BY_TIME = "200 203 204 300 301 308 404 410"
_STATUS = {
    "HIT": "apigw; hit",
    "STALE": "apigw; hit",
    "UPDATING": "apigw; hit",
    "MISS": "apigw; fwd=uri-miss",
    "EXPIRED": "apigw; fwd=stale",
    "REVALIDATED": "apigw; fwd=stale; fwd-status=304",
    "BYPASS": "apigw; fwd=bypass",
}


class Caches:
    """The one zone, and the maps that say what goes by it."""

    def __init__(self) -> None:
        self._names = Names("apigw_cache_")
        self._maps: dict[str, Block] = {}
        self.used = False

    def blocks(self) -> list[str | Block]:
        if not self.used:
            return []
        return [
            f"proxy_cache_path apigw-cache levels=1:2 keys_zone={ZONE}:10m max_size=64m inactive=1d use_temp_path=off;",
            Block("map $upstream_cache_status $apigw_cache_status", _answers()),
            *self._maps.values(),
        ]

    def lines(self, value: Cache, caller: str | None, told: Sequence[str]) -> list[str]:
        """The directives of a location. `told`: parameters that hold what the upstream is told of a request besides."""
        self.used = True
        around, unkept = self._around(value, caller), self._unkept(value)
        wait = parse_duration(value.collapse)
        lock = [f"proxy_cache_lock_timeout {round(wait * 1000)}ms;"]
        return [
            "proxy_buffering on;",
            f"proxy_cache {ZONE};",
            f"proxy_cache_key {self._key(value, told)};",
            f"proxy_cache_bypass {' '.join([*around, *self._anew(value)])};",
            f"proxy_no_cache {' '.join([*around, *unkept])};",
            f"proxy_cache_lock {'on' if wait else 'off'};",
            *(lock if wait else []),
            "proxy_cache_revalidate on;",
            "proxy_cache_background_update on;",
            "if_modified_since before;",
            "max_ranges 1;",
            "proxy_force_ranges on;",
            *([f"proxy_cache_valid {_KEPT_BY_TIME} {_seconds(value.ttl or '5m')};"] if value.mode == "ttl" else []),
        ]

    def headers(self, value: Cache) -> list[tuple[str, str]]:
        """Request headers that are part of the key: of several the one in the key goes on, and no other."""
        named = (one.partition(":")[2] for one in value.key_parameters or () if one.startswith("header:"))
        found = [(name, variable) for name in named if (variable := header_variable(name)) is not None]
        return [*found, ("Surrogate-Capability", '""')]  # a client's word on that is not in the key

    # --- what tells answers apart

    def _key(self, value: Cache, told: Sequence[str]) -> str:
        """Parts are on lines of their own: no value that nginx has can break one."""
        parts = ["$apigw_operation", "$scheme://$http_host", "$host", "$apigw_authority"]
        if value.key_parameters is None:
            parts.append("$request_uri")
        else:
            parts += ["$apigw_path", *(self._parameter(one) for one in sorted(set(value.key_parameters)))]
        return '"' + "\\n".join([*parts, *told]) + '"'

    def _parameter(self, written: str) -> str:
        kind, _, name = written.partition(":")
        if kind == "header":
            return header_variable(name) or ""
        source = "$args" if kind == "query" else "$http_cookie"
        return self._map(source, ['default "";', f"{in_quotes(f'~{_pair(kind, name)}')} $apigw_found;"])

    # --- what goes by the cache

    def _around(self, value: Cache, caller: str | None) -> list[str]:
        """Requests that are neither answered from it nor kept for others."""
        cookies = ["$http_cookie"] if value.per_caller else []
        found = [
            self._if_said("".join([caller or "", *_of_fields(asking.CREDENTIALS), *cookies])),
            self._if_said("".join([*_of_fields(asking.OVERRIDES), *_of_fields(_CONDITIONS)])),
        ]
        found.append(self._map('"$http_content_length$http_transfer_encoding"', ['"" "";', '0 "";', "default 1;"]))
        found.append(self._map("$http_cache_control", ['default "";', '"~*no-store" 1;']))
        for one in value.key_parameters or ():
            kind, _, name = one.partition(":")
            if kind == "cookie":
                twice = f"~{_pair(kind, name, '(?:')}.*{_pair(kind, name, '(?:')}"
                found.append(self._map("$http_cookie", ['default "";', f"{in_quotes(twice)} 1;"]))
            elif kind == "query":
                found.append(self._map("$args", ['default "";', *(f"{in_quotes(one)} 1;" for one in _odd(name))]))
            elif header_variable(name) is None:
                found.append('"1"')  # nginx has no variable for it: nothing is kept
        return found

    def _anew(self, value: Cache) -> list[str]:
        """Requests whose answers are fetched anew, and kept."""
        allowed = value.invalidation is not None and value.invalidation.allow == "anyone"
        if not allowed and not (value.mode == "http" and value.client_directives == "honour"):
            return []
        source = in_quotes("$http_cache_control\n$http_pragma") if value.mode == "http" else "$http_cache_control"
        pattern = r"(?:^|[\n,])[ \t]*(?:no-cache|max-age=\"?0+\"?)[ \t]*(?:[\n,]|\z)"
        return [self._map(source, ['default "";', f"{in_quotes('~*' + pattern)} 1;"])]

    def _unkept(self, value: Cache) -> list[str]:
        """Answers that are not kept although nginx would."""
        said = ("cdn_cache_control", "surrogate_control", "age")
        mixed = r"~*must-revalidate.*stale-|stale-.*must-revalidate"
        return [
            self._if_said("".join(f"$upstream_http_{name}" for name in said)),
            self._map("$upstream_http_cache_control", ['default "";', f"{in_quotes(mixed)} 1;"]),
            self._map("$upstream_status", ['default "";', r'"~206\z" 1;']),
            self._map('"$http_range\\n$upstream_status"', ['default "";', r'"~^.+\\n(?!(?:.*[ ,:])?200\z)" 1;']),
            self._map("$upstream_http_content_type", ['default "";', '"~*^text/event-stream" 1;']),
            self._map(
                "$upstream_http_content_length", ['default "";', f"{in_quotes('~' + above(value.max_object))} 1;"]
            ),
        ]

    def _if_said(self, texts: str) -> str:
        return self._map(in_quotes(texts), ['"" "";', "default 1;"])

    def _map(self, source: str, lines: list[str]) -> str:
        name = self._names.of((source, *lines), str(len(self._maps) + 1))
        self._maps[name] = Block(f"map {source} ${name}", list(lines))
        return f"${name}"


def gaps(value: Cache) -> Iterator[str]:
    """What nginx does differently with one route's cache."""
    yield "nginx answers callers that say who they are past the cache, and buffers what it keeps"
    if value.mode == "ttl":
        yield "nginx goes by an upstream's own max-age, Expires and no-cache before ttl"
    elif value.client_directives == "honour":
        yield "of a client's Cache-Control nginx heeds no-store, no-cache and max-age=0"
    if value.per_caller:
        yield "nginx keeps nothing per caller, which would write credentials to a disk: cookies go past the cache too"
    for name in ("stale_while_revalidate", "stale_if_error"):
        if getattr(value, name) is not None:
            yield f"nginx has no bound for {name}: it is left out; what answers say of it counts"
    if value.stale_if_error is None and value.mode == "http":
        yield "nginx passes errors on, also in the minute after an answer was fresh: `stale_if_error: 0s` does so here"
    if value.invalidation is not None and (value.invalidation.allow not in ("anyone", "nobody")):
        yield "nginx knows no callers by name that may invalidate: nobody may"
    if value.invalidation is not None and value.invalidation.otherwise != "ignore":
        yield f"nginx does not {value.invalidation.otherwise} requests that may not invalidate: they get what is kept"
    for one in value.key_parameters or ():
        if one.startswith("header:") and header_variable(one.partition(":")[2]) is None:
            yield f"nginx has no variable for the header {one.partition(':')[2]}: nothing is kept"
    yield f"nginx keeps answers above {value.max_object} bytes that do not state their length"


def above(number: int) -> str:
    """A regular expression for whole numbers that are larger, written without leading zeros."""
    digits = str(number)
    larger = [
        f"{digits[:at]}[{int(digit) + 1}-9][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if digit != "9"
    ]
    return rf"^(?:{'|'.join([f'[1-9][0-9]{{{len(digits)},}}', *larger])})\z"


def _of_fields(names: Iterable[str]) -> Iterator[str]:
    return (variable for name in names if (variable := header_variable(name)) is not None)


def _odd(name: str) -> list[str]:
    """Queries that have the parameter twice, or what some server could take for it (`ID=`, `%69d=`, `id[]=`)."""
    exact, ends = literal_regex(name), r"(?=[=&]|\z)"
    return [
        r"~;|(?:^|&)[^=&]*[%+.\[]",
        f"~(?i)(?:^|&){exact}{ends}.*&{exact}{ends}",
        f"~(?:^|&)(?!{exact}{ends})(?i:{exact}){ends}",
    ]


def _pair(kind: str, name: str, found: str = "(?<apigw_found>") -> str:
    """What finds a parameter or a cookie in the line that holds them all."""
    before, after = (r"(?:^|&)", "&") if kind == "query" else (r"(?:^|;[ \t]*)", ";")
    return rf"{before}{found}{literal_regex(name)}(?:=[^{after}]*)?)(?={after}|\z)"


def _seconds(text: str) -> str:
    """nginx knows whole ones."""
    return f"{int(parse_duration(text))}s"


def _answers() -> list[str | Block]:
    return ['default "";', *(f"{name} {quoted(text)};" for name, text in _STATUS.items())]
