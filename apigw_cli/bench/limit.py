"""The declared limit: from `--limit`, or from the route of the configuration."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from apigw_cli.bench.plan import Watch
from apigw_cli.config.values import parse_duration
from apigw_cli.errors import UsageError
from apigw_cli.limits import rate as rates
from apigw_cli.limits.rate import Rate

_SYNTAX = re.compile(
    r"(?P<rate>\S+)(\s+burst[ =](?P<burst>[0-9]{1,9}))?(\s+(?:per |key=)(?P<key>\S+))?(\s+clock=(?P<clock>\S+))?"
)
_KEY = re.compile(r"(api_key|ip|route|header:[!#$%&'*.^_`|~0-9A-Za-z-]+|claim:[^\s+]+)")
GRAIN = 5_000_000  # nanoseconds: nginx counts milliseconds, and looks at the clock once for each round of its loop
_FINEST, _COARSEST = 1_000_000, 100_000_000
_MOST_SLOTS = 1_000_000
MOST_EVENTS = 500_000


@dataclass(frozen=True, slots=True)
class Declared:
    """A limit as declared. `place` says where (file:line), `name` for which route; empty when from `--limit`.

    `partly` says why it only bounds what is admitted from above: then nothing is said about "never below".
    `tells`: refusals are declared to say when to come back; HTTP does not ask for that (RFC 6585, section 4).
    `counts_requests`: what headers say to remain are requests, not parts of their cost. `grain`: by how many
    nanoseconds the limiter's clock may be behind, since it counts in milliseconds, or looks at the time only now and
    then.
    """

    rate: Rate
    burst: int
    key: str
    name: str = ""
    place: str = ""
    partly: str = ""
    tells: bool = False
    counts_requests: bool = True
    grain: int = 0

    @property
    def most_at_once(self) -> Fraction:
        """The burst, and what a limiter may add whose clock is `grain` behind when a window begins."""
        return self.burst + self.rate.per_second * self.grain / 1_000_000_000

    @property
    def policy(self) -> str:
        return f"{self.rate} burst {self.burst}"

    def in_words(self) -> str:
        """`5/s burst 5 per api_key (specs/apigw.yaml:23)`"""
        return f"{self.policy} per {self.key}" + (f" ({self.place})" if self.place else "")

    @property
    def slot(self) -> int:
        """How finely refusals are noted, in nanoseconds: so that the bucket cannot fill up unnoticed."""
        if not self.rate.interval:
            return _COARSEST
        ideal = (self.burst - 1) * self.rate.interval // 2 if self.burst > 1 else self.rate.interval // 20
        return min(max(ideal, _FINEST), _COARSEST)

    def watch(self, workers: int) -> Watch:
        """What the workers must note for the proof."""
        return Watch(self.slot, _MOST_SLOTS, MOST_EVENTS // workers)


def parse(text: str) -> Declared:
    """`5/s burst 5 key=header:X-Api-Key`; without a burst as many as a second gives, without a key all together.

    The limiter is somebody else's, so its clock may be 5 ms behind; `clock=0ms` says otherwise.
    Raises UsageError with what is expected.
    """
    match = _SYNTAX.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--limit {text!r} is not a limit",
            hint="write it as '5/s burst 5 key=header:X-Api-Key'; keys: api_key, ip, route, header:NAME, claim:NAME",
        )
    key = match["key"] or "route"
    if not all(_KEY.fullmatch(part) for part in key.split("+")):
        raise UsageError(
            f"--limit: {key!r} is not a key", hint="api_key, ip, route, header:NAME, claim:NAME, or several joined by +"
        )
    try:
        rate = rates.parse(match["rate"])
        burst = match["burst"]
        grain = GRAIN if match["clock"] is None else round(parse_duration(match["clock"]) * 1_000_000_000)
        return Declared(rate, math.ceil(rate.per_second) if burst is None else int(burst), key, grain=grain)
    except ValueError as error:
        raise UsageError(f"--limit: {error}") from None


def check_key(declared: Declared, headers: list[tuple[str, str]]) -> None:
    """Raise UsageError where the limit counts by a header that the requests do not carry."""
    sent = {name.lower() for name, _ in headers}
    for part in declared.key.split("+"):
        kind, _, name = part.partition(":")
        if kind == "header" and name.lower() not in sent:
            raise UsageError(
                f"the limit counts by the header {name}, which the requests do not have", hint=f"add -H '{name}: …'"
            )
