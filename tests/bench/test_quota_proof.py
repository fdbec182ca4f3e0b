"""The proof of quotas: on a clock of the test against gateways right and wrong, and without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apigw_cli.bench import quota_proof
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.quota_proof import Quota
from apigw_cli.bench.running_gateway import Admin, NoClock
from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import Limit, take
from apigw_cli.limits.quota import Calendar, Per, moment
from apigw_cli.limits.quota import Quota as Counter
from tests.bench.server import answer, serving

NOON = int(datetime(2026, 2, 27, 12, tzinfo=UTC).timestamp())


class Gateway:
    """A gateway and its clock: quotas, and a rate beside them. `early`: by how many seconds
    they reset too soon; `told`: what refusals say, whatever is true."""

    def __init__(self, *quotas: tuple[int, Per], rate: str = "1000/s", early: int = 0, told: int | None = None) -> None:
        self._counters = [Counter(f"{limit} {per}", limit, per) for limit, per in quotas]
        self._tats = [0] * len(quotas)
        self._bucket, self._tat = Limit("rate", rates.parse(rate), 3), 0
        self._early, self._told = early, told
        self._now = NOON * SECOND
        self._real = 0

    def advance(self, seconds: float) -> int:
        self._now += round(seconds * SECOND)
        return self._now // SECOND

    def now(self) -> int:
        return self._real

    def wait_until(self, moment: int) -> None:
        raise AssertionError("nobody waits where the clock can be moved")

    def ask(self) -> Answer:
        self._now += 1_000_000
        self._real += 1_000_000
        self._tat, decision = take(self._bucket, self._tat, self._now)
        if not decision.allowed:
            return self._answer(429, decision.retry_after)
        seconds = self._now // SECOND + self._early
        asked = [counter.ask(tat, moment(seconds), 1) for counter, tat in zip(self._counters, self._tats, strict=True)]
        if all(one.allowed for _, one in asked):
            self._tats = [tat for tat, _ in asked]
            return self._answer(200, 0)
        wait = max(one.retry_after for _, one in asked if not one.allowed)
        return self._answer(429, wait if self._told is None else self._told)

    def _answer(self, status: int, wait: int) -> Answer:
        return Answer(self._now, self._now + 1, status, {"retry-after": str(wait)} if wait else {})


def quota(limit: int, per: Per) -> Quota:
    return Quota(limit, per, "api_key", "UTC", timedelta(), "listPets", "apigw.yaml:7")


def checks(gateway: Gateway, *quotas: Quota) -> list[dict[str, str]]:
    proofs = quota_proof.proved(quotas, gateway, gateway)
    return [{check.name: check.verdict for check in proof.checks} for proof in proofs]


PROVED = {"exactly": "pass", "Retry-After": "pass", "not before": "pass", "reset": "pass"}


@pytest.mark.parametrize("per", ["day", "week", "month"])
def test_a_right_quota_holds_beside_a_rate_limit(per: Per) -> None:
    assert checks(Gateway((40, per), rate="2/s"), quota(40, per)) == [PROVED]


def test_of_several_each_is_proved_the_shortest_first() -> None:
    gateway = Gateway((10, "day"), (35, "month"))
    proofs = quota_proof.proved([quota(35, "month"), quota(10, "day")], gateway, gateway)
    assert [proof.policy for proof in proofs] == ["10 per day", "35 per month"]
    assert [proof.verdict for proof in proofs] == ["pass", "pass"]
    assert [proof.admitted for proof in proofs] == [11, 36]  # the last one after the reset


@pytest.mark.parametrize(
    ("gateway", "check", "words"),
    [
        (Gateway((41, "day")), "exactly", "41 let through in one day, 40 may be"),
        (Gateway((39, "day")), "exactly", "refused until the day's end after 39, not 40"),
        (Gateway((40, "day"), early=3600), "exactly", "41 let through in one day, 40 may be"),
        (Gateway((40, "day"), early=3600, told=86_398), "not before", "let through 5 s before the day's end"),
        (Gateway((40, "day"), early=-3600), "exactly", "41 let through in one day, 40 may be"),
        (Gateway((40, "week")), "reset", "still refused after its end"),
    ],
    ids=["one too many", "one too few", "an hour early", "an hour early, not told", "an hour late", "by the week"],
)
def test_a_wrong_quota_is_caught(gateway: Gateway, check: str, words: str) -> None:
    (proof,) = quota_proof.proved([quota(40, "day")], gateway, gateway)
    assert proof.verdict == "fail"
    assert (check, "fail", words) in [(one.name, one.verdict, one.detail) for one in proof.checks]


def test_a_wait_that_is_longer_than_the_period_is_caught() -> None:
    found = checks(Gateway((40, "day"), told=9_999_999), quota(40, "day"))
    assert found == [PROVED | {"Retry-After": "fail"}]


@pytest.mark.parametrize(
    ("gateway", "quotas", "words"),
    [
        (Gateway((40, "day"), rate="1/h"), [quota(40, "day")], "another limit refuses"),
        (
            Gateway((10, "day"), (5, "month")),
            [quota(10, "day"), quota(5, "month")],
            "another quota ends with this day; it or this one refused after 5",
        ),
        (Gateway((40, "day"), told=1), [quota(40, "day")], "another limit refuses, after 40 of 40"),
    ],
)
def test_what_cannot_be_told_is_inconclusive(gateway: Gateway, quotas: list[Quota], words: str) -> None:
    proof = quota_proof.proved(quotas, gateway, gateway, 3601)[0]
    assert proof.verdict == "inconclusive"
    assert words in proof.checks[0].detail


def test_without_a_clock_nothing_is_claimed() -> None:
    gateway = Gateway((40, "day"))
    (proof,) = quota_proof.proved([quota(40, "day")], gateway, None)
    assert (proof.verdict, proof.admitted) == ("inconclusive", 0)
    refusal = answer(422, body=b'{"message": "this gateway goes by the machine\'s time", "hint": "--test-clock"}')
    with serving(lambda asked: refusal) as server, pytest.raises(NoClock, match="the machine's time; --test-clock"):
        Admin(server.url).advance(0)


def test_a_day_with_a_change_of_the_clocks() -> None:
    march = int(datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp())
    start, end = Calendar("day", "Europe/Berlin", timedelta()).period(march + 86_400)
    assert end - start == 23 * 3600
