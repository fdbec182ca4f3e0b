"""A bench's result for people: the verdict first, then the figures, then what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.cli import bench_history, bench_mix_report, terminal
from apigw_cli.cli.terminal import count, duration, size, style, symbol

if TYPE_CHECKING:
    from apigw_cli.bench.latency import Latency
    from apigw_cli.bench.proof import Proof
    from apigw_cli.bench.result import Result

_SIGNS = {"pass": "ok", "fail": "bad", "inconclusive": "warn", "n/a": "dot"}
_VERDICTS = {"pass": "the limit holds", "fail": "the limit does not hold", "inconclusive": "not proved"}
_CLASSES = {"allowed": "allowed", "limited": "refused", "failed": "failed"}
_WORST_FIRST = ("fail", "inconclusive", "pass", "n/a")


def text(result: Result, *, quiet: bool = False) -> str:
    """The lines to print; with `quiet` only the verdict."""
    lines = [line for proof in result.limits for line in _proof(proof, quiet)]
    if not result.limits or result.interrupted:
        lines.append(_verdict(result))
    lines += _thresholds(result)
    if quiet or (result.interrupted and not result.requests.answered):
        return "\n".join(lines)
    lines += [f"  {symbol('bad')} {reason}" for reason in result.verdict.reasons]
    lines += [f"  {symbol('warn')} {warning}" for warning in result.verdict.warnings]
    lines += [*_latencies(result), *bench_mix_report.lines(result), "", *_figures(result), *_next(result)]
    return "\n".join(lines)


def _verdict(result: Result) -> str:
    requests, rate = result.requests, result.throughput.answered
    words = f"{terminal.plural(requests.answered, 'answer')} in {duration(result.measured_s)}, {count(_round(rate))}/s"
    if result.interrupted and not requests.answered:
        return f"{symbol('warn')} interrupted before anything was measured"
    if result.interrupted:
        return f"{symbol('warn')} interrupted: {words}"
    if not requests.answered:
        return f"{symbol('bad')} nothing was answered in {duration(result.measured_s)}"
    bad = requests.failed + requests.errors
    if bad:
        words += f", {_percent(bad / (requests.answered + requests.errors))} failed"
    if bad and requests.failed == requests.answered:
        words += ", only refusals were measured"
    if not result.verdict.trustworthy:
        return f"{symbol('bad')} not trustworthy: {words}, {result.verdict.bound}"
    return f"{symbol('warn' if bad else 'ok')} {words}: {result.verdict.bound}"


def _cure(statuses: list[str]) -> str:
    """What to do where no request was answered as hoped."""
    if set(statuses) <= {"401", "403"}:
        return "give a credential that holds, with -H, or --api-key and --token-key beside --spec"
    if statuses == ["404"]:
        return "apigw routes lists the paths that the gateway has"
    return "look at one answer, with curl -i and the same headers"


def _thresholds(result: Result) -> list[str]:
    """Those that were broken first."""
    outcomes = sorted(result.assertions, key=lambda outcome: outcome.holds)
    return [f"{symbol('ok' if one.holds else 'bad')} {one.assertion.strip()}  {one.detail}" for one in outcomes]


def _round(rate: float) -> float:
    return round(rate) if rate >= 100 else rate


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %" if part < 1 else "all"


def _proof(proof: Proof, quiet: bool) -> list[str]:
    where = f"  {style(proof.declared_at, 'dim')}" if proof.declared_at else ""
    route = f"{proof.route}: " if proof.route else ""
    head = f"{symbol(_SIGNS[proof.verdict])} {route}{_VERDICTS[proof.verdict]}, {proof.policy} per {proof.key}{where}"
    if quiet:
        return [head]
    lines = [head, f"  {_counts(proof)}"] if proof.seconds else [head]
    checks = sorted(proof.checks, key=lambda check: _WORST_FIRST.index(check.verdict))
    width = max(len(check.name) for check in checks)
    lines += [f"  {symbol(_SIGNS[check.verdict])} {check.name:<{width}}  {check.detail}" for check in checks]
    return lines


def _counts(proof: Proof) -> str:
    seconds = f"{proof.seconds:.3g} s"
    bound = f"{int(proof.bound):,}"
    if " burst " in proof.policy:
        rate = proof.policy.partition(" ")[0]
        bound = f"{proof.at_once:,} + {rate} {terminal.symbol('times')} {seconds} = {bound}"
    return f"admitted {proof.admitted:,} of {proof.answered:,} in {seconds}    bound {bound}"


def _latencies(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = [("latency", "", "count", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")]
    for name, both in result.latency.items():
        if result.plan.model == "open":
            rows.append((_CLASSES[name], "response", *_row(both.response)))
            rows.append(("", "service", *_row(both.service)))
        else:
            rows.append((_CLASSES[name], "service", *_row(both.service)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        words = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
        figures = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        line = "  ".join([*words, *figures]).rstrip()
        lines.append(style(line, "dim") if number == 0 else line)
    if result.plan.model == "open":
        lines.append(style("response: from when a request was due; service: from when it was sent", "dim"))
    else:
        lines.append(style("closed model: a request is due when it is sent, so response latency is the same", "dim"))
    return ["", *lines] if len(rows) > 1 else []


def _row(latency: Latency) -> tuple[str, ...]:
    values = (latency.p50, latency.p90, latency.p95, latency.p99, latency.p99_9, latency.p99_99, latency.max)
    return (f"{latency.count:,}", *(duration(value / 1e9) for value in values))


def _figures(result: Result) -> list[str]:
    rate, requests, traffic = result.throughput, result.requests, result.traffic
    by_class = [(rate.allowed, "allowed"), (rate.limited, "refused"), (rate.failed, "failed")]
    speeds = ", ".join(f"{count(_round(value))}/s {name}" for value, name in by_class if value)
    rows = [("rate", speeds or "0/s"), *bench_history.rows(result.series, result.measured_s)]
    if result.statuses:
        rows.append(("status", ", ".join(f"{status}: {number:,}" for status, number in result.statuses.items())))
    for error in result.errors.values():
        detail = f" ({error.example})" if error.example and error.example != error.meaning else ""
        rows.append(("errors", f"{error.count:,} {error.meaning}{detail}"))
    if requests.unfinished:
        rows.append(("", f"{requests.unfinished:,} were under way when it was stopped"))
    if result.plan.model == "open":
        starts = f"{requests.late_starts:,} started over 2 ms late, {requests.not_started:,} not at all"
        rows.append(("starts", starts))
    rows.append(("bytes", f"{size(traffic.in_)} in, {size(traffic.out)} out"))
    if requests.answered:
        rows.append(("client", _client(result)))
    return [f"{name:<8}{value}" for name, value in rows]


def _client(result: Result) -> str:
    client = result.client
    busy = " and ".join(f"{100 * worker.cpu:.0f} %" for worker in client.workers[:4])
    busy += " …" if len(client.workers) > 4 else ""
    lag = max((worker.lag_p99_ns for worker in client.workers), default=0)
    in_flight = f"{client.mean_in_flight:,.0f}" if client.mean_in_flight >= 100 else f"{client.mean_in_flight:.3g}"
    trust = "trustworthy" if result.verdict.trustworthy else "not trustworthy"
    return (
        f"{in_flight} of {client.asked_in_flight:,} in flight on average, CPU {busy} "
        f"({duration(client.cpu_per_request_us / 1e6)} a request), loop lag p99 {duration(lag / 1e9)}: "
        f"{result.verdict.bound}, {trust}"
    )


def _next(result: Result) -> list[str]:
    requests = result.requests
    if requests.failed and requests.failed == requests.answered and not result.interrupted:
        return ["", f"nothing went well: {_cure(list(result.statuses))}"]
    if result.requests.limited and not result.limits:
        return ["", "prove the limit that refused them: the same command with --verify-limits"]
    if any(proof.verdict == "inconclusive" for proof in result.limits):
        return ["", "a longer --duration or a higher --concurrency lets more be proved"]
    return []
