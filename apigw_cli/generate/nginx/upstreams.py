"""Upstreams, and the headers and timeouts of what goes to them."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from apigw_cli.generate.nginx.words import Block, Names, header_variable, quoted
from apigw_cli.snapshot.model import Upstream
from apigw_cli.snapshot.schemes import ApiKeys, Scheme

KEEPALIVE = 64  # idle connections that each nginx worker keeps

# What our gateway says itself or never passes on; an empty value means that the header is not sent.
_FORWARDING = {
    "Host": "$apigw_authority",
    "Connection": '""',
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$scheme",
    "X-Forwarded-Host": "$http_host",
    "X-Request-Id": "$apigw_request_id",
    "Forwarded": '""',
    "X-Forwarded-Port": '""',
    "X-Forwarded-Server": '""',
    "X-Real-Ip": '""',
    "Client-Cert": '""',
    "Client-Cert-Chain": '""',
    "X-Forwarded-Client-Cert": '""',
    "Proxy-Authorization": '""',
    "Proxy-Connection": '""',
    "Trailer": '""',
}


class Upstreams:
    """The upstream blocks of those that routes use."""

    def __init__(self, upstreams: dict[str, Upstream]) -> None:
        self._upstreams = upstreams
        self._names = Names(other_than=r"[^A-Za-z0-9_.-]")
        self.used: dict[str, list[str]] = {}  # operations by upstream

    def block_name(self, name: str, operation: str) -> str:
        """The name of the upstream's block; notes that the operation needs it."""
        self.used.setdefault(name, []).append(operation)
        return self._names.of(name, name)

    def of(self, name: str) -> Upstream:
        return self._upstreams[name]

    def blocks(self) -> list[Block]:
        return [self._block(self._upstreams[name]) for name in self._upstreams if name in self.used]

    def _block(self, upstream: Upstream) -> Block:
        name = self._names.of(upstream.name, upstream.name)
        body: list[str | Block] = [f"zone {name} 64k;"]
        method = _method(upstream)
        body += [method] if method else []
        fails, weights = _fails(upstream), upstream.weights or (1,) * len(upstream.targets)
        for target, weight in zip(upstream.targets, weights, strict=True):
            share = f" weight={weight}" if weight > 1 else ""
            body.append(f"server {quoted(server(target))}{share} {fails}{_most(upstream)};")
        return Block(f"upstream {name}", [*body, *_kept(upstream)])


def _most(upstream: Upstream) -> str:
    """With a `zone`, `max_conns` holds over all of nginx's workers."""
    pool = upstream.pool
    return f" max_conns={pool.connections}" if pool is not None and pool.connections is not None else ""


def _kept(upstream: Upstream) -> list[str]:
    pool = upstream.pool
    if pool is None:
        return [f"keepalive {KEEPALIVE};"]
    if not pool.idle:
        return []
    return [f"keepalive {pool.idle};", f"keepalive_timeout {milliseconds(pool.idle_timeout)};"]


def _method(upstream: Upstream) -> str | None:
    if upstream.balance == "hash":
        variable = _hash_variable(upstream.hash_on)
        return f"hash {variable} consistent;" if variable else None
    return {"least_outstanding": "least_conn;", "random_two": "random two least_conn;"}.get(upstream.balance)


def _hash_variable(hash_on: str) -> str | None:
    """nginx's variable for what is hashed; None where it has none."""
    kind, _, name = hash_on.partition(":")
    if kind == "ip":
        return "$remote_addr"
    if kind == "header":
        return header_variable(name)
    return f"$cookie_{name}" if re.fullmatch("[A-Za-z0-9_]+", name) else None


def _fails(upstream: Upstream) -> str:
    eject = upstream.eject
    if eject is None:
        return "max_fails=0"
    return f"max_fails={eject.after} fail_timeout={max(1, math.ceil(eject.first))}s"


def server(target: str) -> str:
    """`host:port` of a target."""
    parts = urlsplit(target)
    host = parts.hostname or ""
    return f"[{host}]:{parts.port or 80}" if ":" in host else f"{host}:{parts.port or 80}"


