"""The internal location that serves one route, and what it needs beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from apigw_cli.generate.nginx import caches, compression, keys, limits, said, sites, upstreams
from apigw_cli.generate.nginx.addresses import Addresses
from apigw_cli.generate.nginx.answers import Answers, Line
from apigw_cli.generate.nginx.caches import Caches
from apigw_cli.generate.nginx.cors import Origins
from apigw_cli.generate.nginx.redirects import Redirects
from apigw_cli.generate.nginx.requests import Asking, Requests
from apigw_cli.generate.nginx.said import Said
from apigw_cli.generate.nginx.servers import Server, Serving
from apigw_cli.generate.nginx.sites import Sites
from apigw_cli.generate.nginx.targets import Targets
from apigw_cli.generate.nginx.values import Values, gaps
from apigw_cli.generate.nginx.words import Block, Names, comment, in_quotes, quoted
from apigw_cli.generate.target import Gap, of_route
from apigw_cli.policies.cache import Cache
from apigw_cli.policies.compression.policy import Compress
from apigw_cli.policies.interface import instance
from apigw_cli.policies.limit_layer import titles
from apigw_cli.policies.rate_limit import as_layers
from apigw_cli.policies.redirect import Redirect
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.routing.methods import ANY
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import HttpIntegration, Route, StaticIntegration

_EXPRESSED = (
    *("ip", "auth", "rate_limit", "max_body", "redirect", "request_headers"),
    *("cors", "compress", "response", "security_headers", "cache", "request"),
)
_NO_FILE = "/."  # `try_files` never finds it: what stands behind it comes after the limits, where `return` would not


class Operations:
    """The locations of all routes, in parts that share maps, zones and variables. `gaps`: what they do differently."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._snapshot = compiled.snapshot
        self.gaps: list[Gap] = []
        self.callers = keys.Callers(self._snapshot)
        self.zones = limits.Zones()
        self.upstreams = upstreams.Upstreams(self._snapshot.upstreams)
        self.addresses = Addresses()
        self.answers = Answers()
        self.sites = Sites()
        self.targets = Targets()
        self._names = Names(other_than=r"[^A-Za-z0-9_.-]")
        self.values = Values()
        self.requests = Requests(self.values)
        self.redirects = Redirects(self.values)
        self.caches = Caches()
        self.origins = Origins()
        self._said: dict[str, Said] = {}
        self._blocks: dict[str, list[Block]] = {}
        for route in self._snapshot.routes:
            self._blocks[route.id] = list(self._of(route))

    def serving(self, server: Server) -> Serving:
        """What a server block needs to know of its routes."""
        routes = {route.id: route for tier in server.tiers for route in tier}
        blocks = [block for one in routes for block in self._blocks[one]]
        shown = {
            route.integration: route for route in routes.values() if isinstance(route.integration, StaticIntegration)
        }
        for site, route in shown.items():
            more = [Line("Vary", in_quotes(sites.VARY))] if site.fallback else []
            last = self.answers.sets([*self._said[route.id].lines, *more])[-len(more) :] if more else []
            blocks += self.sites.locations(site, self._adds(route, more), last)
        return Serving(self._location_of, self._preflight_of, self._sets, blocks, self.answers.of_errors(), bool(shown))

    # --- one route

    def _location_of(self, route: Route) -> str:
        return f"/@apigw/{route.api}/{self._names.of(route.id, route.operation)}"

    def _of(self, route: Route) -> Iterator[Block]:
        self._unexpressed(route)
        values = {name: instance(BY_NAME[name], route.policies[name]) for name in _EXPRESSED if name in route.policies}
        caller, auth = self._auth(route, values.get("auth"))
        self._said[route.id] = self._say(route, values, caller)
        location = Block(
            f"location = {quoted(self._location_of(route))}",
            [
                comment(f"{route.method} {route.path}"),
                "internal;",
                f"set $apigw_operation {quoted(f'{route.api}:{self._names.of(route.id, route.operation)}')};",
                *self.addresses.lines(values.get("ip")),
                *auth,
                *self._rate_limit(route, values.get("rate_limit"), caller),
                *self._max_body(route, values.get("max_body")),
                *self._compress(route, values.get("compress")),
            ],
        )
        yield location
        if "cors" in values:
            yield self._preflight(route, values)
        if "redirect" in values:
            yield self._redirect(route, values["redirect"], location, caller)
        else:
            location.body += self._answer(route, values, caller)

    def _say(self, route: Route, values: dict[str, Any], caller: str | None) -> Said:
        files = isinstance(route.integration, StaticIntegration)
        found = said.of_route(values, route.path, caller, files, self.values, self.origins)
        for policy, message in found.gaps:
            self._gap(route, policy, message)
        return found

    def _sets(self, route: Route) -> list[str]:
        return self.answers.sets(self._said[route.id].lines)

    def _adds(self, route: Route, more: Sequence[Line] = ()) -> list[str]:
        """Nothing where the headers of all locations are those of this one."""
        lines, hidden = [*self._said[route.id].lines, *more], self._said[route.id].hidden
        if not isinstance(route.integration, StaticIntegration):
            return self.answers.adds(lines) if lines else []
        own = self.sites.said(route.integration, route.api)
        lines = [line for line in lines if line.stands is None or line.name not in own]
        return self.answers.adds(lines, {name: text for name, text in own.items() if name.lower() not in hidden})

    def _compress(self, route: Route, value: Compress | None) -> list[str]:
        if value is None:
            return []
        for message in compression.gaps(value):
            self._gap(route, "compress", message)
        return compression.lines(value)

    def _preflight_of(self, route: Route) -> str | None:
        """The location that answers the preflights for a route."""
        return f"{self._location_of(route)}/preflight" if "cors" in route.policies else None

    def _preflight(self, route: Route, values: dict[str, Any]) -> Block:
        return Block(
            f"location = {quoted(self._location_of(route) + '/preflight')}",
            [
                "internal;",
                f"set $apigw_operation {quoted(f'{route.api}:{self._names.of(route.id, route.operation)}')};",
                *self.addresses.lines(values.get("ip")),
                *self.answers.sets([Line("Vary", "Origin")]),
                *self.origins.preflight(values["cors"], route),
            ],
        )

    def _gap(self, route: Route, policy: str, message: str) -> None:
        self.gaps.append(of_route(self._compiled, route, policy, message))

    def _unexpressed(self, route: Route) -> None:
        for name in route.policies:
            if name not in _EXPRESSED:
                self._gap(route, name, f"nginx has no {name}: it is left out")
        if route.method == "TRACE":
            self.gaps.append(Gap("method TRACE", "nginx refuses it by itself", (route.operation,)))

    def _max_body(self, route: Route, value: int | None) -> list[str]:
        if value == 0:  # for nginx that is no limit
            self._gap(route, "max_body", "nginx lets one byte pass")
        return [] if value is None else [f"client_max_body_size {max(value, 1)};"]

    def _auth(self, route: Route, value: Any) -> tuple[str | None, list[str]]:
        """The variable that names the caller (None: nobody is asked), and the lines that refuse strangers."""
        if value is None:
            return None, []
        alternatives = [schemes for schemes, scopes in value.needed() if not scopes]
        if len(alternatives) < len(value.alternatives):
            self._gap(route, "auth", "nginx knows no scopes: a call that needs one is refused")
        if not alternatives:
            return None, ["return 403;"]
        caller = self.callers.variable(alternatives)
        if [] in alternatives:
            return (caller if caller.startswith("$") else None), []
        return caller, [f'if ({caller} = "") {{ return 401; }}']

    def _rate_limit(self, route: Route, value: Any, caller: str | None) -> list[str]:
        layers = as_layers(value)
        if not layers:
            return []
        for message in (message for layer in layers for message in limits.gaps(layer)):
            self._gap(route, "rate_limit", message)
        names = titles(layers) if len(layers) > 1 else ["default"]
        found = [self.zones.directives(layer, caller, name) for layer, name in zip(layers, names, strict=True)]
        policy = ", ".join(one.policy for one in found if one.policy)
        said = [f"set $apigw_rate_policy {in_quotes(policy)};"] if policy else []
        zones = [one for one in found if one.zone]
        said += [f"set $apigw_retry_after {max(one.retry_after for one in zones)};"] if zones else []
        said += [f"set $apigw_api {quoted(route.api)};"] if any(layer.scope == "api" for layer in layers) else []
        return [*said, *dict.fromkeys(line for one in found for line in one.lines)]

    # --- what answers

    def _kept(self, route: Route, value: Cache | None, asking: Asking) -> Cache | None:
        """The cache of a route that has something to keep."""
        if value is None or route.method not in ("GET", ANY):
            return None
        if asking.method is not None:
            self._gap(route, "cache", "nginx keeps no answers to a request whose method it changes")
            return None
        for message in caches.gaps(value):
            self._gap(route, "cache", message)
        self._said[route.id].lines.append(Line("Cache-Status", "$apigw_cache_status", late=True))
        self._said[route.id].hide("Surrogate-Control")
        return value

    def _redirect(self, route: Route, value: Redirect, location: Block, caller: str | None) -> Block:
        """Behind the limits: `return` by itself comes before them."""
        name = f"@apigw_redirect_{self._names.of(route.id, route.operation)}"
        location.body.append(f"try_files {_NO_FILE} {quoted(name)};")
        lines = self.redirects.lines(value, route.path, caller)
        if lines is None:
            self._gap(route, "redirect", "nginx has no such value: it says 501")
            lines = ["return 501;"]
        for message in gaps(value.to):
            self._gap(route, "redirect", message)
        return Block(f"location {quoted(name)}", [*self._adds(route), *lines])

    def _answer(self, route: Route, values: dict[str, Any], caller: str | None) -> list[str | Block]:
        if isinstance(route.integration, HttpIntegration):
            return self._forward(route, route.integration, values, caller)
        if isinstance(route.integration, StaticIntegration):
            place = self._compiled.provenance.place(route.id, "integration")
            found = sites.gaps(route.integration)
            self.gaps += [Gap("site", message, (route.operation,), place) for message in found]
            return [*self._adds(route), *self.sites.lines(route.integration, route)]
        place = self._compiled.provenance.place(route.id, "integration")
        message = "nginx cannot answer from the specification: it says 501"
        self.gaps.append(Gap("mock", message, (route.operation,), place))
        return ["return 501;"]

    def _forward(
        self, route: Route, to: HttpIntegration, values: dict[str, Any], caller: str | None
    ) -> list[str | Block]:
        own = self.targets.path(to.strip)
        asking = self.requests.of(values.get("request"), values.get("request_headers"), route.path, caller, own)
        for policy, message in dict.fromkeys(asking.gaps):
            self._gap(route, policy, message)
        if asking.impossible:
            return ["return 501;"]
        kept = self._kept(route, values.get("cache"), asking)
        alone = self.caches.headers(kept) if kept is not None else []
        headers = asking.headers(upstreams.known_headers(self._snapshot.auth, alone))
        changed = bool(alone or asking.lines or asking.added)
        upstream = self.upstreams.of(to.upstream)
        if any(target.startswith("https:") for target in upstream.targets):
            place = self._compiled.provenance.place(f"upstream:{upstream.name}", "targets")
            message = "https:// targets are not translated: nginx says 501"
            self.gaps.append(Gap(f"upstream {upstream.name}", message, (route.operation,), place))
            return ["return 501;"]
        name = self.upstreams.block_name(upstream.name, route.operation)
        host = "$http_host" if upstream.preserve_host else quoted(upstreams.authority(upstream))
        return [
            *self._adds(route),
            *self._said[route.id].hides,
            *(headers if changed else []),
            *asking.refusals,
            *([f"proxy_method {asking.method};"] if asking.method is not None else []),
            *upstreams.timeouts(upstream),
            f"set $apigw_authority {host};",
            *(self.caches.lines(kept, caller, list(dict.fromkeys(asking.told))) if kept is not None else []),
            f"proxy_pass http://{name}{asking.target(own) or self.targets.without(to.strip)};",
        ]
