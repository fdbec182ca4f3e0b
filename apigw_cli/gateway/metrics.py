"""Counters: integers in memory that workers and supervisor share, added up when somebody asks.

    words of one worker   [ unrouted ][ other ][ singles ][ route ][ route ] … [ target … ] … [ spare ]

Only its worker writes a region, so nothing is locked; a killed worker's region is taken over by its successor, so
nothing is lost. The supervisor says which words belong to which route (`Layout`); a route that comes or goes with a
reload never moves the words of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from apigw_cli.limits.memory import WORD, SharedMemory

# Upper bounds of the latency histogram, in nanoseconds.
SECONDS = ("0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10")
BOUNDS = tuple(int(float(seconds) * 1e9) for seconds in SECONDS)
# A histogram's words: a count for each bound and one above them all, then the sum of nanoseconds.
_SUM = len(BOUNDS) + 1
HISTOGRAM = _SUM + 1

# A route's words: one for each class of status (1 to 5; 0 is not used), then one for each reason; then its histogram.
# An API's latencies are those of its routes, added up.
CLASSES = 6
REASONS = (
    "unauthorized", "forbidden", "auth_unavailable", "rate_limited", "overloaded", "no_route", "method_not_allowed",
    "malformed", "client_gone", "too_large", "client_timeout", "upstream_unreachable", "upstream_timeout",
    "upstream_closed", "upstream_invalid", "bug",
    "upstream_out", "upstream_stalled", "queue_full", "queue_timeout",
    "limiter_full", "limiter_unavailable", "key_missing", "quota_exceeded", "concurrency_limited", "invalid_request",
    "invalid_answer", "answer_unfit", "cors_origin", "unsuitable_request",
)  # fmt: skip
# What is remarkable of messages, refused or not.
NOTICES = ("invalid_request", "invalid_answer", "unsuitable_answer")
# Refusals of requests that no limit has seen.
_BEFORE_LIMITS = ("unauthorized", "forbidden", "auth_unavailable", "key_missing", "limiter_unavailable")
_REASON_AT = {reason: CLASSES + index for index, reason in enumerate(REASONS)}
_NOTICE_AT = {notice: CLASSES + len(REASONS) + index for index, notice in enumerate(NOTICES)}
ROUTE = CLASSES + len(REASONS) + len(NOTICES)

# A target's words: its state (0 as long as no worker has spoken of it), its requests in flight, the monotonic_ns()
# until which it is ejected (or 0), its connections, the requests that wait for one, and why it is out (or 0).
TARGET = 6
TARGET_UP, TARGET_DOWN = 1, 2

# One side of a canary: a word for each class of status, then a histogram.
SIDE = CLASSES + HISTOGRAM

WORDS = 1 << 19  # a worker: 4 MiB of address space, of which only what is used takes room
UNROUTED = (0, HISTOGRAM)  # where the histogram and the counts of requests without a route begin
_OTHER = (HISTOGRAM + ROUTE, HISTOGRAM + ROUTE + HISTOGRAM)
# How many WebSockets, event streams and waiting requests there are now: their worker sets them to 0 when it starts.
TUNNELS = 2 * (HISTOGRAM + ROUTE)
STREAMS, WAITING = TUNNELS + 1, TUNNELS + 2
WAITED = TUNNELS + 3  # how many ever waited
# Of the cache.
CACHE = WAITED + 1
CACHE_WORDS = (*("hits", "stale", "misses", "validations", "validated", "collapsed", "bypasses"),)


class WorkerCells:
    """One worker's words."""

    __slots__ = ("words",)

    def __init__(self, memory: SharedMemory, worker: int) -> None:
        self.words = memory.words[worker * WORDS : (worker + 1) * WORDS]

    def count_reason(self, route: int, reason: str) -> None:
        at = _REASON_AT.get(reason)
        if at is not None:
            self.words[route + at] += 1

    def count_notice(self, route: int, notice: str) -> None:
        self.words[route + _NOTICE_AT[notice]] += 1


