"""Several targets: `3@http://a/x` is a URL that gets three parts of the load; a plain one gets one part."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from apigw_cli.bench.call import Target
from apigw_cli.bench.coordinator import reach
from apigw_cli.bench.plan import Plan
from apigw_cli.errors import EnvironmentFailure, UsageError

MOST_WEIGHT = 1000
_WEIGHTED = re.compile(r"([^@/]*)@(.*://.*)", re.DOTALL)


def weighted(text: str) -> tuple[int, str]:
    """A target as typed: its weight and its URL. Raises UsageError."""
    match = _WEIGHTED.fullmatch(text)
    if match is None:
        return 1, text
    if not match[1].isdecimal() or not 1 <= int(match[1][:9]) <= MOST_WEIGHT:
        hint = f"write 3@{match[2]} with a whole number from 1 to {MOST_WEIGHT:,}"
        raise UsageError(f"{text!r}: {match[1]!r} is no weight", hint=hint)
    return int(match[1]), match[2]


def reached(plan: Plan, warn: Callable[[str], None]) -> Plan:
    """`plan` with the addresses of its servers. Those that nobody answers at are said; raises where that is all."""
    if not plan.calls:
        return msgspec.structs.replace(plan, target=reach(plan.target, plan.timeout))
    found: dict[tuple[str, int, bool], str] = {}
    failures: list[EnvironmentFailure] = []
    servers = {call.target.server: call.target for call in plan.calls}
    for server, target in servers.items():
        try:
            found[server] = reach(target, plan.timeout).address
        except EnvironmentFailure as error:
            failures.append(error)
    if not found:
        raise failures[0]
    for failure in failures:
        warn(f"{failure.message}; the others are measured")

    def addressed(target: Target) -> Target:
        return msgspec.structs.replace(target, address=found.get(target.server, ""))

    calls = tuple(msgspec.structs.replace(call, target=addressed(call.target)) for call in plan.calls)
    return msgspec.structs.replace(plan, target=calls[0].target, calls=calls)
