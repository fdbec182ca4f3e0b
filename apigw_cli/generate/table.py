"""The route table for people: what `apigw routes` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.config import project
from apigw_cli.errors import UsageError
from apigw_cli.generate.run import load
from apigw_cli.policies.interface import Policy, instance
from apigw_cli.policies.registry import BY_NAME, POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project
from apigw_cli.snapshot.model import Api, Route, answerer


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `apigw routes`. `spec`: a bare specification instead of a configuration."""

    config: Path | None = None
    stage: str | None = None
    spec: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One route in words."""

    method: str
    path: str
    operation: str
    policies: str
    integration: str


def compiled(options: Options) -> Compiled:
    """The Snapshot that the options ask for. Raises UsageError where they contradict each other."""
    if options.spec is None:
        return load(options.config, options.stage)
    if options.config is not None or options.stage is not None:
        raise UsageError("--spec stands alone: a bare specification has no configuration and no stage")
    return compile_project(project.from_spec(options.spec), None, POLICIES)


def rows(found: Compiled) -> list[tuple[Api, list[Row]]]:
    """The routes of each API, in the order of the specification."""
    return [(api, [_row(r) for r in found.snapshot.routes if r.api == api.name]) for api in found.snapshot.apis]


def _row(route: Route) -> Row:
    answers = answerer(route.integration)
    return Row(route.method, route.path, route.operation, ", ".join(descriptions(route).values()), answers)


def descriptions(route: Route, registry: Mapping[str, Policy] = BY_NAME) -> dict[str, str]:
    """Each policy of a route in one line, in the order of a request's way."""
    ordered = sorted((registry[name] for name in route.policies), key=lambda policy: policy.order)
    return {policy.name: policy.describe(instance(policy, route.policies[policy.name])) for policy in ordered}
