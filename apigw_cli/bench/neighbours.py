"""The checks of keys beside each other: a quiet one beside a noisy one, and several that all ask for too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from apigw_cli.bench import admission, windows
from apigw_cli.bench.check import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, Check
from apigw_cli.bench.crowd import LEAST, Asker, Pace
from apigw_cli.bench.limit import FIXED, Declared, longest_wait
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.observed import admitted_of
from apigw_cli.bench.owed import Owed, owed
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.quiet import LEAST_ASKED, Heard
from apigw_cli.bench.retry_after import LIMITED, seconds_told

ISOLATION, FAIRNESS = "isolation", "fairness"


def isolation(layers: Sequence[Declared], heard: Heard | None, refused: int) -> Check:
    """Whether a quiet key was refused."""
    if heard is None:
        return Check(ISOLATION, NOT_APPLICABLE, _nobody(layers))
    if heard.longest_told > longest_wait(layers):
        return Check(ISOLATION, NOT_APPLICABLE, "the quiet key used up a quota")
    if heard.refused:
        detail = (
            f"a quiet key was refused {heard.refused} of {heard.asked} times, at half of its rate, beside a noisy one"
        )
        return Check(ISOLATION, FAIL, detail)
    if heard.failed or heard.broken:
        why = heard.broken or "the answers were neither 2xx, 3xx nor 429"
        return Check(ISOLATION, NOT_APPLICABLE, f"the second key does not work: {why}")
    if heard.asked < LEAST_ASKED or not refused:
        return Check(ISOLATION, NOT_APPLICABLE, f"a quiet key asked only {heard.asked} times: use a longer --duration")
    return Check(ISOLATION, PASS, f"a quiet key was never refused in {heard.asked:,} requests beside a noisy one")


def _nobody(layers: Sequence[Declared]) -> str:
    shared = next((layer.key for layer in layers if layer.key in ("route", "ip")), None)
    if shared == "route":
        return "all share one bucket"
    if shared == "ip":
        return "it counts by address, and there is only one"
    return "there is no second key: --quiet-header 'Name: value' gives one"


def fairness(layers: Sequence[Declared], askers: Sequence[Asker] | str | None, pace: Pace | None) -> Check:
    """Whether each of several keys got what it is owed while all asked for more. `askers`: or why nobody asked."""
    if askers is None:
        return Check(FAIRNESS, NOT_APPLICABLE, _nobody(layers))
    if isinstance(askers, str):
        return Check(FAIRNESS, NOT_APPLICABLE, f"not tried: {askers}")
    broken = next((asker.broken for asker in askers if asker.broken), "")
    strange = any(not (200 <= one.status < 400 or one.status == LIMITED) for a in askers for one in a.answers)
    if broken or strange or len(askers) < LEAST or pace is None:
        why = broken or "the answers were neither 2xx, 3xx nor 429"
        return Check(FAIRNESS, NOT_APPLICABLE, f"the other keys do not work: {why}")
    told = max((seconds_told(one) or 0 for a in askers for one in a.answers if one.status == LIMITED), default=0)
    if told > longest_wait(layers):
        return Check(FAIRNESS, NOT_APPLICABLE, "a key used up a quota")
    return _judged(layers, askers, pace)


def _judged(layers: Sequence[Declared], askers: Sequence[Asker], pace: Pace) -> Check:
    counts = [_after_burst(asker.answers) for asker in askers]
    spread = f"{min(counts):,} to {max(counts):,}" if min(counts) != max(counts) else f"{counts[0]:,} each"
    words = (
        f"{len(askers)} keys that all asked for more for {pace.length / SECOND:.2g} s got {spread} after their bursts, "
        f"Jain's index {jain(counts):.3f}"
    )
    wrong = next((wrong for asker in askers for wrong in _wrongs(layers, asker, pace)), None)
    if wrong is not None:
        return Check(FAIRNESS, FAIL, f"{wrong}; {words}")
    if not all(_proves(asker) for asker in askers):
        return Check(FAIRNESS, INCONCLUSIVE, f"not every key was refused, so none is known to be owed more; {words}")
    return Check(FAIRNESS, PASS, words)


def _after_burst(answers: Sequence[Answer]) -> int:
    """How many were let through after the first refusal: before that a key gets what it had saved."""
    first = next((number for number, one in enumerate(answers) if one.status == LIMITED), len(answers))
    return sum(200 <= one.status < 400 for one in answers[first:])


def jain(counts: Sequence[int]) -> float:
    """Jain's fairness index: 1 where all have the same, 1/n where one has it all."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 1.0


