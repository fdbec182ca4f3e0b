"""The checks of what is let through: never more than declared, never less, and by which algorithm."""

from __future__ import annotations

import math
from collections.abc import Sequence

from apigw_cli.bench import admission, algorithm, windows
from apigw_cli.bench.admission import Window
from apigw_cli.bench.algorithm import Windowed
from apigw_cli.bench.check import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, Check, Example
from apigw_cli.bench.limit import FIXED, MOST_EVENTS, Declared, longest_wait
from apigw_cli.bench.observed import Observed, admitted_of
from apigw_cli.bench.owed import apart, owed
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.retry_after import Tried

ABOVE, BELOW, ALGORITHM = "never above", "never below", "algorithm"
_ENOUGH = 2  # requests that must have come back under proved demand before "never below" says anything


def never_above(declared: Declared, seen: Observed, tried: Tried | None, *, alone: bool) -> Check:
    """Whether one layer let too much through; `alone`: there is no other layer that refuses."""
    window = _fullest(declared, seen, alone=alone)
    if window is not None and window.count > window.bound:
        return Check(ABOVE, FAIL, _too_much(declared, window, ""), Example.of(window))
    late = _late_window(declared, tried)
    if late is not None and late.count > late.bound:
        return Check(ABOVE, FAIL, _too_much(declared, late, " of a lone client's requests"))
    if seen.overflow:
        return Check(ABOVE, INCONCLUSIVE, f"over {MOST_EVENTS:,} were let through: use a shorter --duration")
    if not seen.refused:
        none = "none was refused: send more, with --rate or --concurrency"
        return Check(ABOVE, INCONCLUSIVE, none if seen.admitted else "no answer was 2xx, 3xx or 429")
    if window is None:
        return Check(ABOVE, INCONCLUSIVE if declared.burst else PASS, "nothing was let through")
    detail = f"tightest window {window.count:,} let through of {int(window.bound):,} in {window.seconds:.3g} s"
    return Check(ABOVE, PASS, detail, Example.of(window))


def _fullest(declared: Declared, seen: Observed, *, alone: bool) -> Window | None:
    if declared.algorithm != FIXED:
        return admission.tightest_window(seen.admitted, declared.rate.per_second, declared.most_at_once)
    refusals = seen.slots if alone else ()
    return windows.fullest(seen.admitted, refusals, seen.slot, declared.burst, declared.length, declared.grain)


def _late_window(declared: Declared, tried: Tried | None) -> Window | None:
    """The same of the requests of a lone client, whose times are surer."""
    events = admitted_of(tried.sequence) if tried is not None else []
    if declared.algorithm == FIXED:
        return windows.fullest(events, (), 1, declared.burst, declared.length, declared.grain)
    return admission.tightest_window(events, declared.rate.per_second, declared.most_at_once)


def _too_much(declared: Declared, window: Window, whose: str) -> str:
    length = f"{window.seconds:.3g} s"
    grain = f" (and {declared.grain / 1e6:g} ms of its clock)" if declared.grain else ""
    if declared.algorithm == FIXED:
        may = f"{declared.burst} a window{grain}, {int(window.bound):,} there"
    else:
        size = declared.most_at_once - declared.rate.per_second * declared.grain / SECOND
        may = f"{size} + {declared.rate} × {length}{grain} = {float(window.bound):.4g}"
    return f"{window.count:,}{whose} let through in {length}, from {window.start / SECOND:.3f} s on; {may} may be"


def never_below(layers: Sequence[Declared], seen: Observed, tried: Tried | None) -> Check:
    """Whether the layers together let too little through."""
    told = max((one.retry_after_high for one in seen.seen), default=0)
    if told > longest_wait(layers):
        return Check(BELOW, INCONCLUSIVE, f"a quota was used up: to wait {told:,} s was told")
    if any(not layer.rate.interval or not layer.burst for layer in layers):
        return Check(BELOW, PASS, "nothing has to be let through")
    partly = next((layer.partly for layer in layers if layer.partly), "")
    if partly:
        return Check(BELOW, INCONCLUSIVE, f"not checked: {partly}")
    if seen.overflow:
        return Check(BELOW, INCONCLUSIVE, f"over {MOST_EVENTS:,} events: use a shorter --duration")
    rested, found = _rested(layers, tried), _while_refused(layers, seen)
    if rested is None or found.verdict == FAIL:
        return found
    if rested.verdict != PASS and (rested.verdict == FAIL or found.verdict == PASS):
        return rested
    if found.verdict != PASS:
        return found
    return Check(BELOW, PASS, f"{found.detail}; {rested.detail}", found.window)


