"""Requests that another route takes now: a wildcard, a more specific path, another host's routes.

For each pair of an old and a new route whose paths and hosts overlap, and of which at least one is new or gone, a
request that fits both is put to both tables of routes, the very ones that the gateway goes by. Where the route that
took it is not the one that takes it now, and some policy of that one protects less, its caller gets round the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from apigw_cli.policies.interface import Change, instance
from apigw_cli.routing import template
from apigw_cli.routing.methods import ANY
from apigw_cli.routing.router import Match, Router
from apigw_cli.routing.template import Mixed, Segment, Template
from apigw_cli.snapshot.model import Route
from apigw_cli.stages.finding import Finding, Level, Side
from apigw_cli.stages.protection.matching import wire
from apigw_cli.stages.protection.routes import noun, shown
from apigw_cli.stages.protection.sides import Sides

_ANYTHING = "anything"  # what stands for a variable; letters of a literal that says the same would only be closer
_METHOD = "PURGE"  # of a request that only routes for any method take


def compare(sides: Sides) -> Iterator[Finding]:
    """A finding for each pair of routes of which the new one takes requests of the old one and protects less."""
    same = {(before.id, after.id) for before, after in sides.matched.pairs}
    old, new = Router(sides.old.routes), Router(sides.new.routes)
    for host, method, path in dict.fromkeys(_requests(sides.old.routes, sides.new.routes)):
        was, now = old.match(host, method, path), new.match(host, method, path)
        if not isinstance(was, Match) or not isinstance(now, Match) or was.redirects or now.redirects:
            continue
        if (was.route.id, now.route.id) not in same:
            same.add((was.route.id, now.route.id))
            yield from _judge(sides, was.route, now.route, f"{method} {path}")


def _judge(sides: Sides, before: Route, after: Route, request: str) -> Iterator[Finding]:
    weaker = []
    for name, policy in sides.policies.items():
        values = before.policies.get(name), after.policies.get(name)
        was, now = (None if value is None else instance(policy, value) for value in values)
        if values[0] != values[1] and policy.compare(was, now) is Change.WEAKEN:
            weaker.append(f"{noun(name)} {shown(policy, was)} → {shown(policy, now)}")
    if weaker:
        message = f"takes requests of {before.operation}, such as {request}: {', '.join(weaker)}"
        spots = (sides.spot(Side.BASE, before.id, "operation"), sides.spot(Side.REVISION, after.id, "operation"))
        why = f"whoever {before.operation} would have refused gets in here"
        values = before.operation, after.operation
        yield sides.of_route("route-takes-over", Level.WEAKEN, after, "path", message, values, spots, why)


# --- requests that fit two routes


def _requests(old: Sequence[Route], new: Sequence[Route]) -> Iterator[tuple[str, str, str]]:
    """Host, method and path of a request for each pair of which one is not on the other side as it is here."""
    known, still = {_key(route) for route in old}, {_key(route) for route in new}
    changed = _Tree(route for route in new if _key(route) not in known)
    everything = _Tree(new)
    for before in old:
        gone = _key(before) not in still
        parsed = template.parse(before.path)
        for after, other in (everything if gone else changed).overlapping(parsed):
            path = _path(parsed, other)
            method = _common_method(before.method, after.method)
            if path is not None and method is not None:
                for host in _common_hosts(before.hosts, after.hosts):
                    yield host, method, path


def _key(route: Route) -> tuple[object, ...]:
    return route.hosts, *wire(route)


def _common_method(one: str, other: str) -> str | None:
    if one == ANY or other == ANY:
        return other if one == ANY and other != ANY else one if one != ANY else _METHOD
    if {one, other} == {"GET", "HEAD"}:
        return "HEAD"
    return one if one == other else None


def _common_hosts(one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    """A name for each pair that overlaps."""
    for left in one or [""]:
        for right in other or [""]:
            narrow, wide = sorted((left, right), key=lambda host: (not host, host.startswith("*."), -len(host)))
            if not wide or narrow == wide or (wide.startswith("*.") and narrow.endswith(wide[1:])):
                yield narrow.replace("*", _ANYTHING, 1) if narrow else _ANYTHING


def _path(one: Template, other: Template) -> str | None:
    """A path that both match, as the router takes it; None where there is none."""
    length = max(len(one.segments) + one.rest, len(other.segments) + other.rest)
    segments = [_segment(_at(one, i), _at(other, i)) for i in range(length)]
    if None in segments:
        return None
    return "/" + "/".join(quote(segment or "", safe="~!$&'()*+,;=:@") for segment in segments)


def _at(parsed: Template, position: int) -> Segment:
    return parsed.segments[position] if position < len(parsed.segments) else None


def _segment(one: Segment, other: Segment) -> str | None:
    """Text that both allow. Of two that are mixed, that of the first, where the other takes it."""
    left, right = (other, one) if one is None else (one, other)
    if left is None:
        return _ANYTHING
    if isinstance(left, Mixed) and isinstance(right, str):
        left, right = right, left
    text = left if isinstance(left, str) else _ANYTHING.join(left.texts)
    if right is None:
        return text or None
    fits = right == text if isinstance(right, str) else right.values(text) is not None
    return text if fits else None


class _Tree:
    """Routes by their segments, so that only those are looked at whose paths overlap."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.children: dict[Segment, _Tree] = {}
        self.here: list[tuple[Route, Template]] = []
        for route in routes:
            parsed = template.parse(route.path)
            node = self
            for segment in parsed.segments:
                node = node.children.setdefault(segment, _Tree(()))
            node.here.append((route, parsed))

    def overlapping(self, parsed: Template, position: int = 0) -> Iterator[tuple[Route, Template]]:
        """The routes below here whose paths share one with `parsed`, from its segment at `position` on."""
        left = len(parsed.segments) - position
        for route, other in self.here:
            if other.rest == parsed.rest if left == 0 else other.rest if left > 0 else parsed.rest:
                yield route, other
        if left <= 0 and not parsed.rest:
            return
        wanted = parsed.segments[position] if left > 0 else None
        for segment, below in self.children.items():
            if _segment(wanted, segment) is not None:
                yield from below.overlapping(parsed, position + 1)
