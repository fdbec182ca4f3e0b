"""When the requests of an open model are due: at a constant rate or along a ramp, evenly or as a Poisson process.

    Profile    the rate over time, piecewise linear · Λ(t), how many are due by t, and its inverse
    even       the k-th arrival is due when Λ reaches k
    poisson    the gaps in Λ are exponential with mean 1: independent clients, who do not wait for one another

Each worker makes its own part. Evenly, of W workers one makes every W-th arrival, so that the whole stays even. Of
Poisson arrivals each makes an independent stream of 1/W of the rate: their sum is the whole (superposition).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import msgspec

from apigw_cli.bench.plan import SECOND, Share

_NEVER = 1e18  # nanoseconds, 30 years
_AHEAD = 256  # random numbers are drawn in such portions


class Profile:
    """A rate (requests a second) that begins with `rate` and changes linearly over each stage (nanoseconds, rate).

    Before time 0 it is `rate`, after the last stage it stays what it was.
    """

    def __init__(self, rate: float, stages: list[tuple[int, float]]) -> None:
        self._pieces: list[tuple[int, float, float, float, int]] = []  # start, Λ there, rate there, slope, length
        start, total = 0, 0.0
        for length, to in stages:
            slope = (to - rate) / length
            self._pieces.append((start, total, rate, slope, length))
            total += (rate + to) / 2 * length / SECOND
            start += length
            rate = to
        self._pieces.append((start, total, rate, 0.0, 0))
        self._first = self._pieces[0][2]

    def due(self, count: float) -> int | None:
        """When so many have come (nanoseconds; negative for what was before time 0); None where that never is."""
        if count < 0:
            return round(count / self._first * SECOND) if self._first else None
        for number, (start, before, rate, slope, length) in enumerate(self._pieces):
            last = number == len(self._pieces) - 1
            if last or count < self._pieces[number + 1][1]:
                offset = _reaching((count - before) * SECOND, rate, slope)
                return None if offset is None else start + min(offset, length) if not last else start + offset
        return None

    def count(self, time: int) -> float:
        """How many are due by `time`; negative before 0."""
        if time < 0:
            return self._first * time / SECOND
        start, before, rate, slope, _ = next(piece for piece in reversed(self._pieces) if piece[0] <= time)
        passed = time - start
        return before + (rate + slope * passed / 2) * passed / SECOND


def _reaching(area: float, rate: float, slope: float) -> int | None:
    """After how many nanoseconds rate·t + slope·t²/2 is `area`; None where never."""
    if area <= 0:
        return 0
    root = rate * rate + 2 * slope * area
    speed = rate + math.sqrt(max(0.0, root))
    if root < 0 or speed * _NEVER < 2 * area:
        return None
    return round(2 * area / speed)  # this form is exact where the slope is next to nothing


class Schedule(msgspec.Struct, frozen=True):
    """The arrivals of one worker, relative to the beginning of the measurement."""

    share: Share

    @property
    def profile(self) -> Profile:
        assert self.share.rate is not None
        return Profile(self.share.rate, self.share.stages)

    def due(self) -> Iterator[int]:
        """The times of its arrivals in order, those of the warm-up negative; endless where nothing ends it."""
        share, profile = self.share, self.profile
        counts = self._poisson(profile) if share.poisson else self._even(profile)
        for count in counts:
            time = profile.due(count)
            if time is None or (share.duration is not None and time >= share.duration):
                return
            yield time

    def expected(self, start: int, end: int) -> int:
        """About how many are due between two times."""
        profile = self.profile
        return round((profile.count(end) - profile.count(start)) / self.share.stride)

    def _even(self, profile: Profile) -> Iterator[float]:
        share = self.share
        number = -int(-profile.count(-share.warmup) / share.stride)
        place = share.offset + number * share.stride
        while share.requests is None or place < share.requests:
            yield place
            place += share.stride

    def _poisson(self, profile: Profile) -> Iterator[float]:
        share = self.share
        draw = random.Random(share.seed * 1_000_003 + share.offset)
        count = profile.count(-share.warmup)
        left = None if share.requests is None else len(range(share.offset, share.requests, share.stride))
        while True:
            for _ in range(_AHEAD):
                count += share.stride * draw.expovariate(1.0)
                if left is not None and count >= 0:
                    if left == 0:
                        return
                    left -= 1
                yield count
