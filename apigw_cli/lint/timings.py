"""`--timings`: how long each rule takes, and what the rest is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

READING = "(reading files)"
WALKING = "(the walk and references)"
LOCATING = "(places of findings)"


@dataclass(slots=True)
class Stopwatch:
    """Seconds by rule or part. What several rules need is paid for by the first of them."""

    spent: dict[str, float] = field(default_factory=dict)

    def listed(self, name: str, items: Iterable[T]) -> list[T]:
        """The items of a generator, with the time that making them takes."""
        began = time.perf_counter()
        made = list(items)
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began
        return made

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """The time of a block, less that of the rules inside it."""
        before, began = sum(self.spent.values()), time.perf_counter()
        try:
            yield
        finally:
            inside = sum(self.spent.values()) - before
            self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began - inside

    def lines(self) -> Iterator[str]:
        """A table, the longest first."""
        total = sum(self.spent.values())
        for name, seconds in sorted(self.spent.items(), key=lambda item: -item[1]):
            yield f"{seconds * 1e3:>10,.1f} ms {seconds / total if total else 0:>5.0%}  {name}"
        yield f"{total * 1e3:>10,.1f} ms        in all"