@dataclass(slots=True)
class Layout:
    """Which words count what. Grows, never moves; once it is full, newcomers share one place, "(other)"."""

    routes: dict[tuple[str, str], int] = field(default_factory=dict)
    targets: dict[tuple[str, int, str], int] = field(default_factory=dict)
    sides: dict[tuple[int, str], int] = field(default_factory=dict)
    end: int = CACHE + len(CACHE_WORDS)

    def route(self, api: str, operation: str) -> int:
        """Where the counts of a route begin."""
        key = (api, operation)
        if key not in self.routes:
            self.routes[key] = self._take(ROUTE + HISTOGRAM, _OTHER[1])
        return self.routes[key]

    def histogram(self, api: str, operation: str) -> int:
        """Where the histogram of a route begins."""
        return _histogram(self.route(api, operation))

    def target(self, upstream: str, index: int, url: str) -> int | None:
        """Where the state of an upstream's target stands; None where there is no room."""
        key = (upstream, index, url)
        if key not in self.targets:
            at = self._take(TARGET, -1)
            if at < 0:
                return None
            self.targets[key] = at
        return self.targets[key]

    def side(self, canary: int, name: str) -> int:
        """Where the requests of one side of a canary are counted: classes, then a histogram; 0: nowhere, no room."""
        key = (canary, name)
        if key not in self.sides:
            self.sides[key] = self._take(SIDE, 0)
        return self.sides[key]

    def _take(self, size: int, otherwise: int) -> int:
        if self.end + size > WORDS:
            return otherwise
        self.end += size
        return self.end - size


def _histogram(route: int) -> int:
    """Where the histogram stands that belongs to a route's counts."""
    return {UNROUTED[1]: UNROUTED[0], _OTHER[1]: _OTHER[0]}.get(route, route + ROUTE)


class Totals:
    """The words of all workers, added up."""

    def __init__(self, memory: SharedMemory, workers: int) -> None:
        self._regions = [memory.words[i * WORDS : (i + 1) * WORDS] for i in range(workers)]

    def each(self, worker: int, start: int, size: int) -> list[int]:
        """The words of one worker."""
        return list(self._regions[worker][start : start + size])

    def read(self, start: int, size: int) -> list[int]:
        return [sum(words) for words in zip(*(r[start : start + size] for r in self._regions), strict=True)]


def create(workers: int) -> SharedMemory:
    """Words for that many workers, all zero. Raises OSError where the machine has no memory for them."""
    return SharedMemory.create(workers * WORDS * WORD)


@dataclass(frozen=True, slots=True)
class TargetGauges:
    """A target of an upstream, as all workers that serve see it together."""

    upstream: str
    url: str
    usable: bool
    in_flight: int
    connections: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class SideCounts:
    """What one side of the canary that runs has answered: the words of `Layout.side`."""

    side: str
    release: str
    words: list[int]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the cache that all workers share has now, and how often it had to make room."""

    bytes: int = 0
    entries: int = 0
    evictions: int = 0


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the supervisor knows by itself. `limited` holds the routes that have a limit."""

    version: str
    stage: str
    digest: str
    workers: int
    in_flight: int
    in_flight_maximum: int
    reloads: int
    reloads_refused: int
    worker_restarts: int
    limited: frozenset[tuple[str, str]]
    targets: tuple[TargetGauges, ...] = ()
    sides: tuple[SideCounts, ...] = ()
    stored: Stored = Stored()


def render(layout: Layout, totals: Totals, gauges: Gauges, by_route: bool = False) -> str:
    """Everything in Prometheus' text format, version 0.0.4. `by_route`: latencies of each route that was asked, too."""
    routes = [(("", ""), UNROUTED[1]), *layout.routes.items()]
    if _OTHER[1] in layout.routes.values():
        routes = [(k, at) for k, at in routes if at != _OTHER[1]] + [(("(other)", "(other)"), _OTHER[1])]
    counts = {key: totals.read(at, ROUTE) for key, at in routes}
    lines: list[str] = []
    lines += _requests(counts)
    lines += _reasons(counts)
    lines += _violations(counts)
    lines += _limiter(counts, gauges.limited)
    latencies = {key: totals.read(_histogram(at), HISTOGRAM) for key, at in routes}
    lines += _latency(latencies)
    if by_route:
        lines += _route_latency(latencies)
    lines += _targets(gauges.targets)
    lines += _gauges(gauges)
    lines += _singles(totals)
    lines += _cache(totals, gauges.stored)
    lines += _sides(gauges.sides)
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})  # the text format, version 0.0.4: label values


