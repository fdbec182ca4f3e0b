"""What limits count apart: `api_key`, `ip`, `route`, `header:NAME`, `claim:NAME`, or several joined by `+`.

Values are compared byte by byte, as they were sent: nothing is folded or normalised, so two spellings are two keys.
A header of any length makes one key (stores keep a hash of it). What is empty is missing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache

from apigw_cli.policies.interface import Exchange

_PART = r"(api_key|ip|route|claim:[!-*,-~]{1,100}|header:[!#$%&'*.^_`|~0-9A-Za-z-]{1,100})"
KEY = rf"^{_PART}(\+{_PART}){{0,4}}$"

IPV6_PREFIX = 64  # what one subscriber usually has (RFC 6177, RIPE-690)

KeyOf = Callable[[Exchange], bytes | None]  # None: the request has none


def reader(key: str, ipv6_prefix: int) -> KeyOf:
    """The function that finds a request's key. The first byte of a key says what it is, so that an address never
    meets a header with the same text."""
    parts = [_part(part, ipv6_prefix) for part in key.split("+")]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[KeyOf]) -> KeyOf:
    def key_of(exchange: Exchange) -> bytes | None:
        joined = b"+"
        for part in parts:
            found = part(exchange)
            if found is None:
                return None
            joined += len(found).to_bytes(4, "big") + found
        return joined

    return key_of


def _part(part: str, ipv6_prefix: int) -> KeyOf:
    kind, _, name = part.partition(":")
    if kind == "header":
        return _header(name.lower().encode("ascii"))
    if kind == "claim":
        return _claim(name)
    return {"api_key": _api_key, "ip": address(ipv6_prefix), "route": _route}[kind]


def address(ipv6_prefix: int) -> Callable[[Exchange], bytes]:
    """The client's address; of IPv6 the network, for a client has as many addresses there as it likes."""

    def key_of(exchange: Exchange) -> bytes:
        ip = exchange.client_ip
        return b"i" + ip.encode() if ":" not in ip else network(ip, ipv6_prefix)

    return key_of


@lru_cache(4096)
def network(ip: str, prefix: int) -> bytes:
    """The key of an IPv6 address. One that holds an IPv4 address (RFC 4291, 2.5.5.2) is that."""
    try:
        found = ipaddress.IPv6Address(ip.partition("%")[0])
    except ValueError:
        return b"i" + ip.encode()
    if found.ipv4_mapped is not None:
        return b"i" + str(found.ipv4_mapped).encode()
    return b"n" + bytes([prefix]) + (int(found) >> 128 - prefix << 128 - prefix).to_bytes(16, "big")


def _api_key(exchange: Exchange) -> bytes | None:
    principal = exchange.principal
    return b"k" + principal.encode() if principal else None


def _route(exchange: Exchange) -> bytes:
    return b"r"


def _header(name: bytes) -> KeyOf:
    def key_of(exchange: Exchange) -> bytes | None:
        value = exchange.header(name)
        return b"h" + value if value else None

    return key_of


def _claim(name: str) -> KeyOf:
    """Text and whole numbers; anything else names nobody."""

    def key_of(exchange: Exchange) -> bytes | None:
        value = exchange.claims.get(name) if exchange.claims else None
        if isinstance(value, str) and value:
            return b"c" + value.encode("utf-8", "surrogatepass")
        if isinstance(value, int) and not isinstance(value, bool):
            return b"c%d" % value
        return None

    return key_of
