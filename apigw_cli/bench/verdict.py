"""What limited a run, and whether its figures are to be believed.

    client-bound  the load generator itself was busy (or waiting for a CPU) for 95 % of the time
    limit-bound   at least half of the answers were 429: the limit decided what got through
    rate-bound    open model, and every request left when it was meant to
    server-bound  otherwise: the server, or the waiting for it

Whatever the model, figures are not to be trusted when the client ran out of files or local ports, when more than 5 %
of the requests got no answer (percentiles would be those of the lucky ones), or when a server that was asked to keep
connections closed them: then what connecting took is missing in the latencies. Nor where every answer was an error
(and less than half were 429): how fast a server refuses says nothing of how fast it serves.

A closed run is not trustworthy either when a worker computed for 95 % of the time: then throughput and latencies are
the client's own. Where it waited for a CPU that others had, or its event loop was late, it stands, with a warning:
it shows what was achieved, a lower bound of what the server can do. What a limit let through is counted, whoever is
busy. An open run is not trustworthy when the rate was not reached, or when requests left late because the client was
saturated, or its event loop stood still: its response latencies would then be the client's own.
"""

from __future__ import annotations

import msgspec

from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.plan import SECOND, Plan
from apigw_cli.bench.tally import ALLOWED, Tally, added, class_of

BUSY = 0.95
CLIENT_BOUND = "client-bound"
_STARVED = 0.10
_REACHED = 0.99
_LATE = 0.01
_FILLED = 0.90
_SILENT = 0.05
_ANEW = 0.5  # new connections by answer from which on a server does not keep them
_ENOUGH = 100  # answers, or looks at the event loop, below which nothing is concluded
_LAGGING = 100_000_000  # nanoseconds


class Verdict(msgspec.Struct, frozen=True):
    """`reasons`: why it is not trustworthy; `warnings`: what else to keep in mind."""

    bound: str
    trustworthy: bool
    reasons: list[str]
    warnings: list[str]


def cpu_share(tally: Tally) -> float:
    """The part of the measured time in which the worker computed."""
    return tally.cpu / tally.elapsed if tally.elapsed else 0.0


def starved_share(tally: Tally) -> float:
    """The part in which it could have, but had no CPU; 0 where the system does not say."""
    return (tally.starved or 0) / tally.elapsed if tally.elapsed else 0.0


def judge(plan: Plan, tallies: list[Tally], mean_in_flight: float) -> Verdict:
    """The verdict on what the workers counted."""
    answers = sum(tally.answers for tally in tallies)
    limited = sum(tally.statuses.get(429, 0) for tally in tallies)
    busy = any(cpu_share(t) + starved_share(t) >= BUSY for t in tallies)
    rate = _open_reasons(tallies, busy) if plan.model == "open" else []
    late = _lateness(tallies)
    reasons = [*rate, *_shortages(tallies), *_silence(tallies), *_closing(plan, tallies), *_refusals(plan, tallies)]
    reasons += late if plan.model == "open" else []
    if plan.model == "closed" and 2 * limited < answers:
        reasons += _saturation(tallies)
    if busy and (rate or plan.model == "closed"):
        bound = CLIENT_BOUND
    elif rate:
        bound = "server-bound"
    elif answers and 2 * limited >= answers:
        bound = "limit-bound"
    else:
        bound = "rate-bound" if plan.model == "open" else "server-bound"
    warnings = _warnings(plan, tallies, bound, mean_in_flight) + (late if plan.model == "closed" else [])
    return Verdict(bound, not reasons, reasons, warnings)


