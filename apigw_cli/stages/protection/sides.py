"""The two sides of a protection diff, and how findings about them are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from apigw_cli.config import secrecy
from apigw_cli.policies.interface import Change, Policy
from apigw_cli.policies.judging import Difference
from apigw_cli.snapshot.model import Route, Snapshot
from apigw_cli.stages import secrets
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.finding import Axis, Finding, Level, SecretState, Side, Spot
from apigw_cli.stages.protection.matching import Matched, match

LEVELS = {Change.WEAKEN: Level.WEAKEN, Change.NEUTRAL: Level.NEUTRAL, Change.STRENGTHEN: Level.STRENGTHEN}
WORDS = {Change.WEAKEN: "weakened", Change.NEUTRAL: "changed", Change.STRENGTHEN: "strengthened"}


@dataclass
class Sides:
    """`documented` holds the operations (`api:METHOD /path`) whose specifications announce a change of who may call.

    `apis` has the old name of each API that was there before.
    """

    base: Deployment
    revision: Deployment
    documented: frozenset[str]
    apis: Mapping[str, str]

    @property
    def old(self) -> Snapshot:
        return self.base.compiled.snapshot

    @property
    def new(self) -> Snapshot:
        return self.revision.compiled.snapshot

    @cached_property
    def matched(self) -> Matched:
        return match(self.old.routes, self.new.routes, self.apis)

    @cached_property
    def policies(self) -> dict[str, Policy]:
        return {policy.name: policy for policy in self.revision.workspace.registry}

    @cached_property
    def several(self) -> bool:
        """Whether operations need the name of their API beside them."""
        return self.old.has_several_apis or self.new.has_several_apis

    @cached_property
    def base_paths(self) -> dict[str, str]:
        return {api.name: api.base_path for api in self.new.apis}

    def documents(self, route: Route) -> bool:
        """Whether the specification says itself that other callers may call this route."""
        path = route.path.removeprefix(self.base_paths[route.api])
        return f"{route.api}:{route.method} {path}" in self.documented

    # --- places

    def spot(self, side: Side, owner: str, item: str) -> Spot:
        """The place of a route's item."""
        return (self.base if side is Side.BASE else self.revision).spot(side, owner, item)

    def both(self, before: str, after: str, item: str) -> tuple[Spot, ...]:
        """The places of an item of two routes that are one."""
        return self.spot(Side.BASE, before, item), self.spot(Side.REVISION, after, item)

    def settings(self, before: str, after: str | None = None) -> tuple[Spot, ...]:
        """The places of a dotted path of apigw.yaml, on both sides, or of what it stands in where it is not written."""
        return (
            self.base.setting_spot(Side.BASE, before),
            self.revision.setting_spot(Side.REVISION, before if after is None else after),
        )

    # --- findings

    def of_route(
        self,
        rule: str,
        level: Level,
        route: Route,
        path: str,
        message: str,
        values: tuple[Any, Any],
        spots: tuple[Spot, ...],
        why: str,
        axis: Axis = Axis.PROTECTION,
    ) -> Finding:
        api = route.api if self.several else ""
        old, new = map(secrecy.masked, values)
        secret = self.secret(*values)
        return Finding(rule, axis, level, route.operation, path, message, old, new, spots, api, why, secret=secret)

    def secret(self, old: Any, new: Any) -> SecretState | None:
        """Whether secrets among two values differ, as far as can be told here."""
        return secrets.state(self.revision.workspace.project.root, old, new)

    def of_setting(
        self,
        rule: str,
        subject: str,
        path: str,
        found: Difference,
        spots: tuple[Spot, ...],
        reaches: Iterable[str] = (),
    ) -> Finding:
        """A setting that routes share. `reaches`: the routes that it holds for."""
        old, new = msgspec.to_builtins(found.old), msgspec.to_builtins(found.new)
        shown = path.removeprefix(f"{subject.replace(' ', 's.', 1)}.") if " " in subject else path
        return Finding(
            rule,
            Axis.PROTECTION,
            LEVELS[found.change],
            subject,
            path,
            f"{shown} {found.words[0]} → {found.words[1]}",
            secrecy.masked(old),
            secrecy.masked(new),
            spots,
            why=found.why,
            reaches=tuple(reaches),
            secret=self.secret(old, new),
        )
