"""How throughput grows with what is in flight: the universal scalability law, fitted to one row of measurements.

    X(N) = λ·N / (1 + σ·(N − 1) + κ·N·(N − 1))

λ is the throughput of one, σ the part of the work that cannot be done side by side (contention: it flattens the
curve), κ the price of agreeing with each other (coherency: it bends the curve down). N. J. Gunther, "A Simple
Capacity Model of Massively Parallel Transaction Systems", 1993. Both are held at 0 or above: a negative one would
be a law of nature broken by noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

LEAST_POINTS = 6  # for three parameters: with fewer, noise would pass for a law
_STEPS = 60
_NEAR = 0.9  # of the best: where the knee is


class Law(msgspec.Struct, frozen=True, rename={"lambda_": "lambda"}):
    """One row's law. `r_squared` is the part of the variance that it explains."""

    lambda_: float
    sigma: float
    kappa: float
    r_squared: float

    def at(self, number: float) -> float:
        """The throughput with `number` in flight."""
        return self.lambda_ * number / (1 + self.sigma * (number - 1) + self.kappa * number * (number - 1))

    @property
    def peak(self) -> float | None:
        """Where throughput would be highest; None where it only grows."""
        return math.sqrt(max(0.0, 1 - self.sigma) / self.kappa) if self.kappa > 0 else None


def fit(points: Sequence[tuple[float, float]]) -> Law | None:
    """The law for pairs of in flight and throughput, by least squares; None with fewer than six different numbers.

    Divided by N, the law is linear in 1/λ, σ/λ and κ/λ: that gives the point from which the non-linear fit starts.
    """
    points = [(n, x) for n, x in points if n > 0 and x > 0]
    if len({n for n, _ in points}) < LEAST_POINTS:
        return None
    whole = _solve(points, (0, 1, 2))
    if whole is not None and whole[0] > 0 and min(whole[1:]) >= 0:
        return _law(points, whole)
    # The best law with no negative coefficient then has one of them, or both, at 0.
    bounded = [_solve(points, free) for free in ((0, 1), (0, 2), (0,))]
    laws = [_law(points, found) for found in bounded if found is not None and found[0] > 0 and min(found[1:]) >= 0]
    return max(laws, key=lambda law: law.r_squared, default=None)


def _law(points: Sequence[tuple[float, float]], coefficients: list[float]) -> Law:
    base = coefficients[0]
    law = Law(1 / base, coefficients[1] / base, coefficients[2] / base, 0.0)
    mean = sum(x for _, x in points) / len(points)
    left = sum((x - law.at(n)) ** 2 for n, x in points)
    total = sum((x - mean) ** 2 for _, x in points)
    return msgspec.structs.replace(law, r_squared=1 - left / total if total else 1.0)


def _solve(points: Sequence[tuple[float, float]], free: tuple[int, ...]) -> list[float] | None:
    """The three coefficients by Gauss and Newton, those that are not `free` being 0."""
    terms = [[(1.0, n - 1, n * (n - 1))[at] for at in free] for n, _ in points]
    # n/x is linear in the coefficients; an error of x counts x²/n times there.
    weights = [x * x / n for n, x in points]
    start = [[w * term for term in row] for row, w in zip(terms, weights, strict=True)]
    found = _least_squares(start, [w * n / x for (n, x), w in zip(points, weights, strict=True)])
    for _ in range(_STEPS):
        below = _below(terms, found)
        if found is None or below is None:
            return None
        slopes = [[-n / (b * b) * term for term in row] for (n, _), b, row in zip(points, below, terms, strict=True)]
        step = _least_squares(slopes, [x - n / b for (n, x), b in zip(points, below, strict=True)])
        if step is None:
            return None
        found = _stepped(terms, found, step)
    coefficients = [0.0, 0.0, 0.0]
    for at, value in zip(free, found or [], strict=False):
        coefficients[at] = value
    return coefficients


def _below(terms: list[list[float]], found: list[float] | None) -> list[float] | None:
    """n/X as the coefficients have it; None where that is not above 0 everywhere."""
    below = [sum(c * term for c, term in zip(found or [], row, strict=False)) for row in terms]
    return below if min(below) > 0 else None


def _stepped(terms: list[list[float]], found: list[float], step: list[float]) -> list[float]:
    """`found` and as much of `step` as stays where the law has a meaning."""
    part = 1.0
    while part > 1e-6:
        moved = [c + part * s for c, s in zip(found, step, strict=True)]
        if _below(terms, moved) is not None:
            return moved
        part /= 2
    return found


def _least_squares(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """The solution of the normal equations, by elimination with pivoting; None where they have no single one."""
    size = len(matrix[0])
    table = [
        [sum(row[i] * row[j] for row in matrix) for j in range(size)]
        + [sum(row[i] * value for row, value in zip(matrix, right, strict=True))]
        for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(table[row][column]))
        if abs(table[pivot][column]) < 1e-300:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        for row in range(size):
            if row != column:
                factor = table[row][column] / table[column][column]
                table[row] = [a - factor * b for a, b in zip(table[row], table[column], strict=True)]
    return [table[row][size] / table[row][row] for row in range(size)]


def peak_within(law: Law, most: float) -> float | None:
    """Where the law has its peak, if that lies inside what was measured: no peak is claimed that nobody saw."""
    peak = law.peak
    return peak if peak is not None and peak <= most else None


def knee(points: Sequence[tuple[int, float]]) -> int | None:
    """The fewest in flight that reach 90 % of the best throughput measured: more of them only wait."""
    best = max((x for _, x in points), default=0.0)
    return min((n for n, x in points if x >= _NEAR * best), default=None) if best > 0 else None
