"""The verdict on a declared limit: each check passes, fails with a counter-example, or is inconclusive."""

from __future__ import annotations

import math
from array import array

import msgspec

from apigw_cli.bench import admission, algorithm, limit_headers
from apigw_cli.bench.admission import Event, Window
from apigw_cli.bench.algorithm import Windowed
from apigw_cli.bench.limit import MOST_EVENTS, Declared
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.quiet import LEAST_ASKED, Heard
from apigw_cli.bench.retry_after import Tried
from apigw_cli.bench.tally import Seen, Tally

PASS, FAIL, INCONCLUSIVE, NOT_APPLICABLE = "pass", "fail", "inconclusive", "n/a"
_ENOUGH = 2  # tokens that must have come back under proved demand before "never below" says anything


class Example(msgspec.Struct, frozen=True):
    """A window of the run, in seconds from its beginning: `admitted` requests, where `bound` may (or must) be."""

    start_s: float
    end_s: float
    admitted: int
    bound: float


class Check(msgspec.Struct, frozen=True):
    """One check; `window` is the tightest one, or the counter-example."""

    name: str
    verdict: str
    detail: str
    window: Example | None = None


class Proof(msgspec.Struct, frozen=True):
    """What is proved about one limit. `admitted` of `answered` in `seconds`, where `bound` may be at the most."""

    key: str
    policy: str
    route: str
    declared_at: str
    verdict: str
    admitted: int
    refused: int
    answered: int
    seconds: float
    bound: float
    checks: list[Check]


def prove(declared: Declared, tallies: list[Tally], tried: Tried | None = None, heard: Heard | None = None) -> Proof:
    """Check what was noted against the declaration: by the workers, a lone client afterwards, a quiet key beside."""
    seen = [tally.seen for tally in tallies if tally.seen is not None]
    admitted = [event for one in seen for event in _events(one.admitted)]
    possible = admitted + [event for one in seen for event in _events(one.possible)]
    answered = sum(tally.answers for tally in tallies)
    refused = sum(one.refused for one in seen)
    overflow = any(one.overflow for one in seen)
    seconds = max((tally.elapsed for tally in tallies), default=0) / SECOND
    above = _never_above(declared, admitted, refused, overflow)
    below = _never_below(declared, possible, seen, overflow, answered / seconds if seconds else 0.0)
    checks = [
        above,
        below,
        _algorithm(declared, admitted, seen, overflow, (above.verdict, below.verdict)),
        _retry_after(declared, seen, refused, tried),
        _headers(declared, tried),
        _isolation(declared, heard, refused),
    ]
    verdicts = {check.verdict for check in checks}
    span = (max(r for _, r in admitted) - min(s for s, _ in admitted)) if admitted else 0
    return Proof(
        key=declared.key,
        policy=declared.policy,
        route=declared.name,
        declared_at=declared.place,
        verdict=FAIL if FAIL in verdicts else INCONCLUSIVE if INCONCLUSIVE in verdicts else PASS,
        admitted=len(admitted),
        refused=refused,
        answered=answered,
        seconds=seconds,
        bound=float(declared.burst + declared.rate.per_second * max(span, round(seconds * SECOND)) / SECOND),
        checks=checks,
    )


def _events(data: bytes) -> list[Event]:
    words = array("q", data)
    return list(zip(words[::2], words[1::2], strict=True))


def _example(window: Window) -> Example:
    return Example(window.start / SECOND, window.end / SECOND, window.count, float(window.bound))


def _never_above(declared: Declared, admitted: list[Event], refused: int, overflow: bool) -> Check:
    name = "never above"
    window = admission.tightest_window(admitted, declared.rate.per_second, declared.most_at_once)
    if window is not None and window.count > window.bound:
        length = f"{window.seconds:.3g} s"
        detail = (
            f"{window.count:,} let through in {length}, from {window.start / SECOND:.3f} s on; "
            f"{declared.burst} + {declared.rate} × {length}{_late(declared)} = {float(window.bound):.4g} may be"
        )
        return Check(name, FAIL, detail, _example(window))
    if overflow:
        return Check(name, INCONCLUSIVE, f"over {MOST_EVENTS:,} were let through: use a shorter --duration")
    if not refused:
        why = (
            "none was refused: send more, with --rate or --concurrency" if admitted else "no answer was 2xx, 3xx or 429"
        )
        return Check(name, INCONCLUSIVE, why)
    if window is None:
        verdict = PASS if declared.burst == 0 else INCONCLUSIVE
        return Check(name, verdict, "nothing was let through")
    detail = f"tightest window {window.count:,} let through of {int(window.bound):,} in {window.seconds:.3g} s"
    return Check(name, PASS, detail, _example(window))


def _late(declared: Declared) -> str:
    return f" (and {declared.grain / 1e6:g} ms of its clock)" if declared.grain else ""