def _proves(asker: Asker) -> bool:
    return sum(one.status == LIMITED for one in asker.answers) >= LEAST


def _wrongs(layers: Sequence[Declared], asker: Asker, pace: Pace) -> Iterator[str]:
    """What one key got too much or too little of."""
    for layer in layers:
        window = _fullest(layer, asker.answers)
        if window is not None and window.count > window.bound:
            may = f"in {window.seconds:.3g} s, {int(window.bound):,} may be"
            yield f"one key was let through {window.count:,} times {may}"
    if any(layer.partly for layer in layers):
        return
    if asker.fresh:
        yield from _less_than_fresh(layers, asker.answers)
    yield from _less_than_owed(layers, asker.answers, pace)


def _fullest(layer: Declared, answers: Sequence[Answer]) -> admission.Window | None:
    events = admitted_of(answers)
    if layer.algorithm == FIXED:
        return windows.fullest(events, (), 1, layer.burst, layer.length, layer.grain)
    return admission.tightest_window(events, layer.rate.per_second, layer.most_at_once)


def _less_than_fresh(layers: Sequence[Declared], answers: Sequence[Answer]) -> Iterator[str]:
    """A key that nobody has used begins with all that may be had at once, of every layer.

    By the first refusal it has had the least of these. What the other layers had more is still there then: of several
    buckets a slow one owes nothing less than the fast one's rate until that is used up. That is only claimed as long
    as no bucket can have filled up between two refusals.
    """
    size = min(layer.burst for layer in layers)
    grain = max(layer.grain for layer in layers)
    buckets = not any(layer.is_window for layer in layers)
    closest = min((layer.burst - 1) * layer.rate.interval for layer in layers)
    first = last = None
    passed = had = 0
    for answer in answers:
        passed += 200 <= answer.status < 400
        if answer.status != LIMITED:
            continue
        if first is None or last is None:
            first, had, least = answer, passed, Fraction(size)
        elif not buckets or answer.received - last.sent > closest:
            return
        else:
            elapsed = max(0, answer.sent - first.received - grain)
            left = (max(0, layer.burst - had) + elapsed / Fraction(layer.rate.interval + 1) for layer in layers)
            least = had + min(left) - 1
        last = answer
        if passed < least:
            yield f"one key, new, was refused after {passed:,} of {float(least):.4g} that it is owed"
            return


def _less_than_owed(layers: Sequence[Declared], answers: Sequence[Answer], pace: Pace) -> Iterator[str]:
    """From one refusal to another, with no longer without one in between than `owed` allows for."""
    slot = max(min(layer.slot for layer in layers), 2 * pace.pause)
    due = owed(layers, slot)
    first = last = None
    passed = 0
    for answer in answers:
        passed += 200 <= answer.status < 400
        if answer.status != LIMITED:
            continue
        if first is None or last is None or answer.received - last.sent > 2 * slot:
            first, passed = answer, 0
        last = answer
        wrong = _owes(first, last, passed, due)
        if wrong:
            yield wrong
            return


def _owes(first: Answer, last: Answer, passed: int, due: Owed) -> str:
    length = last.sent - first.received
    least = length / due.period - due.debt
    if passed >= least - 1e-6:
        return ""
    return f"one key got {passed:,} in {length / SECOND:.3g} s while it asked for more, at least {least:.4g} must be"
