"""The protection diff: what weakens the gateway. Two Snapshots compared route by route, after resolution.

Whatever is ambiguous counts as weakening: a person can accept it with a reason, nobody can un-miss it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from apigw_cli.policies.auth.compare import differences
from apigw_cli.policies.interface import Change, Policy, instance
from apigw_cli.snapshot.model import DNS_REFRESH, HttpIntegration, MockIntegration, Pool, Route, Snapshot, Upstream
from apigw_cli.stages.contract.view import template
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.finding import Axis, Finding, Level, Side, Spot

_LEVELS = {Change.WEAKEN: Level.WEAKEN, Change.NEUTRAL: Level.NEUTRAL, Change.STRENGTHEN: Level.STRENGTHEN}
_WORDS = {Change.WEAKEN: "weakened", Change.NEUTRAL: "changed", Change.STRENGTHEN: "strengthened"}
_WHY = {
    Change.WEAKEN: "callers may do more than before, or it cannot be told",
    Change.NEUTRAL: "protects neither more nor less",
    Change.STRENGTHEN: "callers may do less than before",
}
_WHY_SCHEME = {
    Change.WEAKEN: "other callers may get in: a person has to say that this is meant",
    Change.NEUTRAL: "the same callers get in",
    Change.STRENGTHEN: "fewer callers get in",
}
_UNTIL_APPROVED = "requests go somewhere else: a person has to say that this is meant"


def compare(
    base: Deployment, revision: Deployment, documented: frozenset[str], apis: Mapping[str, str]
) -> Iterator[Finding]:
    """Every change of protection from `base` to `revision`, and what stricter policies mean for clients.

    `documented` holds the operations (`api:METHOD /path`) whose specifications announce a change of who may call,
    `apis` the old name of each API that was there before.
    """
    yield from _Comparison(base, revision, documented, apis).run()


class _Comparison:
    def __init__(
        self, base: Deployment, revision: Deployment, documented: frozenset[str], apis: Mapping[str, str]
    ) -> None:
        self.base = base
        self.apis = apis
        self.revision = revision
        self.documented = documented
        self.old: Snapshot = base.compiled.snapshot
        self.new: Snapshot = revision.compiled.snapshot
        self.base_paths = {api.name: api.base_path for api in self.new.apis}
        self.several = len(self.old.apis) > 1 or len(self.new.apis) > 1
        self.policies: dict[str, Policy] = {policy.name: policy for policy in revision.workspace.registry}

    def run(self) -> Iterator[Finding]:
        yield from self._upstreams()
        yield from self._proxies()
        yield from self._listeners()
        if self.old.limits != self.new.limits:
            old, new = (msgspec.to_builtins(limits) if limits else {} for limits in (self.old.limits, self.new.limits))
            why = "limits are counted elsewhere: what was used is not known there"
            yield self._of_gateway("limits", old, new, Level.WEAKEN, why)
        yield from self._keys()
        matched, added = _match(self.old.routes, self.new.routes, self.apis)
        for before, after in matched:
            yield from self._route(before, after)
        for route in added:
            if "auth" not in route.policies and self.old.routes:
                message = "added without authentication"
                spots = (self._spot(Side.REVISION, route.id, "operation"),)
                yield self._finding(
                    "route-added-open",
                    Level.NEUTRAL,
                    route,
                    "policies.auth",
                    message,
                    None,
                    None,
                    spots,
                    "anyone may call it",
                )

    # --- one route

    def _route(self, before: Route, after: Route) -> Iterator[Finding]:
        names = dict.fromkeys((*self.policies, *before.policies, *after.policies))
        for name in names:
            old, new = before.policies.get(name), after.policies.get(name)
            if old != new:
                yield from self._policy(name, old, new, before, after)
        if before.integration != after.integration:
            yield from self._integration(before, after)
        if before.trailing_slash != after.trailing_slash:
            text = f"trailing slash {before.trailing_slash} → {after.trailing_slash}"
            words, spots = (
                (before.trailing_slash, after.trailing_slash),
                (self._spot(Side.REVISION, after.id, "operation"),),
            )
            why = "the other form of the path has the same policies"
            yield self._finding("route-changed", Level.NEUTRAL, after, "trailing_slash", text, *words, spots, why)

    def _policy(self, name: str, old: Any, new: Any, before: Route, after: Route) -> Iterator[Finding]:
        policy = self.policies[name]
        was = None if old is None else instance(policy, old)
        now = None if new is None else instance(policy, new)
        change = policy.compare(was, now)
        text = f"{_noun(name)} {_shown(policy, was)} → {_shown(policy, now)}"
        spots = (
            self._spot(Side.BASE, before.id, f"policies.{name}"),
            self._spot(Side.REVISION, after.id, f"policies.{name}"),
        )
        slug, path = name.replace("_", "-"), f"policies.{name}"
        yield self._finding(
            f"{slug}-{_WORDS[change]}", _LEVELS[change], after, path, text, old, new, spots, _WHY[change]
        )
        if change is Change.STRENGTHEN:
            yield from self._tightened(slug, path, text, old, new, after, spots)

    def _tightened(
        self, slug: str, path: str, text: str, old: Any, new: Any, route: Route, spots: tuple[Spot, ...]
    ) -> Iterator[Finding]:
        """A stricter policy is a change for clients as well, also where no specification says so."""
        if slug == "auth" and self._operation(route) in self.documented:
            return
        level = Level.ERR if slug == "auth" else Level.WARN
        why = "calls that were answered are refused" if slug == "auth" else "calls that were answered may be refused"
        message = f"callers {'need more' if slug == 'auth' else 'may be refused'}: {text}"
        yield self._finding(f"{slug}-tightened", level, route, path, message, old, new, spots, why, Axis.CONTRACT)

    def _integration(self, before: Route, after: Route) -> Iterator[Finding]:
        old, new = _answerer(before, self.old), _answerer(after, self.new)
        if old == new:
            return
        spots = (
            self._spot(Side.BASE, before.id, "integration"),
            self._spot(Side.REVISION, after.id, "integration"),
        )
        text = f"answered by {old} → {new}"
        yield self._finding(
            "integration-changed", Level.WEAKEN, after, "integration", text, old, new, spots, _UNTIL_APPROVED
        )

    # --- what routes share

    def _upstreams(self) -> Iterator[Finding]:
        for name, before in self.old.upstreams.items():
            after = self.new.upstreams.get(name)
            if after is not None and before != after:
                yield from self._upstream(before, after)

    def _upstream(self, before: Upstream, after: Upstream) -> Iterator[Finding]:
        owner = f"upstream:{after.name}"
        spots = (self._spot(Side.BASE, owner, "targets"), self._spot(Side.REVISION, owner, "targets"))
        if before.targets != after.targets:
            rule, level, why = _judge_targets(before.targets, after.targets)
            old, new = ", ".join(before.targets), ", ".join(after.targets)
            yield Finding(
                rule,
                Axis.PROTECTION,
                level,
                f"upstream {after.name}",
                f"upstreams.{after.name}.targets",
                f"{old} → {new}",
                list(before.targets),
                list(after.targets),
                spots,
                why=why,
            )
        if before.tls.verify != after.tls.verify:
            item = f"upstreams.{after.name}.tls.verify"
            level = Level.STRENGTHEN if after.tls.verify else Level.WEAKEN
            why = "whoever is in the way can answer in the upstream's place, unless it is verified"
            yield self._of_gateway(item, before.tls.verify, after.tls.verify, level, why)
        for path, old_value, new_value in _settings(before, after):
            yield Finding(
                "upstream-changed",
                Axis.PROTECTION,
                Level.NEUTRAL,
                f"upstream {after.name}",
                f"upstreams.{after.name}.{path}",
                f"{path} {old_value} → {new_value}",
                old_value,
                new_value,
                spots,
                why="protects neither more nor less",
            )

    def _proxies(self) -> Iterator[Finding]:
        """Who is believed about the client decides whose bucket a limit by address takes from."""
        old, new = self.old.proxy, self.new.proxy
        if old.trusted != new.trusted:
            level = Level.WEAKEN if set(new.trusted) - set(old.trusted) else Level.NEUTRAL
            why = "more may say who the client is" if level is Level.WEAKEN else "fewer may say who the client is"
            yield self._of_gateway("trusted_proxies", list(old.trusted), list(new.trusted), level, why)
        if old.forwarded != new.forwarded:
            why = "trusted proxies are believed in other headers: each must maintain them itself"
            level = Level.WEAKEN if new.trusted else Level.NEUTRAL
            yield self._of_gateway("forwarded", old.forwarded, new.forwarded, level, why)
        if old.via != new.via:
            yield self._of_gateway("via", old.via, new.via, Level.NEUTRAL, "protects neither more nor less")

    def _listeners(self) -> Iterator[Finding]:
        old, new = self.old.listen.tls, self.new.listen.tls
        for name in ("max_body", "header_timeout", "idle_timeout", "websocket_timeout", "connections", "streams"):
            was, now = getattr(self.old.listen, name), getattr(self.new.listen, name)
            if was != now:
                looser = now is None or (was is not None and now > was)
                level = Level.WEAKEN if looser else Level.STRENGTHEN
                yield self._of_gateway(f"listen.{name}", was, now, level, "how much a client may take up")
        was, now = self.old.listen.queue, self.new.listen.queue
        if was != now:
            level = Level.WEAKEN if now.length > was.length or now.time > was.time else Level.STRENGTHEN
            old_text, new_text = (f"{queue.length} for {queue.time:g} s" for queue in (was, now))
            yield self._of_gateway("listen.queue", old_text, new_text, level, "how many may wait to be in flight")
        if (old is None) != (new is None):
            level = Level.WEAKEN if new is None else Level.STRENGTHEN
            words = ("http", "https") if old is None else ("https", "http")
            yield self._of_gateway("listen.tls", *words, level, "what clients send is encrypted, or is not")
        if old is None or new is None:
            return
        if old.client_ca != new.client_ca:
            level = Level.WEAKEN if old.client_ca else Level.STRENGTHEN
            why = "other clients may connect" if new.client_ca else "clients need no certificate"
            why = why if old.client_ca else "clients need a certificate"
            words = (old.client_ca or "none", new.client_ca or "none")
            yield self._of_gateway("listen.tls.client_ca", *words, level, why)
        if old.client_ca and new.client_ca and old.client_optional != new.client_optional:
            level = Level.WEAKEN if new.client_optional else Level.STRENGTHEN
            words = ("required", "optional") if new.client_optional else ("optional", "required")
            why = "whether clients without a certificate are let in"
            yield self._of_gateway("listen.tls.client_certificates", *words, level, why)
        if old.forward_client != new.forward_client:
            words = (old.forward_client or "off", new.forward_client or "off")
            why = "how upstreams learn who the client is: what they protect by it may be open"
            yield self._of_gateway("listen.tls.forward_client_certificate", *words, Level.WEAKEN, why)
        if old.min_version != new.min_version:
            level = Level.WEAKEN if new.min_version < old.min_version else Level.STRENGTHEN
            why = "the oldest TLS that is spoken"
            yield self._of_gateway("listen.tls.min_version", old.min_version, new.min_version, level, why)

    @staticmethod
    def _of_gateway(item: str, old: Any, new: Any, level: Level, why: str) -> Finding:
        text = f"{_plain(old)} → {_plain(new)}"
        return Finding("gateway-changed", Axis.PROTECTION, level, "gateway", item, text, old, new, why=why)

    def _keys(self) -> Iterator[Finding]:
        for name, before in self.old.auth.items():
            after = self.new.auth.get(name)
            if after is None:
                continue
            for found in differences(before, after):
                keys = found.setting == "keys"
                old, new = msgspec.to_builtins(found.old), msgspec.to_builtins(found.new)
                spots = (Spot(Side.REVISION, find=partial(self.revision.config_place, "auth", name)),)
                yield Finding(
                    "auth-keys-changed" if keys else "auth-scheme-changed",
                    Axis.PROTECTION,
                    _LEVELS[found.change],
                    f"auth {name}",
                    f"auth.{name}.{found.setting}",
                    f"{'keys from' if keys else found.setting} {_plain(old)} → {_plain(new)}",
                    old,
                    new,
                    spots,
                    why=_WHY_SCHEME[found.change],
                )

    # --- making findings

    def _operation(self, route: Route) -> str:
        """The route as its specification calls it."""
        return f"{route.api}:{route.method} {route.path.removeprefix(self.base_paths[route.api])}"

    def _spot(self, side: Side, owner: str, item: str) -> Spot:
        compiled = self.base if side is Side.BASE else self.revision
        return compiled.spot(side, owner, item)

    def _finding(
        self,
        rule: str,
        level: Level,
        route: Route,
        path: str,
        message: str,
        old: Any,
        new: Any,
        spots: tuple[Spot, ...],
        why: str,
        axis: Axis = Axis.PROTECTION,
    ) -> Finding:
        api = route.api if self.several else ""
        return Finding(rule, axis, level, route.operation, path, message, old, new, spots, api, why)


def _match(
    old: tuple[Route, ...], new: tuple[Route, ...], apis: Mapping[str, str]
) -> tuple[list[tuple[Route, Route]], list[Route]]:
    """Pairs of routes that are the same to a client (API, method, path), else by name; and those that are new."""
    left = {(route.api, *_wire(route)): route for route in old}
    names = {route.id: route for route in old}
    pairs: list[tuple[Route, Route]] = []
    rest: list[Route] = []
    for route in new:
        before = left.pop((apis.get(route.api, ""), *_wire(route)), None)
        if before is None:
            rest.append(route)
        else:
            names.pop(before.id, None)
            pairs.append((before, route))
    added = []
    for route in rest:
        before = names.pop(f"{apis.get(route.api)}:{route.operation}", None)
        if before is None:
            added.append(route)
        else:
            pairs.append((before, route))
    return pairs, added


def _wire(route: Route) -> tuple[str, str]:
    return route.method, template(route.path)


def _noun(name: str) -> str:
    return {"rate_limit": "limit", "auth": "authentication"}.get(name, name.replace("_", " "))


def _shown(policy: Policy, value: Any) -> str:
    return "none" if value is None else policy.describe(value)


def _answerer(route: Route, snapshot: Snapshot) -> str:
    """What answers a route, in words that differ only where it matters to the request."""
    integration = route.integration
    if isinstance(integration, MockIntegration):
        return "mock"
    assert isinstance(integration, HttpIntegration)
    upstream = snapshot.upstreams[integration.upstream]
    stripped = f" without {integration.strip}" if integration.strip else ""
    return f"{', '.join(upstream.targets)}{stripped}"


def _judge_targets(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, Level, str]:
    before, after = {_place(target) for target in old}, {_place(target) for target in new}
    plain = any(target.startswith("http:") for target in new)
    if plain and all(target.startswith("https:") for target in old):
        return "upstream-tls-removed", Level.WEAKEN, "what goes to the upstream can be read on its way"
    if after - before:
        return "upstream-host-changed", Level.WEAKEN, _UNTIL_APPROVED
    if before - after:
        return "upstream-targets-removed", Level.NEUTRAL, "fewer servers answer"
    if not plain and any(target.startswith("http:") for target in old):
        return "upstream-tls-added", Level.STRENGTHEN, "what goes to the upstream is encrypted"
    return "upstream-changed", Level.NEUTRAL, "the same servers"


def _place(target: str) -> tuple[str | None, int | None]:
    """Host and port, whatever the scheme."""
    parts = urlsplit(target)
    return parts.hostname, parts.port


def _tls(upstream: Upstream) -> str:
    tls = upstream.tls
    return ", ".join(filter(None, (tls.ca, tls.server_name, tls.certificate, tls.key))) or "the defaults"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def _settings(before: Upstream, after: Upstream) -> Iterator[tuple[str, str, str]]:
    if before.balance != after.balance:
        yield "balance", before.balance, after.balance
    if before.tls != after.tls and before.tls.verify == after.tls.verify:
        yield "tls", _tls(before), _tls(after)
    if before.preserve_host != after.preserve_host:
        words = {False: "rewrite", True: "preserve"}
        yield "host", words[before.preserve_host], words[after.preserve_host]
    if before.weights != after.weights:
        yield "weights", _weights(before), _weights(after)
    if before.hash_on != after.hash_on:
        yield "hash_on", before.hash_on or "none", after.hash_on or "none"
    for name in ("connect", "first_byte", "total"):
        old, new = getattr(before.timeout, name), getattr(after.timeout, name)
        if old != new:
            yield f"timeout.{name}", f"{old:g} s", f"{new:g} s"
    if before.timeout.idle != after.timeout.idle:
        yield "timeout.idle", _seconds(before.timeout.idle), _seconds(after.timeout.idle)
    if before.health != after.health:
        yield "health", _health(before), _health(after)
    if before.eject != after.eject:
        yield "eject", _eject(before), _eject(after)
    if before.refuse != after.refuse:
        words = {False: "try", True: "refuse"}
        yield "when_all_out", words[before.refuse], words[after.refuse]
    if before.pool != after.pool:
        yield "pool", _pool(before), _pool(after)
    if before.dns_refresh != after.dns_refresh:
        yield "dns.refresh", f"{before.dns_refresh or DNS_REFRESH:g} s", f"{after.dns_refresh or DNS_REFRESH:g} s"
    if before.slow_start != after.slow_start:
        yield "slow_start", _seconds(before.slow_start), _seconds(after.slow_start)
    if before.retries != after.retries:  # never of what could do harm twice, so for clients nothing changes
        yield "retries", _retries(before), _retries(after)


def _seconds(seconds: float | None) -> str:
    return f"{seconds:g} s" if seconds else "none"


def _pool(upstream: Upstream) -> str:
    pool = upstream.pool or Pool()
    idle = f"{pool.idle} idle for {pool.idle_timeout:g} s"
    if pool.connections is None:
        return idle
    return f"{pool.connections} connections, {idle}, {pool.queue} waiting for {pool.queue_timeout:g} s"


def _weights(upstream: Upstream) -> str:
    return ":".join(map(str, upstream.weights)) or "equal"


def _eject(upstream: Upstream) -> str:
    eject = upstream.eject
    if eject is None:
        return "none"
    return f"after {eject.after} failures, {eject.first:g} s to {eject.longest:g} s"


def _retries(upstream: Upstream) -> str:
    retries = upstream.retries
    return (
        "none"
        if retries is None
        else f"{retries.attempts} attempts, budget {retries.budget:.0%}, on {', '.join(retries.causes)}"
    )


def _health(upstream: Upstream) -> str:
    health = upstream.health
    if health is None:
        return "none"
    return f"GET {health.path} every {health.every:g} s, {health.unhealthy_after} down, {health.healthy_after} up"
