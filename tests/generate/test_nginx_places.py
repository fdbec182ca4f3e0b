"""The locations decide as our router does: checked against the router itself, without nginx."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.generate.nginx.places import Location, covers, locations, may_share
from apigw_cli.generate.nginx.servers import ANY, servers
from apigw_cli.routing import template
from apigw_cli.routing.router import Match, MethodNotAllowed, Router
from apigw_cli.snapshot.model import HttpIntegration, Route

METHODS = ("GET", "HEAD", "POST", "DELETE")


def route(method: str, path: str, *hosts: str) -> Route:
    return Route("api", f"{method} {path} {hosts}", method, path, hosts, HttpIntegration("up"), {})


def as_nginx_decides(found: Sequence[Location], method: str, path: str) -> object:
    """nginx's rules: the exact location, else the first expression; then the location's own dispatch."""
    exact = [location for location in found if location.place.exact == path]
    regex = [location for location in found if location.place.exact is None and matches(location.place.regex, path)]
    for location in (exact or regex)[:1]:
        allow = set(location.allow)
        for way in location.ways:
            if way.only is None or matches(way.only.regex, path):
                if method in way.methods:
                    return way.route.id
                allow.update(way.methods)
        return sorted(allow)
    return None


def matches(regex: str, path: str) -> bool:
    return re.search(regex.replace(r"\z", r"\Z"), path) is not None


def as_our_router_decides(router: Router, host: str, method: str, path: str) -> object:
    found = router.match(host, method, path)
    if isinstance(found, Match):
        return found.route.id
    return sorted(found.allow) if isinstance(found, MethodNotAllowed) else None


SEGMENTS = st.sampled_from(["a", "b", "a.b", "{x}", "{x}.b", "a{x}", "{x}.{y}", ""])
PATHS = st.builds(
    lambda segments, rest: "/" + "/".join([*segments, *(["{r+}"] if rest else [])]),
    st.lists(SEGMENTS, min_size=1, max_size=3).filter(lambda s: "" not in s[:-1]),
    st.booleans(),
)
HOSTS = st.sampled_from([(), ("h.t",), ("*.t",), ("h.t", "*.t"), ("*.x.t",)])
ROUTES = st.lists(
    st.builds(lambda m, p, h: route(m, unique(p), *h), st.sampled_from(METHODS), PATHS, HOSTS), max_size=8
)
REQUESTED = st.lists(st.sampled_from(["a", "b", "a.b", "c", "ab", "b.b", "a.b.b"]), min_size=1, max_size=4)


def unique(path: str) -> str:
    """Variables need names of their own."""
    counter = iter(range(9))
    return re.sub(r"\{\w(\+?)\}", lambda match: f"{{v{next(counter)}{match[1]}}}", path)


@settings(max_examples=400)
@given(
    ROUTES, REQUESTED, st.booleans(), st.sampled_from((*METHODS, "PUT")), st.sampled_from(["h.t", "o.t", "h.x.t", "z"])
)
@example([route("GET", "/a/b"), route("DELETE", "/a/{x}")], ["a", "b"], False, "DELETE", "z")
@example([route("GET", "/a/{x}"), route("POST", "/{y}/b")], ["a", "b"], False, "POST", "z")
@example([route("GET", "/{x}", "h.t"), route("GET", "/a")], ["a"], False, "GET", "h.t")
def test_nginx_chooses_the_route_that_our_router_chooses(
    routes: list[Route], segments: list[str], slash: bool, method: str, host: str
) -> None:
    try:
        router = Router(routes)
    except InputError:
        assume(False)
    path = "/" + "/".join(segments) + ("/" if slash else "")
    found = locations(tiers_of(host, routes))
    assert as_nginx_decides(found, method, path) == as_our_router_decides(router, host, method, path)


def tiers_of(host: str, routes: list[Route]) -> Sequence[Sequence[Route]]:
    """The server that nginx picks: the exact name, the longest wildcard, the default one."""

    def fit(name: str) -> int:
        if name == host:
            return 1000
        if name.startswith("*.") and host.endswith(name[1:]):
            return len(name)
        return 0 if name == ANY else -1

    pairs = [(fit(name), server) for server in servers(routes) for name in server.hosts]
    return max(pairs, key=lambda pair: pair[0])[1].tiers


@settings(max_examples=300)
@given(PATHS.map(unique), PATHS.map(unique), REQUESTED, st.booleans())
def test_covering_and_sharing_hold_for_every_path(one: str, other: str, segments: list[str], slash: bool) -> None:
    first, second = template.parse(one).shape, template.parse(other).shape
    path = "/" + "/".join(segments) + ("/" if slash else "")
    hits = [isinstance(Router([route("GET", text)]).match("", "GET", path), Match) for text in (one, other)]
    if all(hits):
        assert may_share(first, second)
    if covers(first, second) and hits[1]:
        assert hits[0]


def test_a_regular_expression_ends_where_the_path_ends() -> None:
    (location,) = locations([[route("GET", "/a/{x}/b")]])
    assert matches(location.place.regex, "/a/1/b")
    assert not matches(location.place.regex, "/a/1/b\n")
    assert not matches(location.place.regex, "/a/1/2/b")


def test_get_answers_head_unless_the_path_has_its_own() -> None:
    plain, own = locations([[route("GET", "/a"), route("GET", "/b"), route("HEAD", "/b")]])
    assert [way.methods for way in plain.ways] == [("GET", "HEAD")]
    assert [way.methods for way in own.ways] == [("GET",), ("HEAD",)]


def test_routes_of_a_wildcard_host_follow_those_of_the_host_itself() -> None:
    own, wide, everywhere = route("GET", "/a", "api.shop.com"), route("GET", "/b", "*.shop.com"), route("GET", "/c")
    found = {server.hosts: server.tiers for server in servers([own, wide, everywhere])}
    assert found == {
        ("api.shop.com",): ((own,), (wide,), (everywhere,)),
        ("*.shop.com",): ((wide,), (everywhere,)),
        (ANY,): ((everywhere,),),
    }
