"""Every setting of a Snapshot beside the policies and security schemes: what a change of it does, and to whom.

One line for each field of each struct. A field without a line weakens, and a test names it.
"""

from __future__ import annotations

from typing import Any

from apigw_cli.policies.judging import (
    Setting,
    Table,
    ambiguous,
    less,
    more,
    neutral,
    plain,
    seconds,
    there,
    turned_off,
    turned_on,
)
from apigw_cli.snapshot import model
from apigw_cli.stages.protection.targets import judge_targets

_TAKES_UP = "one client may take up more of the gateway: less is left for the others"
_TAKES_LESS = "one client may take up less of the gateway"
_SLOW = "how long is waited for an upstream decides who is answered, not who gets in"
_WELL = "which targets are asked is decided otherwise; none is asked that was not"
_ELSEWHERE = "limits are counted elsewhere: what callers have used is not known there, they all start anew"
_STORE_FAILS = "how soon a store counts as failed decides how often `on_store_failure` holds"
_MEETS = "the upstream meets the gateway as somebody else: what it protects by that may be open"
_HOLDS_BACK = "the upstream gets more at once than it was protected from"
_HELD_BACK = "the upstream gets less at once"


def _forward(value: str) -> str:
    return value or "off"


def _has(words: str) -> Any:
    return lambda value: words if value is not None else "none"


def _optional(value: bool) -> str:
    return "optional" if value else "required"


def _networks(value: Any) -> str:
    return plain(value)


