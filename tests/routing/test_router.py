from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import base_path, operations, path_variables
from apigw_cli.routing import template
from apigw_cli.routing.path import normalise
from apigw_cli.routing.router import NOT_FOUND, Match, MethodNotAllowed, Router, conflicts
from apigw_cli.snapshot.model import Route
from tests.routing.oracle import find, route


def reached(router: Router, method: str, path: str, host: str = "localhost") -> str:
    found = router.match(host, method, path)
    if isinstance(found, Match):
        return found.route.operation
    return "405 " + found.allow_value.decode() if isinstance(found, MethodNotAllowed) else "404"


def parameters(router: Router, path: str) -> dict[str, str]:
    found = router.match("", "GET", path)
    assert isinstance(found, Match)
    return found.parameters


PETS = [
    route("GET", "/pets", name="list"),
    route("POST", "/pets", name="create"),
    route("GET", "/pets/mine", name="mine"),
    route("GET", "/pets/{petId}", name="get"),
    route("DELETE", "/pets/{id}", name="delete"),
    route("GET", "/pets/{petId}/photos/{n}.{ext}", name="photo"),
    route("GET", "/pets/{petId}/photos/{n}.jpeg", name="jpeg"),
    route("GET", "/pets/{petId}/photos/{n}", name="photos"),
    route("GET", "/compare/{base}...{head}", name="compare"),
    route("POST", "/things:{verb}", name="custom"),
    route("GET", "/files/{path+}", name="files"),
    route("GET", "/files/readme", name="readme"),
    route("GET", "/", name="root"),
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", "root"),
        ("GET", "/pets", "list"),
        ("GET", "/pets/", "404"),
        ("POST", "/pets", "create"),
        ("PUT", "/pets", "405 GET, HEAD, POST"),
        ("HEAD", "/pets", "list"),
        ("GET", "/pets/7", "get"),
        ("GET", "/pets/mine", "mine"),
        ("DELETE", "/pets/mine", "delete"),
        ("PATCH", "/pets/mine", "405 DELETE, GET, HEAD"),
        ("DELETE", "/pets/7", "delete"),
        ("GET", "/pets/a%2Fb", "get"),
        ("GET", "/pets/min%65", "mine"),
        ("GET", "/pets/7/photos/1.png", "photo"),
        ("GET", "/pets/7/photos/1.jpeg", "jpeg"),
        ("GET", "/pets/7/photos/.jpeg", "photos"),
        ("GET", "/pets/7/photos/1", "photos"),
        ("GET", "/compare/main...topic", "compare"),
        ("GET", "/compare/...topic", "404"),
        ("GET", "/compare/main..topic", "404"),
        ("POST", "/things:start", "custom"),
        ("POST", "/things%3Astart", "custom"),
        ("POST", "/things:", "404"),
        ("GET", "/files/a/b/c.txt", "files"),
        ("GET", "/files/a/", "files"),
        ("GET", "/files/", "404"),
        ("GET", "/files", "404"),
        ("GET", "/files/readme", "readme"),
        ("GET", "/files/readme/x", "files"),
        ("get", "/pets", "405 GET, HEAD, POST"),
        ("GET", "/PETS", "404"),
    ],
)
def test_the_most_specific_route(method: str, path: str, expected: str) -> None:
    assert reached(Router(PETS), method, path) == expected


def test_parameters_are_decoded_and_keep_what_was_in_their_segment() -> None:
    router = Router(PETS)
    assert parameters(router, "/pets/7") == {"petId": "7"}
    assert parameters(router, "/pets/a%2Fb%20c") == {"petId": "a/b c"}
    assert parameters(router, "/pets/caf%C3%A9") == {"petId": "café"}
    assert parameters(router, "/pets/%FF") == {"petId": "\ufffd"}
    assert parameters(router, "/pets/7/photos/a.b.png") == {"petId": "7", "n": "a", "ext": "b.png"}
    assert parameters(router, "/compare/a...b...c") == {"base": "a", "head": "b...c"}
    assert parameters(router, "/files/a/b%2Fc/") == {"path": "a/b/c/"}


def test_each_method_keeps_its_own_names_for_the_variables() -> None:
    router = Router([route("GET", "/a/{x}"), route("POST", "/a/{y}")])
    assert parameters(router, "/a/1") == {"x": "1"}
    found = router.match("", "POST", "/a/1")
    assert isinstance(found, Match) and found.parameters == {"y": "1"}


def test_it_comes_back_from_a_dead_end() -> None:
    router = Router([route("GET", "/{a}/x/{b}/y", name="long"), route("GET", "/k/x/{b}/z", name="other")])
    assert reached(router, "GET", "/k/x/1/y") == "long"
    assert reached(router, "GET", "/k/x/1/z") == "other"
    assert reached(router, "GET", "/j/x/1/z") == "404"