def _never_below(declared: Declared, possible: list[Event], seen: list[Seen], overflow: bool, demand: float) -> Check:
    name, rate = "never below", declared.rate.per_second
    if not rate or not declared.burst:
        return Check(name, PASS, "nothing has to be let through")
    if declared.partly:
        return Check(name, INCONCLUSIVE, f"not checked: {declared.partly}")
    if overflow:
        return Check(name, INCONCLUSIVE, f"over {MOST_EVENTS:,} events: use a shorter --duration")
    loss = admission.loss_for(declared.slot, rate, declared.burst)
    if loss > declared.rate.interval:
        return Check(name, INCONCLUSIVE, "a bucket this small refills faster than requests can be told apart")
    slots = sorted({slot for one in seen for slot in one.slots})
    floor = admission.scarcest_window(possible, slots, declared.slot, rate, declared.burst)
    window = floor.window
    if window is not None and window.count < float(window.bound) - 1e-6:
        detail = (
            f"only {window.count:,} let through in {window.seconds:.3g} s, from {window.start / SECOND:.3f} s on, "
            f"while more was asked for all the time; at least {float(window.bound):.4g} must be"
        )
        return Check(name, FAIL, detail, _example(window))
    if floor.proved * rate < _ENOUGH * SECOND:
        return Check(name, INCONCLUSIVE, _too_little(floor.proved))
    longest = floor.longest
    assert longest is not None
    detail = (
        f"{longest.count:,} let through in {longest.seconds:.3g} s while {demand:,.0f}/s were asked for, "
        f"at least {math.ceil(longest.bound):,} must be"
    )
    return Check(name, PASS, detail, _example(longest))


def _too_little(proved: int) -> str:
    if not proved:
        return "demand above the rate is not proved at any time: send more, with --rate or --concurrency"
    return f"demand above the rate is proved for only {proved / SECOND:.3g} s at a time: use a longer --duration"


def _algorithm(
    declared: Declared, admitted: list[Event], seen: list[Seen], overflow: bool, bounds: tuple[str, str]
) -> Check:
    name, window = "algorithm", Windowed.of(declared.rate)
    if INCONCLUSIVE in bounds or overflow:
        return Check(name, NOT_APPLICABLE, "not to be told where the bounds are not proved")
    slots = sorted({slot for one in seen for slot in one.slots})
    fits = FAIL not in bounds
    if window is None:
        words = "fits a token bucket" if fits else "no token bucket"
    else:
        words = algorithm.in_words(algorithm.refuted(admitted, slots, declared.slot, window), window, bucket=fits)
    return Check(name, PASS if fits else FAIL, words)


def _retry_after(declared: Declared, seen: list[Seen], refused: int, tried: Tried | None) -> Check:
    name = "Retry-After"
    if not refused:
        return Check(name, INCONCLUSIVE, "none was refused")
    missing = sum(one.without_retry_after for one in seen)
    if missing == refused and not declared.tells:
        return Check(name, NOT_APPLICABLE, "none is sent")
    if missing:
        return Check(name, FAIL, f"missing on {missing:,} of {refused:,} answers with 429")
    for one in seen:
        for text, count in one.bad_retry_after.items():
            return Check(name, FAIL, f"{text!r} on {count:,} answers: a whole number of seconds, at least 1, or a date")
    low = min((one.retry_after_low for one in seen if one.retry_after_low), default=0)
    high = max((one.retry_after_high for one in seen), default=0)
    values = "dates" if not high else f"{low} s" if low == high else f"{low} to {high} s"
    legal = f"on all {refused:,} refusals, legal ({values})"
    return Check(name, PASS, legal) if tried is None else _tried(name, legal, tried)


def _tried(name: str, legal: str, tried: Tried) -> Check:
    if tried.insufficient:
        times = tried.sufficient + len(tried.insufficient)
        detail = (
            f"too short: refused again after {tried.insufficient[0]:g} s, {len(tried.insufficient)} of {times} times"
        )
        return Check(name, FAIL, detail)
    if tried.too_long:
        return Check(name, FAIL, f"too long: {tried.too_long[0]:g} s were asked for, {tried.too_long[0] - 1:g} s did")
    if not tried.sufficient:
        return Check(name, PASS, f"{legal}; not tried: {tried.left}")
    tight = f", a second less refused {tried.tight} of {tried.tight} times" if tried.tight else ""
    return Check(name, PASS, f"{legal}, sufficient {tried.sufficient} of {tried.sufficient} times{tight}")


def _headers(declared: Declared, tried: Tried | None) -> Check:
    name = "headers"
    if tried is None or not tried.sequence:
        return Check(name, NOT_APPLICABLE, "nobody asked alone")
    if declared.partly or not declared.counts_requests:
        return Check(name, NOT_APPLICABLE, f"not checked: {declared.partly or 'requests cost more than one'}")
    said = [limit_headers.told(answer.headers) for answer in tried.sequence]
    count = sum(one is not None for one in said)
    if not count:
        return Check(name, NOT_APPLICABLE, "none is sent")
    wrong = limit_headers.untruth(tried.sequence, declared)
    if wrong is not None:
        return Check(name, FAIL, wrong)
    return Check(name, PASS, f"true on {count:,} of {len(said):,} answers in a row")


def _isolation(declared: Declared, heard: Heard | None, refused: int) -> Check:
    name = "isolation"
    if heard is None:
        shared = declared.key == "route"
        why = "all share one bucket" if shared else "there is no second key: --quiet-header 'Name: value' gives one"
        return Check(name, NOT_APPLICABLE, why)
    if heard.refused:
        detail = (
            f"a quiet key was refused {heard.refused} of {heard.asked} times, at half of its rate, beside a noisy one"
        )
        return Check(name, FAIL, detail)
    if heard.failed or heard.broken:
        why = heard.broken or "the answers were neither 2xx, 3xx nor 429"
        return Check(name, NOT_APPLICABLE, f"the second key does not work: {why}")
    if heard.asked < LEAST_ASKED or not refused:
        return Check(name, NOT_APPLICABLE, f"a quiet key asked only {heard.asked} times: use a longer --duration")
    return Check(name, PASS, f"a quiet key was never refused in {heard.asked:,} requests beside a noisy one")
