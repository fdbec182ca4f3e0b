"""What an upstream is told about who asks and by which way, and whom the gateway itself takes for the client.

Only the configuration says who is a proxy: from everybody else, `X-Forwarded-*` and `Forwarded` are claims and are
replaced. From a trusted proxy the client is the rightmost address in its list that is not a trusted proxy's, since
each hop writes at the right. One style of header is believed, the one that is spoken: a proxy that maintains one of
them may well pass the other through, as its client wrote it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from apigw_cli.gateway import client_certificate
from apigw_cli.gateway.accesslog import client_fields
from apigw_cli.gateway.framing import Malformed

if TYPE_CHECKING:
    from apigw_cli.gateway.connection import ClientConnection
    from apigw_cli.gateway.request import Request
    from apigw_cli.policies.interface import ClientCertificate
    from apigw_cli.snapshot.model import ListenTls, Proxy

UNIX = "unix"  # among the trusted: whoever speaks through a Unix socket
VIA = b"Via: 1.1 apigw\r\n"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PAIR = re.compile(rb'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^",; \t]+)[ \t]*')
_MAXIMUM = 64  # hops that are looked at
_CERTIFICATES = {"xfcc": client_certificate.xfcc, "rfc9440": client_certificate.rfc9440}


def address_of(text: str) -> _Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class Forwarding:
    """One Snapshot's settings. `plain`: nobody is trusted and only X-Forwarded-* are spoken."""

    __slots__ = ("_certificate", "_networks", "_rfc", "_unix", "_via", "_x", "plain")

    def __init__(self, proxy: Proxy, tls: ListenTls | None = None) -> None:
        self._certificate = _CERTIFICATES.get(tls.forward_client) if tls is not None else None
        self._unix = UNIX in proxy.trusted
        self._networks = [ipaddress.ip_network(one) for one in proxy.trusted if one != UNIX]
        self._x = proxy.forwarded != "rfc7239"
        self._rfc = proxy.forwarded != "x"
        self._via = proxy.via
        self.plain = self._x and not self._rfc and not self._via

    def presented(self, certificate: ClientCertificate | None) -> bytes:
        """What upstreams are told of a client's certificate."""
        return b"" if certificate is None or self._certificate is None else self._certificate(certificate)

    def trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)

    def trusts_peer(self, ip: str) -> bool:
        """Whether the other end of a connection is a proxy; '' is a Unix socket."""
        return self.trusts(address_of(ip)) if ip else self._unix

    def apply(self, request: Request, connection: ClientConnection) -> None:
        """Settle who the client is, and the lines that tell the upstream. Raises Malformed for contradictions."""
        peer, scheme, host = connection.client_ip, connection.scheme, request.authority
        x: list[str] = []
        hops: list[dict[bytes, bytes]] = []
        if connection.trusted:
            x, hops = self._believed(request)
            request.client_ip = self._client(peer, x, hops)
            connection.log_fields = client_fields(request.client_ip)
            if self._x:
                scheme = _scheme(_last(request, b"x-forwarded-proto")) or scheme
                host = _last(request, b"x-forwarded-host") or host
        lines = []
        if self._x:
            chain = ", ".join((*x, peer) if peer else x).encode("latin-1")
            lines += [b"X-Forwarded-For: %b\r\n" % chain] if chain else []
            lines += [b"X-Forwarded-Proto: %b\r\n" % scheme]
            lines += [b"X-Forwarded-Host: %b\r\n" % host] if host else []
        if self._rfc:
            own = _element(peer, connection.scheme, request.authority)
            lines.append(b"Forwarded: %b\r\n" % b", ".join((*_elements(x, hops, request), own)))
        if self._via:
            lines.append(VIA)
        lines.append(connection.presented)
        request.forwarded = b"".join(lines)

    def _believed(self, request: Request) -> tuple[list[str], list[dict[bytes, bytes]]]:
        x = _listed(request, b"x-forwarded-for") if self._x else []
        hops = parse(b",".join(_values(request, b"forwarded"))) if self._rfc else []
        if len(x) > _MAXIMUM or len(hops) > _MAXIMUM:
            raise Malformed(400, f"more than {_MAXIMUM} hops in X-Forwarded-For or Forwarded")
        return x, hops

    def _client(self, peer: str, x: list[str], hops: list[dict[bytes, bytes]]) -> str:
        found = self._rightmost(peer, x)
        if hops:
            other = self._rightmost(peer, [hop.get(b"for", b"").decode("latin-1") for hop in hops])
            if x and other != found:
                raise Malformed(400, "X-Forwarded-For and Forwarded name different clients")
            return other
        return found

    def _rightmost(self, peer: str, chain: list[str]) -> str:
        """The nearest address that is no trusted proxy's; an entry that is no address hides all before it."""
        client = peer
        for entry in reversed(chain):
            address = address_of(entry)
            if address is None:
                break
            client = str(address)
            if not self.trusts(address):
                break
        return client


def _values(request: Request, name: bytes) -> list[bytes]:
    return [value for key, value in request.headers if key == name]


def _listed(request: Request, name: bytes) -> list[str]:
    joined = b",".join(_values(request, name))
    return [text for part in joined.decode("latin-1").split(",") if (text := part.strip())]


def _last(request: Request, name: bytes) -> bytes:
    """What the nearest hop said."""
    found = _listed(request, name)
    return found[-1].encode("latin-1") if found else b""


def _scheme(text: bytes) -> bytes:
    low = text.lower()
    return low if low in (b"http", b"https") else b""


def parse(value: bytes) -> list[dict[bytes, bytes]]:
    """The elements of a `Forwarded` (RFC 7239, section 4), parameters unquoted. Raises Malformed."""
    elements: list[dict[bytes, bytes]] = []
    current: dict[bytes, bytes] = {}
    at = 0
    while at < len(value):
        found = _PAIR.match(value, at)
        if found is not None:
            name = found[1].lower()
            if name in current:
                raise Malformed(400, "the header Forwarded names a parameter twice")
            current[name] = re.sub(rb"\\(.)", rb"\1", found[2][1:-1]) if found[2][:1] == b'"' else found[2]
            at = found.end()
            if at < len(value) and value[at : at + 1] not in b",;":
                raise Malformed(400, "the header Forwarded is not as RFC 7239 has it")
        elif value[at : at + 1] in b",; \t":
            if value[at : at + 1] == b"," and current:
                elements.append(current)
                current = {}
            at += 1
        else:
            raise Malformed(400, "the header Forwarded is not as RFC 7239 has it")
    return [*elements, current] if current else elements


def _elements(x: list[str], hops: list[dict[bytes, bytes]], request: Request) -> list[bytes]:
    """What came as Forwarded, as it came; else what X-Forwarded-For said (RFC 7239, section 7.4)."""
    if hops:
        return [b", ".join(_values(request, b"forwarded"))]
    return [b"for=%b" % _node(entry) for entry in x]


def _element(peer: str, scheme: bytes, authority: bytes) -> bytes:
    host = b';host="%b"' % authority if authority else b""
    return b"for=%b%b;proto=%b" % (_node(peer), host, scheme)


def _node(text: str) -> bytes:
    """RFC 7239, section 6: an IPv6 address stands in brackets and quotes."""
    address = address_of(text)
    if address is None:
        return b"unknown"
    return b'"[%b]"' % str(address).encode() if address.version == 6 else str(address).encode()
