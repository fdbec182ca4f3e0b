"""A route's plan: the steps and answer filters that its policies need, in their order. Made once, at load.

This is the one place that says in which order policies run: the gateway runs what `steps` and `filters` give, in that
order, and `apigw explain` tells people what `way_in` and `way_out` say, which are made from the same two lists.

    request ─▶ steps, by `order` ─▶ look-up in the cache ─▶ the integration
    client  ◀─ filters, by `answer_order` ◀─ kept in the cache ◀─┘
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from apigw_cli.errors import InputError
from apigw_cli.policies.answer_filter import AnswerFilter, Filtering
from apigw_cli.policies.interface import Idling, Policy, Runtime, Step, instance
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import Route


def steps(
    route: Route, runtime: Runtime, registry: Mapping[str, Policy] = BY_NAME, before: float = float("inf")
) -> tuple[Step, ...]:
    """The steps of one route, those that come `before` an order. A policy that needs nothing at run time leaves none.

    Raises InputError for a policy that is not in the registry, a value that does not fit its model, and whatever a
    policy cannot use (a key list, say).
    """
    ordered = (one for one in _by_order(route, registry) if one[0].order < before)
    made = (policy.compile(instance(policy, value), route, runtime) for policy, value in ordered)
    return tuple(step for step in made if step is not None)


def filters(route: Route, runtime: Runtime, registry: Mapping[str, Policy] = BY_NAME) -> tuple[AnswerFilter, ...]:
    """What the answers of one route pass through. Raises InputError as `steps` does."""
    ordered = _by_answer_order(route, registry)
    made = (policy.filter(instance(policy, value), route, runtime) for policy, value in ordered)
    return tuple(one for one in made if one is not None)


class Stop(NamedTuple):
    """One policy on a request's way or an answer's: its instance, and one line for people. `idle`: why it does nothing.

    `looks_up`: what it does is done behind all steps, where the integration would be asked.
    """

    policy: Policy
    value: Any
    text: str
    idle: str = ""
    looks_up: bool = False


def way_in(route: Route, registry: Mapping[str, Policy] = BY_NAME) -> list[Stop]:
    """What a request meets before its integration, in order, whether or not it needs a step."""
    found, behind = [], []
    for policy, plain in _by_order(route, registry):
        value = instance(policy, plain)
        idle = why_idle(policy, route)
        if getattr(policy, "looks_up", False):
            behind.append(Stop(policy, value, policy.describe(value), idle, True))
            if not idle and policy.asks_permission(value):
                found.append(Stop(policy, value, "who may have an answer fetched anew"))
        elif not isinstance(policy, Filtering) or getattr(policy, "meets_requests", False):
            found.append(Stop(policy, value, policy.describe(value), idle))
    return found + behind


def way_out(route: Route, registry: Mapping[str, Policy] = BY_NAME) -> list[Stop]:
    """What an answer meets on its way to the client, in order."""
    keeping = [one for one in _by_order(route, registry) if getattr(one[0], "looks_up", False)]
    found = []
    for policy, plain in (*keeping, *_by_answer_order(route, registry)):
        value = instance(policy, plain)
        says = getattr(policy, "describe_answers", None)
        text = says(value, route) if says is not None else policy.describe(value)
        if text and not why_idle(policy, route):
            found.append(Stop(policy, value, text))
    return found


def why_idle(policy: Policy, route: Route) -> str:
    """Why a policy does nothing on routes of this kind; '' where it may do something."""
    reason: str = policy.idle(route) if isinstance(policy, Idling) else ""
    return reason


def _by_order(route: Route, registry: Mapping[str, Policy]) -> list[tuple[Any, Any]]:
    return sorted(_policies(route, registry), key=lambda one: one[0].order)


def _by_answer_order(route: Route, registry: Mapping[str, Policy]) -> list[tuple[Any, Any]]:
    found = (one for one in _policies(route, registry) if isinstance(one[0], Filtering))
    return sorted(found, key=lambda one: one[0].answer_order)


def _policies(route: Route, registry: Mapping[str, Policy]) -> Iterator[tuple[Any, Any]]:
    for name, value in route.policies.items():
        if name not in registry:
            raise InputError(f'route {route.id} has a policy "{name}", which this version does not know')
        yield registry[name], value
