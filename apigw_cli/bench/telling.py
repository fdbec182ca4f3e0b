"""The checks of what a limiter tells its clients: when to come back, and what is left."""

from __future__ import annotations

from collections.abc import Sequence

from apigw_cli.bench import limit_headers
from apigw_cli.bench.check import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, Check
from apigw_cli.bench.limit import Declared
from apigw_cli.bench.observed import Observed
from apigw_cli.bench.retry_after import Tried

RETRY_AFTER, HEADERS = "Retry-After", "headers"


def retry_after(layers: Sequence[Declared], observed: Observed, tried: Tried | None) -> Check:
    """Legal on every refusal, sufficient, and tight."""
    seen, refused = observed.seen, observed.refused
    if not refused:
        return Check(RETRY_AFTER, INCONCLUSIVE, "none was refused")
    missing = sum(one.without_retry_after for one in seen)
    if missing == refused and not any(layer.tells for layer in layers):
        return Check(RETRY_AFTER, NOT_APPLICABLE, "none is sent")
    if missing:
        return Check(RETRY_AFTER, FAIL, f"missing on {missing:,} of {refused:,} answers with 429")
    for one in seen:
        for text, count in one.bad_retry_after.items():
            words = f"{text!r} on {count:,} answers: a whole number of seconds, at least 1, or a date"
            return Check(RETRY_AFTER, FAIL, words)
    low = min((one.retry_after_low for one in seen if one.retry_after_low), default=0)
    high = max((one.retry_after_high for one in seen), default=0)
    values = "dates" if not high else f"{low} s" if low == high else f"{low} to {high} s"
    legal = f"on all {refused:,} refusals, legal ({values})"
    return Check(RETRY_AFTER, PASS, legal) if tried is None else _tried(legal, tried)


def _tried(legal: str, tried: Tried) -> Check:
    if tried.insufficient:
        times = tried.sufficient + len(tried.insufficient)
        detail = (
            f"too short: refused again after {tried.insufficient[0]:g} s, {len(tried.insufficient)} of {times} times"
        )
        return Check(RETRY_AFTER, FAIL, detail)
    if tried.too_long:
        words = f"too long: {tried.too_long[0]:g} s were asked for, {tried.too_long[0] - 1:g} s did"
        return Check(RETRY_AFTER, FAIL, words)
    if not tried.sufficient and tried.unclear:
        return Check(RETRY_AFTER, INCONCLUSIVE, f"{legal}; the client was too slow to try it a second early")
    if not tried.sufficient:
        return Check(RETRY_AFTER, PASS, f"{legal}; not tried: {tried.left}")
    tight = f", a second less refused {tried.tight} of {tried.tight} times" if tried.tight else ""
    return Check(RETRY_AFTER, PASS, f"{legal}, sufficient {tried.sufficient} of {tried.sufficient} times{tight}")


def headers(layers: Sequence[Declared], tried: Tried | None) -> Check:
    """Whether what headers say of the limit is the truth."""
    if tried is None or not tried.sequence:
        return Check(HEADERS, NOT_APPLICABLE, "nobody asked alone")
    costly = "" if all(layer.counts_requests for layer in layers) else "requests cost more than one"
    unclear = next((layer.partly for layer in layers if layer.partly), costly)
    if unclear:
        return Check(HEADERS, NOT_APPLICABLE, f"not checked: {unclear}")
    said = [limit_headers.told(answer.headers) for answer in tried.sequence]
    count = sum(one is not None for one in said)
    if not count:
        return Check(HEADERS, NOT_APPLICABLE, "none is sent")
    wrong = limit_headers.untruth(tried.sequence, layers)
    if wrong is not None:
        return Check(HEADERS, FAIL, wrong)
    return Check(HEADERS, PASS, f"true on {count:,} of {len(said):,} answers in a row")
