"""The declared limit: from `--limit`, or from the route of the configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from apigw_cli.bench.plan import SECOND, Watch
from apigw_cli.config.values import parse_duration
from apigw_cli.errors import UsageError
from apigw_cli.limits import rate as rates
from apigw_cli.limits.rate import SECONDS, Rate

BUCKET, LEAKY, FIXED, SLIDING = "token_bucket", "leaky", "fixed_window", "sliding_window"
_ALGORITHMS = {"gcra": BUCKET, BUCKET: BUCKET, LEAKY: LEAKY, FIXED: FIXED, SLIDING: SLIDING}
_SYNTAX = re.compile(
    r"(?P<rate>\S+)(\s+(?P<algorithm>gcra|token_bucket|leaky|fixed_window|sliding_window))?"
    r"(\s+burst[ =](?P<burst>[0-9]{1,9}))?(\s+delay[ =](?P<delay>[0-9]{1,9}))?"
    r"(\s+(?:per |key=)(?P<key>\S+))?(\s+clock=(?P<clock>\S+))?"
)
_AND = re.compile(r"\s+and\s+")
_KEY = re.compile(r"(api_key|ip|route|header:[!#$%&'*.^_`|~0-9A-Za-z-]+|claim:[^\s+]+)")
GRAIN = 5_000_000  # nanoseconds: nginx counts milliseconds, and looks at the clock once for each round of its loop
_FINEST, _COARSEST = 1_000_000, 100_000_000
_SLOTS_IN_WINDOW = 100
_MOST_SLOTS = 1_000_000
MOST_EVENTS = 500_000


@dataclass(frozen=True, slots=True)
class Declared:
    """A limit as declared, or one layer of it. `burst` is what it lets through at once, from rest: a leaky bucket's
    is one more than what is written, a window's the number that it holds.

    `place` says where (file:line), `name` for which route; empty when from `--limit`.
    `partly` says why it only bounds what is admitted from above: then nothing is said about "never below".
    `tells`: refusals are declared to say when to come back; HTTP does not ask for that (RFC 6585, section 4).
    `counts_requests`: what headers say to remain are requests, not parts of their cost. `grain`: by how many
    nanoseconds the limiter's clock may be behind, since it counts in milliseconds, or looks at the time only now and
    then. `beside`: other numbers that headers may tell, of quotas.
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
    algorithm: str = BUCKET
    beside: tuple[int, ...] = ()

    @property
    def is_window(self) -> bool:
        return self.algorithm in (FIXED, SLIDING)

    @property
    def length(self) -> int:
        """Nanoseconds of its window: the unit of its rate."""
        return SECONDS[self.rate.unit] * SECOND

    @property
    def most_at_once(self) -> Fraction:
        """The burst, and what a limiter may add whose clock is `grain` behind when a window begins.

        A sliding window counts the one before by the share of it that is not over, rounded down: one more.
        """
        more = 1 if self.algorithm == SLIDING else 0
        return self.burst + more + self.rate.per_second * self.grain / SECOND

    def most_in(self, length: int) -> Fraction:
        """What may be let through at the most in any time of so many nanoseconds."""
        if self.algorithm == FIXED:
            return Fraction(self.burst * ((length + self.grain) // self.length + 2))
        return self.most_at_once + self.rate.per_second * length / SECOND

    def back_in(self, length: int) -> Fraction:
        """What may come back at the most in so many nanoseconds."""
        if self.algorithm == FIXED:
            return Fraction(self.burst * ((length + self.grain) // self.length + 1))
        return self.rate.per_second * (length + self.grain) / SECOND + (self.algorithm == SLIDING)

    @property
    def rest(self) -> int:
        """Nanoseconds without a request after which all of the burst is there; 0 where it never comes back."""
        if self.is_window:
            return self.length * (2 if self.algorithm == SLIDING else 1)
        return self.burst * self.rate.interval

    @property
    def policy(self) -> str:
        if self.is_window:
            return f"{self.rate} {self.algorithm}"
        if self.algorithm == LEAKY:
            return f"{self.rate} leaky burst {self.burst - 1}"
        return f"{self.rate} burst {self.burst}"

    def in_words(self) -> str:
        """`5/s burst 5 per api_key (specs/apigw.yaml:23)`"""
        return f"{self.policy} per {self.key}" + (f" ({self.place})" if self.place else "")

    @property
    def slot(self) -> int:
        """How finely refusals are noted, in nanoseconds: so that the bucket cannot fill up unnoticed."""
        if not self.rate.interval:
            return _COARSEST
        if self.is_window:
            ideal = self.length // _SLOTS_IN_WINDOW
        else:
            ideal = (self.burst - 1) * self.rate.interval // 2 if self.burst > 1 else self.rate.interval // 20
        return min(max(ideal, _FINEST), _COARSEST)


def strictest_first(layers: Sequence[Declared]) -> tuple[Declared, ...]:
    """The layers by rate: the first one is met soonest, and speaks for what they decide together."""
    return tuple(sorted(layers, key=lambda layer: (layer.rate, layer.burst)))


def in_words(layers: Sequence[Declared]) -> str:
    return " and ".join(layer.in_words() for layer in layers)


def slot_of(layers: Sequence[Declared]) -> int:
    """How finely refusals are noted where these layers decide together."""
    return min(layer.slot for layer in layers)


def watch(layers: Sequence[Declared], workers: int) -> Watch:
    """What the workers must note for the proof."""
    return Watch(slot_of(layers), _MOST_SLOTS, MOST_EVENTS // workers)


def parse_all(text: str) -> tuple[Declared, ...]:
    """Layers joined by `and`: `10/s burst 10 and 100/m burst 100 key=header:X-Api-Key`, strictest first.

    A key or clock behind the last one holds for those that name none. Raises UsageError with what is expected.
    """
    parts = [part.strip() for part in _AND.split(text.strip())]
    last = _match(parts[-1])
    layers = [_layer(part, last["key"], last["clock"]) for part in parts]
    return strictest_first(layers)


def parse(text: str) -> Declared:
    """`5/s burst 5 key=header:X-Api-Key`; without a burst as many as a second gives, without a key all together.

    `20/s leaky burst 4`, `100/m fixed_window` and `100/m sliding_window` are counted otherwise.
    The limiter is somebody else's, so its clock may be 5 ms behind; `clock=0ms` says otherwise.
    Raises UsageError with what is expected.
    """
    return _layer(text.strip(), None, None)


def _match(text: str) -> re.Match[str]:
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--limit {text!r} is not a limit",
            hint="write it as '5/s burst 5 key=header:X-Api-Key', '100/m fixed_window' or '10/s burst 10 and 100/m'; "
            "keys: api_key, ip, route, header:NAME, claim:NAME",
        )
    return match


def _layer(text: str, key: str | None, clock: str | None) -> Declared:
    match = _match(text)
    key = match["key"] or key or "route"
    if not all(_KEY.fullmatch(part) for part in key.split("+")):
        raise UsageError(
            f"--limit: {key!r} is not a key", hint="api_key, ip, route, header:NAME, claim:NAME, or several joined by +"
        )
    clock = match["clock"] or clock
    try:
        rate = rates.parse(match["rate"])
        grain = GRAIN if clock is None else round(parse_duration(clock) * SECOND)
        algorithm = _ALGORITHMS[match["algorithm"] or BUCKET]
        return Declared(rate, _size(rate, algorithm, match), key, grain=grain, algorithm=algorithm)
    except ValueError as error:
        raise UsageError(f"--limit: {error}") from None


def _size(rate: Rate, algorithm: str, match: re.Match[str]) -> int:
    """What is let through at once from rest. Raises ValueError for words that do not go together."""
    written = match["burst"]
    if match["delay"] is not None and algorithm != LEAKY:
        raise ValueError("delay needs leaky")
    if algorithm in (FIXED, SLIDING):
        if written is not None:
            raise ValueError(f"a {algorithm} has no burst: it holds as many requests as the rate says")
        if rate.count.denominator != 1 or not rate.count:
            raise ValueError(f"a window holds a whole number of requests, at least 1, not {rate}")
        return int(rate.count)
    burst = math.ceil(rate.per_second) if written is None else int(written)
    return burst + 1 if algorithm == LEAKY else burst


def longest_wait(layers: Sequence[Declared]) -> float:
    """Seconds that one of these layers may tell to wait; who tells more is a quota beside them."""
    if not any(layer.beside for layer in layers):
        return math.inf
    waits = (layer.length if layer.is_window else layer.rate.interval for layer in layers)
    return max(math.ceil(wait / SECOND) + 1 for wait in waits)


def check_key(layers: Sequence[Declared], headers: Sequence[tuple[str, str]]) -> None:
    """Raise UsageError where a limit counts by a header that the requests do not carry."""
    sent = {name.lower() for name, _ in headers}
    for part in (part for layer in layers for part in layer.key.split("+")):
        kind, _, name = part.partition(":")
        if kind == "header" and name.lower() not in sent:
            raise UsageError(
                f"the limit counts by the header {name}, which the requests do not have", hint=f"add -H '{name}: …'"
            )
