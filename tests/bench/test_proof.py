"""The proof of limits, over real sockets: it holds for right limiters and names what is wrong with others."""

from __future__ import annotations

import pytest

from apigw_cli.bench.proof import Proof
from apigw_cli.errors import Exit
from tests.bench.running import talked
from tests.bench.server import (
    ADMITTED,
    HANG,
    REFUSED,
    Asked,
    Bucket,
    FixedWindow,
    Handler,
    PerWorker,
    Shared,
    answer,
    serving,
)

RATE, BURST = "50/s", 10
LIMIT = f"{RATE} burst {BURST}"


def proved(handler: Handler, limit: str = LIMIT, **options: object) -> tuple[Proof, Exit, list[str]]:
    """The proof, the exit code and the lines about the work."""
    wanted: dict[str, object] = {"duration": "600ms", "concurrency": 4} | options
    with serving(handler) as server:
        result, notes = talked(server.url, limit=limit, **wanted)
    return result.limits[0], result.exit_code, notes


def verdicts(proof: Proof) -> dict[str, str]:
    return {check.name: check.verdict for check in proof.checks}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_correct_limiter_holds_over_all_our_workers(workers: int) -> None:
    proof, code, notes = proved(Bucket(RATE, BURST), workers=workers)
    assert verdicts(proof) == {"never above": "pass", "never below": "pass", "Retry-After": "pass"}, proof
    assert (proof.verdict, code) == ("pass", Exit.OK)
    assert BURST + 10 <= proof.admitted <= proof.bound
    assert proof.admitted + proof.refused == proof.answered
    assert notes[0].endswith("declared 50/s burst 10 per route")


@pytest.mark.parametrize(
    ("handler", "check"),
    [
        (PerWorker(RATE, BURST), "never above"),
        (Bucket(RATE, BURST + 1), "never above"),
        (Bucket("65/s", BURST), "never above"),
        (Bucket("25/s", BURST), "never below"),
        (Shared(RATE, BURST), "never below"),
        (lambda asked: REFUSED, "never below"),
    ],
    ids=["a bucket in each process", "one too many", "too fast", "half the rate", "shared", "closed"],
)
def test_a_wrong_limiter_is_caught_with_its_counter_example(handler: Handler, check: str) -> None:
    proof, code, _ = proved(handler, duration="700ms")
    assert (proof.verdict, code) == ("fail", Exit.BLOCKED)
    assert verdicts(proof)[check] == "fail", proof
    window = next(one.window for one in proof.checks if one.name == check)
    assert window is not None
    assert (window.admitted > window.bound) == (check == "never above")
    assert 0 <= window.start_s < window.end_s


def test_the_burst_at_the_edge_of_a_fixed_window_is_caught() -> None:
    proof, code, _ = proved(FixedWindow(20), limit="20/s burst 20")
    assert (verdicts(proof)["never above"], code) == ("fail", Exit.BLOCKED)
    window = proof.checks[0].window
    assert window is not None
    assert window.end_s - window.start_s < 0.6
    assert window.admitted > 30  # 20 before the edge and 20 after it


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ((), "missing on"),
        (("Retry-After: 0",), "'0' on"),
        (("Retry-After: -1484742195",), "'-1484742195' on"),
        (("Retry-After: 0.4",), "'0.4' on"),
    ],
)
def test_a_retry_after_that_is_not_legal_is_caught(header: tuple[str, ...], words: str) -> None:
    bucket = Bucket(RATE, BURST)

    def wrong(asked: Asked) -> bytes:
        return ADMITTED if bucket(asked) == ADMITTED else answer(429, *header)

    proof, code, _ = proved(wrong, duration="200ms")
    assert code == Exit.BLOCKED
    check = next(one for one in proof.checks if one.name == "Retry-After")
    assert check.verdict == "fail"
    assert words in check.detail


def test_a_retry_after_may_be_a_date() -> None:
    bucket = Bucket(RATE, BURST)
    dated = answer(429, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT")
    proof, _, _ = proved(lambda asked: ADMITTED if bucket(asked) == ADMITTED else dated, duration="300ms")
    assert verdicts(proof)["Retry-After"] == "pass"


@pytest.mark.parametrize(
    ("handler", "options", "inconclusive"),
    [
        (lambda asked: answer(401), {}, {"never above", "never below", "Retry-After"}),
        (Bucket(RATE, BURST), {"rate": 10.0, "duration": "300ms"}, {"never above", "never below", "Retry-After"}),
        (Bucket(RATE, BURST), {"duration": "50ms"}, {"never below"}),
        (Bucket("50000/s", 2), {"limit": "50000/s burst 2", "duration": "100ms"}, {"never below"}),
    ],
    ids=["no key", "too little load", "too short", "too fine"],
)
def test_what_cannot_be_told_is_said_to_be_inconclusive(
    handler: Handler, options: dict[str, object], inconclusive: set[str]
) -> None:
    proof, code, _ = proved(handler, **options)
    found = verdicts(proof)
    assert inconclusive <= {name for name, verdict in found.items() if verdict == "inconclusive"}, proof
    assert "fail" not in found.values()
    assert (proof.verdict, code) == ("inconclusive", Exit.UNTRUSTWORTHY)


def test_a_limit_of_nothing_lets_nothing_through() -> None:
    proof, code, _ = proved(lambda asked: REFUSED, limit="0/s burst 0", duration="200ms")
    assert (proof.verdict, proof.bound, code) == ("pass", 0.0, Exit.OK)
    proof, code, _ = proved(lambda asked: ADMITTED, limit="0/s burst 0", duration="200ms")
    assert (proof.verdict, code) == ("fail", Exit.BLOCKED)


def test_answers_of_other_kinds_are_not_held_against_a_limiter() -> None:
    """An upstream that fails, or never answers, has used a token all the same."""
    bucket, number = Bucket(RATE, BURST), iter(range(10**9))

    def unlucky(asked: Asked) -> bytes:
        if bucket(asked) == REFUSED:
            return REFUSED
        return (ADMITTED, answer(502), HANG)[next(number) % 3]

    proof, _, _ = proved(unlucky, timeout="100ms", concurrency=8)
    assert verdicts(proof) == {"never above": "pass", "never below": "pass", "Retry-After": "pass"}, proof
