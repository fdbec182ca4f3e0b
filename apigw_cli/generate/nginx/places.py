"""Which nginx location takes a path, and which route in it takes the method, so that both decide as our router does.

Our router takes, of the routes that match host and path *and take the method*, the most specific one. nginx picks
one location by the path alone: an exact one (`=`), else the first regular expression that matches. So

- locations stand in the router's order of precedence, and
- each one dispatches over a chain: its own routes, then those of less specific places that its paths may also
  match, as far as they take methods that are still free. `GET /pets/mine` and `DELETE /pets/{petId}` give
  the location of `/pets/mine` a DELETE.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from apigw_cli.generate.nginx.words import literal_regex
from apigw_cli.routing import template
from apigw_cli.routing.methods import ANY, SERVED
from apigw_cli.routing.template import Mixed, Segment, Variable
from apigw_cli.snapshot.model import Route

Shape = tuple[tuple[Segment, ...], bool]


@dataclass(slots=True)
class PathPlace:
    """All routes of one server whose templates match the same paths. `tier`: 0 for the most specific host."""

    path: str  # one of the templates, for people
    shape: Shape
    tier: int
    routes: dict[str, Route] = field(default_factory=dict)  # by method

    @property
    def exact(self) -> str | None:
        """The one path that it matches, escapes decoded; None where there are variables."""
        segments, rest = self.shape
        texts = [segment for segment in segments if isinstance(segment, str) and "/" not in segment]
        return None if rest or len(texts) < len(segments) else "/" + "/".join(texts)

    @property
    def regex(self) -> str:
        """What matches its paths. `\\z`: `$` would also match before a line feed (%0A) at the end."""
        segments, rest = self.shape
        parts = [_regex(segment) for segment in segments] + ([r"[^\0]+"] if rest else [])
        return "^/" + "/".join(parts) + r"\z"

    @property
    def rank(self) -> tuple[object, ...]:
        """Lower means that our router looks at it first."""
        segments, rest = self.shape
        return (self.tier, *(_rank(segment) for segment in segments), *(((3, (0, 0, ())),) if rest else ()))

    def takes(self) -> Iterator[tuple[tuple[str, ...], Route]]:
        """Its routes with the methods that reach them: GET answers HEAD where nothing else does."""
        for method, route in self.routes.items():
            if method == ANY:
                left = self.routes.keys() | ({"HEAD"} if "GET" in self.routes else set())
                yield tuple(one for one in SERVED if one not in left), route
                continue
            head = method == "GET" and "HEAD" not in self.routes
            yield ((method, "HEAD") if head else (method,)), route


@dataclass(frozen=True, slots=True)
class Way:
    """One step of a location's dispatch: requests with these methods go to the route. `only`: further condition."""

    methods: tuple[str, ...]
    route: Route
    only: PathPlace | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A path place and its dispatch, in order. The methods of ways without a condition are all different."""

    place: PathPlace
    ways: tuple[Way, ...]

    @property
    def allow(self) -> tuple[str, ...]:
        """The methods that every path of the location takes, sorted."""
        return tuple(sorted({method for way in self.ways if way.only is None for method in way.methods}))


def locations(tiers: Sequence[Sequence[Route]]) -> list[Location]:
    """The locations of one server: exact ones first, then the others in the order of precedence.

    `tiers`: the routes of its own host, then those of the wildcard hosts that it matches, then those of any host.
    """
    places = sorted(_places(tiers), key=lambda place: place.rank)
    overlaps = _Overlaps(places)
    found = [Location(place, tuple(_chain(index, overlaps))) for index, place in enumerate(places)]
    exact: dict[str, Location] = {}
    for location in found:  # the same exact path in two tiers: the chain of the first one holds the second
        if location.place.exact is not None:
            exact.setdefault(location.place.exact, location)
    return [*exact.values(), *(location for location in found if location.place.exact is None)]


def _places(tiers: Sequence[Sequence[Route]]) -> list[PathPlace]:
    found: dict[tuple[int, Shape], PathPlace] = {}
    for tier, routes in enumerate(tiers):
        for route in routes:
            shape = template.parse(route.path).shape
            place = found.setdefault((tier, shape), PathPlace(route.path, shape, tier))
            place.routes.setdefault(route.method, route)
    return list(found.values())


class _Overlaps:
    """Finds the places that paths of one place may match too, the router's first choice first."""

    def __init__(self, places: list[PathPlace]) -> None:
        self.places = places
        self._exact = [place.exact is not None for place in places]
        self._rest = [index for index, place in enumerate(places) if place.shape[1]]
        self._by_length: dict[int, list[int]] = defaultdict(list)
        for index, place in enumerate(places):
            if not place.shape[1]:
                self._by_length[len(place.shape[0])].append(index)

    def of(self, index: int) -> Iterator[tuple[PathPlace, bool]]:
        """The place itself and others, each with whether it matches *every* path of the place.

        Paths that come to a regular expression match no exact location and no earlier expression: those are left out.
        """
        segments, rest = shape = self.places[index].shape
        near = range(len(self.places)) if rest else sorted({*self._by_length[len(segments)], *self._rest})
        for at in near:
            reachable = self._exact[index] or (at >= index and not self._exact[at])
            if reachable and may_share(shape, self.places[at].shape):
                yield self.places[at], covers(self.places[at].shape, shape)


