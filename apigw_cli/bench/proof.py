"""The verdict on a declared limit: each check passes, fails with a counter-example, or is inconclusive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from apigw_cli.bench import bounds, neighbours, telling
from apigw_cli.bench.check import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, Check, Example, verdict_of
from apigw_cli.bench.crowd import Asker, Pace
from apigw_cli.bench.limit import Declared, slot_of
from apigw_cli.bench.observed import Observed
from apigw_cli.bench.quiet import Heard
from apigw_cli.bench.retry_after import Tried
from apigw_cli.bench.tally import Tally

__all__ = ["FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "PASS", "Check", "Evidence", "Example", "Proof", "prove"]


class Proof(msgspec.Struct, frozen=True):
    """What is proved about one limit. `admitted` of `answered` in `seconds`, where `bound` may be at the most.

    `at_once` and `per_second` are what is let through from rest, and what comes back; `bound` at time t is
    `at_once + per_second * t`, and a fixed window's twice `at_once` more at its boundary.
    """

    key: str
    policy: str
    route: str
    declared_at: str
    verdict: str
    admitted: int
    refused: int
    answered: int
    seconds: float
    bound: float
    checks: list[Check]
    at_once: int = 0
    per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen beside the load: a lone client afterwards, a quiet key beside it, several keys that ask for more.

    `askers`: why nobody asked, where that was so; None where there is nobody else.
    """

    tried: Tried | None = None
    heard: Heard | None = None
    askers: Sequence[Asker] | str | None = None
    pace: Pace | None = None


def prove(
    layers: Sequence[Declared], tallies: Sequence[Tally], evidence: Evidence, more: Sequence[Check] = ()
) -> list[Proof]:
    """Check what was seen against each layer.

    What they decide together stands with the strictest, the first one, as do `more` checks.
    """
    seen = Observed.of(tallies, slot_of(layers))
    alone = len(layers) == 1
    above = [bounds.never_above(layer, seen, evidence.tried, alone=alone) for layer in layers]
    below = bounds.never_below(layers, seen, evidence.tried)
    together = [
        below,
        bounds.which_algorithm(layers, seen, [*above, below]),
        telling.retry_after(layers, seen, evidence.tried),
        telling.headers(layers, evidence.tried),
        neighbours.isolation(layers, evidence.heard, seen.refused),
        neighbours.fairness(layers, evidence.askers, evidence.pace),
        *more,
    ]
    first, *others = layers
    return [
        _proof(first, seen, [above[0], *together]),
        *(_proof(layer, seen, [check]) for layer, check in zip(others, above[1:], strict=True)),
    ]


def _proof(declared: Declared, seen: Observed, checks: list[Check]) -> Proof:
    return Proof(
        key=declared.key,
        policy=declared.policy,
        route=declared.name,
        declared_at=declared.place,
        verdict=verdict_of(checks),
        admitted=len(seen.admitted),
        refused=seen.refused,
        answered=seen.answered,
        seconds=seen.seconds,
        bound=float(_bound(declared, seen)),
        checks=checks,
        at_once=declared.burst,
        per_second=float(declared.rate.per_second),
    )


def _bound(declared: Declared, seen: Observed) -> Fraction:
    """Of the declared limit itself, whatever its clock."""
    most = declared.most_in(seen.span)
    return most if declared.is_window else most - declared.rate.per_second * declared.grain / 1_000_000_000
