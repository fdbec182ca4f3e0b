"""Which of an upstream's targets a request goes to. No I/O: who asks says when the request is done.

round_robin         one after the other
least_outstanding   the one with the fewest requests under way, one after the other among equals

A target that is down is not picked. When all are down, all are picked again: checks that all fail at once say more
about the checks than about the targets, and a request that fails is no worse than one that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

ALGORITHMS = ("round_robin", "least_outstanding")


class Target:
    """One server of an upstream: base URL and position, how many requests it has under way, and whether it is up."""

    __slots__ = ("index", "outstanding", "up", "url")

    def __init__(self, url: str, index: int) -> None:
        self.url = url
        self.index = index
        self.outstanding = 0
        self.up = True

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
        self._usable = self.targets  # what is picked from: those that are up, or all
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

    def set_up(self, target: Target, up: bool) -> None:
        """A health check has found `target` up or down."""
        target.up = up
        self._usable = tuple(t for t in self.targets if t.up) or self.targets

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
