"""The result of a run: what `--format json` prints (docs/bench.md has it field by field)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from apigw_cli import __version__
from apigw_cli.bench.assertion import Assertion, Outcome
from apigw_cli.bench.assertion import judge as judged
from apigw_cli.bench.coordinator import Collected, elapsed_seconds
from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.latency import Latencies, latencies
from apigw_cli.bench.mix import Portion, portions
from apigw_cli.bench.plan import SECOND, Plan
from apigw_cli.bench.proof import FAIL, INCONCLUSIVE, Proof
from apigw_cli.bench.series import Series, merged
from apigw_cli.bench.served import Served
from apigw_cli.bench.tally import CLASSES, NETWORK, Tally, added
from apigw_cli.bench.verdict import Verdict, cpu_share, judge, starved_share
from apigw_cli.errors import Exit

FORMAT = 1


class PlanSummary(msgspec.Struct, frozen=True):
    """The plan as carried out; totals over all workers, and `in_flight` for each."""

    url: str
    method: str
    workers: int
    concurrency: int
    in_flight: list[int]
    model: str
    rate: float | None
    duration_s: float | None
    requests: int | None
    warmup_s: float
    timeout_s: float
    ramp: list[tuple[float, float]] = []
    arrivals: str = "constant"
    seed: int = 0
    keep_alive: bool = True
    title: str = ""
    left_out: dict[str, str] = {}
    expected: list[int] = []


class Counts(msgspec.Struct, frozen=True):
    """Requests of the measured time. `warmup` came before; `unfinished` were under way when it was stopped."""

    answered: int
    allowed: int
    limited: int
    failed: int
    errors: int
    unfinished: int
    warmup: int
    late_starts: int
    not_started: int


class Throughput(msgspec.Struct, frozen=True):
    """Answers a second, by class; those that came after the end of the measured time do not count."""

    answered: float
    allowed: float
    limited: float
    failed: float


class NetworkError(msgspec.Struct, frozen=True):
    count: int
    meaning: str
    example: str


class WorkerVitals(msgspec.Struct, frozen=True):
    """How one worker fared, in parts of the measured time. `starved`: ready, but without a CPU (null: not known)."""

    connections_opened: int
    cpu: float
    starved: float | None
    lag_p99_ns: int


class Client(msgspec.Struct, frozen=True):
    """The client on itself. `mean_in_flight` is by Little's law: throughput × mean service latency."""

    workers: list[WorkerVitals]
    cpu_per_request_us: float
    asked_in_flight: int
    mean_in_flight: float
    connections_opened: int


class Traffic(msgspec.Struct, frozen=True, rename={"in_": "in"}):
    """Bytes of the measured time."""

    in_: int
    out: int


class Result(msgspec.Struct, frozen=True, rename={"traffic": "bytes"}):
    """All of it."""

    format: int
    tool: str
    plan: PlanSummary
    verdict: Verdict
    interrupted: bool
    measured_s: float
    requests: Counts
    throughput: Throughput
    statuses: dict[str, int]
    errors: dict[str, NetworkError]
    latency: dict[str, Latencies]
    traffic: Traffic
    client: Client
    series: Series
    limits: list[Proof] = []
    assertions: list[Outcome] = []
    mix: list[Portion] = []
    served: Served | None = None

    @property
    def exit_code(self) -> Exit:
        """130 interrupted; with a proof 4, 7 or 0 as it says; else 1 where nothing was answered, 7 not trustworthy.

        A threshold is judged last (4): figures that are not to be trusted neither keep nor break one; only where every
        answer was an error is a broken one broken.
        """
        if self.interrupted:
            return Exit.INTERRUPTED
        verdicts = {proof.verdict for proof in self.limits}
        kept = all(outcome.holds for outcome in self.assertions)
        if FAIL in verdicts:
            return Exit.BLOCKED
        if not self.requests.answered:
            return Exit.FAILED
        if not kept and self.requests.failed == self.requests.answered:
            return Exit.BLOCKED
        matters = not verdicts or bool(self.assertions)
        if INCONCLUSIVE in verdicts or (matters and not self.verdict.trustworthy):
            return Exit.UNTRUSTWORTHY
        return Exit.OK if kept else Exit.BLOCKED

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def summary(self) -> bytes:
        """The same without histograms, on one line: what is kept as evidence."""
        bare = {
            name: Latencies(*(msgspec.structs.replace(one, histogram=[]) for one in (both.service, both.response)))
            for name, both in self.latency.items()
        }
        return msgspec.json.encode(msgspec.structs.replace(self, latency=bare)) + b"\n"

    def text(self) -> str:
        """The JSON, for printing."""
        return self.encode().decode()


