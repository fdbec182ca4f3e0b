"""The whole of nginx.conf, put together from its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from apigw_cli import __version__
from apigw_cli.generate.nginx import caches, keys, sites, upstreams
from apigw_cli.generate.nginx.operations import Operations
from apigw_cli.generate.nginx.requests import Asking
from apigw_cli.generate.nginx.servers import block, servers
from apigw_cli.generate.nginx.words import (
    DOLLAR,
    Block,
    comment,
    in_quotes,
    text,
)
from apigw_cli.generate.target import Gap, merged
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Listen, Proxy, Route

# Ways of nginx that no value in the configuration is about: no warnings, but whoever runs it should know.
_NOTES = (
    "A path with //, dot-segments or a backslash is refused with 400; apigw brings it into one form first.",
    "Answers carry RateLimit-Policy and a Retry-After that suffices, but no RateLimit (what is left).",
    "Headers with an underscore in their name are dropped; apigw passes them on.",
)

_MESSAGES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    413: "Content Too Large",
    429: "Too Many Requests",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

# In the raw path: an empty segment, a dot-segment (escaped too), `..` beside what becomes a slash, a backslash.
_BAD_PATH = r"~*^[^?]*(?://|/(?:\.|%2e){1,2}(?:[/?]|\z)|(?:/|%2f|%5c)(?:\.|%2e){2}(?:;[^/?]*)?(?:[/?]|%2f|%5c|\z)|\\)"


class Configuration:
    """nginx.conf for one Snapshot; `gaps` is what it does differently."""

    def __init__(self, compiled: Compiled, listen: str) -> None:
        self._compiled = compiled
        self._snapshot = compiled.snapshot
        self._listen = listen
        self._operations = Operations(compiled)
        self.gaps = merged([*self._operations.gaps, *self._scheme_gaps(), *self._shared_gaps()])

    def text(self) -> str:
        return "\n".join(text([*self._header(), "", *self._main(), Block("http", list(self._http()))])) + "\n"

    # --- the parts, in the order of the file

    def _header(self) -> Iterator[str]:
        snapshot = self._snapshot
        yield comment(f"Made by apigw {__version__} from stage {snapshot.stage}, snapshot {snapshot.digest}.")
        yield "# Do not edit: generate it again. Everything that nginx writes stays under its prefix:"
        yield "#     nginx -p DIR -c FILE"
        yield "#"
        yield "# What nginx does differently from apigw:"
        yield from (comment(f"- {note}") for note in self._notes())
        for gap in self.gaps:
            yield comment(f"- {gap.subject}: {gap.message}" + (f" ({gap.place})" if gap.place else ""))

    def _notes(self) -> tuple[str, ...]:
        parts = self._operations
        return _NOTES + (sites.NOTES if parts.sites.used else ()) + (caches.NOTES if parts.caches.used else ())

    def _main(self) -> list[str | Block]:
        return [
            "worker_processes auto;",
            "pid nginx.pid;",
            "error_log error.log warn;",
            Block("events", ["worker_connections 1024;"]),
        ]

    def _http(self) -> Iterator[str | Block]:
        yield from self._basics()
        yield from self._proxying()
        yield from self._variables()
        parts = self._operations
        for lines in (parts.callers.blocks(), parts.zones.lines(), parts.upstreams.blocks(), parts.sites.blocks()):
            yield ""
            yield from lines
        if parts.zones.lines():
            yield "limit_req_status 429;"
            yield "limit_req_log_level info;"
        for server in servers(self._snapshot.routes):
            yield ""
            yield block(server, self._listen, parts.serving(server))

    def _basics(self) -> Iterator[str | Block]:
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            yield f"{kind}_temp_path {kind}_temp;"
        yield (
            'log_format apigw escape=json \'{"time":"$time_iso8601","id":"$apigw_request_id","client":"$remote_addr",'
            '"method":"$request_method","path":"$apigw_path","operation":"$apigw_operation","status":$status,'
            '"bytes":$body_bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr"}\';'
        )
        yield "access_log access.log apigw;"
        yield Block("types")  # what we say ourselves is JSON, whatever the path looks like
        yield "default_type application/json;"
        yield "server_tokens off;"
        yield "client_max_body_size 0;"
        yield "client_header_timeout 10s;"
        yield "uninitialized_variable_warn off;"
        yield "server_names_hash_bucket_size 512;"
        yield "variables_hash_max_size 8192;"
        yield "proxy_headers_hash_max_size 1024;"
        yield "proxy_headers_hash_bucket_size 256;"

    def _proxying(self) -> Iterator[str]:
        yield ""
        yield "# Bodies stream both ways; nothing that an upstream says steers nginx (X-Accel-*)."
        yield "proxy_http_version 1.1;"
        yield "proxy_request_buffering off;"
        yield "proxy_buffering off;"
        yield "proxy_redirect off;"
        yield "proxy_next_upstream error;"
        yield "proxy_next_upstream_tries 1;"
        yield (
            "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering "
            "X-Accel-Charset;"
        )
        yield "proxy_pass_header Date;"
        yield "proxy_pass_header Server;"
        yield "proxy_hide_header X-Request-Id;"
        yield from Asking().headers(upstreams.known_headers(self._snapshot.auth))
        yield from self._operations.answers.adds([])

    def _variables(self) -> Iterator[str | Block]:
        yield ""
        yield Block(f"geo ${DOLLAR}", ['default "$";'])
        yield Block(
            "map $http_x_request_id $apigw_request_id",
            ["default $request_id;", r'"~^[A-Za-z0-9._~:+/=@-]{1,128}\z" $http_x_request_id;'],
        )
        yield Block("map $request_uri $apigw_path", ['default "";', '"~^(?<apigw_all>[^?]*)" $apigw_all;'])
        yield Block("map $request_uri $apigw_bad_path", ["default 0;", f"{in_quotes(_BAD_PATH)} 1;"])
        yield "# An encoded slash is part of a segment: such a path is compared as it came, not decoded."
        yield Block("map $request_uri $apigw_raw_path", ['default "";', '"~*^(?<apigw_raw>[^?]*%2f[^?]*)" $apigw_raw;'])
        messages = [f"{status} {in_quotes(message)};" for status, message in _MESSAGES.items()]
        yield Block("map $status $apigw_message", ['default "Internal Server Error";', *messages])
        yield Block("map $status $apigw_retry", ['default "";', "429 $apigw_retry_after;"])
        challenge = in_quotes('ApiKey realm="apigw"')
        yield Block("map $status $apigw_challenge", ['default "";', f"401 {challenge};"])
        parts = self._operations
        for part in (parts.addresses, parts.origins, parts.values, parts.caches, parts.answers, parts.targets):
            yield from part.blocks()

    # --- gaps that concern several routes

    def _scheme_gaps(self) -> Iterator[Gap]:
        provenance = self._compiled.provenance
        using: dict[str, list[Route]] = defaultdict(list)
        for route in self._snapshot.routes:
            for schemes in route.policies.get("auth", {}).get("alternatives", ()):
                for scheme in schemes:
                    using[scheme].append(route)
        for name, routes in using.items():
            place = provenance.place(routes[0].id, "policies.auth")
            operations = tuple(dict.fromkeys(route.operation for route in routes))
            yield from keys.gaps(self._snapshot.auth[name], self._operations.callers.folder(name), place, operations)

    def _shared_gaps(self) -> Iterator[Gap]:
        if slashed := tuple(route.operation for route in self._snapshot.routes if route.trailing_slash != "strict"):
            yield Gap("trailing_slash", "nginx takes the declared form of a path only: 404 for the other", slashed)
        if self._snapshot.listen.tls is not None:
            yield Gap("listen.tls", "TLS for clients is not translated: this nginx serves http")
        if msgspec.structs.replace(self._snapshot.listen, tls=None) != Listen():
            yield Gap("listen", "limits of bodies, connections and idleness are not translated")
        if self._snapshot.proxy != Proxy():
            yield Gap("trusted_proxies, forwarded, via", "nginx trusts no proxy: X-Forwarded-* are always replaced")
        provenance = self._compiled.provenance
        for name in self._operations.upstreams.used:
            place = provenance.place(f"upstream:{name}", "targets")
            for message in upstreams.gaps(self._operations.upstreams.of(name)):
                yield Gap(f"upstream {name}", message, (), place)
