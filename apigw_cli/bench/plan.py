"""What is to be done: the plan of a run, and each worker's share of it."""

from __future__ import annotations

import ssl
import urllib.parse

import msgspec

from apigw_cli.bench.spread import in_words, spread

SECOND = 1_000_000_000


class Target(msgspec.Struct, frozen=True):
    """Where requests go: the URL as given, and what a connection needs. `address` is resolved once, for all.

    `pinned`: the PEM certificates of which the server must show one, whatever name stands in it; '': one that the
    system trusts, for `host`.
    """

    url: str
    host: str
    port: int
    tls: bool
    path: str
    address: str = ""
    pinned: str = ""

    def context(self) -> ssl.SSLContext | None:
        """How to speak TLS there; None for http."""
        if not self.tls:
            return None
        if not self.pinned:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=self.pinned)
        return context

    @property
    def server_name(self) -> str | None:
        """The name to ask for in the TLS handshake; None for http."""
        if not self.tls:
            return None
        return urllib.parse.urlsplit(self.url).hostname if self.pinned else self.host


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


class Plan(msgspec.Struct, frozen=True):
    """A run. Totals are totals over all workers; times in seconds. One of `duration` and `requests` is set.

    `stages`: from `rate` on, in so many seconds to which rate. `poisson`: arrivals as of independent clients.
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

    @property
    def model(self) -> str:
        """'closed': each connection sends when its answer came. 'open': requests arrive at `rate` whatever happens."""
        return "closed" if self.rate is None else "open"

    @property
    def in_flight(self) -> list[int]:
        return spread(self.concurrency, self.workers)

    def shares(self) -> list[Share]:
        """What each worker is told."""
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
        return " · ".join([*parts, f"{self.method} {self.target.url}"])

    def _rate_in_words(self, rate: float) -> str:
        if self.stages:
            steps = [f"{rate:,.6g}/s", *(f"{to:,.6g}/s in {seconds:g} s" for seconds, to in self.stages)]
            return " → ".join(steps)
        each = "" if self.workers == 1 else f" ({rate / self.workers:,.6g}/s per worker)"
        return f"{rate:,.6g}/s{each}"


def nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)
