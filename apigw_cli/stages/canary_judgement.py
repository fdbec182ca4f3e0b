"""Whether a canary does worse than what the stage runs: three shares compared, with their uncertainty. Pure.

    failed   answers 500 to 599, as a share of those that are no 4xx
    refused  answers 400 to 499, as a share of all: a release that turns everybody away fails nobody
    slow     those (but for 4xx) that took longer than 95 % of the stable side's did (a bound of its histogram)

Refusals are left out of `failed` and `slow`: they cost nothing and say nothing of the release, so that a load which is
mostly refused would hide what happens to the rest.

For each the difference canary - stable, and its 95 % interval after Newcombe (Statistics in Medicine 17, 1998, method
10: from the Wilson intervals of both shares). It holds where the whole interval is within the tolerance, is worse
where the whole of it is beyond, and else cannot be told; nor from fewer than 50 requests of a side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

HOLDS, WORSE, INCONCLUSIVE = "holds", "worse", "inconclusive"
FAILED_TOLERANCE, REFUSED_TOLERANCE, SLOW_TOLERANCE = 0.01, 0.05, 0.05
_Z = 1.959964  # of 95 %, both sides
_SLOW = 0.95
LEAST = 50  # requests of each side


class Side(msgspec.Struct, frozen=True):
    """What a gateway counted: answers by class (1xx … 5xx); by latency, but for 4xx; `bounds` in seconds."""

    classes: tuple[int, ...] = (0, 0, 0, 0, 0)
    latencies: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def requests(self) -> int:
        return sum(self.classes)

    @property
    def failed(self) -> int:
        return self.classes[-1]

    @property
    def refused(self) -> int:
        return self.classes[3]

    @property
    def admitted(self) -> int:
        return self.requests - self.refused

    def slower(self, bound: int) -> int:
        """How many took longer than the bound of that number."""
        return sum(self.latencies[bound + 1 :])

    def within(self, part: float) -> int | None:
        """The number of the lowest bound that so large a part of the requests kept; None where none was."""
        total, seen = sum(self.latencies), 0
        for number in range(len(self.bounds)):
            seen += self.latencies[number]
            if total and seen >= part * total:
                return number
        return None


class Check(msgspec.Struct, frozen=True):
    """One comparison. Shares of 1; `low` and `high` bound the difference canary - stable."""

    name: str
    verdict: str
    stable: float
    canary: float
    low: float
    high: float
    words: str


class Judgement(msgspec.Struct, frozen=True):
    verdict: str
    checks: tuple[Check, ...]

    @property
    def words(self) -> str:
        """The checks that decided, in words."""
        return "; ".join(check.words for check in self.checks if check.verdict == self.verdict)


def total(sides: Iterable[Side]) -> Side:
    """Several gateways together."""
    found = list(sides)
    if not found:
        return Side()
    return Side(
        tuple(map(sum, zip(*(side.classes for side in found), strict=True))),
        tuple(map(sum, zip(*(side.latencies for side in found), strict=True))),
        found[0].bounds,
    )


def judge(stable: Side, canary: Side) -> Judgement:
    """The comparisons, the worst first to count: worse, then inconclusive, then holds."""
    checks = (_failed(stable, canary), _refused(stable, canary), _slow(stable, canary))
    verdicts = {check.verdict for check in checks}
    worst = next(verdict for verdict in (WORSE, INCONCLUSIVE, HOLDS) if verdict in verdicts)
    return Judgement(worst, checks)


def _failed(stable: Side, canary: Side) -> Check:
    return _check("failed", (canary.failed, canary.admitted), (stable.failed, stable.admitted), FAILED_TOLERANCE, "")


def _refused(stable: Side, canary: Side) -> Check:
    counts = (canary.refused, canary.requests), (stable.refused, stable.requests)
    return _check("refused", *counts, REFUSED_TOLERANCE, " (4xx)")


def _slow(stable: Side, canary: Side) -> Check:
    bound = stable.within(_SLOW)
    if bound is None:
        return Check("slow", INCONCLUSIVE, 0, 0, -1, 1, "nothing to compare latencies with yet")
    counts = (canary.slower(bound), sum(canary.latencies)), (stable.slower(bound), sum(stable.latencies))
    return _check("slow", *counts, SLOW_TOLERANCE, f" (over {stable.bounds[bound] * 1000:g} ms)")


def _check(name: str, canary: tuple[int, int], stable: tuple[int, int], tolerance: float, about: str) -> Check:
    if min(canary[1], stable[1]) < LEAST:
        return Check(
            name, INCONCLUSIVE, 0, 0, -1, 1, f"{name}: {canary[1]:,} requests against {stable[1]:,} are too few"
        )
    share, base = canary[0] / canary[1], stable[0] / stable[1]
    low, high = difference(canary, stable)
    verdict = HOLDS if high <= tolerance else WORSE if low > tolerance else INCONCLUSIVE
    words = (
        f"{name}{about}: {100 * share:.1f} % of {canary[1]:,} against {100 * base:.1f} % of {stable[1]:,}, "
        f"difference {low * 100:+.1f} to {high * 100:+.1f} points, {tolerance * 100:g} allowed"
    )
    return Check(name, verdict, base, share, low, high, words)


def difference(one: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    """The 95 % interval of `one` - `other`, each (so many, of so many)."""
    p, q = one[0] / one[1], other[0] / other[1]
    (l1, u1), (l2, u2) = wilson(*one), wilson(*other)
    return p - q - math.hypot(p - l1, u2 - q), p - q + math.hypot(u1 - p, q - l2)


def wilson(count: int, of: int) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    p, z2 = count / of, _Z * _Z
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, centre - half), min(1.0, centre + half)


def percentile(side: Side, part: float) -> float | None:
    """Seconds that so large a part of the requests kept (a bound of the histogram); None: none, or over all bounds."""
    number = side.within(part)
    return None if number is None else side.bounds[number]


def as_json(side: Side) -> dict[str, Any]:
    """A side with what is read off it; latencies in seconds, upper bounds."""
    classes: Sequence[int] = side.classes
    return {
        "requests": side.requests,
        "statuses": {f"{number}xx": count for number, count in enumerate(classes, 1)},
        "failed": side.failed / side.admitted if side.admitted else None,
        "refused": side.refused / side.requests if side.requests else None,
        **{f"p{round(part * 100)}": percentile(side, part) for part in (0.5, 0.95, 0.99)},
    }