def authority(upstream: Upstream) -> str:
    """The Host that goes to the upstream: the first target's, as it was written."""
    return urlsplit(upstream.targets[0]).netloc


def milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def timeouts(upstream: Upstream) -> list[str]:
    timeout = upstream.timeout
    return [
        f"proxy_connect_timeout {milliseconds(timeout.connect)};",
        f"proxy_read_timeout {milliseconds(timeout.first_byte)};",
        *_again(upstream),
    ]


def _again(upstream: Upstream) -> list[str]:
    """What is tried at another server; nginx asks never twice for what is not idempotent, once it was sent."""
    retries = upstream.retries
    if retries is None:
        return []
    causes = ["error"] if {"connect", "closed"} & set(retries.causes) else []
    causes += ["timeout"] if "timeout" in retries.causes else []
    causes += [f"http_{status}" for status in ("502", "503", "504") if status in retries.causes]
    return [f"proxy_next_upstream {' '.join(causes)};", f"proxy_next_upstream_tries {retries.attempts};"]


def gaps(upstream: Upstream) -> Iterator[str]:
    """What nginx does differently with one upstream."""
    timeout = upstream.timeout
    yield (
        f"nginx has no limit on a whole exchange ({timeout.total:g} s); "
        f"{timeout.first_byte:g} s without a byte end it, also after the first one"
    )
    if len({urlsplit(target).netloc for target in upstream.targets}) > 1:
        yield f"nginx sends the same Host to every target: {authority(upstream)}"
    if upstream.balance == "hash" and _hash_variable(upstream.hash_on) is None:
        yield f"nginx has no variable for {upstream.hash_on}: targets take turns"
    elif upstream.balance == "hash":
        yield f"nginx hashes {upstream.hash_on} in its own way: it goes to one target, but not to the same as here"
    if upstream.eject is not None:
        yield (
            f"nginx counts failures within {upstream.eject.first:g} s, in a row or not, ejects for always that long, "
            "and takes no 502, 503 or 504 of a target for a failure"
        )
    if upstream.timeout.idle:
        yield f"nginx has one timeout for the first byte and all others: idle ({upstream.timeout.idle:g} s) is left out"
    if upstream.retries is not None:
        yield "nginx has no budget for retries"
        if "timeout" not in upstream.retries.causes:
            yield "nginx tries no other server after a connection that took too long"
        if len({"connect", "closed"} & set(upstream.retries.causes)) == 1:
            yield "nginx does not tell a server that was not reached from one that hung up: both are retried"
    if upstream.refuse:
        yield "nginx answers 502, not 503, while every server is out, and never takes out an only one"
    if upstream.pool is not None and upstream.pool.connections is not None:
        yield "nginx has a queue only in its commercial edition: it answers 502 at once beyond max_conns"
    if upstream.slow_start:
        yield f"nginx has slow_start ({upstream.slow_start:g} s) only in its commercial edition: it is left out"
    if upstream.health is not None:
        yield f"nginx has no active health checks: GET {upstream.health.path} is not sent, every target counts as well"
    names = [host for target in upstream.targets if not _is_address(host := urlsplit(target).hostname or "")]
    if names:
        listed = ", ".join(dict.fromkeys(names))
        yield f"nginx looks up {listed} once, when it starts, and does not start without an answer"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def known_headers(
    schemes: dict[str, Scheme], first: Iterable[tuple[str, str]] = ()
) -> dict[str, list[tuple[str, str]]]:
    """What every request says, by name in lower case: names and parameters.

    `first`: headers, each with its variable, of which only the client's first line goes on.
    """
    lines: dict[str, list[tuple[str, str]]] = {name.lower(): [(name, value)] for name, value in _FORWARDING.items()}
    for scheme in schemes.values():
        if not (isinstance(scheme, ApiKeys) and scheme.location == "header"):
            continue
        variable = header_variable(scheme.parameter)
        if variable:  # of several only the one that was checked goes on
            lines.setdefault(scheme.parameter.lower(), [(scheme.parameter, variable)])
    for name, variable in first:
        lines.setdefault(name.lower(), [(name, variable)])
    return lines
