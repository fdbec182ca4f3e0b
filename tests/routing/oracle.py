"""The slow, obvious router: try every route, rank what matches. And a way to write routes."""

from __future__ import annotations

import re
from urllib.parse import unquote

from apigw_cli.snapshot.model import MockIntegration, Route


def route(method: str, path: str, hosts: tuple[str, ...] = (), name: str = "") -> Route:
    return Route("api", name or f"{method} {path}", method, path, hosts, MockIntegration("spec", ()), {})


def _host_rank(route: Route, host: str) -> tuple[int, int] | None:
    ranks = [(0, 0)] if not route.hosts else []
    for pattern in route.hosts:
        if pattern == host:
            ranks.append((2, 0))
        elif pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) > len(pattern) - 1:
            ranks.append((1, len(pattern)))
    return max(ranks, default=None)


def _path_rank(template: str, path: str) -> tuple[object, ...] | None:
    wanted, given = template.split("/"), [unquote(part) for part in path.split("/")]
    rank: list[object] = []
    for position, part in enumerate(wanted):
        if re.fullmatch(r"\{[^{}]+\+\}", part):
            rest = given[position:]
            return (*rank, (0,)) if rest and rest != [""] else None
        if position >= len(given):
            return None
        texts = [unquote(text) for text in re.split(r"\{[^{}]+\}", part)]
        if not re.fullmatch("(?s:.+)".join(map(re.escape, texts)), given[position]):
            return None
        literals = sum(map(len, texts))
        if len(texts) == 1:
            rank.append((3,))
        elif literals:
            rank.append((2, literals, -len(texts), [[-ord(c) for c in text] + [1] for text in texts]))
        else:
            rank.append((1,))
    return tuple(rank) if len(wanted) == len(given) else None


def find(routes: list[Route], host: str, method: str, path: str) -> int | tuple[str, ...] | None:
    """The index of the route, the methods allowed where none takes `method`, or None where nothing matches."""
    ranked = []
    for index, one in enumerate(routes):
        ranks = (_host_rank(one, host), _path_rank(one.path, path))
        if None not in ranks:
            ranked.append((ranks, one.method, index))
    methods = {one for _, one, _ in ranked}
    order = (method, *_fallback(method))
    takes = [(ranks, -order.index(one), index) for ranks, one, index in ranked if one in order]
    if takes:
        return max(takes)[2]
    return tuple(sorted(methods | ({"HEAD"} if "GET" in methods else set()))) if methods else None


def _fallback(method: str) -> tuple[str, ...]:
    return ("GET", "ANY") if method == "HEAD" else ("ANY",)