HOSTS = [
    route("GET", "/a", ("api.example.com",), "exact"),
    route("GET", "/a", ("*.example.com",), "wild"),
    route("GET", "/a", ("*.deep.example.com",), "deeper"),
    route("GET", "/a", (), "any"),
    route("GET", "/b", (), "any b"),
    route("POST", "/a", ("*.example.com",), "wild post"),
]


@pytest.mark.parametrize(
    ("host", "method", "path", "expected"),
    [
        ("api.example.com", "GET", "/a", "exact"),
        ("www.example.com", "GET", "/a", "wild"),
        ("x.y.example.com", "GET", "/a", "wild"),
        ("x.deep.example.com", "GET", "/a", "deeper"),
        ("deep.example.com", "GET", "/a", "wild"),
        ("example.com", "GET", "/a", "any"),
        ("evilexample.com", "GET", "/a", "any"),
        ("other.org", "GET", "/a", "any"),
        ("", "GET", "/a", "any"),
        ("api.example.com", "GET", "/b", "any b"),
        ("api.example.com", "POST", "/a", "wild post"),
        ("api.example.com", "PUT", "/a", "405 GET, HEAD, POST"),
        ("other.org", "POST", "/a", "405 GET, HEAD"),
    ],
)
def test_hosts(host: str, method: str, path: str, expected: str) -> None:
    assert reached(Router(HOSTS), method, path, host) == expected


def slashed(method: str, path: str, form: str, name: str) -> Route:
    return msgspec.structs.replace(route(method, path, name=name), trailing_slash=form)


ANYTHING = [
    route("ANY", "/a", name="any a"),
    route("GET", "/a", name="get a"),
    route("ANY", "/a/{x}", name="any x"),
    route("POST", "/a/b", name="post b"),
    route("ANY", "/f/{path+}", name="rest"),
    route("HEAD", "/f/{path+}", name="head rest"),
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/a", "get a"),
        ("HEAD", "/a", "get a"),
        ("DELETE", "/a", "any a"),
        ("OPTIONS", "/a", "any a"),
        ("POST", "/a/b", "post b"),
        ("GET", "/a/b", "any x"),
        ("PURGE", "/f/x/y", "rest"),
        ("HEAD", "/f/x/y", "head rest"),
        ("GET", "/b", "404"),
    ],
)
def test_any_takes_what_no_other_method_takes(method: str, path: str, expected: str) -> None:
    assert reached(Router(ANYTHING), method, path) == expected


SLASHES = [
    slashed("GET", "/pets", "ignore", "pets"),
    slashed("POST", "/pets/", "ignore", "post"),
    slashed("GET", "/pets/{id}", "ignore", "pet"),
    slashed("GET", "/moved", "redirect", "moved"),
    slashed("ANY", "/gone/", "redirect", "gone"),
    slashed("GET", "/both", "ignore", "both"),
    slashed("ANY", "/both/", "ignore", "both slash"),
    slashed("GET", "/strict", "strict", "strict"),
    slashed("GET", "/rest/{path+}", "ignore", "rest"),
    slashed("GET", "/", "ignore", "root"),
    slashed("GET", "/v1/", "redirect", "base"),
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets", "pets"),
        ("GET", "/pets/", "pets"),
        ("HEAD", "/pets/", "pets"),
        ("POST", "/pets", "post"),
        ("DELETE", "/pets/", "405 GET, HEAD, POST"),
        ("GET", "/pets/7/", "pet"),
        ("GET", "/pets/pets/", "pet"),
        ("GET", "/moved", "moved"),
        ("GET", "/moved/", "moved redirects"),
        ("HEAD", "/moved/", "moved redirects"),
        ("POST", "/moved/", "405 GET, HEAD"),
        ("PUT", "/gone", "gone redirects"),
        ("PUT", "/gone/", "gone"),
        ("GET", "/both", "both"),
        ("GET", "/both/", "both slash"),
        ("POST", "/both", "both slash"),
        ("GET", "/strict/", "404"),
        ("GET", "/rest/", "404"),
        ("GET", "/rest/a/", "rest"),
        ("GET", "/", "root"),
        ("GET", "/v1", "base redirects"),
        ("GET", "/v1/", "base"),
    ],
)
def test_trailing_slashes(method: str, path: str, expected: str) -> None:
    router = Router(SLASHES)
    found = router.match("", method, path)
    redirects = " redirects" if isinstance(found, Match) and found.redirects else ""
    assert reached(router, method, path, "") + redirects == expected


def test_the_other_form_of_a_template_has_its_parameters() -> None:
    assert parameters(Router(SLASHES), "/pets/7/") == {"id": "7"}


def test_no_routes_no_match() -> None:
    assert Router([]).match("h", "GET", "/") is NOT_FOUND


