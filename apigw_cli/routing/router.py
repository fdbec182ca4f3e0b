"""Routes compiled to a tree of segments: which route a request takes, in time that grows with the path's depth.

Of all routes that match a request, the most specific wins, compared in this order: the host (exact, then the
longest `*.suffix`, then any host), then segment by segment from the left (literal, mixed with most literal text,
variable, rest of the path), and only routes that take the method count: `DELETE /pets/mine` reaches
`DELETE /pets/{petId}` where `/pets/mine` has no DELETE. `HEAD` falls back on `GET` at the same path template, and what
is left goes to `ANY` there. A trailing slash is a segment, an empty one: `/pets/` is not `/pets`, unless the
route's API takes both for one (`ignore`) or sends who asks for the other form to the declared one (`redirect`). A
route that was declared with that other form always comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from urllib.parse import unquote

from apigw_cli.errors import InputError
from apigw_cli.routing import template
from apigw_cli.routing.methods import ANY
from apigw_cli.routing.template import Mixed, Template
from apigw_cli.snapshot.model import Route


class Match:
    """The route that a request takes. `index` is the route's position in what the router was made from.

    `redirects`: not yet, for the request has to ask for the other form of its path, with or without a trailing slash.
    """

    __slots__ = ("_segments", "_template", "index", "redirects", "route")

    def __init__(self, index: int, route: Route, template: Template, redirects: bool, segments: list[str]) -> None:
        self.index = index
        self.route = route
        self.redirects = redirects
        self._template = template
        self._segments = segments

    @property
    def parameters(self) -> dict[str, str]:
        """Values of the path's variables by name, escapes decoded. Made anew on each call."""
        return self._template.parameters(self._segments[1:])


class NotFound:
    """No route has this host and path."""

    __slots__ = ()


class MethodNotAllowed:
    """Routes have this host and path, none the method. `allow`: the methods that they take, sorted."""

    __slots__ = ("allow",)

    def __init__(self, allow: tuple[str, ...]) -> None:
        self.allow = allow

    @property
    def allow_value(self) -> bytes:
        """The value of the `Allow` header (RFC 9110, section 10.2.1)."""
        return ", ".join(self.allow).encode("ascii")


NOT_FOUND = NotFound()

_Entry = tuple[int, Route, Template, bool]  # the last: it only redirects
_Leaf = dict[str, _Entry]  # by method


class _Node:
    """All that may follow one prefix of segments."""

    __slots__ = ("branches", "children", "leaf", "mixed", "rest", "straight", "variable")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.mixed: list[tuple[Mixed, _Node]] = []
        self.variable: _Node | None = None
        self.rest: _Leaf | None = None
        self.leaf: _Leaf | None = None
        self.straight = True
        self.branches = False

    def child(self, segment: template.Segment) -> _Node:
        """The node after `segment`, made if need be."""
        if isinstance(segment, str):
            return self.children.setdefault(segment, _Node())
        if segment is template.Variable:
            self.variable = self.variable or _Node()
            return self.variable
        for known, node in self.mixed:
            if known == segment:
                return node
        node = _Node()
        self.mixed.append((segment, node))
        self.mixed.sort(key=lambda entry: entry[0].rank)
        return node

    def add(self, index: int, route: Route, parsed: Template) -> None:
        self._leaf(parsed)[route.method] = (index, route, parsed, False)

    def add_other_form(self, index: int, route: Route, parsed: Template) -> None:
        """The route's path with, or without, a trailing slash, where no other route was declared with that."""
        leaf = self._leaf(parsed)
        if route.method not in leaf and ANY not in leaf:
            leaf[route.method] = (index, route, parsed, route.trailing_slash == "redirect")

    def _leaf(self, parsed: Template) -> _Leaf:
        """The one at the end of a template, made if need be."""
        node = self
        for segment in parsed.segments:
            node = node.child(segment)
        if parsed.rest:
            node.rest = node.rest or {}
        else:
            node.leaf = node.leaf or {}
        leaf = node.rest if parsed.rest else node.leaf
        assert leaf is not None
        return leaf

    def settle(self) -> None:
        """Note, once all routes are in, where a walk need not remember a way back."""
        self.branches = bool(self.mixed) or self.rest is not None
        self.straight = not self.branches and not (self.children and self.variable)
        below = [*self.children.values(), *(node for _, node in self.mixed), *filter(None, [self.variable])]
        for node in below:
            node.settle()