def _labels(**labels: str) -> str:
    escaped = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(escaped) + "}"


Counts = dict[tuple[str, str], list[int]]


def _requests(counts: Counts) -> Iterator[str]:
    yield from _family("apigw_requests_total", "counter", "Requests by route and class of status; no route: empty.")
    for (api, route), words in counts.items():
        for status in range(1, CLASSES):
            if words[status]:
                yield f"apigw_requests_total{_labels(api=api, route=route, code=f'{status}xx')} {words[status]}"


def _reasons(counts: Counts) -> Iterator[str]:
    yield from _family("apigw_refusals_total", "counter", "Requests that the gateway answered itself, or lost, by why.")
    for (api, route), words in counts.items():
        for reason, at in _REASON_AT.items():
            if words[at]:
                yield f"apigw_refusals_total{_labels(api=api, route=route, reason=reason)} {words[at]}"


def _violations(counts: Counts) -> Iterator[str]:
    yield from _family("apigw_violations_total", "counter", "Messages that are not as the specification says.")
    for (api, route), words in counts.items():
        for notice, at in _NOTICE_AT.items():
            if words[at]:
                yield f"apigw_violations_total{_labels(api=api, route=route, what=notice)} {words[at]}"


def _limiter(counts: Counts, limited: frozenset[tuple[str, str]]) -> Iterator[str]:
    yield from _family("apigw_limiter_decisions_total", "counter", "What the rate limiter decided.")
    for (api, route), words in counts.items():
        if (api, route) not in limited:
            continue
        refused = words[_REASON_AT["rate_limited"]] + words[_REASON_AT["limiter_full"]]
        # The limiter comes after authentication: those it let through are all others that came that far.
        allowed = sum(words[1:CLASSES]) - refused - sum(words[_REASON_AT[one]] for one in _BEFORE_LIMITS)
        for decision, number in (("allowed", allowed), ("refused", refused)):
            yield f"apigw_limiter_decisions_total{_labels(api=api, route=route, decision=decision)} {number}"


def _latency(latencies: Counts) -> Iterator[str]:
    name = "apigw_request_duration_seconds"
    yield from _family(name, "histogram", "From a request's head to the end of its answer.")
    apis: dict[str, list[int]] = {}
    for (api, _), words in latencies.items():
        apis[api] = [a + b for a, b in zip(apis.get(api, [0] * HISTOGRAM), words, strict=True)]
    for api, words in apis.items():
        yield from _buckets(name, words, api=api)


def _route_latency(latencies: Counts) -> Iterator[str]:
    name = "apigw_route_duration_seconds"
    yield from _family(name, "histogram", "The same by route, of those that were asked for.")
    for (api, route), words in latencies.items():
        if any(words):
            yield from _buckets(name, words, api=api, route=route)


def _buckets(name: str, words: list[int], **labels: str) -> Iterator[str]:
    cumulated = 0
    for bound, number in zip((*SECONDS, "+Inf"), words, strict=False):
        cumulated += number
        yield f"{name}_bucket{_labels(**labels, le=bound)} {cumulated}"
    yield f"{name}_sum{_labels(**labels)} {words[_SUM] / 1e9:.9f}"
    yield f"{name}_count{_labels(**labels)} {cumulated}"


def _targets(targets: tuple[TargetGauges, ...]) -> Iterator[str]:
    name = "apigw_upstream_healthy"
    yield from _family(name, "gauge", "1 where every worker may send requests to the target, else 0.")
    for one in targets:
        yield f"{name}{_labels(upstream=one.upstream, target=one.url)} {int(one.usable)}"
    yield from _of_targets(targets, "in_flight", "Requests that a target has under way.")
    yield from _of_targets(targets, "connections", "Connections to a target.")
    yield from _of_targets(targets, "queued", "Requests that wait for a connection to a target.")


