"""One route, before and after: its policies, what answers it, and routes that were not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.policies.interface import Change, Explaining, Policy, instance
from apigw_cli.policies.judging import differences
from apigw_cli.snapshot.model import HttpIntegration, MockIntegration, Route, Snapshot, StaticIntegration
from apigw_cli.stages.finding import Axis, Finding, Level, Side
from apigw_cli.stages.protection.sides import LEVELS, WORDS, Sides
from apigw_cli.stages.protection.tables import TABLES

_WHY = {
    Change.WEAKEN: "callers may do more than before, or it cannot be told",
    Change.NEUTRAL: "protects neither more nor less",
    Change.STRENGTHEN: "callers may do less than before",
}


def compare(sides: Sides) -> Iterator[Finding]:
    """Every policy of every route that was there before, and routes that came without protection."""
    for before, after in sides.matched.pairs:
        for name in dict.fromkeys((*sides.policies, *before.policies, *after.policies)):
            if before.policies.get(name) != after.policies.get(name):
                yield from _policy(sides, name, before, after)
        yield from _integration(sides, before, after)
        yield from _trailing_slash(sides, before, after)
    for route in sides.matched.added:
        if sides.old.routes and is_open(route):
            yield _added_open(sides, route)


def is_open(route: Route) -> bool:
    """Whether anyone may call it: without authentication, or with an alternative that asks for nothing."""
    needed = route.policies.get("auth")
    return needed is None or any(not schemes for schemes in needed["alternatives"])


# --- policies


def _policy(sides: Sides, name: str, before: Route, after: Route) -> Iterator[Finding]:
    policy = sides.policies[name]
    old, new = before.policies.get(name), after.policies.get(name)
    was, now = (None if value is None else instance(policy, value) for value in (old, new))
    change = policy.compare(was, now)
    text = f"{noun(name)} {shown(policy, was)} → {shown(policy, now)}"
    spots = sides.both(before.id, after.id, f"policies.{name}")
    slug, path = name.replace("_", "-"), f"policies.{name}"
    why = _why(policy, was, now, change)
    rule = f"{slug}-{WORDS[change]}"
    yield sides.of_route(rule, LEVELS[change], after, path, text, (old, new), spots, why)
    refuses = getattr(policy, "refuses", True)
    if change is Change.STRENGTHEN and refuses and not (slug == "auth" and sides.documents(after)):
        yield _tightened(sides, slug, path, text, (old, new), after, spots)


def _why(policy: Policy, old: Any, new: Any, change: Change) -> str:
    """What the policy itself says of this change, else general words."""
    if isinstance(policy, Explaining):
        texts = dict.fromkeys(reason.text for reason in policy.reasons(old, new) if reason.change is change)
        if texts:
            return "; ".join(texts)
    return _WHY[change]


def _tightened(
    sides: Sides, slug: str, path: str, text: str, values: tuple[Any, Any], route: Route, spots: Any
) -> Finding:
    """A stricter policy is a change for clients as well, also where no specification says so."""
    level = Level.ERR if slug == "auth" else Level.WARN
    why = "calls that were answered are refused" if slug == "auth" else "calls that were answered may be refused"
    message = f"callers {'need more' if slug == 'auth' else 'may be refused'}: {text}"
    return sides.of_route(f"{slug}-tightened", level, route, path, message, values, spots, why, Axis.CONTRACT)


def noun(name: str) -> str:
    """What a policy is called in a sentence."""
    return {"rate_limit": "limit", "auth": "authentication"}.get(name, name.replace("_", " "))


def shown(policy: Policy, value: Any) -> str:
    return "none" if value is None else policy.describe(value)


# --- the rest of a route


def _integration(sides: Sides, before: Route, after: Route) -> Iterator[Finding]:
    if isinstance(before.integration, StaticIntegration) and isinstance(after.integration, StaticIntegration):
        yield from _site(sides, before, after, before.integration, after.integration)
        return
    old, new = answerer(before, sides.old), answerer(after, sides.new)
    if before.integration == after.integration or old == new:
        return
    spots = sides.both(before.id, after.id, "integration")
    why = "requests go somewhere else: a person has to say that this is meant"
    text = f"answered by {old} → {new}"
    yield sides.of_route("integration-changed", Level.WEAKEN, after, "integration", text, (old, new), spots, why)


def _site(
    sides: Sides, before: Route, after: Route, old: StaticIntegration, new: StaticIntegration
) -> Iterator[Finding]:
    spots = sides.both(before.id, after.id, "integration")
    for found in differences(TABLES, old, new):
        if found.path != "base_path":  # that is the API's
            level = Level.WEAKEN if found.change is Change.WEAKEN else Level.NEUTRAL
            rule = "integration-changed" if level is Level.WEAKEN else "route-changed"
            text = f"site: {found.path} {found.words[0]} → {found.words[1]}"
            yield sides.of_route(rule, level, after, "integration", text, (found.old, found.new), spots, found.why)


def answerer(route: Route, snapshot: Snapshot) -> str:
    """What answers a route, in words that differ only where it matters to the request."""
    integration = route.integration
    if isinstance(integration, MockIntegration):
        return "mock"
    if isinstance(integration, StaticIntegration):
        return f"files of {integration.folder}"
    assert isinstance(integration, HttpIntegration)
    upstream = snapshot.upstreams[integration.upstream]
    stripped = f" without {integration.strip}" if integration.strip else ""
    return f"{', '.join(upstream.targets)}{stripped}"


def _trailing_slash(sides: Sides, before: Route, after: Route) -> Iterator[Finding]:
    old, new = before.trailing_slash, after.trailing_slash
    if old == new:
        return
    spots = sides.both(before.id, after.id, "operation")
    why = "the other form of the path has the same policies"
    text = f"trailing slash {old} → {new}"
    yield sides.of_route("route-changed", Level.NEUTRAL, after, "trailing_slash", text, (old, new), spots, why)


def _added_open(sides: Sides, route: Route) -> Finding:
    """A way in beside routes that ask who is there: meant, or forgotten?"""
    others = (*sides.old.routes, *sides.new.routes)
    names = {route.api, sides.apis.get(route.api)}
    secured = any(other.api in names and not is_open(other) for other in others)
    level = Level.WEAKEN if secured else Level.NEUTRAL
    message = "added without authentication" + (", which other routes of its API need" if secured else "")
    spots = (sides.spot(Side.REVISION, route.id, "operation"),)
    name = f"{route.method} {route.path}"
    return sides.of_route(
        "route-added-open", level, route, "policies.auth", message, (None, name), spots, "anyone may call it"
    )
