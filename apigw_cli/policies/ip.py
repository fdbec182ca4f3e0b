"""`ip`: which addresses may call. What `deny` names is refused, what `allow` does not name as well, where it names any.

The address is the client's as the gateway has settled it: behind trusted proxies the one that they name. A client of
a Unix socket has none and is called `unix`. IPv4 addresses that are written as IPv6 (`::ffff:192.0.2.1`) count as
IPv4. This comes before authentication.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

from msgspec import Meta, Struct

from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step
from apigw_cli.snapshot.model import Route

UNIX = "unix"
_REMEMBERED = 10_000  # addresses

_REFUSAL = Refusal(403, "Forbidden", (), "forbidden")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Span = tuple[int, int]  # the first and the last address


class IpLists(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which addresses may call."""

    allow: Annotated[
        list[str], Meta(description="Networks (CIDR) or addresses; unix. None: everybody.", examples=[["10.0.0.0/8"]])
    ] = []
    deny: Annotated[list[str], Meta(description="Networks, addresses or unix that may not, even if allowed.")] = []

    def __post_init__(self) -> None:
        if not self.allow and not self.deny:
            raise ValueError("ip needs allow or deny")
        for text in (*self.allow, *self.deny):
            try:
                _network(text)
            except ValueError as error:
                raise ValueError(f"not a network: {error} (10.0.0.0/8, 192.0.2.7, 2001:db8::/32, unix)") from None


class _Policy:
    name = "ip"
    order = 10
    model: type[Struct] = IpLists
    derived = False

    def compile(self, value: IpLists, route: Route, runtime: Runtime) -> Step:
        lets_in = _rule(value)
        known: dict[str, bool] = {}

        def step(exchange: Exchange) -> Refusal | None:
            address = exchange.client_ip
            found = known.get(address)
            if found is None:
                if len(known) >= _REMEMBERED:
                    known.clear()
                found = known[address] = lets_in(address)
            return None if found else _REFUSAL

        return step

    def compare(self, old: IpLists | None, new: IpLists | None) -> Change:
        """By the addresses that get in, however the lists say it."""
        before, after = _admitted(old), _admitted(new)
        if before == after:
            return Change.NEUTRAL
        return Change.STRENGTHEN if all(map(_within, after, before)) else Change.WEAKEN

    def reasons(self, old: IpLists | None, new: IpLists | None) -> Iterator[Reason]:
        change = self.compare(old, new)
        weaker = "any address gets in" if new is None else "addresses get in that were refused"
        yield Reason(change, weaker if change is Change.WEAKEN else "addresses are refused that got in")

    def describe(self, value: IpLists) -> str:
        parts = [f"allow {', '.join(value.allow)}"] if value.allow else []
        return "; ".join([*parts, f"deny {', '.join(value.deny)}"] if value.deny else parts)


def _network(text: str) -> Network | None:
    """None for `unix`. Raises ValueError."""
    return None if text == UNIX else ipaddress.ip_network(text)


def _rule(value: IpLists) -> Callable[[str], bool]:
    allow, deny = [_network(text) for text in value.allow], [_network(text) for text in value.deny]

    def lets_in(text: str) -> bool:
        return not _names(deny, text) and (not allow or _names(allow, text))

    return lets_in


def _names(networks: list[Network | None], text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None in networks
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(network is not None and address in network for network in networks)


# --- which addresses get in, as spans of numbers: of IPv4, of IPv6, and one for `unix`

_ALL: tuple[Span, ...] = ((0, 2**32 - 1), (0, 2**128 - 1), (0, 0))
_KINDS: tuple[type, ...] = (ipaddress.IPv4Network, ipaddress.IPv6Network, type(None))


def _admitted(value: IpLists | None) -> tuple[list[Span], ...]:
    if value is None:
        return tuple([everything] for everything in _ALL)
    found = []
    for kind, everything in zip(_KINDS, _ALL, strict=True):
        allowed = _spans(value.allow, kind) if value.allow else [everything]
        for denied in _spans(value.deny, kind):
            allowed = [rest for span in allowed for rest in _without(span, denied)]
        found.append(_joined(allowed))
    return tuple(found)


def _spans(texts: Iterable[str], kind: type) -> list[Span]:
    networks = [network for network in map(_network, texts) if isinstance(network, kind)]
    return [(0, 0) if one is None else (int(one[0]), int(one[-1])) for one in networks]


def _without(span: Span, gone: Span) -> list[Span]:
    below, above = (span[0], min(span[1], gone[0] - 1)), (max(span[0], gone[1] + 1), span[1])
    return [one for one in (below, above) if one[0] <= one[1]]


def _joined(spans: list[Span]) -> list[Span]:
    """In order, none touching the next."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _within(inner: list[Span], outer: list[Span]) -> bool:
    return all(any(one[0] >= other[0] and one[1] <= other[1] for other in outer) for one in inner)


POLICY = _Policy()