def _of_targets(targets: tuple[TargetGauges, ...], what: str, text: str) -> Iterator[str]:
    name = f"apigw_upstream_{what}"
    yield from _family(name, "gauge", text)
    for one in targets:
        yield f"{name}{_labels(upstream=one.upstream, target=one.url)} {getattr(one, what)}"


def _singles(totals: Totals) -> Iterator[str]:
    singles = (
        ("apigw_tunnels", "gauge", "Open WebSocket connections over all workers.", TUNNELS),
        ("apigw_event_streams", "gauge", "Answers under way that are streams of events.", STREAMS),
        ("apigw_waiting", "gauge", "Requests that wait for a place among those in flight.", WAITING),
        ("apigw_waited_total", "counter", "Requests that had to wait for one.", WAITED),
    )
    for name, kind, text, at in singles:
        yield from _family(name, kind, text)
        yield f"{name} {totals.read(at, 1)[0]}"


_LOOKUPS = ("hits", "stale", "misses", "validations", "bypasses")


def _cache(totals: Totals, stored: Stored) -> Iterator[str]:
    words = dict(zip(CACHE_WORDS, totals.read(CACHE, len(CACHE_WORDS)), strict=True))
    name = "apigw_cache_requests_total"
    yield from _family(name, "counter", "Requests of routes with a cache, by what it did.")
    for what in _LOOKUPS:
        yield f"{name}{_labels(result=what)} {words[what]}"
    singles = (
        ("validated_total", "counter", "Stored answers that their upstream said still hold.", words["validated"]),
        ("collapsed_total", "counter", "Requests that waited for another's answer.", words["collapsed"]),
        ("evictions_total", "counter", "Answers that made room for others.", stored.evictions),
        ("bytes", "gauge", "What stored answers take of the memory that all workers share.", stored.bytes),
        ("entries", "gauge", "Stored answers, which all workers share.", stored.entries),
    )
    for suffix, kind, text, value in singles:
        yield from _family(f"apigw_cache_{suffix}", kind, text)
        yield f"apigw_cache_{suffix} {value}"


def _sides(sides: tuple[SideCounts, ...]) -> Iterator[str]:
    if not sides:
        return
    name = "apigw_canary_requests_total"
    yield from _family(name, "counter", "Requests by side of the canary that runs, and class of status.")
    for one in sides:
        for status in range(1, CLASSES):
            if one.words[status]:
                labels = _labels(side=one.side, release=one.release, code=f"{status}xx")
                yield f"{name}{labels} {one.words[status]}"
    name = "apigw_canary_duration_seconds"
    yield from _family(name, "histogram", "Of answers that are no 4xx: from a request's head to the end, by side.")
    for one in sides:
        yield from _buckets(name, one.words[CLASSES:], side=one.side, release=one.release)


def _gauges(gauges: Gauges) -> Iterator[str]:
    singles = (
        ("apigw_in_flight", "gauge", "Requests in flight over all workers.", gauges.in_flight),
        ("apigw_in_flight_maximum", "gauge", "How many may be (--concurrency).", gauges.in_flight_maximum),
        ("apigw_workers", "gauge", "Worker processes that serve.", gauges.workers),
        ("apigw_worker_restarts_total", "counter", "Workers started again after they ended.", gauges.worker_restarts),
    )
    for name, kind, text, value in singles:
        yield from _family(name, kind, text)
        yield f"{name} {value}"
    yield from _family("apigw_reloads_total", "counter", "Reloads by result.")
    yield f'apigw_reloads_total{{result="done"}} {gauges.reloads}'
    yield f'apigw_reloads_total{{result="refused"}} {gauges.reloads_refused}'
    yield from _family("apigw_info", "gauge", "What is running.")
    yield f"apigw_info{_labels(version=gauges.version, stage=gauges.stage, digest=gauges.digest)} 1"
