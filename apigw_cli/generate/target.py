"""What a generate target is: one module that turns a Snapshot into another program's configuration.

A target never weakens silently: what it cannot express is a `Gap`, which the command line prints with the place
of the value, and which the target writes as a comment into its output where the format has comments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from apigw_cli.errors import Place
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `apigw generate`; None where an option was not given."""

    target: str
    config: Path | None = None
    stage: str | None = None
    output: Path | None = None
    strict: bool = False
    format: str | None = None
    of: str | None = None
    listen: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something of the Snapshot that the target does differently, or not at all.

    `item` is what it is about ("rate_limit", "upstream pets"); `routes` are the operations concerned, none where
    it is the whole gateway; `place` is where the value stands.
    """

    item: str
    message: str
    routes: tuple[str, ...] = ()
    place: Place | None = None

    @property
    def subject(self) -> str:
        """`rate_limit of listPets and 3 more`."""
        if not self.routes:
            return self.item
        more = f" and {len(self.routes) - 1} more" if len(self.routes) > 1 else ""
        return f"{self.item} of {self.routes[0]}{more}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A target's output, and what it could not express."""

    text: str
    gaps: tuple[Gap, ...] = ()


class Target(Protocol):
    """The interface of a module in `generate/` (the registry holds the objects)."""

    name: str
    summary: str  # half a line for `--help` and for messages
    takes: frozenset[str]  # which of config, stage, format, of and listen it understands

    def render(self, options: Options, compiled: Callable[[], Compiled]) -> Rendered:
        """The output. `compiled` reads and compiles the configuration; a target that needs none does not call it."""


def of_route(compiled: Compiled, route: Route, policy: str, message: str) -> Gap:
    """The gap in one policy of one route, with the place of the value that holds."""
    place = compiled.provenance.place(route.id, f"policies.{policy}")
    return Gap(policy, message, (route.operation,), place)


def merged(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Gaps that say the same of the same value become one with all their routes; the order is kept."""
    found: dict[tuple[str, str, Place | None], Gap] = {}
    for gap in gaps:
        key = (gap.item, gap.message, gap.place)
        known = found.get(key)
        found[key] = gap if known is None else replace(known, routes=tuple(dict.fromkeys(known.routes + gap.routes)))
    return tuple(found.values())
