"""Rate limits in nginx terms.

nginx's limit_req is a leaky bucket used as a meter; with `nodelay` it admits what a token bucket of size burst+1
admits, so our burst is written less one. Its rates are whole requests per second or per minute, which it turns
into thousandths of a request per second, rounded down (ngx_http_limit_req_module).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from apigw_cli.generate.nginx.words import Block, Names, header_variable
from apigw_cli.limits.rate import Rate, parse
from apigw_cli.policies.limit_layer import RateLimit

ZONE_SIZE = "10m"  # about 80,000 keys of up to 64 bytes
_UNITS = (("r/s", 1), ("r/m", 60))


@dataclass(frozen=True, slots=True)
class NginxRate:
    """A rate as nginx writes it, and the rate per second that it then keeps."""

    text: str
    kept: Fraction


def nearest(rate: Rate) -> NginxRate:
    """The highest rate of nginx that is not above `rate`; its lowest one where all of them are."""
    choices = []
    for unit, seconds in _UNITS:
        count = max(1, math.floor(rate.per_second * seconds))
        choices.append(NginxRate(f"{count}{unit}", Fraction(count * 1000 // seconds, 1000)))
    fitting = [choice for choice in choices if choice.kept <= rate.per_second]
    return max(fitting, key=lambda choice: choice.kept) if fitting else choices[-1]


@dataclass(frozen=True, slots=True)
class LimitDirectives:
    """One route's limit: the values for its location. `zone` empty: nothing is admitted."""

    zone: str
    burst: int
    retry_after: int  # seconds after which one more is surely admitted
    policy: str  # value of the RateLimit-Policy header
    delay: int | None = None  # of the burst so many are not delayed; None: none is

    @property
    def lines(self) -> list[str]:
        if not self.zone:
            return ["return 429;"]
        burst = f" burst={self.burst - 1}" if self.burst > 1 else ""  # nginx refuses burst=0, which is its default
        delay = " nodelay" if self.delay is None else f" delay={self.delay}" if self.delay else ""
        return [f"limit_req zone={self.zone}{burst}{delay};"]


class Zones:
    """The shared memory zones: one for each rate and key, with the operation in the key, as our buckets are."""

    def __init__(self) -> None:
        self._names = Names("apigw_limit_")
        self._counted = Names("apigw_counted_")
        self._zones: dict[str, str] = {}
        self._maps: dict[str, Block] = {}

    def lines(self) -> list[str | Block]:
        return [*self._maps.values(), *self._zones.values()]

    def directives(self, value: RateLimit, caller: str | None, title: str = "default") -> LimitDirectives:
        """The directives for one layer; `caller` is the variable that names who calls, None where nobody is asked."""
        rate = parse(value.rate)
        window = f";w={value.seconds}" if value.seconds else ""
        policy = f'"{title}";q={value.size}{window}' if value.headers == "ietf" else ""
        if not rate.count or not value.size:
            return LimitDirectives("", value.size, 0, policy)
        written = nearest(rate)
        counted = self._what(value.key, caller)
        name = f"{written.text.replace('/', '')}_{value.key}"
        owner = {"route": "$apigw_operation ", "api": "$apigw_api ", "gateway": ""}[value.scope]
        zone = self._names.of((written.text, owner, counted), name)
        self._zones[zone] = f'limit_req_zone "{owner}{counted}" zone={zone}:{ZONE_SIZE} rate={written.text};'
        return LimitDirectives(zone, value.size, math.ceil(1 / written.kept), policy, value.delay)

    def _what(self, key: str, caller: str | None) -> str:
        """The text that is counted apart. As in our limiter, a request without a key is counted by its address."""
        return "|".join(self._part(part, caller) for part in key.split("+"))

    def _part(self, key: str, caller: str | None) -> str:
        if key == "route":
            return "r"
        source = caller if key == "api_key" else _variable(key)
        if source is None:
            return "i$remote_addr"
        name = self._counted.of(source, source.removeprefix("$apigw_").removeprefix("$"))
        sign = "k" if key == "api_key" else "h"  # so that a header never meets an address with the same text
        self._maps[name] = Block(f"map {source} ${name}", ['"" "i$remote_addr";', f'default "{sign}{source}";'])
        return f"${name}"


def _variable(key: str) -> str | None:
    return header_variable(key.removeprefix("header:")) if key.startswith("header:") else None


def gaps(value: RateLimit) -> Iterator[str]:
    """What nginx does differently with one limit."""
    rate = parse(value.rate)
    for part in value.key.split("+"):
        if part.startswith("claim:") or (part.startswith("header:") and _variable(part) is None):
            yield f"nginx has no variable for the {part.replace(':', ' ')}: callers are counted by address"
    yield from _differences(value)
    if not rate.count or not value.size:
        if value.size:
            yield f"nginx has no limit that never refills ({rate} burst {value.size}): every request is refused"
        return
    written = nearest(rate)
    if written.kept > rate.per_second:
        yield f"nginx counts whole requests per second or minute: {rate} becomes {written.text}, which admits MORE"
    elif written.kept < rate.per_second:
        yield f"nginx rounds {rate} down to {float(written.kept):g}/s"


def _differences(value: RateLimit) -> Iterator[str]:
    if value.is_window:
        yield f"nginx has no {value.algorithm.replace('_', ' ')}: a bucket of that size and rate takes its place"
    if value.cost != 1:
        yield f"nginx counts every request as one, not as {value.cost}"
    if value.missing != "anonymous":
        yield f"nginx counts callers without {value.key} by address (missing: {value.missing})"
    if value.headers == "legacy":
        yield "nginx sends no X-RateLimit headers"
    if "ip" in value.key.split("+") and value.ipv6_prefix < 128:
        yield f"nginx counts IPv6 clients by their whole address, not by /{value.ipv6_prefix}"
