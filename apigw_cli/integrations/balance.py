"""Which of an upstream's targets a request goes to. No I/O: who asks says when the request is done.

round_robin         one after the other
least_outstanding   the one with the fewest requests under way, one after the other among equals
random_two          of two that are drawn the one with fewer: spreads well also over many gateways that do not know
                    of each other ("the power of two choices")
hash                the same one for the same key, as long as it may be picked; without a key as round_robin. Weighted
                    rendezvous hashing: a target that comes or goes moves no key between the others

A target of weight 2 gets twice as many requests as one of weight 1, or, where requests under way are compared, may have
twice as many.

A target that is down or ejected (`breaker.py`) is not picked; one that is half open gets one request at a time. When
all are down, all are picked again: checks that all fail at once say more about the checks than about the targets, and
a request that fails is no worse than one that is refused. With `refuse` none is picked then, and all may be ejected.

With a slow start, a target that comes back, or is new beside known ones, gets a share of its weight that grows. It
has no effect on `hash`, where a key's target must not depend on the time.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Collection, Sequence

from apigw_cli.integrations.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Ejection
from apigw_cli.integrations.trouble import WELL, By, taken_out

FIRST_SHARE = 0.1  # so that a target that starts slowly is heard of at all
ALGORITHMS = ("round_robin", "least_outstanding", "random_two", "hash")


class Target:
    """One server of an upstream: base URL and position, how many requests it has under way, and whether it is up."""

    __slots__ = (
        "breaker",
        "credit",
        "index",
        "on_trial",
        "outstanding",
        "seed",
        "share",
        "since",
        "trouble",
        "unwell",
        "up",
        "url",
        "weight",
    )

    def __init__(self, url: str, index: int, weight: int = 1) -> None:
        self.url = url
        self.index = index
        self.weight = weight
        self.share: float = weight  # what of its weight it gets now
        self.since: int | None = None  # when its slow start began
        self.credit = 0.0  # what weighted turns owe it
        self.seed = hashlib.blake2b(url.encode(), digest_size=16).digest()
        self.outstanding = 0
        self.up = True
        self.trouble = WELL  # its last failure (`trouble.py`)
        self.unwell = WELL  # what the last health check that failed found
        self.breaker: Breaker | None = None
        self.on_trial = False  # half open, and the request that decides is under way

    def __repr__(self) -> str:
        return f"Target({self.url!r}, outstanding={self.outstanding})"


class Balancer:
    """Picks targets. Every `pick` is followed by one `done` with the same target, whatever became of the request."""

    def __init__(
        self,
        urls: Sequence[str],
        algorithm: str,
        ejection: Ejection | None = None,
        weights: Sequence[int] = (),
        *,
        slow_start: int = 0,
        refuse: bool = False,
    ) -> None:
        """`slow_start`: nanoseconds. `refuse`: pick none where all are out.

        Raises ValueError for no targets and for an algorithm that there is not.
        """
        if not urls:
            raise ValueError("an upstream needs at least one target")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"{algorithm!r} is none of {', '.join(ALGORITHMS)}")
        self.targets = tuple(
            Target(url, index, weight)
            for index, (url, weight) in enumerate(zip(urls, weights or [1] * len(urls), strict=True))
        )
        if ejection is not None:
            for target in self.targets:
                target.breaker = Breaker(ejection)
        self._usable = self.targets  # what is picked from: those that are up, or all
        self._next = 0
        self._algorithm = algorithm
        self._uneven = len(set(weights)) > 1
        self._slow_start = slow_start if len(urls) > 1 and algorithm != "hash" else 0
        self._refuse = refuse
        self._now = 0  # as of the last `wake`
        self._choose = self._choice(self._uneven)

    def _choice(self, uneven: bool) -> Callable[[], Target]:
        if len(self.targets) == 1:
            return self._single
        if self._algorithm == "random_two":
            return self._random_two
        if self._algorithm == "least_outstanding":
            return self._least_of_all if uneven else self._least_outstanding
        return self._weighted_turn if uneven else self._round_robin

    def pick(self) -> Target:
        """The target for one request, counted as under way from now on. Not with `refuse`."""
        return self._count(self._choose())

    def pick_any(self) -> Target | None:
        """As `pick`; None where all are out and requests are to be refused then."""
        return self._count(self._choose()) if self._usable else None

    def pick_for(self, key: bytes) -> Target | None:
        """The target for requests with this key, counted; None as in `pick_any`."""
        if not self._usable:
            return None
        return self._count(max(self._usable, key=lambda target: _affinity(target, key)))

    def _count(self, target: Target) -> Target:
        target.outstanding += 1
        if target.breaker is not None and target.breaker.state == HALF_OPEN:
            target.on_trial = True
            self._sift()
        return target

    def pick_other(self, tried: Collection[Target]) -> Target | None:
        """The least busy of those that may be picked and have not been `tried`, counted; None where there is none."""
        others = [target for target in self._usable if target not in tried]
        if not others:
            return None
        return self._count(min(others, key=_load))

    def done(self, target: Target) -> None:
        """The request that `target` was picked for is over."""
        target.outstanding -= 1
        if target.on_trial:
            target.on_trial = False
            self._sift()

    def set_up(self, target: Target, up: bool, unwell: int = WELL) -> None:
        """A health check has found `target` up or down, and why."""
        target.unwell = unwell
        if up and not _well(target):
            self._warm(target, self._now)
        target.up = up
        if up and target.breaker is not None:
            target.breaker.reset()
        self._sift()

    def succeeded(self, target: Target) -> None:
        """`target` has answered a request."""
        breaker = target.breaker
        if breaker is not None:
            before = breaker.state
            breaker.succeeded()
            if breaker.state != before:
                target.on_trial = False
                self._warm(target, self._now)
                self._sift()

    def failed(self, target: Target, now: int, trouble: int = WELL) -> None:
        """A request to `target` failed, and the target is to blame."""
        if target.breaker is not None:
            target.trouble = trouble
            others = self._refuse or any(_well(other) for other in self.targets if other is not target)
            target.breaker.failed(now, others)
            self._sift()

    def wake(self, now: int) -> None:
        """Time has passed: what was ejected long enough may be tried, what starts slowly gets more."""
        self._now = now
        for target in self.targets:
            if target.breaker is not None and target.breaker.state != CLOSED:
                target.breaker.wake(now)
                self._sift()
            if target.since is not None:
                self._warm(target, target.since)

    def _warm(self, target: Target, since: int) -> None:
        """`target` starts slowly, from `since` on."""
        if not self._slow_start:
            return
        grown = ramp(self._now - since, self._slow_start)
        target.since = since if grown < 1 else None
        target.share = target.weight * grown if grown < 1 else target.weight
        starting = any(other.since is not None for other in self.targets)
        self._choose = self._choice(self._uneven or starting)

    def inherit(self, before: Balancer, now: int, *, ejections: bool) -> None:
        """What `before` knows of targets that both have; those that it did not have start slowly.

        `ejections`: take over what was ejected as well, being ejected by the same settings.
        """
        self._now = now
        known = {target.url: target for target in before.targets}
        for target in self.targets:
            same = known.get(target.url)
            if same is None:
                self._warm(target, now)
                continue
            if ejections:
                target.breaker = same.breaker or target.breaker
                target.trouble = same.trouble
            if same.since is not None:
                self._warm(target, same.since)
        self._sift()

    def retry_after(self, now: int) -> int:
        """Whole seconds, at least one, until the next ejected target may be tried."""
        ends = [t.breaker.until for t in self.targets if t.breaker is not None and t.breaker.state == OPEN]
        return max(1, -((now - min(ends)) // 10**9)) if ends else 1

    def _sift(self) -> None:
        """Without `refuse` the ejected are never all (`failed`), but those that are left may be down."""
        up = tuple(target for target in self.targets if target.up)
        usable = tuple(target for target in up if _may_be_picked(target))
        self._usable = usable if self._refuse else usable or up or self.targets

    def _single(self) -> Target:
        return self.targets[0]

    def _round_robin(self) -> Target:
        usable = self._usable
        at = self._next % len(usable)
        self._next = at + 1
        return usable[at]

    def _weighted_turn(self, among: Sequence[Target] = ()) -> Target:
        """Smooth: each gets its weight in credit, the richest is picked and pays for all."""
        among = among or self._usable
        for target in among:
            target.credit += target.share
        best = max(among, key=lambda target: target.credit)
        best.credit -= sum(target.share for target in among)
        return best

    def _least_of_all(self) -> Target:
        """Among equals weighted turns, or at low load the light ones would get nothing."""
        usable = self._usable
        least = min(_load(target) for target in usable)
        return self._weighted_turn([target for target in usable if _load(target) == least])

    def _random_two(self) -> Target:
        usable = self._usable
        first = _draw(usable)
        if len(usable) == 1:
            return first
        second = _draw([target for target in usable if target is not first])
        return second if _load(second) < _load(first) else first

    def _least_outstanding(self) -> Target:
        """The search starts after the last pick, so that equals take turns."""
        usable = self._usable
        count = len(usable)
        start = self._next % count
        at, fewest = start, usable[start].outstanding
        for index in (*range(start + 1, count), *range(start)):
            if usable[index].outstanding < fewest:
                at, fewest = index, usable[index].outstanding
        self._next = at + 1
        return usable[at]


def why_out(target: Target) -> int:
    """What took `target` out of use, down or ejected and half open (`trouble.py`); `WELL` where it is in use."""
    if not target.up:
        return taken_out(By.HEALTH, target.unwell)
    if target.breaker is not None and target.breaker.state != CLOSED:
        return taken_out(By.EJECTION, target.trouble)
    return WELL


def ramp(elapsed: int, duration: int) -> float:
    """What share of its weight a target gets, so long after it came back: straight up, from a tenth to all of it."""
    return max(FIRST_SHARE, min(1.0, elapsed / duration))


def _load(target: Target) -> float:
    return target.outstanding / target.share


def _draw(targets: Sequence[Target]) -> Target:
    return random.choices(targets, [target.share for target in targets])[0]


def _affinity(target: Target, key: bytes) -> float:
    """Rendezvous hashing with weights: the target with the highest value has the key."""
    digest = hashlib.blake2b(key, digest_size=8, key=target.seed).digest()
    share = (int.from_bytes(digest, "big") + 0.5) / 2.0**64
    return -target.weight / math.log(share) if share < 1 else math.inf


def _well(target: Target) -> bool:
    return target.up and (target.breaker is None or target.breaker.state == CLOSED)


def _may_be_picked(target: Target) -> bool:
    breaker = target.breaker
    return breaker is None or breaker.state == CLOSED or (breaker.state == HALF_OPEN and not target.on_trial)