def _certificates(value: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{chain} with {key}" for chain, key in value)


def _in_words(words: dict[Any, str]) -> Any:
    return lambda value: words.get(value, plain(value))


LISTEN: Table = {
    "tls": Setting(
        "tls",
        there,
        "what clients send can be read and changed on its way",
        "what clients send is encrypted",
        lambda value: "http" if value is None else "https",
    ),
    "max_body": Setting("max_body", less, "bodies of any size beyond reach the upstream", "large bodies are refused"),
    "header_timeout": Setting("header_timeout", less, _TAKES_UP, _TAKES_LESS, seconds),
    "idle_timeout": Setting("idle_timeout", less, _TAKES_UP, _TAKES_LESS, seconds),
    "websocket_timeout": Setting("websocket_timeout", less, _TAKES_UP, _TAKES_LESS, seconds),
    "connections": Setting("connections", less, _TAKES_UP, _TAKES_LESS),
    "streams": Setting("streams", less, _TAKES_UP, _TAKES_LESS),
    "queue": Setting("queue", ambiguous, _TAKES_UP),
}
LISTEN_TLS: Table = {
    "certificates": Setting(
        "certificates",
        ambiguous,
        "clients meet another certificate: whoever holds its key can stand in for the gateway",
        show=_certificates,
    ),
    "min_version": Setting("min_version", more, "TLS with known weaknesses is spoken", "old TLS is refused"),
    "client_ca": Setting(
        "client_ca",
        there,
        "clients need no certificate, or one of other authorities",
        "clients need a certificate",
    ),
    "client_optional": Setting(
        "client_certificates",
        turned_off,
        "clients without a certificate are let in",
        "clients without a certificate are kept out",
        _optional,
    ),
    "forward_client": Setting(
        "forward_client_certificate",
        ambiguous,
        "upstreams learn otherwise who the client is: what they protect by it may be open",
        show=_forward,
    ),
}
QUEUE: Table = {
    "length": Setting("length", less, "more requests wait in memory", "fewer requests wait in memory"),
    "time": Setting("time", less, "requests wait in memory for longer", "requests wait for less", seconds),
}
PROXY: Table = {
    "trusted": Setting(
        "trusted_proxies",
        ambiguous,
        "whose word about the client's address counts is what `ip` lists and limits by address rest on",
        show=_networks,
    ),
    "forwarded": Setting(
        "forwarded", ambiguous, "proxies are believed, and upstreams told, in other headers: each must keep them clean"
    ),
    "via": Setting("via", neutral, "`Via` tells upstreams of the gateway and protects nothing"),
}
LIMITS: Table = {
    "redis": Setting("redis", neutral, "nothing is counted there unless a limit says so", show=_has("a Redis")),
    "service": Setting("service", neutral, "nothing is counted there unless a limit says so", show=_has("a service")),
}
REDIS: Table = {
    "url": Setting("url", ambiguous, _ELSEWHERE),
    "timeout": Setting("timeout", ambiguous, _STORE_FAILS, show=seconds),
    "prefix": Setting("prefix", ambiguous, _ELSEWHERE),
    "username": Setting("username", ambiguous, _ELSEWHERE),
    "password": Setting("password", ambiguous, "another password: whether it opens the same is not known here"),
    "ca": Setting("ca", ambiguous, "other servers are believed to be the Redis"),
}
SERVICE: Table = {
    "url": Setting("url", ambiguous, _ELSEWHERE),
    "timeout": Setting("timeout", ambiguous, _STORE_FAILS, show=seconds),
    "token": Setting("token", ambiguous, "another token: whether it opens the same is not known here"),
}
UPSTREAM: Table = {
    "name": Setting("name", neutral, "what an upstream is called, it does the same"),
    "targets": Setting(
        "targets", judge_targets, "requests go somewhere else: a person has to say that this is meant"
    ),
    "balance": Setting("balance", neutral, _WELL),
    "weights": Setting("weights", neutral, _WELL, show=lambda value: ":".join(map(str, value)) or "equal"),
    "hash_on": Setting("hash_on", neutral, _WELL),
    "timeout": Setting("timeout", neutral, _SLOW),
    "health": Setting("health", neutral, _WELL, show=_has("checked")),
    "eject": Setting("eject", neutral, _WELL, show=_has("after failures")),
    "retries": Setting(
        "retries", neutral, "only what can do no harm twice is tried again", show=_has("tried again"),
    ),
    "preserve_host": Setting(
        "host",
        turned_off,
        "clients choose the Host that the upstream sees, and with it what it answers for",
        "the upstream sees its own Host",
        _in_words({False: "rewrite", True: "preserve"}),
    ),
    "tls": Setting("tls", ambiguous, "who is believed to be the upstream"),
    "refuse": Setting("when_all_out", neutral, _WELL, show=_in_words({False: "try", True: "refuse"})),
    "slow_start": Setting("slow_start", neutral, _WELL, show=seconds),
    "pool": Setting("pool", neutral, _WELL, default=model.Pool()),
    "dns_refresh": Setting("dns.refresh", neutral, "names are looked up again, sooner or later", show=seconds,
                           default=model.DNS_REFRESH),
}  # fmt: skip
UPSTREAM_TLS: Table = {
    "verify": Setting(
        "verify",
        turned_on,
        "whoever is in the way can answer in the upstream's place, and read what is sent",
        "only the upstream itself is believed",
    ),
    "ca": Setting("ca", ambiguous, "servers with certificates of other authorities are believed"),
    "server_name": Setting("server_name", ambiguous, "a server of another name is believed"),
    "certificate": Setting("certificate", ambiguous, _MEETS),
    "key": Setting("key", ambiguous, _MEETS),
}
POOL: Table = {
    "connections": Setting("connections", less, _HOLDS_BACK, _HELD_BACK),
    "idle": Setting("idle", neutral, "connections that nobody uses"),
    "idle_timeout": Setting("idle_timeout", neutral, "connections that nobody uses", show=seconds),
    "queue": Setting("queue", less, "more requests wait in memory", "fewer requests wait in memory"),
    "queue_timeout": Setting(
        "queue_timeout", less, "requests wait in memory for longer", "requests wait for less", seconds
    ),
}
TIMEOUT: Table = {
    "connect": Setting("connect", neutral, _SLOW, show=seconds),
    "first_byte": Setting("first_byte", neutral, _SLOW, show=seconds),
    "total": Setting("total", neutral, _SLOW, show=seconds),
    "idle": Setting("idle", neutral, _SLOW, show=seconds),
}
HEALTH: Table = {
    "path": Setting("path", neutral, _WELL),
    "every": Setting("every", neutral, _WELL, show=seconds),
    "timeout": Setting("timeout", neutral, _WELL, show=seconds),
    "healthy_after": Setting("healthy_after", neutral, _WELL),
    "unhealthy_after": Setting("unhealthy_after", neutral, _WELL),
}
EJECT: Table = {
    "after": Setting("after", neutral, _WELL),
    "first": Setting("first", neutral, _WELL, show=seconds),
    "longest": Setting("longest", neutral, _WELL, show=seconds),
}
RETRIES: Table = {
    "attempts": Setting("attempts", neutral, "only what can do no harm twice is tried again"),
    "budget": Setting("budget", neutral, "only what can do no harm twice is tried again", show=lambda v: f"{v:.0%}"),
    "on": Setting(
        "on", neutral, "only what can do no harm twice is tried again", show=lambda v: plain(v or model.RETRIED)
    ),
}

_FILES = "which of the folder's files is shown, and to everybody: no protection of a route"
SITE: Table = {
    "folder": Setting("folder", ambiguous, "other files are shown: a person has to say that this is meant"),
    "strip": Setting("base_path", neutral, "the contract says where the site begins"),
    "index": Setting("index", neutral, _FILES),
    "fallback": Setting("fallback", neutral, _FILES),
    "not_found": Setting("not_found", neutral, _FILES),
    "cache_control": Setting("cache_control", neutral, "how long clients keep files that anybody may have"),
}

TABLES: dict[type, Table] = {
    model.StaticIntegration: SITE,
    model.Listen: LISTEN,
    model.ListenTls: LISTEN_TLS,
    model.Queue: QUEUE,
    model.Proxy: PROXY,
    model.Limits: LIMITS,
    model.Redis: REDIS,
    model.LimiterService: SERVICE,
    model.Upstream: UPSTREAM,
    model.UpstreamTls: UPSTREAM_TLS,
    model.Pool: POOL,
    model.Timeout: TIMEOUT,
    model.HealthCheck: HEALTH,
    model.Eject: EJECT,
    model.Retries: RETRIES,
}

# Fields of the other structs, and where they are compared; or why nowhere.
ELSEWHERE: dict[type, dict[str, str]] = {
    model.Snapshot: {
        "format": "of the artefact, not of the gateway",
        "stage": "names the stage: two stages differ in that alone",
        "apis": "stages/apis.py, and the contract",
        "routes": "stages/protection/routes.py",
        "upstreams": "UPSTREAM",
        "auth": "policies/auth/compare.py",
        "documents": "stages/contract",
        "proxy": "PROXY",
        "listen": "LISTEN",
        "limits": "LIMITS",
    },
    model.Api: {
        "name": "stages/apis.py: matched by it",
        "kind": "there is one kind",
        "spec": "where the description stands; what it says is the contract",
        "hosts": "stages/apis.py",
        "base_path": "stages/apis.py",
        "title": "words for people",
    },
    model.Route: {
        "api": "stages/protection/matching.py: matched by it",
        "operation": "the contract (operationId), and how findings name the route",
        "method": "matched by it",
        "path": "matched by it; the contract",
        "hosts": "those of the API: stages/apis.py; stages/protection/takeover.py",
        "integration": "stages/protection/routes.py",
        "policies": "each policy's own `compare`",
        "trailing_slash": "stages/protection/routes.py",
    },
    model.HttpIntegration: {
        "upstream": "stages/protection/routes.py: by what the upstream is",
        "strip": "stages/protection/routes.py",
    },
    model.MockIntegration: {
        "document": "where the example stands; what it says is the contract",
        "pointer": "where the example stands; what it says is the contract",
    },
}
