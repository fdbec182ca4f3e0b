"""Which of an upstream's targets a request goes to. No I/O: who asks says when the request is done.

round_robin         one after the other
least_outstanding   the one with the fewest requests under way, one after the other among equals

A target that is down or ejected (`breaker.py`) is not picked; one that is half open gets one request at a time. When
all are down, all are picked again: checks that all fail at once say more about the checks than about the targets, and
a request that fails is no worse than one that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from apigw_cli.integrations.breaker import CLOSED, HALF_OPEN, Breaker, Ejection

ALGORITHMS = ("round_robin", "least_outstanding")


class Target:
    """One server of an upstream: base URL and position, how many requests it has under way, and whether it is up."""

    __slots__ = ("breaker", "index", "on_trial", "outstanding", "up", "url")

    def __init__(self, url: str, index: int) -> None:
        self.url = url
        self.index = index
        self.outstanding = 0
        self.up = True
        self.breaker: Breaker | None = None
        self.on_trial = False  # half open, and the request that decides is under way

    def __repr__(self) -> str:
        return f"Target({self.url!r}, outstanding={self.outstanding})"


class Balancer:
    """Picks targets. Every `pick` is followed by one `done` with the same target, whatever became of the request."""

    def __init__(self, urls: Sequence[str], algorithm: str, ejection: Ejection | None = None) -> None:
        """Raises ValueError for no targets and for an algorithm that there is not."""
        if not urls:
            raise ValueError("an upstream needs at least one target")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"{algorithm!r} is none of {', '.join(ALGORITHMS)}")
        self.targets = tuple(Target(url, index) for index, url in enumerate(urls))
        if ejection is not None:
            for target in self.targets:
                target.breaker = Breaker(ejection)
        self._usable = self.targets  # what is picked from: those that are up, or all
        self._next = 0
        choices: dict[str, Callable[[], Target]] = {
            "round_robin": self._round_robin,
            "least_outstanding": self._least_outstanding,
        }
        self._choose = self._single if len(urls) == 1 else choices[algorithm]

    def pick(self) -> Target:
        """The target for one request, counted as under way from now on."""
        return self._count(self._choose())

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
        return self._count(min(others, key=lambda other: other.outstanding))

    def done(self, target: Target) -> None:
        """The request that `target` was picked for is over."""
        target.outstanding -= 1
        if target.on_trial:
            target.on_trial = False
            self._sift()

    def set_up(self, target: Target, up: bool) -> None:
        """A health check has found `target` up or down."""
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
                self._sift()

    def failed(self, target: Target, now: int) -> None:
        """A request to `target` failed, and the target is to blame."""
        if target.breaker is not None:
            target.breaker.failed(now, any(_well(other) for other in self.targets if other is not target))
            self._sift()

    def wake(self, now: int) -> None:
        """Time has passed: what was ejected long enough may be tried."""
        for target in self.targets:
            if target.breaker is not None and target.breaker.state != CLOSED:
                target.breaker.wake(now)
                self._sift()

    def inherit(self, before: Balancer) -> None:
        """What `before` knows of targets that both have. Only for the same `ejection`."""
        known = {target.url: target.breaker for target in before.targets}
        for target in self.targets:
            target.breaker = known.get(target.url) or target.breaker
        self._sift()

    def _sift(self) -> None:
        """The ejected are never all (`failed`), but those that are left may be down."""
        up = tuple(target for target in self.targets if target.up)
        self._usable = tuple(target for target in up if _may_be_picked(target)) or up or self.targets

    def _single(self) -> Target:
        return self.targets[0]

    def _round_robin(self) -> Target:
        usable = self._usable
        at = self._next % len(usable)
        self._next = at + 1
        return usable[at]

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


def _well(target: Target) -> bool:
    return target.up and (target.breaker is None or target.breaker.state == CLOSED)


def _may_be_picked(target: Target) -> bool:
    breaker = target.breaker
    return breaker is None or breaker.state == CLOSED or (breaker.state == HALF_OPEN and not target.on_trial)
