"""The results of each kind of request, where a run had several: targets, or operations of a specification."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.latency import Latencies, latencies
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.tally import CLASSES, Part, Tally, added, class_of


class Portion(msgspec.Struct, frozen=True):
    """One kind of request. `throughput`: answers a second; `errors`: requests without an answer, by class."""

    name: str
    method: str
    url: str
    weight: int
    answered: int
    allowed: int
    limited: int
    failed: int
    throughput: float
    statuses: dict[str, int]
    errors: dict[str, int]
    latency: dict[str, Latencies]


def portions(plan: Plan, tallies: list[Tally], rate: float) -> list[Portion]:
    """What was counted of each of the plan's calls, where it has several; `rate` is that of all answers together."""
    if len(plan.calls) < 2:
        return []
    found: dict[str, list[Part]] = {call.name: [] for call in plan.calls}
    for part in (part for tally in tallies for part in tally.parts):
        found[part.name].append(part)
    total = sum(tally.answers for tally in tallies)
    rows = []
    for call in plan.calls:
        parts = found[call.name]
        statuses = added(part.statuses for part in parts)
        answered = sum(statuses.values())
        service = {name: Histogram.of(part.service.get(name, ()) for part in parts) for name in CLASSES}
        response = {name: Histogram.of(part.response.get(name, ()) for part in parts) for name in CLASSES}
        portion = Portion(
            name=call.name,
            method=call.method,
            url=call.target.url,
            weight=call.weight,
            answered=answered,
            **by_class(statuses, plan.expected),
            throughput=rate * answered / total if total else 0.0,
            statuses={str(status): count for status, count in sorted(statuses.items())},
            errors=added(part.errors for part in parts),
            latency=latencies(service, response if plan.model == "open" else service),
        )
        rows.append(portion)
    return rows


def by_class(statuses: dict[int, int], expected: Collection[int]) -> dict[str, int]:
    """How many answers of each class there were."""
    found = dict.fromkeys(CLASSES, 0)
    for status, count in statuses.items():
        found[class_of(status, expected)] += count
    return found


def unique(names: Iterable[str]) -> list[str]:
    """The names, those that came before with a number: `a`, `b`, `a (2)`."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
