"""What routes share: the listener, proxies, where limits are kept, security schemes, upstreams."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from apigw_cli.policies.auth.compare import differences as scheme_differences
from apigw_cli.policies.interface import Change
from apigw_cli.policies.judging import Difference, differences
from apigw_cli.snapshot.model import HttpIntegration, Limits, Route, Snapshot, Upstream
from apigw_cli.stages.finding import Finding
from apigw_cli.stages.protection.sides import WORDS, Sides
from apigw_cli.stages.protection.tables import TABLES
from apigw_cli.stages.protection.targets import judgement


def compare(sides: Sides) -> Iterator[Finding]:
    """Every setting that differs beside those of single routes."""
    yield from _upstreams(sides)
    yield from _of_gateway(sides, "", sides.old.proxy, sides.new.proxy)
    yield from _of_gateway(sides, "listen", sides.old.listen, sides.new.listen)
    yield from _of_gateway(sides, "limits", *(side.limits or Limits() for side in (sides.old, sides.new)))
    yield from _schemes(sides)


def _of_gateway(sides: Sides, at: str, old: Struct, new: Struct) -> Iterator[Finding]:
    for found in differences(TABLES, old, new, at):
        if found.path == "forwarded" and not sides.new.proxy.trusted:
            found = found._replace(change=Change.NEUTRAL, why="no proxy is believed")
        spots = sides.settings(found.path)
        yield sides.of_setting(f"gateway-{WORDS[found.change]}", "gateway", found.path, found, spots)


# --- security schemes


def _schemes(sides: Sides) -> Iterator[Finding]:
    """Those of the same name; where routes need another one, their `auth` says so."""
    for name, before in sides.old.auth.items():
        after = sides.new.auth.get(name)
        if after is None:
            continue
        reaches = [route.id for route in sides.new.routes if _needs(route, name)]
        needed = reaches or any(_needs(route, name) for route in sides.old.routes)
        for found in scheme_differences(before, after):
            if not needed:
                found = found._replace(change=Change.NEUTRAL, why="no route needs it")
            rule = "auth-keys-changed" if found.path == "keys" else "auth-scheme-changed"
            path = f"auth.{name}.{found.path}"
            yield sides.of_setting(rule, f"auth {name}", path, found, sides.settings(path), reaches)


def _needs(route: Route, scheme: str) -> bool:
    needed = route.policies.get("auth")
    return needed is not None and any(scheme in schemes for schemes in needed["alternatives"])


# --- upstreams


def _upstreams(sides: Sides) -> Iterator[Finding]:
    """Each upstream as the routes see it: what answered them before, and what does now, whatever it is called."""
    reaching = _reaching(sides)
    named = ((name, name) for name in sides.old.upstreams if name in sides.new.upstreams)
    for before, after in dict.fromkeys((*reaching, *named)):
        reaches = reaching.get((before, after), [])
        reached = bool(reaches) or _reached(before, sides.old) or _reached(after, sides.new)
        yield from _upstream(sides, sides.old.upstreams[before], sides.new.upstreams[after], reaches, reached)


def _reaching(sides: Sides) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for before, after in sides.matched.pairs:
        was, now = before.integration, after.integration
        if isinstance(was, HttpIntegration) and isinstance(now, HttpIntegration):
            found.setdefault((was.upstream, now.upstream), []).append(after.id)
    return found


def _reached(name: str, snapshot: Snapshot) -> bool:
    integrations = (route.integration for route in snapshot.routes)
    return any(isinstance(found, HttpIntegration) and found.upstream == name for found in integrations)


def _upstream(sides: Sides, before: Upstream, after: Upstream, reaches: list[str], reached: bool) -> Iterator[Finding]:
    renamed = before.name != after.name
    for found in differences(TABLES, before, after):
        if found.path == "name" or (renamed and found.path == "targets"):
            continue  # the route says that something else answers
        rule, found = _ruled(found, before, after)
        if not reached:
            found = found._replace(change=Change.NEUTRAL, why="no route goes there")
        places = f"upstreams.{before.name}.{found.path}", f"upstreams.{after.name}.{found.path}"
        yield sides.of_setting(rule, f"upstream {after.name}", places[1], found, sides.settings(*places), reaches)


def _ruled(found: Difference, before: Upstream, after: Upstream) -> tuple[str, Difference]:
    if found.path != "targets":
        return f"upstream-{WORDS[found.change]}", found
    rule, change, why = judgement(before.targets, after.targets)
    return rule, found._replace(change=change, why=why)
