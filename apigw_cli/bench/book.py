"""What a worker sends and counts of one kind of request, and in which order the kinds take turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import cycle, islice

from apigw_cli.bench.call import Call
from apigw_cli.bench.tally import CLASSES, Pairs, Part, class_of

Counts = defaultdict[int, int]
_Make = Callable[[], bytes]


class Book:
    """`make` gives the bytes of the next request. Latencies are counted by status, then by bucket: what never
    occurs takes no memory, and there are no more buckets than bench/histogram.py has.
    """

    __slots__ = ("errors", "head", "make", "name", "response", "service")

    def __init__(self, name: str, method: str, make: _Make) -> None:
        self.name = name
        self.head = method == "HEAD"
        self.make = make
        self.service: defaultdict[int, Counts] = defaultdict(partial(defaultdict, int))
        self.response: defaultdict[int, Counts] = defaultdict(partial(defaultdict, int))
        self.errors: defaultdict[str, int] = defaultdict(int)

    @property
    def latencies(self) -> dict[int, Counts]:
        """What a client feels: the response latency, where it is another one than the service latency."""
        return self.response or self.service

    def part(self, expected: Collection[int]) -> Part:
        """What was counted; answers of the statuses `expected` are as good as 2xx."""
        return Part(
            name=self.name,
            statuses={status: sum(counts.values()) for status, counts in self.service.items()},
            errors=dict(self.errors),
            service=by_class(self.service, expected),
            response=by_class(self.response, expected),
        )


def by_class(of_status: dict[int, Counts], expected: Collection[int]) -> dict[str, Pairs]:
    """Latencies by class of answer, as bucket and count."""
    found: dict[str, Counts] = {name: defaultdict(int) for name in CLASSES}
    for status, counts in of_status.items():
        own = found[class_of(status, expected)]
        for bucket, count in counts.items():
            own[bucket] += count
    return {name: sorted(counts.items()) for name, counts in found.items()}


def in_turn(calls: list[Call], books: list[Book], begin: int) -> Iterator[Book]:
    """The books for ever in such an order that each has its part (weight) and these lie as evenly as they can.

    `begin` (a worker's number) moves the start, so that workers do not send the same at the same time.
    """
    places = sorted(
        ((turn + 0.5) / call.weight, number) for number, call in enumerate(calls) for turn in range(call.weight)
    )
    order = [books[number] for _, number in places]
    return islice(cycle(order), begin * len(order) // 7 % len(order), None)