def test_conflicts() -> None:
    routes = [
        route("GET", "/a/{x}"),
        route("GET", "/a/{y}"),
        route("POST", "/a/{y}"),
        route("GET", "/a/{y}", ("h",)),
        route("GET", "/a/{z}", ("H", "g")),
        route("GET", "/a/{x}.json"),
        route("GET", "/a/{y}.json"),
        route("GET", "/f/{x+}"),
        route("GET", "/f/{x}"),
    ]
    assert conflicts(routes, [template.parse(one.path) for one in routes]) == [(0, 1), (3, 4), (5, 6)]
    with pytest.raises(InputError, match=r'"api:GET /a/\{x\}" .* differ only in the names'):
        Router(routes)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("pets", "must begin"),
        ("/a/{x", "partner"),
        ("/a/x}", "partner"),
        ("/a/{{x}}", "partner"),
        ("/a/{x+}/b", "whole last segment"),
        ("/a/b{x+}", "whole last segment"),
        ("/a/{x}/{x}", "name of its own"),
        ("/a/{}", "name of its own"),
    ],
)
def test_a_path_that_is_no_template(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Router([route("GET", path)])


def test_hostile_segments_take_no_long_time() -> None:
    # With a backtracking regular expression for the mixed segment this would take years.
    router = Router([route("GET", "/" + "-".join(f"{{v{n}}}" for n in range(12)) + "!")])
    assert router.match("", "GET", "/" + "-" * 100_000) is NOT_FOUND
    assert router.match("", "GET", "/a" * 50_000) is NOT_FOUND


# --- against the oracle

_segment = st.sampled_from(["a", "b", "%61", "{}", "{}", "{}.j", "a{}", "{}-{}", "{}a", ""])
_hosts = st.lists(st.sampled_from(["h", "x.h", "*.h", "*.x.h"]), max_size=2, unique=True).map(tuple)
_method = st.sampled_from(["GET", "HEAD", "POST", "ANY"])


@st.composite
def _routes(draw: st.DrawFn) -> list[Route]:
    made: dict[object, Route] = {}
    for _ in range(draw(st.integers(1, 9))):
        segments = draw(st.lists(_segment, min_size=1, max_size=4)) + draw(st.sampled_from([[], [], ["{+}"]]))
        shape = "/" + "/".join(segments)
        path = shape
        for number in range(shape.count("{")):
            path = path.replace("{}", f"{{v{number}}}", 1)
        one = route(draw(_method), path.replace("{+}", "{rest+}"), draw(_hosts))
        taken = [(host, one.method, shape.replace("%61", "a")) for host in one.hosts or ("",)]
        if not any(key in made for key in taken):
            made |= dict.fromkeys(taken, one)
    return list({id(one): one for one in made.values()}.values())


@given(
    _routes(),
    st.sampled_from(["h", "x.h", "y.x.h", "z", ""]),
    _method,
    st.lists(st.sampled_from(["a", "b", "c", "a.j", "ab", "a-b", "a%2Fb", "a-b-a", "ba", ""]), min_size=1, max_size=6),
)
def test_it_agrees_with_trying_every_route(routes: list[Route], host: str, method: str, parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    found = Router(routes).match(host, method, path)
    got = found.index if isinstance(found, Match) else found.allow if isinstance(found, MethodNotAllowed) else None
    assert got == find(routes, host, method, path)


# --- public specifications

SPECS = [
    "github-13MB.json",
    "github-3.5MB.yaml",
    "asana.yaml",
    "k8s-swagger2.json",
    "petstorev3.json",
    "stripe-3.1MB.yaml",
]


@pytest.fixture(scope="module", params=SPECS)
def public(request: pytest.FixtureRequest, corpus: Path) -> list[Route]:
    library = Library(corpus)
    document = library.read(request.param)
    base = base_path(document)
    return [route(one.method, base + one.path, name=one.name) for one in operations(document, library)]


def test_every_operation_is_reached(public: list[Route]) -> None:
    router = Router(public)
    for index, one in enumerate(public):
        path = one.path
        for number, name in enumerate(path_variables(path)):
            path = path.replace("{" + name + "}", f"word-{number}.x", 1)
        normal = normalise(path.encode())
        assert normal is not None
        found = router.match("api.example.com", one.method, normal)
        assert isinstance(found, Match), one.operation
        assert found.index == index
        assert list(found.parameters) == path_variables(one.path)
        assert list(found.parameters.values()) == [f"word-{n}.x" for n in range(len(found.parameters))]


def test_a_value_that_is_a_sibling_literal_goes_to_the_literal(public: list[Route]) -> None:
    router = Router(public)
    literals: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in public:
        segments = tuple(one.path.split("/"))
        for position, segment in enumerate(segments):
            if "{" not in segment:
                literals[segments[:position]].add(segment)
    tried = 0
    for one in public[:: max(1, len(public) // 150)]:
        segments = one.path.split("/")
        for position, segment in enumerate(segments):
            for literal in sorted(literals[tuple(segments[:position])])[:2] if segment.startswith("{") else ():
                path = "/".join(
                    literal if at == position else "word" if "{" in part else part for at, part in enumerate(segments)
                )
                found = router.match("h", one.method, path)
                got = found.index if isinstance(found, Match) else getattr(found, "allow", None)
                assert got == find(public, "h", one.method, path)
                tried += 1
    assert tried or len(public) < 400
