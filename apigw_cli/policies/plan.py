"""A route's plan: the steps and answer filters that its policies need, in their order. Made once, at load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.policies.answer_filter import AnswerFilter, Filtering
from apigw_cli.policies.interface import Policy, Runtime, Step, instance
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import Route


def steps(
    route: Route, runtime: Runtime, registry: Mapping[str, Policy] = BY_NAME, before: float = float("inf")
) -> tuple[Step, ...]:
    """The steps of one route, those that come `before` an order. A policy that needs nothing at run time leaves none.

    Raises InputError for a policy that is not in the registry, a value that does not fit its model, and whatever a
    policy cannot use (a key list, say).
    """
    found = (one for one in _policies(route, registry) if one[0].order < before)
    ordered = sorted(found, key=lambda one: one[0].order)
    made = (policy.compile(instance(policy, value), route, runtime) for policy, value in ordered)
    return tuple(step for step in made if step is not None)


def filters(route: Route, runtime: Runtime, registry: Mapping[str, Policy] = BY_NAME) -> tuple[AnswerFilter, ...]:
    """What the answers of one route pass through. Raises InputError as `steps` does."""
    found = [one for one in _policies(route, registry) if isinstance(one[0], Filtering)]
    ordered = sorted(found, key=lambda one: one[0].answer_order)
    made = (policy.filter(instance(policy, value), route, runtime) for policy, value in ordered)
    return tuple(one for one in made if one is not None)


def _policies(route: Route, registry: Mapping[str, Policy]) -> Iterator[tuple[Any, Any]]:
    for name, value in route.policies.items():
        if name not in registry:
            raise InputError(f'route {route.id} has a policy "{name}", which this version does not know')
        yield registry[name], value
