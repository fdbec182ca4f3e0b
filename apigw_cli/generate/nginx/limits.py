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
from apigw_cli.policies.rate_limit import RateLimit

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

    @property
    def lines(self) -> list[str]:
        if not self.zone:
            return ["return 429;"]
        burst = f" burst={self.burst - 1}" if self.burst > 1 else ""  # nginx refuses burst=0, which is its default
        return [f"limit_req zone={self.zone}{burst} nodelay;"]


class Zones:
    """The shared memory zones: one for each rate and key, with the operation in the key, as our buckets are."""

    def __init__(self) -> None:
        self._names = Names("apigw_limit_")
        self._counted = Names("apigw_counted_")
        self._zones: dict[str, str] = {}
        self._maps: dict[str, Block] = {}

    def lines(self) -> list[str | Block]:
        return [*self._maps.values(), *self._zones.values()]

    def directives(self, value: RateLimit, caller: str | None) -> LimitDirectives:
        """The directives for one route; `caller` is the variable that names who calls, None where nobody is asked."""
        rate = parse(value.rate)
        window = f";w={max(1, math.ceil(value.size / rate.per_second))}" if rate.count and value.size else ""
        policy = f'"default";q={value.size}{window}'
        if not rate.count or not value.size:
            return LimitDirectives("", value.size, 0, policy)
        written = nearest(rate)
        counted = self._what(value.key, caller)
        name = f"{written.text.replace('/', '')}_{value.key}"
        zone = self._names.of((written.text, counted), name)
        self._zones[zone] = f'limit_req_zone "$apigw_operation {counted}" zone={zone}:{ZONE_SIZE} rate={written.text};'
        return LimitDirectives(zone, value.size, math.ceil(1 / written.kept), policy)

    def _what(self, key: str, caller: str | None) -> str:
        """The text that is counted apart. As in our limiter, a request without a key is counted by its address."""
        if key == "route":
            return "r"
        source = caller if key == "api_key" else header_variable(key.partition(":")[2]) if ":" in key else None
        if source is None:
            return "i$remote_addr"
        name = self._counted.of(source, source.removeprefix("$apigw_").removeprefix("$"))
        sign = "k" if key == "api_key" else "h"  # so that a header never meets an address with the same text
        self._maps[name] = Block(f"map {source} ${name}", ['"" "i$remote_addr";', f'default "{sign}{source}";'])
        return f"${name}"


def gaps(value: RateLimit) -> Iterator[str]:
    """What nginx does differently with one limit."""
    rate = parse(value.rate)
    header = value.key.removeprefix("header:")
    if header != value.key and header_variable(header) is None:
        yield f"nginx has no variable for the header {header}: callers are counted by address"
    if not rate.count or not value.size:
        if value.size:
            yield f"nginx has no limit that never refills ({rate} burst {value.size}): every request is refused"
        return
    written = nearest(rate)
    if written.kept > rate.per_second:
        yield f"nginx counts whole requests per second or minute: {rate} becomes {written.text}, which admits MORE"
    elif written.kept < rate.per_second:
        yield f"nginx rounds {rate} down to {float(written.kept):g}/s"