def _chain(index: int, overlaps: _Overlaps) -> Iterator[Way]:
    taken: set[str] = set()  # methods that every path of the place has a route for by now
    for other, always in overlaps.of(index):
        for methods, route in other.takes():
            left = tuple(method for method in methods if method not in taken)
            if left:
                yield Way(left, route, None if always else other)
        if always:
            taken |= {method for methods, _ in other.takes() for method in methods}


def may_share(one: Shape, other: Shape) -> bool:
    """Whether some path could match both shapes. Where that is hard to tell (two mixed segments) the answer is yes."""
    (a, a_rest), (b, b_rest) = one, other
    if a_rest and b_rest:
        return all(map(_segments_meet, a, b))
    if a_rest or b_rest:
        fixed, open_ended = (b, a) if a_rest else (a, b)
        return _reaches_rest(fixed, len(open_ended)) and all(map(_segments_meet, fixed, open_ended))
    return len(a) == len(b) and all(map(_segments_meet, a, b))


def covers(wide: Shape, narrow: Shape) -> bool:
    """Whether every path of `narrow` certainly matches `wide`."""
    (a, a_rest), (b, b_rest) = wide, narrow
    if not all(map(_segment_covers, a, b)):
        return False
    if a_rest:
        return len(b) >= len(a) if b_rest else _reaches_rest(b, len(a))
    return not b_rest and len(a) == len(b)


def _reaches_rest(segments: tuple[Segment, ...], at: int) -> bool:
    """Whether something is left for a `{name+}` after `at` segments: not nothing, and not only an empty segment."""
    return len(segments) > at and segments[at:] != ("",)


def _segments_meet(a: Segment, b: Segment) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    if isinstance(a, str) or isinstance(b, str):
        text, pattern = (a, b) if isinstance(a, str) else (b, a)
        assert isinstance(text, str)
        return bool(text) if pattern is Variable else isinstance(pattern, Mixed) and pattern.values(text) is not None
    return True


def _segment_covers(wide: Segment, narrow: Segment) -> bool:
    if wide is Variable:
        return narrow != ""
    if isinstance(wide, Mixed) and isinstance(narrow, str):
        return wide.values(narrow) is not None
    return wide == narrow


def _rank(segment: Segment) -> tuple[int, object]:
    """Literal text, then mixed segments with the most text, then a variable; what follows last (rest) is 3."""
    if isinstance(segment, str):
        return 0, (0, 0, (segment,))
    if isinstance(segment, Mixed):
        return 1, segment.rank
    return 2, (0, 0, ())


def _regex(segment: Segment) -> str:
    if segment is Variable:
        return "[^/]+"
    texts = (segment,) if isinstance(segment, str) else segment.texts
    return "[^/]+".join(literal_regex(text).replace("/", "%2[Ff]") for text in texts)
