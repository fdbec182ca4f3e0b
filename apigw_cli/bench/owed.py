"""What limits must let through while more is asked for than they give. The argument is in docs/bench.md.

Refusals u < v, with others in between that are never two slots apart. Whichever layer j refused at v:

    bucket   not full since u: it gave r_j (v - u) - 1. Or full at w, the last time: b_j + r_j (v - w) - 1 since then
    window   begun at w (a fixed or a sliding one) it has given, by now, as much as its rate since w at least

Then the same is said of the last refusal before w, which was less than two slots earlier, until u is reached. In all
that is the lowest rate of the layers since u, less one request (buckets) or what the lowest rate gives in one window
(the one in which u was may have been used up), and less the two slots of each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from apigw_cli.bench.limit import Declared

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Owed:
    """One request each `period` nanoseconds, less `debt` requests."""

    period: float
    debt: float


def apart(layers: Sequence[Declared], slot: int) -> int:
    """How many slots there may be from one refusal to the next: 1, or a quarter of the shortest window.

    A window lets all that it holds through in a row; a bucket that is asked for more refuses in between.
    """
    lengths = [layer.length for layer in layers if layer.is_window]
    return max(1, min(lengths) // 4 // slot) if lengths else 1


def owed(layers: Sequence[Declared], slot: int) -> Owed:
    """What the layers owe together, where refusals are never 2 * slot apart. Each has a rate and a burst above 0."""
    rate = min(layer.rate.per_second for layer in layers)
    interval = _SECOND / rate + 1  # limiters that count whole nanoseconds round up
    period = interval + max(_loss(layer, slot, rate) for layer in layers)
    late = rate * max(layer.grain for layer in layers) / _SECOND
    return Owed(float(period), float(late + max(_debt(layer, slot, rate) for layer in layers)))


def _loss(layer: Declared, slot: int, rate: Fraction) -> Fraction:
    """Nanoseconds lost for each request that was let through: the two slots of a step, over what a step gives."""
    if layer.is_window:
        return Fraction(3 * slot, layer.burst)  # two slots, and those that make a window's last refusal come early
    if rate * 2 * slot <= (layer.burst - 1) * _SECOND:
        return Fraction(0)  # a full bucket gives more than its rate since: enough for the step
    return Fraction(2 * slot)


def _debt(layer: Declared, slot: int, rate: Fraction) -> Fraction:
    if not layer.is_window:
        return Fraction(1)
    return rate * (layer.length + 2 * slot) / _SECOND