def _saturation(tallies: list[Tally]) -> list[str]:
    """A worker that computes all the time measures itself."""
    shares = [cpu_share(t) for t in tallies if t.elapsed > SECOND // 2]  # shorter runs are mostly beginning and end
    if not shares or max(shares) < BUSY:
        return []
    words = "throughput and latencies are its own; use more --workers, as long as there are cores"
    return [f"the client is saturated ({100 * max(shares):.0f} % of a core in one worker): {words}"]


def _shortages(tallies: list[Tally]) -> list[str]:
    """What the client ran out of."""
    files, ports = (sum(t.errors.get(kind, 0) for t in tallies) for kind in ("files", "ports"))
    reasons = []
    if files:
        reasons.append(f"the client ran out of open files ({files:,} times): raise the limit with ulimit -n 65536")
    if ports:
        words = "use --keepalive, or widen net.ipv4.ip_local_port_range"
        reasons.append(f"the client ran out of local ports ({ports:,} times): {words}")
    return reasons


def _silence(tallies: list[Tally]) -> list[str]:
    answers = sum(tally.answers for tally in tallies)
    silent = sum(sum(tally.errors.values()) for tally in tallies)
    if not answers or silent <= _SILENT * (answers + silent):
        return []
    part = 100 * silent / (answers + silent)
    return [f"{part:.2g} % of the requests got no answer, so the latencies are those of the others only"]


def _closing(plan: Plan, tallies: list[Tally]) -> list[str]:
    answers = sum(tally.answers + tally.warmup for tally in tallies)
    anew = sum(tally.opened for tally in tallies) - plan.concurrency
    if not plan.keep_alive or answers < _ENOUGH or anew < _ANEW * answers:
        return []
    words = "connecting is missing in the latencies; --no-keepalive measures it"
    return [f"the server does not keep connections ({anew + plan.concurrency:,} for {answers:,} answers): {words}"]


def _refusals(plan: Plan, tallies: list[Tally]) -> list[str]:
    """Nothing went well: what was measured are refusals, unless they were asked for."""
    statuses = added(tally.statuses for tally in tallies)
    answers = sum(statuses.values())
    if not answers or 2 * statuses.get(429, 0) >= answers:
        return []
    if any(class_of(status, plan.expected) == ALLOWED for status in statuses):
        return []
    seen = ", ".join(str(status) for status in sorted(statuses)[:4])
    words = f"refusals were measured; if that is what you want, --expect {seen[:3]}"
    return [f"no request went well (every answer was {seen}): {words}"]


def _lateness(tallies: list[Tally]) -> list[str]:
    lags = [Histogram(tally.lag) for tally in tallies]
    late = max((lag.percentiles([99.0])[0] for lag in lags if lag.total >= _ENOUGH), default=0)
    if late < _LAGGING:
        return []
    return [f"the client's event loop was {late / 1e6:.0f} ms late (p99): it, or the whole machine, stood still"]


def _open_reasons(tallies: list[Tally], busy: bool) -> list[str]:
    started = sum(t.answers + sum(t.errors.values()) + t.unfinished for t in tallies)
    due = started + sum(t.not_started for t in tallies)
    late = sum(t.late for t in tallies)
    reasons = []
    if started < _REACHED * due:
        why = (
            "the client is saturated: use more --workers" if busy else "all connections were in use: more --concurrency"
        )
        reasons.append(f"the rate was not reached: {started:,} of {due:,} requests were started ({why})")
    elif busy and late > _LATE * started:
        reasons.append(f"the client is saturated and {late:,} of {started:,} requests left late: use more --workers")
    return reasons


def _warnings(plan: Plan, tallies: list[Tally], bound: str, mean_in_flight: float) -> list[str]:
    warnings: list[str] = []
    if not any(t.answers for t in tallies):
        return warnings
    if bound == CLIENT_BOUND:
        warnings.append(
            _why_busy(tallies) + ": the server may be able to do more, and latencies contain the client's own"
        )
    long_enough = any(t.elapsed > SECOND // 2 for t in tallies)  # shorter runs are mostly beginning and end
    opened = sum(t.opened for t in tallies)
    if opened < plan.concurrency:
        warnings.append(f"only {opened} of {plan.concurrency} connections could be opened")
    elif (
        plan.model == "closed"
        and long_enough
        and bound != CLIENT_BOUND
        and 0 < mean_in_flight < _FILLED * plan.concurrency
    ):
        warnings.append(f"on average {mean_in_flight:,.0f} of {plan.concurrency:,} were in flight")
    return warnings


def _why_busy(tallies: list[Tally]) -> str:
    if any(starved_share(t) >= _STARVED for t in tallies):
        return "the client did not get the CPU it needed (other processes use it)"
    return "the client is at its limit (more --workers help while there are cores)"
