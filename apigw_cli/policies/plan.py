"""A route's plan: the steps that its policies need, in the order of a request's way. Made once, at load."""

from __future__ import annotations

from collections.abc import Mapping

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Policy, Runtime, Step, instance
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import Route


def steps(route: Route, runtime: Runtime, registry: Mapping[str, Policy] = BY_NAME) -> tuple[Step, ...]:
    """The steps of one route. A policy that needs nothing at run time leaves none.

    Raises InputError for a policy that is not in the registry, a value that does not fit its model, and whatever a
    policy cannot use (a key list, say).
    """
    unknown = [name for name in route.policies if name not in registry]
    if unknown:
        raise InputError(f'route {route.id} has a policy "{unknown[0]}", which this version does not know')
    ordered = sorted((registry[name] for name in route.policies), key=lambda policy: policy.order)
    made = (policy.compile(instance(policy, route.policies[policy.name]), route, runtime) for policy in ordered)
    return tuple(step for step in made if step is not None)
