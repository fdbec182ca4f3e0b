"""The proof of a quota, on a clock that can be moved: exactly so many, the next one not, and all again afterwards.

    move past the next boundary        a period of which nothing is used
    ask until a refusal that lasts     what other limits refuse for a while is waited for, on the moved clock
      to the period's end              counted: exactly N?
    move to just before the end        still refused?
    move past the end                  let through again?

Only a gateway of ours has such a clock (`apigw serve --test-clock`); without one nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from apigw_cli.bench.check import FAIL, INCONCLUSIVE, PASS, Check, verdict_of
from apigw_cli.bench.lone import Answer, Lone
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.proof import Proof
from apigw_cli.bench.retry_after import LIMITED, seconds_told
from apigw_cli.bench.running_gateway import NoClock
from apigw_cli.limits.quota import Calendar, Per

EXACT, WAIT, EARLY, RESET = "exactly", "Retry-After", "not before", "reset"
_SECONDS = 60.0  # for using one quota up
_BEFORE = 5  # seconds before a boundary at which all is still refused: more than the requests take
_SLACK = 2  # seconds that pass, and whole seconds that are rounded, between an answer and a look at the clock
_STUCK = 3  # refusals in a row though the clock was moved as told


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as declared: `limit` requests for each `key` in each calendar period."""

    limit: int
    per: Per
    key: str
    timezone: str
    offset: timedelta
    name: str
    place: str

    @property
    def policy(self) -> str:
        zone = f" in {self.timezone}" if self.timezone != "UTC" else ""
        late = f" from {self.offset} on" if self.offset else ""
        return f"{self.limit:,} per {self.per}{zone}{late}"

    def in_words(self) -> str:
        """`1,000 per day per api_key (specs/apigw.yaml:23)`"""
        return f"{self.policy} per {self.key}" + (f" ({self.place})" if self.place else "")

    def calendar(self) -> Calendar:
        return Calendar(self.per, self.timezone, self.offset)

    @property
    def length(self) -> int:
        """Days, about: for the order of proofs."""
        return {"day": 1, "week": 7, "month": 30}[self.per]


class Clock(Protocol):
    """A time that can be moved forward."""

    def advance(self, seconds: float) -> int:
        """Move it; UTC in seconds afterwards. Raises NoClock where it cannot be moved."""


def proved(
    quotas: Sequence[Quota], lone: Lone, clock: Clock | None, wait: float = 0.0, more: Sequence[Check] = ()
) -> list[Proof]:
    """A proof of each quota, shortest period first: what a longer one has left suffices for a shorter one.

    `wait`: seconds that a rate limit beside them may tell to wait. `more` checks stand with the first one.
    """
    found: list[Proof] = []
    for quota in sorted(quotas, key=lambda one: one.length):
        others = [one for one in quotas if one is not quota]
        proving = _Proving(quota, lone, wait, () if found else more, others)
        try:
            if clock is None:
                raise NoClock("its admin port is not known: --admin URL")
            proving.go(clock)
        except NoClock as error:
            proving.say(EXACT, INCONCLUSIVE, f"the gateway's clock cannot be moved: {error}")
        except OSError as error:
            proving.say(EXACT, INCONCLUSIVE, f"the connection broke: {error}")
        found.append(proving.proof())
    return found


class _Unclear(Exception):
    """Why nothing can be said."""