def assemble(plan: Plan, collected: Collected, proofs: list[Proof], assertions: Iterable[Assertion] = ()) -> Result:
    """Put together what the workers counted, and judge it."""
    result = _assembled(plan, collected, proofs)
    return msgspec.structs.replace(result, assertions=[judged(one, result) for one in assertions])


def _assembled(plan: Plan, collected: Collected, proofs: list[Proof]) -> Result:
    tallies = collected.tallies
    measured = elapsed_seconds(tallies)
    statuses = added(tally.statuses for tally in tallies)
    service = {name: Histogram.of(t.service.get(name, ()) for t in tallies) for name in CLASSES}
    response = {name: Histogram.of(t.response.get(name, ()) for t in tallies) for name in CLASSES}
    rate = sum(t.in_window for t in tallies) / measured if measured else 0.0
    answered = sum(statuses.values())
    counted = {name: service[name].total for name in CLASSES}
    in_flight = _mean_in_flight(service, rate)
    cpu = sum(tally.cpu for tally in tallies)
    return Result(
        format=FORMAT,
        tool=f"apigw {__version__}",
        plan=_summary(plan),
        verdict=judge(plan, tallies, in_flight),
        interrupted=collected.interrupted,
        measured_s=measured,
        requests=_counts(tallies, counted, answered),
        throughput=Throughput(rate, *(rate * counted[name] / answered if answered else 0.0 for name in CLASSES)),
        statuses={str(status): count for status, count in sorted(statuses.items())},
        errors=_errors(tallies),
        latency=latencies(service, response if plan.model == "open" else service),
        traffic=Traffic(sum(t.bytes_in for t in tallies), sum(t.bytes_out for t in tallies)),
        client=Client(
            workers=[_vitals(tally) for tally in tallies],
            cpu_per_request_us=cpu / answered / 1000 if answered else 0.0,
            asked_in_flight=plan.concurrency,
            mean_in_flight=in_flight,
            connections_opened=sum(t.opened for t in tallies),
        ),
        series=merged([t.series for t in tallies]),
        limits=proofs,
        mix=portions(plan, tallies, rate),
    )


def _summary(plan: Plan) -> PlanSummary:
    return PlanSummary(
        url=plan.target.url,
        method=plan.method,
        workers=plan.workers,
        concurrency=plan.concurrency,
        in_flight=plan.in_flight,
        model=plan.model,
        rate=plan.rate,
        duration_s=plan.duration,
        requests=plan.requests,
        warmup_s=plan.warmup,
        timeout_s=plan.timeout,
        ramp=list(plan.stages),
        arrivals="poisson" if plan.poisson else "constant",
        seed=plan.seed,
        keep_alive=plan.keep_alive,
        title=plan.title,
        left_out=dict(plan.left_out),
        expected=list(plan.expected),
    )


def _counts(tallies: list[Tally], counted: dict[str, int], answered: int) -> Counts:
    return Counts(
        answered=answered,
        **counted,
        errors=sum(sum(t.errors.values()) for t in tallies),
        unfinished=sum(t.unfinished for t in tallies),
        warmup=sum(t.warmup for t in tallies),
        late_starts=sum(t.late for t in tallies),
        not_started=sum(t.not_started for t in tallies),
    )


def _mean_in_flight(service: dict[str, Histogram], rate: float) -> float:
    total = sum(histogram.total for histogram in service.values())
    spent = sum(histogram.mean() * histogram.total for histogram in service.values())
    return rate * spent / total / SECOND if total else 0.0


def _errors(tallies: list[Tally]) -> dict[str, NetworkError]:
    result = {}
    for kind, meaning in NETWORK.items():
        count = sum(tally.errors.get(kind, 0) for tally in tallies)
        if count:
            text = next((t.error_texts[kind] for t in tallies if kind in t.error_texts), "")
            result[kind] = NetworkError(count, meaning, text)
    return result


def _vitals(tally: Tally) -> WorkerVitals:
    lag = Histogram(tally.lag).percentiles([99.0])[0]
    starved = None if tally.starved is None else starved_share(tally)
    return WorkerVitals(tally.opened, cpu_share(tally), starved, lag)