class Router:
    """The routes of one Snapshot, compiled. Immutable; safe to share."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Raises InputError for a path that is no template and for routes that only differ in variables' names."""
        parsed = [template.parse(route.path) for route in routes]
        pairs = conflicts(routes, parsed)
        if pairs:
            raise InputError(conflict_message(routes[pairs[0][0]], routes[pairs[0][1]]))
        self._exact: dict[str, _Node] = {}
        self._suffix: dict[str, _Node] = {}
        self._any: _Node | None = None
        trees: dict[tuple[int, ...], _Node] = {}
        for host, indices in _by_host(routes).items():
            # Hosts with the same routes share a tree.
            tree = trees.get(tuple(indices)) or _tree(indices, routes, parsed)
            trees[tuple(indices)] = tree
            if host == "":
                self._any = tree
            elif host.startswith("*."):
                self._suffix[host[1:]] = tree
            else:
                self._exact[host] = tree

    def match(self, host: str, method: str, path: str) -> Match | MethodNotAllowed | NotFound:
        """The route for a request; `host` and `path` as `routing.path` normalised them, `method` as it came."""
        segments = path.split("/")
        if "%" in path:
            segments = [unquote(segment) if "%" in segment else segment for segment in segments]
        tree = self._exact.get(host)
        if tree is not None:
            found = _find(tree, segments, 1, method)
            if found is not None:
                return Match(*found, segments)
        return self._elsewhere(host, method, segments)

    def _elsewhere(self, host: str, method: str, segments: list[str]) -> Match | MethodNotAllowed | NotFound:
        for tree in self._less_specific(host):
            found = _find(tree, segments, 1, method)
            if found is not None:
                return Match(*found, segments)
        allow: set[str] = set()
        exact = self._exact.get(host)
        for tree in ((exact,) if exact else ()) + tuple(self._less_specific(host)):
            for leaf in _leaves(tree, segments, 1):
                allow.update(leaf)
        if not allow:
            return NOT_FOUND
        if "GET" in allow:
            allow.add("HEAD")
        return MethodNotAllowed(tuple(sorted(allow)))

    def _less_specific(self, host: str) -> Iterator[_Node]:
        if self._suffix:
            dot = host.find(".", 1)
            while dot > 0:
                tree = self._suffix.get(host[dot:])
                if tree is not None:
                    yield tree
                dot = host.find(".", dot + 1)
        if self._any is not None:
            yield self._any


def nearest(
    match: Callable[[str, str, str], Match | MethodNotAllowed | NotFound],
    host: str,
    method: str,
    path: str,
    among: Container[int],
) -> Match | None:
    """The route, one of `among`, that a method at a host and path takes; else one that takes another method there."""
    found = match(host, method, path)
    if isinstance(found, MethodNotAllowed):
        others = (match(host, one, path) for one in found.allow)
        return next((other for other in others if isinstance(other, Match) and other.index in among), None)
    return found if isinstance(found, Match) and found.index in among else None


def _by_host(routes: Sequence[Route]) -> dict[str, list[int]]:
    hosts: dict[str, list[int]] = defaultdict(list)
    for index, route in enumerate(routes):
        for host in _hosts(route):
            hosts[host].append(index)
    return hosts


def _hosts(route: Route) -> list[str]:
    return list(dict.fromkeys(host.lower() for host in route.hosts)) or [""]


def _tree(indices: Sequence[int], routes: Sequence[Route], parsed: Sequence[Template]) -> _Node:
    root = _Node()
    for index in indices:
        root.add(index, routes[index], parsed[index])
    for index in indices:
        if routes[index].trailing_slash != "strict" and not parsed[index].rest and routes[index].path != "/":
            root.add_other_form(index, routes[index], parsed[index].other_form())
    root.settle()
    return root


def _find(node: _Node, segments: list[str], position: int, method: str) -> _Entry | None:
    """The most specific route below `node` for the segments from `position` on that takes the method."""
    count = len(segments)
    while position < count:
        segment = segments[position]
        position += 1
        child = node.children.get(segment)
        if not node.straight and (child is not None or node.branches):
            for way in _ways(node, child, segment):
                found = _find(way, segments, position, method)
                if found is not None:
                    return found
            return _method(node.rest, method) if segment or position < count else None
        if child is None and segment:
            child = node.variable
        if child is None:
            return None
        node = child
    return _method(node.leaf, method)


def _ways(node: _Node, child: _Node | None, segment: str) -> list[_Node]:
    """The nodes that `segment` may lead to, the most specific first."""
    ways = [] if child is None else [child]
    if segment:
        for pattern, after in node.mixed:
            if pattern.values(segment) is not None:
                ways.append(after)
        if node.variable is not None:
            ways.append(node.variable)
    return ways


def _method(leaf: _Leaf | None, method: str) -> _Entry | None:
    if leaf is None:
        return None
    return leaf.get(method) or (leaf.get("GET") if method == "HEAD" else None) or leaf.get(ANY)


def _leaves(node: _Node, segments: list[str], position: int) -> Iterator[_Leaf]:
    """Every leaf below `node` that the segments reach, whatever its methods."""
    if position == len(segments):
        if node.leaf is not None:
            yield node.leaf
        return
    segment = segments[position]
    for child in _ways(node, node.children.get(segment), segment):
        yield from _leaves(child, segments, position + 1)
    if node.rest is not None and (segment or position + 1 < len(segments)):
        yield node.rest


def conflicts(routes: Sequence[Route], parsed: Sequence[Template]) -> list[tuple[int, int]]:
    """Pairs of routes of which one could never be reached: same method, same host, paths of the same shape."""
    groups: dict[object, list[int]] = defaultdict(list)
    for index, route in enumerate(routes):
        for host in _hosts(route):
            groups[host, route.method, parsed[index].shape].append(index)
    return sorted({(group[0], other) for group in groups.values() for other in group[1:]})


def conflict_message(one: Route, other: Route) -> str:
    """What to tell about two routes in conflict."""
    same = "the same path" if one.path == other.path else "paths that differ only in the names of their variables"
    return f'routes "{one.id}" ({one.method} {one.path}) and "{other.id}" ({other.method} {other.path}) have {same}'
