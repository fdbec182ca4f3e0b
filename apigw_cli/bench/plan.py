"""What is to be done: the plan of a run, and each worker's share of it."""

from __future__ import annotations

import msgspec

from apigw_cli.bench.call import Call, Message, Target
from apigw_cli.bench.rows import Rows
from apigw_cli.bench.spread import in_words, parts_of, spread

SECOND = 1_000_000_000


class Watch(msgspec.Struct, frozen=True):
    """What the limit's proof needs recorded: `slot` is how finely refusals are noted, in nanoseconds."""

    slot: int
    most_slots: int
    most_events: int


class Share(msgspec.Struct, frozen=True):
    """One worker's part; times in nanoseconds. Of the arrivals of an open model it makes every `stride`-th
    from `offset` on; `requests` is its own number in the closed model and the total in the open one. `rate` is the
    first one where it changes over `stages` (how long, to which rate)."""

    target: Target
    method: str
    request: bytes
    connections: int
    timeout: int
    warmup: int
    duration: int | None
    requests: int | None
    rate: float | None
    stride: int
    offset: int
    watch: Watch | None = None
    stages: list[tuple[int, float]] = []
    poisson: bool = False
    seed: int = 0
    keep_alive: bool = True
    calls: list[Call] = []
    expected: tuple[int, ...] = ()

    @property
    def kinds(self) -> list[Call]:
        """What is sent: `calls`, or the one `request`."""
        return self.calls or [Call("", self.method, self.target, [Message(self.request)])]


class Task(msgspec.Struct, frozen=True):
    """All that one worker does: a share of the load on each server. It is number `number` of `workers`. `watched`:
    somebody sees how it goes."""

    shares: list[Share]
    number: int = 0
    workers: int = 1
    rows: Rows | None = None
    watched: bool = False


class Plan(msgspec.Struct, frozen=True):
    """A run. Totals are totals over all workers; times in seconds. One of `duration` and `requests` is set.

    `stages`: from `rate` on, in so many seconds to which rate. `poisson`: arrivals as of independent clients.
    `calls` are sent in place of `request`, and told apart in the result; `title` names them together. `left_out`:
    operations that no request could be made of, and why. `watched`: somebody sees how it goes. `expected`: statuses
    beyond 2xx and 3xx that are wanted.
    """

    target: Target
    method: str
    request: bytes
    workers: int
    concurrency: int
    timeout: float
    warmup: float
    duration: float | None = None
    requests: int | None = None
    rate: float | None = None
    watch: Watch | None = None
    stages: tuple[tuple[float, float], ...] = ()
    poisson: bool = False
    seed: int = 0
    keep_alive: bool = True
    calls: tuple[Call, ...] = ()
    rows: Rows | None = None
    title: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    watched: bool = False
    expected: tuple[int, ...] = ()

    @property
    def model(self) -> str:
        """'closed': each connection sends when its answer came. 'open': requests arrive at `rate` whatever happens."""
        return "closed" if self.rate is None else "open"

    @property
    def in_flight(self) -> list[int]:
        return spread(self.concurrency, self.workers)

    def parts(self) -> list[Plan]:
        """A plan for each server. They share nothing, so that one that is slow or down takes nothing from the others:
        what is in flight, the rate and the requests are divided by weight."""
        groups: dict[tuple[str, int, bool], list[Call]] = {}
        for call in self.calls:
            groups.setdefault(call.target.server, []).append(call)
        if len(groups) < 2:
            return [self]
        weights = [sum(call.weight for call in group) for group in groups.values()]
        flights = parts_of(self.concurrency, weights)
        requests = [None] * len(weights) if self.requests is None else parts_of(self.requests, weights, least=0)
        plans = []
        for number, group in enumerate(groups.values()):
            part = weights[number] / sum(weights)
            plan = msgspec.structs.replace(
                self,
                target=group[0].target,
                calls=tuple(group),
                concurrency=flights[number],
                workers=min(self.workers, flights[number]),
                requests=requests[number],
                rate=None if self.rate is None else self.rate * part,
                stages=tuple((seconds, rate * part) for seconds, rate in self.stages),
                seed=self.seed + number * 1_000_000_007,
            )
            plans.append(plan)
        return plans

    def tasks(self) -> list[Task]:
        """What each worker is told."""
        shares: list[list[Share]] = [[] for _ in range(self.workers)]
        first = 0
        for plan in self.parts():
            for number, share in enumerate(plan.shares()):
                shares[(first + number) % self.workers].append(share)
            first += plan.concurrency
        parts = [None if self.rows is None else self.rows.of_worker(n, self.workers) for n in range(self.workers)]
        return [
            Task(own, number, self.workers, rows, self.watched)
            for number, (own, rows) in enumerate(zip(shares, parts, strict=True))
        ]

    def shares(self) -> list[Share]:
        """The parts of the workers in the load on the one server."""
        requests: list[int] | list[None] = [None] * self.workers
        if self.requests is not None:
            closed = self.rate is None
            requests = spread(self.requests, self.workers) if closed else [self.requests] * self.workers
        return [
            Share(
                target=self.target,
                method=self.method,
                request=self.request,
                connections=connections,
                timeout=nanoseconds(self.timeout),
                warmup=nanoseconds(self.warmup),
                duration=None if self.duration is None else nanoseconds(self.duration),
                requests=requests[number],
                rate=self.rate,
                stride=self.workers,
                offset=number,
                watch=self.watch,
                stages=[(nanoseconds(seconds), rate) for seconds, rate in self.stages],
                poisson=self.poisson,
                seed=self.seed,
                keep_alive=self.keep_alive,
                calls=list(self.calls),
                expected=self.expected,
            )
            for number, connections in enumerate(self.in_flight)
        ]

    def in_words(self) -> str:
        """`2 workers × 16 in flight = 32 connections · closed model · 10 s · GET http://…`"""
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        parts = [f"{workers} × {in_words(self.in_flight)} in flight = {self.concurrency} connections"]
        if self.rate is None:
            parts.append("closed model")
        else:
            parts.append(f"open model {self._rate_in_words(self.rate)}{', Poisson' if self.poisson else ''}")
        if not self.keep_alive:
            parts.append("a connection for each request")
        length = f"{self.duration:g} s" if self.duration is not None else f"{self.requests:,} requests"
        parts.append(length + (f" after {self.warmup:g} s of warm-up" if self.warmup else ""))
        return " · ".join([*parts, self.title or f"{self.method} {self.target.url}"])

    def _rate_in_words(self, rate: float) -> str:
        if self.stages:
            steps = [f"{rate:,.6g}/s", *(f"{to:,.6g}/s in {seconds:g} s" for seconds, to in self.stages)]
            return " → ".join(steps)
        each = "" if self.workers == 1 else f" ({rate / self.workers:,.6g}/s per worker)"
        return f"{rate:,.6g}/s{each}"


def nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)