class _Proving:
    def __init__(self, quota: Quota, lone: Lone, wait: float, more: Sequence[Check], others: Sequence[Quota]) -> None:
        self._quota, self._lone, self._wait = quota, lone, wait
        self._calendar = quota.calendar()
        self._others = [one.calendar() for one in others]
        self._checks: list[Check] = list(more)
        self._passed = self._refused = 0

    def say(self, name: str, verdict: str, detail: str) -> None:
        self._checks.append(Check(name, verdict, detail))

    def proof(self) -> Proof:
        quota = self._quota
        return Proof(
            key=quota.key,
            policy=quota.policy,
            route=quota.name,
            declared_at=quota.place,
            verdict=verdict_of(self._checks),
            admitted=self._passed,
            refused=self._refused,
            answered=self._passed + self._refused,
            seconds=0.0,
            bound=float(quota.limit),
            checks=self._checks,
            at_once=quota.limit,
        )

    def go(self, clock: Clock) -> None:
        """Raises NoClock and OSError."""
        now = clock.advance(0)
        now = clock.advance(self._calendar.period(now)[1] - now + 1)
        end = self._calendar.period(now)[1]
        try:
            refusal = self._used_up(clock, end)
        except _Unclear as error:
            self.say(EXACT, INCONCLUSIVE, str(error))
            return
        limit = self._quota.limit
        if refusal is None:
            self.say(EXACT, FAIL, f"{self._passed:,} let through in one {self._quota.per}, {limit:,} may be")
            return
        if self._passed < limit and any(one.period(end - 1)[1] == end for one in self._others):
            words = f"another quota ends with this {self._quota.per}; it or this one refused after {self._passed:,}"
            self.say(EXACT, INCONCLUSIVE, words)
            return
        if self._passed < limit:
            self.say(EXACT, FAIL, f"refused until the {self._quota.per}'s end after {self._passed:,}, not {limit:,}")
        else:
            self.say(EXACT, PASS, f"{limit:,} let through in one {self._quota.per}, the next one refused")
        self._boundary(clock, end, refusal)

    def _ask(self) -> Answer:
        answer = self._lone.ask()
        if answer.status in (401, 403):
            raise _Unclear(f"the answers are {answer.status}: the caller is not let in")
        self._refused += answer.status == LIMITED
        self._passed += answer.status != LIMITED
        return answer

    def _used_up(self, clock: Clock, end: int) -> Answer | None:
        """Ask until the quota refuses. None: it has let more through than it may. Raises _Unclear, NoClock."""
        late = self._lone.now() + round(_SECONDS * SECOND)
        stuck = 0
        while self._passed <= self._quota.limit:
            if self._lone.now() > late:
                raise _Unclear(f"{self._quota.limit:,} are too many to ask for in {_SECONDS:g} s")
            answer = self._ask()
            if answer.status != LIMITED:
                stuck = 0
                continue
            told, left = seconds_told(answer), end - clock.advance(0)
            if told is None or (told > self._wait and self._lasts(told, left)):
                return answer
            if told > left:
                raise _Unclear(f"another limit refuses for {told:,} s, beyond the {self._quota.per}'s end")
            stuck += 1
            if stuck > _STUCK or told + _BEFORE >= left:
                raise _Unclear(f"another limit refuses, after {self._passed:,} of {self._quota.limit:,}")
            clock.advance(told)
        return None

    def _lasts(self, told: int, left: int) -> bool:
        """Whether a refusal is for the rest of the period."""
        return abs(told - left) <= _SLACK or (told > left and not self._others)

    def _boundary(self, clock: Clock, end: int, refusal: Answer) -> None:
        """What is told of the period's end, and whether it is kept to."""
        left, told = end - clock.advance(0), seconds_told(refusal)
        if told is None:
            self.say(WAIT, FAIL, "missing, or no time")
        elif abs(told - left) > _SLACK:
            self.say(WAIT, FAIL, f"{told:,} s were told, the {self._quota.per} ends in {left:,} s")
        else:
            self.say(WAIT, PASS, f"{told:,} s, to the {self._quota.per}'s end")
        if left > 2 * _BEFORE:
            left = end - clock.advance(left - _BEFORE)
            early = self._ask().status != LIMITED
            words = f"{'let through' if early else 'refused'} {left} s before the {self._quota.per}'s end"
            self.say(EARLY, FAIL if early else PASS, words)
        clock.advance(max(0, end - clock.advance(0)) + 1)
        again = self._ask().status != LIMITED
        self.say(RESET, PASS if again else FAIL, f"{'let through' if again else 'still refused'} after its end")
