"""The whole of nginx.conf, put together from its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from apigw_cli import __version__
from apigw_cli.config import template
from apigw_cli.generate.nginx import keys, limits, upstreams
from apigw_cli.generate.nginx.servers import Server, block, servers
from apigw_cli.generate.nginx.words import (
    DOLLAR,
    Block,
    Names,
    comment,
    in_quotes,
    literal,
    literal_regex,
    quoted,
    text,
)
from apigw_cli.generate.target import Gap, merged, of_route
from apigw_cli.policies.interface import instance
from apigw_cli.policies.limit_layer import titles
from apigw_cli.policies.rate_limit import as_layers
from apigw_cli.policies.redirect import Redirect
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import HttpIntegration, Listen, MockIntegration, Proxy, Route

_EXPRESSED = ("ip", "auth", "rate_limit", "max_body", "redirect", "request_headers")
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
        self._callers = keys.Callers(self._snapshot)
        self._zones = limits.Zones()
        self._upstreams = upstreams.Upstreams(self._snapshot.upstreams)
        self._names = Names(other_than=r"[^A-Za-z0-9_.-]")
        self._strips = Names("apigw_target_")
        self._strip_maps: dict[str, Block] = {}
        self._gaps: list[Gap] = []
        self._operations = {route.id: self._operation(route) for route in self._snapshot.routes}
        self.gaps = merged([*self._gaps, *self._scheme_gaps(), *self._shared_gaps()])

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
        yield from (comment(f"- {note}") for note in _NOTES)
        for gap in self.gaps:
            yield comment(f"- {gap.subject}: {gap.message}" + (f" ({gap.place})" if gap.place else ""))

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
        for lines in (self._callers.blocks(), self._zones.lines(), self._upstreams.blocks()):
            yield ""
            yield from lines
        if self._zones.lines():
            yield "limit_req_status 429;"
            yield "limit_req_log_level info;"
        for server in servers(self._snapshot.routes):
            yield ""
            yield block(server, self._listen, self._location_of, self._blocks_of(server))

    def _basics(self) -> Iterator[str | Block]:
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            yield f"{kind}_temp_path {kind}_temp;"
        yield (
            'log_format apigw escape=json \'{"time":"$time_iso8601","id":"$apigw_request_id","client":"$remote_addr",'
            '"method":"$request_method","path":"$apigw_path","operation":"$apigw_operation","status":$status,'
            '"bytes":$body_bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr"}\';'
        )
        yield "access_log access.log apigw;"
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
        yield from upstreams.request_headers(self._snapshot.auth)
        yield "add_header X-Request-Id $apigw_request_id always;"
        yield "add_header RateLimit-Policy $apigw_rate_policy always;"

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
        yield from self._strip_maps.values()

    # --- operations

    def _location_of(self, route: Route) -> str:
        return f"/@apigw/{route.api}/{self._names.of(route.id, route.operation)}"

    def _blocks_of(self, server: Server) -> list[Block]:
        routes = {route.id: route for tier in server.tiers for route in tier}
        return [self._operations[route_id] for route_id in routes]

    def _operation(self, route: Route) -> Block:
        """The internal location that serves one route."""
        self._unexpressed(route)
        values = {name: instance(BY_NAME[name], route.policies[name]) for name in _EXPRESSED if name in route.policies}
        caller, auth = self._auth(route, values.get("auth"))
        body: list[str | Block] = [
            comment(f"{route.method} {route.path}"),
            "internal;",
            f"set $apigw_operation {quoted(f'{route.api}:{self._names.of(route.id, route.operation)}')};",
            *self._addresses(route, values.get("ip")),
            *auth,
            *self._rate_limit(route, values.get("rate_limit"), caller),
            *self._max_body(route, values.get("max_body")),
            *self._answer(route, values.get("request_headers"), values.get("redirect")),
        ]
        return Block(f"location = {quoted(self._location_of(route))}", body)

    def _unexpressed(self, route: Route) -> None:
        for name in route.policies:
            if name not in _EXPRESSED:
                self._gaps.append(of_route(self._compiled, route, name, f"nginx has no {name}: it is left out"))
        if route.method == "TRACE":
            self._gaps.append(Gap("method TRACE", "nginx refuses it by itself", (route.operation,)))

    def _addresses(self, route: Route, value: Any) -> list[str]:
        """Access lists: the first line that names the address decides."""
        if value is None:
            return []
        message = "nginx looks at addresses after credentials and limits: who fails several gets 401 or 429, not 403"
        self._gaps.append(of_route(self._compiled, route, "ip", message))
        names = {"unix": "unix:"}
        denied = [f"deny {names.get(text, text)};" for text in value.deny]
        allowed = [f"allow {names.get(text, text)};" for text in value.allow]
        return [*denied, *allowed, *(["deny all;"] if allowed else [])]

    def _max_body(self, route: Route, value: int | None) -> list[str]:
        if value == 0:  # for nginx that is no limit
            self._gaps.append(of_route(self._compiled, route, "max_body", "nginx lets one byte pass"))
        return [] if value is None else [f"client_max_body_size {max(value, 1)};"]

    def _auth(self, route: Route, value: Any) -> tuple[str | None, list[str]]:
        """The variable that names the caller (None: nobody is asked), and the lines that refuse strangers."""
        if value is None:
            return None, []
        alternatives = [schemes for schemes, scopes in value.needed() if not scopes]
        if len(alternatives) < len(value.alternatives):
            message = "nginx knows no scopes: a call that needs one is refused"
            self._gaps.append(of_route(self._compiled, route, "auth", message))
        if not alternatives:
            return None, ["return 403;"]
        caller = self._callers.variable(alternatives)
        if [] in alternatives:
            return (caller if caller.startswith("$") else None), []
        return caller, [f'if ({caller} = "") {{ return 401; }}']

    def _rate_limit(self, route: Route, value: Any, caller: str | None) -> list[str]:
        layers = as_layers(value)
        if not layers:
            return []
        for message in (message for layer in layers for message in limits.gaps(layer)):
            self._gaps.append(of_route(self._compiled, route, "rate_limit", message))
        names = titles(layers) if len(layers) > 1 else ["default"]
        found = [self._zones.directives(layer, caller, name) for layer, name in zip(layers, names, strict=True)]
        policy = ", ".join(one.policy for one in found if one.policy)
        said = [f"set $apigw_rate_policy {in_quotes(policy)};"] if policy else []
        zones = [one for one in found if one.zone]
        said += [f"set $apigw_retry_after {max(one.retry_after for one in zones)};"] if zones else []
        said += [f"set $apigw_api {quoted(route.api)};"] if any(layer.scope == "api" for layer in layers) else []
        return [*said, *dict.fromkeys(line for one in found for line in one.lines)]

    def _redirect(self, route: Route, value: Redirect) -> list[str]:
        """A fixed address, with the client's query behind it where that is all of one."""
        if template.values(value.to) or (value.keep_query and ("?" in value.to or "#" in value.to)):
            message = "nginx is told of fixed addresses alone: it says 501"
            self._gaps.append(of_route(self._compiled, route, "redirect", message))
            return ["return 501;"]
        address = literal("".join(map(str, template.parts(value.to))))
        query = "$is_args$args" if value.keep_query else ""
        return [
            "absolute_redirect off;",
            f"set $apigw_address {address};",
            f"return {value.status} $apigw_address{query};",
        ]

    def _answer(self, route: Route, edits: Any, redirect: Redirect | None) -> list[str]:
        if redirect is not None:
            return self._redirect(route, redirect)
        if not isinstance(route.integration, HttpIntegration):
            place = self._compiled.provenance.place(route.id, "integration")
            is_mock = isinstance(route.integration, MockIntegration)
            what = "answer from the specification" if is_mock else "be told of the site's files (write root yourself)"
            name = "mock" if is_mock else "site"
            self._gaps.append(Gap(name, f"nginx cannot {what}: it says 501", (route.operation,), place))
            return ["return 501;"]
        headers: list[str] = []
        if edits is not None:
            headers = upstreams.request_headers(self._snapshot.auth, edits)
            for message in upstreams.header_gaps(edits):
                self._gaps.append(of_route(self._compiled, route, "request_headers", message))
        upstream = self._upstreams.of(route.integration.upstream)
        if any(target.startswith("https:") for target in upstream.targets):
            place = self._compiled.provenance.place(f"upstream:{upstream.name}", "targets")
            message = "https:// targets are not translated: nginx says 501"
            self._gaps.append(Gap(f"upstream {upstream.name}", message, (route.operation,), place))
            return ["return 501;"]
        name = self._upstreams.block_name(upstream.name, route.operation)
        host = "$http_host" if upstream.preserve_host else quoted(upstreams.authority(upstream))
        return [
            *headers,
            *upstreams.timeouts(upstream),
            f"set $apigw_authority {host};",
            f"proxy_pass http://{name}{self._target(route.integration.strip)};",
        ]

    def _target(self, strip: str) -> str:
        """The variable that holds path and query as they go upstream: the client's own bytes, less `strip`."""
        if not strip:
            return "$request_uri"
        name = self._strips.of(strip, strip.strip("/"))
        prefix = literal_regex(strip)
        self._strip_maps[name] = Block(
            f"map $request_uri ${name}",
            [
                "default $request_uri;",
                f"{in_quotes(f'~^{prefix}(?<apigw_rest>/.*)')} $apigw_rest;",
                f"{in_quotes(f'~^{prefix}(?<apigw_query>[?].*)?$')} /$apigw_query;",
            ],
        )
        return f"${name}"

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
            yield from keys.gaps(self._snapshot.auth[name], self._callers.folder(name), place, operations)

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
        for name in self._upstreams.used:
            place = provenance.place(f"upstream:{name}", "targets")
            for message in upstreams.gaps(self._upstreams.of(name)):
                yield Gap(f"upstream {name}", message, (), place)
