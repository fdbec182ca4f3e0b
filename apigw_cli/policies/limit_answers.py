"""What answers say of limits: draft-ietf-httpapi-ratelimit-headers, the older X-RateLimit-*, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apigw_cli.limits.bucket import NEVER, Decision
from apigw_cli.policies.interface import Refusal

Said = tuple[str, str, int, int | None]  # headers (ietf, legacy, none), name, how many, in how many seconds
Told = Sequence[tuple[int, Decision]]  # the layers that applied, by number, and what each decided


def policy_item(name: str, size: int, seconds: int | None) -> bytes:
    """q is what is admitted at once, w the seconds in which it comes back; no w where it never does."""
    return b'"%b";q=%d' % (name.encode(), size) + (b";w=%d" % seconds if seconds is not None else b"")


def rest_item(name: bytes, decision: Decision) -> bytes:
    if decision.reset == NEVER:
        return b'"%b";r=%d' % (name, decision.remaining)
    return b'"%b";r=%d;t=%d' % (name, decision.remaining, decision.reset)


def writer(layers: Sequence[Said]) -> Callable[[Told], bytes]:
    """The function that makes an answer's header lines."""
    names = [name.encode() for _, name, _, _ in layers]
    ietf = {number for number, layer in enumerate(layers) if layer[0] == "ietf"}
    legacy = {number for number, layer in enumerate(layers) if layer[0] == "legacy"}
    items = [policy_item(name, size, seconds) for _, name, size, seconds in layers]

    def lines(told: Told) -> bytes:
        said = [(number, decision) for number, decision in told if number in ietf]
        found = b""
        if said:
            policy = b", ".join(items[number] for number, _ in said)
            rest = b", ".join(rest_item(names[number], decision) for number, decision in said)
            found = b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, rest)
        older = [(number, decision) for number, decision in told if number in legacy]
        if older:
            number, tightest = min(older, key=lambda one: (one[1].allowed, one[1].remaining))
            found += b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\n" % (layers[number][2], tightest.remaining)
            found += b"X-RateLimit-Reset: %d\r\n" % tightest.reset if tightest.reset != NEVER else b""
        return found

    return lines


def refusal(retry_after: int) -> Refusal:
    """429. A limit that never refills has no time to come back at, so none is promised."""
    return _REFUSALS.get(retry_after) or _refusal(retry_after)


def _refusal(retry_after: int) -> Refusal:
    headers = (b"Retry-After: %d\r\n" % retry_after,) if retry_after != NEVER else ()
    return Refusal(429, "Too Many Requests", headers, "rate_limited")


_REFUSALS = {seconds: _refusal(seconds) for seconds in (*range(1, 65), NEVER)}

TABLE_FULL = Refusal(429, "Too Many Requests", (b"Retry-After: 1\r\n",), "limiter_full")
UNAVAILABLE = Refusal(503, "the limiter is not available", (b"Retry-After: 1\r\n",), "limiter_unavailable")
BAD_COST = Refusal(400, "the header that says what this request costs holds no number", (), "malformed")


def quota_exceeded(retry_after: int) -> Refusal:
    """429 for the rest of the period."""
    headers = (b"Retry-After: %d\r\n" % retry_after,) if retry_after != NEVER else ()
    return Refusal(429, "Quota exceeded", headers, "quota_exceeded")


def key_missing(key: str) -> Refusal:
    """The request has not what it is counted by."""
    return Refusal(400, f"this request lacks what its limit counts by: {key}", (), "key_missing")
