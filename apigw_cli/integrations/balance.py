"""Which of an upstream's targets a request goes to. No I/O: who asks says when the request is done.

round_robin         one after the other
least_outstanding   the one with the fewest requests under way, one after the other among equals
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

ALGORITHMS = ("round_robin", "least_outstanding")


class Target:
    """One server of an upstream: its base URL, its position, and how many requests it has under way."""

    __slots__ = ("index", "outstanding", "url")

    def __init__(self, url: str, index: int) -> None:
        self.url = url
        self.index = index
        self.outstanding = 0

    def __repr__(self) -> str:
        return f"Target({self.url!r}, outstanding={self.outstanding})"


class Balancer:
    """Picks targets. Every `pick` is followed by one `done` with the same target, whatever became of the request."""

    def __init__(self, urls: Sequence[str], algorithm: str) -> None:
        """Raises ValueError for no targets and for an algorithm that there is not."""
        if not urls:
            raise ValueError("an upstream needs at least one target")
        if algorithm not in ALGORITHMS:
            raise ValueError(f"{algorithm!r} is none of {', '.join(ALGORITHMS)}")
        self.targets = tuple(Target(url, index) for index, url in enumerate(urls))
        self._next = 0
        choices: dict[str, Callable[[], Target]] = {
            "round_robin": self._round_robin,
            "least_outstanding": self._least_outstanding,
        }
        self._choose = self._single if len(urls) == 1 else choices[algorithm]

    def pick(self) -> Target:
        """The target for one request, counted as under way from now on."""
        target = self._choose()
        target.outstanding += 1
        return target

    def done(self, target: Target) -> None:
        """The request that `target` was picked for is over."""
        target.outstanding -= 1

    def _single(self) -> Target:
        return self.targets[0]

    def _round_robin(self) -> Target:
        target = self.targets[self._next]
        self._next = (self._next + 1) % len(self.targets)
        return target

    def _least_outstanding(self) -> Target:
        """The search starts after the last pick, so that equals take turns."""
        count = len(self.targets)
        best = self.targets[self._next]
        for step in range(1, count):
            target = self.targets[(self._next + step) % count]
            if target.outstanding < best.outstanding:
                best = target
        self._next = (best.index + 1) % count
        return best