def _rested(layers: Sequence[Declared], tried: Tried | None) -> Check | None:
    """Whether all of the burst is there after a rest; None where that was not tried."""
    if tried is not None and tried.too_slow:
        return Check(BELOW, INCONCLUSIVE, "the client was too slow to tell what is there at once after a rest")
    if tried is None or tried.rested is None:
        return None
    size = min(layer.burst for layer in layers)
    rest = f"{max(layer.rest for layer in layers) / SECOND:.3g} s"
    if tried.rested < size:
        return Check(BELOW, FAIL, f"only {tried.rested} of {size} let through at once after a rest of {rest}")
    return Check(BELOW, PASS, f"{size} of {size} at once after a rest of {rest}")


def _while_refused(layers: Sequence[Declared], seen: Observed) -> Check:
    """What came through while others were refused all the time, which proves that more was asked for."""
    step = admission.widest_step(seen.slots, apart(layers, seen.slot))
    due = owed(layers, seen.slot * (step + 1) // 2)
    interval = max(layer.rate.interval for layer in layers)
    if due.period > 2 * interval + 1:
        return Check(BELOW, INCONCLUSIVE, "a bucket this small refills faster than requests can be told apart")
    floor = admission.scarcest_window(seen.possible, seen.slots, seen.slot, due, step)
    worst, longest = floor.window, floor.longest
    if len(layers) == 1 and layers[0].algorithm == FIXED:
        one = layers[0]
        least = windows.emptiest(seen.possible, seen.slots, seen.slot, one.burst, one.length, step)
        if least is not None:
            worst = longest = least
    if worst is not None and worst.count < float(worst.bound) - 1e-6:
        detail = (
            f"only {worst.count:,} let through in {worst.seconds:.3g} s, from {worst.start / SECOND:.3f} s on, "
            f"while more was asked for all the time; at least {float(worst.bound):.4g} must be"
        )
        return Check(BELOW, FAIL, detail, Example.of(worst))
    if longest is None or floor.proved < _least_proved(layers, seen.slot, due.period) or longest.bound <= 0:
        return Check(BELOW, INCONCLUSIVE, _too_little(floor.proved))
    detail = (
        f"{longest.count:,} let through in {longest.seconds:.3g} s while {seen.demand:,.0f}/s were asked for, "
        f"at least {math.ceil(longest.bound):,} must be"
    )
    return Check(BELOW, PASS, detail, Example.of(longest))


def _least_proved(layers: Sequence[Declared], slot: int, period: float) -> float:
    """Nanoseconds of proved demand from which on half of the rate would be seen to be too little.

    A bucket of half the rate shows one more, and what comes in the slots at both ends. Windows show theirs at once
    after a rest.
    """
    if any(layer.is_window for layer in layers):
        return _ENOUGH * period
    return 2 * _ENOUGH * period + 2 * slot


def _too_little(proved: int) -> str:
    if not proved:
        return "demand above the rate is not proved at any time: send more, with --rate or --concurrency"
    return f"demand above the rate is proved for only {proved / SECOND:.3g} s at a time: use a longer --duration"


def which_algorithm(layers: Sequence[Declared], seen: Observed, bounds: Sequence[Check]) -> Check:
    """What the admissions fit, and what they refute."""
    if len(layers) > 1:
        return Check(ALGORITHM, NOT_APPLICABLE, "several layers decide together")
    if any(check.verdict == INCONCLUSIVE for check in bounds) or seen.overflow:
        return Check(ALGORITHM, NOT_APPLICABLE, "not to be told where the bounds are not proved")
    (declared,) = layers
    fits = all(check.verdict == PASS for check in bounds)
    window = Windowed.of(declared.rate)
    others = set() if window is None else algorithm.refuted(seen.admitted, seen.slots, seen.slot, window)
    most = algorithm.most_within(seen.admitted, declared.length) if window is not None else 0
    words = algorithm.in_words(declared.algorithm, others, window, most, fits=fits)
    return Check(ALGORITHM, PASS if fits else FAIL, words)
