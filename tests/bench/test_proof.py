"""The proof of limits, over real sockets: it holds for right limiters and names what is wrong with others."""

from __future__ import annotations

import re

import pytest

from apigw_cli.bench import proving
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
    Telling,
    answer,
    serving,
)

RATE, BURST = "50/s", 10
PROVED = {"never above": "pass", "never below": "pass", "algorithm": "pass", "Retry-After": "pass"}
UNTOLD = {"headers": "n/a", "isolation": "n/a", "fairness": "n/a"}
LIMIT = f"{RATE} burst {BURST}"


@pytest.fixture
def no_lone_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what Retry-After says: the load is what these tests are about."""
    monkeypatch.setattr(proving, "_LEAST", 0.0)


def proved(handler: Handler, limit: str = LIMIT, **options: object) -> tuple[Proof, Exit, list[str]]:
    """The proof, the exit code and the lines about the work."""
    wanted: dict[str, object] = {"duration": "900ms", "concurrency": 4} | options
    with serving(handler) as server:
        result, notes = talked(server.url, limit=limit, **wanted)
    return result.limits[0], result.exit_code, notes


def verdicts(proof: Proof) -> dict[str, str]:
    return {check.name: check.verdict for check in proof.checks}


@pytest.mark.usefixtures("no_lone_client")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_correct_limiter_holds_over_all_our_workers(workers: int) -> None:
    proof, code, notes = proved(Bucket(RATE, BURST), workers=workers)
    assert verdicts(proof) == PROVED | UNTOLD, proof
    assert (proof.verdict, code) == ("pass", Exit.OK)
    assert BURST + 10 <= proof.admitted <= proof.bound
    assert proof.admitted + proof.refused == proof.answered
    assert notes[0].endswith("declared 50/s burst 10 per route")


@pytest.mark.usefixtures("no_lone_client")
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
    proof, code, _ = proved(handler, duration="1s")
    assert (proof.verdict, code) == ("fail", Exit.BLOCKED)
    assert verdicts(proof)[check] == "fail", proof
    window = next(one.window for one in proof.checks if one.name == check)
    assert window is not None
    assert (window.admitted > window.bound) == (check == "never above")
    assert 0 <= window.start_s < window.end_s


@pytest.mark.usefixtures("no_lone_client")
def test_the_burst_at_the_edge_of_a_fixed_window_is_caught() -> None:
    proof, code, _ = proved(FixedWindow(20), limit="20/s burst 20")
    assert (verdicts(proof)["never above"], code) == ("fail", Exit.BLOCKED)
    window = proof.checks[0].window
    assert window is not None
    assert window.end_s - window.start_s < 0.6
    assert window.admitted > 30  # 20 before the edge and 20 after it
    words = next(one for one in proof.checks if one.name == "algorithm")
    assert (words.verdict, words.detail) == (
        "fail",
        "no token bucket; a fixed window of 20 in 1 s would look like this",
    )


@pytest.mark.usefixtures("no_lone_client")
@pytest.mark.parametrize(
    ("header", "words"),
    [
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


@pytest.mark.usefixtures("no_lone_client")
def test_a_retry_after_that_is_sent_only_sometimes_is_caught() -> None:
    bucket, number = Bucket(RATE, BURST), iter(range(10**9))

    def forgetful(asked: Asked) -> bytes:
        if bucket(asked) == ADMITTED:
            return ADMITTED
        return REFUSED if next(number) % 2 else answer(429)

    proof, code, _ = proved(forgetful, duration="200ms")
    assert code == Exit.BLOCKED
    assert check(proof, "Retry-After")[1].startswith("missing on")


@pytest.mark.usefixtures("no_lone_client")
def test_one_that_is_never_sent_is_no_fault_where_nobody_declared_it() -> None:
    bucket = Bucket(RATE, BURST)
    proof, code, _ = proved(lambda asked: ADMITTED if bucket(asked) == ADMITTED else answer(429))
    assert check(proof, "Retry-After") == ("n/a", "none is sent")
    assert code == Exit.OK


@pytest.mark.usefixtures("no_lone_client")
def test_a_retry_after_may_be_a_date() -> None:
    bucket = Bucket(RATE, BURST)
    dated = answer(429, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT")
    proof, _, _ = proved(lambda asked: ADMITTED if bucket(asked) == ADMITTED else dated, duration="300ms")
    assert verdicts(proof)["Retry-After"] == "pass"


@pytest.mark.usefixtures("no_lone_client")
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


@pytest.mark.usefixtures("no_lone_client")
def test_a_limit_of_nothing_lets_nothing_through() -> None:
    proof, code, _ = proved(lambda asked: REFUSED, limit="0/s burst 0", duration="200ms")
    assert (proof.verdict, proof.bound, code) == ("pass", 0.0, Exit.OK)
    proof, code, _ = proved(lambda asked: ADMITTED, limit="0/s burst 0", duration="200ms")
    assert (proof.verdict, code) == ("fail", Exit.BLOCKED)


@pytest.mark.usefixtures("no_lone_client")
def test_answers_of_other_kinds_are_not_held_against_a_limiter() -> None:
    """An upstream that fails, or never answers, has used a token all the same."""
    bucket, number = Bucket(RATE, BURST), iter(range(10**9))

    def unlucky(asked: Asked) -> bytes:
        if bucket(asked) == REFUSED:
            return REFUSED
        return (ADMITTED, answer(502), HANG)[next(number) % 3]

    proof, _, _ = proved(unlucky, timeout="100ms", concurrency=8)
    assert verdicts(proof) == PROVED | UNTOLD, proof


# --- a lone client, and a quiet key


def check(proof: Proof, name: str) -> tuple[str, str]:
    return next((one.verdict, one.detail) for one in proof.checks if one.name == name)


def test_what_a_right_limiter_tells_is_relied_on() -> None:
    proof, code, _ = proved(Telling("5/s", 5), "5/s burst 5", duration="2s")
    assert verdicts(proof) == PROVED | UNTOLD | {"headers": "pass"}, proof
    assert code == Exit.OK
    assert re.search(r"legal \(1 s\), sufficient [12] of [12] times", check(proof, "Retry-After")[1])
    assert re.search(r"true on \d+ of \d+ answers in a row", check(proof, "headers")[1])


@pytest.mark.parametrize(
    ("handler", "name", "words"),
    [
        (Telling("0.4/s", 3, retry_after="1"), "Retry-After", "too short: refused again after 1 s"),
        (Telling("2/s", 3, retry_after="3"), "Retry-After", "too long: 3 s were asked for, 2 s did"),
        (Telling("5/s", 5, lie=1), "headers", "remain"),
    ],
    ids=["too short", "the whole window", "one too many"],
)
def test_what_a_limiter_tells_wrongly_is_caught(handler: Telling, name: str, words: str) -> None:
    proof, code, _ = proved(handler, f"{handler.rate} burst {handler.burst}", duration="4s", rate=100.0)
    verdict, detail = check(proof, name)
    assert (verdict, code) == ("fail", Exit.BLOCKED), proof
    assert words in detail


LIMIT_BY_TENANT = "20/s burst 5 key=header:X-Tenant"


def test_a_quiet_key_does_not_suffer_where_keys_are_kept_apart() -> None:
    buckets: dict[str, Bucket] = {}

    def apart(asked: Asked) -> bytes:
        return buckets.setdefault(asked.headers["x-tenant"], Bucket("20/s", 5))(asked)

    proof, code, _ = proved(apart, LIMIT_BY_TENANT, duration="1s", headers=("X-Tenant: loud",))
    assert len(buckets) == 5  # a loud one, a quiet one, and three that are compared
    assert check(proof, "isolation")[0] == "pass", proof
    assert check(proof, "fairness")[0] == "pass", proof
    assert code == Exit.OK


def test_one_bucket_for_all_keys_is_caught() -> None:
    proof, code, _ = proved(Bucket("20/s", 5), LIMIT_BY_TENANT, duration="1s", headers=("X-Tenant: loud",))
    verdict, detail = check(proof, "isolation")
    assert (verdict, code) == ("fail", Exit.BLOCKED), proof
    assert detail.startswith("a quiet key was refused")
    assert check(proof, "fairness")[0] == "fail", proof


def test_credentials_are_not_made_up_but_taken() -> None:
    seen: set[str] = set()
    bucket = Bucket("20/s", 5)

    def notes(asked: Asked) -> bytes:
        seen.add(asked.headers["x-api-key"])
        return bucket(asked) if asked.headers["x-api-key"] == "mine" else ADMITTED

    wanted = {"duration": "1s", "headers": ("X-Api-Key: mine",)}
    proof, _, _ = proved(notes, "20/s burst 5 key=header:X-Api-Key", **wanted)
    assert (check(proof, "isolation")[0], seen) == ("n/a", {"mine"})
    wanted["quiet_headers"] = ("X-Api-Key: other",)
    proof, _, _ = proved(notes, "20/s burst 5 key=header:X-Api-Key", **wanted)
    assert (check(proof, "isolation")[0], seen) == ("pass", {"mine", "other"})


def test_a_second_key_that_is_not_known_tells_nothing() -> None:
    bucket = Bucket("20/s", 5)

    def only_mine(asked: Asked) -> bytes:
        return bucket(asked) if asked.headers["x-tenant"] == "mine" else answer(401)

    proof, code, _ = proved(only_mine, LIMIT_BY_TENANT, duration="1s", headers=("X-Tenant: mine",))
    assert check(proof, "isolation") == (
        "n/a",
        "the second key does not work: the answers were neither 2xx, 3xx nor 429",
    )
    assert code == Exit.OK
