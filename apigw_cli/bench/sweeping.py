"""`apigw bench --sweep` from its options to its grids."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from apigw_cli.bench import lesson, sweep
from apigw_cli.bench import request as requests
from apigw_cli.bench.command import ending_on_sigterm
from apigw_cli.bench.coordinator import Live, reach, run
from apigw_cli.bench.options import MOST_CONNECTIONS, MOST_WORKERS
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.request import Request
from apigw_cli.bench.result import assemble
from apigw_cli.bench.spread import numbers
from apigw_cli.bench.sweep import Axes, Cell, Grid, Interrupted, Row, Sweep
from apigw_cli.bench.times import Times, times_of
from apigw_cli.errors import UsageError

_EACH, _WARMUP = 1.0, 0.2
_OVERHEAD = 0.35  # seconds a cell: processes that start and end
_MOST_CELLS = 1000
_FLIGHTS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, as typed. Without a URL the servers are our own, and theirs are the workers."""

    url: str | None
    workers: str | None = None
    concurrency: str | None = None
    duration: str | None = None
    warmup: str | None = None
    timeout: str = "10s"
    headers: tuple[str, ...] = ()
    method: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to tell: `note` a line, `cell` which one is measured (how many are done, of how many, its words)."""

    note: Callable[[str], None]
    cell: Callable[[int, int, str], None]


def sweep_over(options: Options, talk: Talk) -> Sweep:
    """Measure every cell. A signal ends it with the cells that there are. Raises ApigwError where it cannot be done."""
    times = times_of(options.duration, options.warmup, options.timeout, of_requests=False, default=_EACH)
    axes = _axes(options)
    request = _request(options) if options.url is not None else None
    with ending_on_sigterm():
        return _Sweeping(axes, times, request, talk).all()


def _axes(options: Options) -> Axes:
    workers = numbers("--workers", options.workers, MOST_WORKERS) if options.workers else _up_to_the_cpus()
    flights = numbers("--concurrency", options.concurrency, MOST_CONNECTIONS) if options.concurrency else _FLIGHTS
    axes = Axes(workers, flights)
    if options.url is not None and axes.concurrency[-1] < axes.workers[-1]:
        raise UsageError(
            f"{axes.concurrency[-1]} in flight are too few for {axes.workers[-1]} workers",
            hint="--concurrency is the total over all workers",
        )
    if len(axes.workers) * len(axes.concurrency) > _MOST_CELLS:
        raise UsageError(f"at most {_MOST_CELLS:,} cells are measured")
    return axes


def _up_to_the_cpus() -> tuple[int, ...]:
    """1, 2, 4 … up to the CPUs that there are; 2 at least, or nothing could be compared."""
    cpus = os.cpu_count() or 1
    return tuple(n for n in (1, 2, 4, 8, 16, 32) if n <= max(2, cpus))


def _request(options: Options) -> Request:
    assert options.url is not None
    body = requests.read_body(options.data) if options.data is not None else b""
    method = requests.parse_method(options.method or ("GET" if options.data is None else "POST"))
    headers = tuple(requests.parse_header(text) for text in options.headers)
    return Request(method, requests.parse_url(options.url), headers, body)


class _Sweeping:
    """One sweep at work."""

    def __init__(self, axes: Axes, times: Times, request: Request | None, talk: Talk) -> None:
        self._axes, self._times, self._request, self._talk = axes, times, request, talk
        self._side = "server" if request is None else "client"
        self._done = 0
        self._total = axes.cells(self._side) * (len(lesson.ENDPOINTS) if request is None else 1)

    def all(self) -> Sweep:
        self._talk.note(self._plan_in_words())
        rows: dict[str, list[Row]] = {}
        interrupted = False
        try:
            if self._request is not None:
                self._of_client(self._request, rows)
            else:
                self._of_servers(rows)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
        return sweep.sweep_of(self._grids(rows), self._each, interrupted=interrupted)

    @property
    def _each(self) -> float:
        assert self._times.duration is not None
        return self._times.duration

    @property
    def _warmup(self) -> float:
        return _WARMUP if self._times.warmup is None else self._times.warmup

    def _plan_in_words(self) -> str:
        seconds = self._total * (self._each + self._warmup + _OVERHEAD)
        workers = ", ".join(map(str, self._axes.workers))
        flights = ", ".join(map(str, self._axes.concurrency))
        whose = "the client's" if self._side == "client" else "the gateway's and the upstream's"
        return (
            f"sweep: {whose} workers {workers} × in flight {flights} · closed model · {self._total} cells of "
            f"{self._each:g} s after {self._warmup:g} s of warm-up · some {seconds:.0f} s"
        )

    def _of_client(self, request: Request, rows: dict[str, list[Row]]) -> None:
        into = rows.setdefault(request.target.url, [])
        plan = self._plan(request)
        for workers in self._axes.workers:
            measure = partial(self._measure, plan, workers, workers)
            sweep.row(workers, self._axes.columns(workers, "client"), measure, into)

    def _of_servers(self, rows: dict[str, list[Row]]) -> None:
        for workers in self._axes.workers:
            with lesson.servers(workers) as base:
                for name, path in lesson.ENDPOINTS.items():
                    plan = self._plan(Request("GET", requests.parse_url(base + path), ()))
                    measure = partial(self._measure, plan, 1, workers)
                    sweep.row(workers, self._axes.columns(workers, "server"), measure, rows.setdefault(name, []))

    def _plan(self, request: Request) -> Plan:
        """What all cells have in common."""
        return Plan(
            target=reach(request.target, self._times.timeout),
            method=request.method,
            request=request.encode(),
            workers=1,
            concurrency=1,
            timeout=self._times.timeout,
            warmup=self._warmup,
            duration=self._each,
        )

    def _measure(self, plan: Plan, clients: int, workers: int, concurrency: int) -> Cell:
        """One cell: `clients` are the client's workers, `workers` those of the row. Raises Interrupted."""
        flight = f"{workers} worker{'s' if workers > 1 else ''} × {concurrency} in flight"
        self._talk.cell(self._done, self._total, f"{flight} · {plan.target.path}")
        plan = msgspec.structs.replace(plan, workers=clients, concurrency=concurrency)
        collected = run(plan, _unseen)
        if collected.interrupted:
            raise Interrupted
        self._done += 1
        return Cell.of(assemble(plan, collected, []), workers)

    def _grids(self, rows: dict[str, list[Row]]) -> list[Grid]:
        urls = lesson.ENDPOINTS if self._request is None else {}
        return [sweep.grid(name, self._side, urls.get(name, name), self._axes, found) for name, found in rows.items()]


def _unseen(live: Live) -> None:
    """A cell is too short to be watched."""
