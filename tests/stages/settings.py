"""Every key of apigw.yaml with values of it, and what a change from one to the next does to protection.

loosens    the values from strict to loose: forward weakens, back strengthens
ambiguous  any change weakens, both ways
neutral    a finding that protects neither more nor less
contract   a finding, of the contract alone
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

ABSENT = object()

SPEC = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
servers: [{url: http://localhost/v1}]
paths:
  /key: {get: {operationId: key, security: [{Key: []}], responses: {}}}
  /token: {get: {operationId: token, security: [{Token: []}], responses: {}}}
  /user: {get: {operationId: user, security: [{User: []}], responses: {}}}
  /ask: {get: {operationId: ask, security: [{Ask: []}], responses: {}}}
  /partner: {get: {operationId: partner, security: [{Partner: []}], responses: {}}}
components:
  securitySchemes:
    Key: {type: apiKey, in: header, name: X-Api-Key}
    Token: {type: http, scheme: bearer}
    User: {type: http, scheme: basic}
    Ask: {type: http, scheme: digest}
    Partner: {type: mutualTLS}
"""

CHAIN = {"file": "a.pem"}
UPSTREAM: dict[str, Any] = {
    "targets": [{"url": "https://pets.example"}, {"url": "https://pets2.example"}],
    "tls": {"certificate": {"file": "our.pem"}, "key": {"file": "our.key"}},
    "health": {"path": "/health"},
    "eject": {},
    "retries": {},
    "pool": {"connections": 5},
}
CONFIG: dict[str, Any] = {
    "version": 1,
    "apis": {"shop": {"spec": "shop.yaml", "hosts": ["localhost"], "upstream": "pets"}},
    "sites": {"www": {"folder": "web", "hosts": ["www.localhost"]}},
    "upstreams": {"pets": UPSTREAM, "other": UPSTREAM | {"targets": ["https://other.example"]}},
    "auth": {
        "Key": {"keys": {"file": "a.yaml"}},
        "Token": {"jwt": {"issuer": "https://login.example", "audience": ["shop"]}},
        "User": {"basic": {"users": {"file": "users.yaml"}}},
        "Ask": {"authorizer": {"url": "https://ask.example"}},
        "Partner": {"mutual_tls": {}},
    },
    "stages": {"promote": {"qa": ["prod"]}},
    "listen": {
        "tls": {"certificates": [{"cert": CHAIN, "key": {"file": "a.key"}}], "client_ca": {"file": "ca.pem"}}
    },
    "limits": {
        "redis": {"url": "rediss://one.example:6379"},
        "service": {"url": "https://limits.example"},
    },
    "trusted_proxies": ["10.0.0.1/32"],
}  # fmt: skip

Kind = Literal["loosens", "ambiguous", "neutral", "contract"]


@dataclass(frozen=True)
class Case:
    """`given` are other settings that the values need, by their paths."""

    path: str
    kind: Kind
    values: tuple[Any, ...]
    given: dict[str, Any] = field(default_factory=dict)


def loosens(path: str, *values: Any, **given: Any) -> Case:
    return Case(path, "loosens", values, given)


def ambiguous(path: str, *values: Any) -> Case:
    return Case(path, "ambiguous", values)


def neutral(path: str, *values: Any, **given: Any) -> Case:
    return Case(path, "neutral", values, given)


PETS = "upstreams.pets"
JWT, BASIC, ASK, CERT = "auth.Token.jwt", "auth.User.basic", "auth.Ask.authorizer", "auth.Partner.mutual_tls"
A, B = {"file": "a.yaml"}, {"file": "b.yaml"}

CASES = [
    Case("apis.shop.hosts", "contract", (["localhost"], ["localhost", "shop.example"])),
    Case("apis.shop.base_path", "contract", ("/v1", "/v2")),
    ambiguous("apis.shop.strip_base_path", False, True),
    neutral("apis.shop.trailing_slash", "strict", "ignore", "redirect"),
    ambiguous("apis.shop.upstream", "pets", "other"),
    ambiguous("apis.shop.mock", False, True),
    loosens("apis.shop.security", "spec", "off"),
    loosens("apis.shop.defaults", {"rate_limit": {"rate": "1/s"}}, {"rate_limit": {"rate": "2/s"}}, {}),
    ambiguous("apis.shop.routes", *({"key": one} for one in ({}, {"upstream": "other"}, {"mock": True}))),
    Case("sites.www.hosts", "contract", (["www.localhost"], ["www.localhost", "shop.example"])),
    Case("sites.www.base_path", "contract", ("/www", "/shop")),
    ambiguous("sites.www.folder", "web", "other"),
    neutral("sites.www.index", "index.html", "index.htm"),
    neutral("sites.www.fallback", ABSENT, "index.html", "app.html"),
    neutral("sites.www.not_found", ABSENT, "404.html"),
    neutral("sites.www.cache_control", {}, {"/*": "no-store"}, {"/*": "max-age=60"}),
    loosens("sites.www.defaults", {"ip": {"allow": ["10.0.0.1"]}}, {"ip": {"allow": ["10.0.0.0/8"]}}, {}),
    loosens("defaults", {"ip": {"allow": ["10.0.0.1"]}}, {"ip": {"allow": ["10.0.0.0/8"]}}, {}),
    loosens("listen.tls", {"certificates": [{"cert": CHAIN, "key": {"file": "a.key"}}]}, ABSENT),
    ambiguous("listen.tls.certificates.0.cert", {"file": "a.pem"}, {"file": "b.pem"}, {"env": "CHAIN"}),
    ambiguous("listen.tls.certificates.0.key", {"file": "a.key"}, {"file": "b.key"}),
    loosens("listen.tls.min_version", "1.3", "1.2"),
    loosens("listen.tls.client_ca", {"file": "ca.pem"}, ABSENT),
    ambiguous("listen.tls.client_ca", {"file": "ca.pem"}, {"file": "other.pem"}, {"env": "CA"}),
    loosens("listen.tls.client_certificates", "required", "optional"),
    ambiguous("listen.tls.forward_client_certificate", "off", "xfcc", "rfc9440"),
    loosens("listen.max_body", 0, 10, 11, ABSENT),
    loosens("listen.header_timeout", "1s", "10s", "11s"),
    loosens("listen.idle_timeout", "74s", "75s", "76s"),
    loosens("listen.websocket_timeout", "1m", "1h", "2h"),
    loosens("listen.connections", 9_999, 10_000, 10_001),
    loosens("listen.streams", 0, 10_000, 10_001),
    loosens("listen.queue.length", 0, 256, 300),
    loosens("listen.queue.time", "100ms", "1s", "2s"),
    neutral("limits.redis", {"url": "redis://one.example"}, ABSENT),
    ambiguous("limits.redis.url", "rediss://one.example:6379", "rediss://two.example:6379", "rediss://one.example:6379/1"),
    ambiguous("limits.redis.username", ABSENT, "shop"),
    ambiguous("limits.redis.password", ABSENT, {"env": "ONE"}, {"file": "two"}),
    ambiguous("limits.redis.ca", ABSENT, {"file": "one.pem"}, {"file": "two.pem"}),
    ambiguous("limits.redis.timeout", "100ms", "1s"),
    ambiguous("limits.redis.prefix", "apigw", "other"),
    neutral("limits.service", {"url": "https://limits.example"}, ABSENT),
    ambiguous("limits.service.url", "https://limits.example", "http://limits.example"),
    ambiguous("limits.service.token", ABSENT, {"env": "ONE"}, {"env": "TWO"}),
    ambiguous("limits.service.timeout", "100ms", "1s"),
    ambiguous("trusted_proxies", ["10.0.0.1/32"], ["10.0.0.0/8"], ["10.0.0.1/32", "unix"], []),
    ambiguous("forwarded", "x", "rfc7239", "both"),
    neutral("via", False, True),
    loosens(f"{PETS}.targets", ["https://a.example"], ["https://a.example", "https://b.example"]),
    loosens(f"{PETS}.targets.0.url", "https://a.example", "http://a.example", **{f"{PETS}.tls": ABSENT}),
    ambiguous(f"{PETS}.targets.0.url", "https://a.example", "https://b.example", "https://a.example:444"),
    neutral(f"{PETS}.targets.0.weight", 1, 2),
    neutral(f"{PETS}.balance", "round_robin", "least_outstanding", "random_two"),
    neutral(f"{PETS}.hash_on", "ip", "header:X-A", **{f"{PETS}.balance": "hash"}),
    *(neutral(f"{PETS}.timeout.{name}", "5s", "6s") for name in ("connect", "first_byte", "idle", "total")),
    loosens(f"{PETS}.host", "rewrite", "preserve"),
    loosens(f"{PETS}.tls.verify", True, False),
    ambiguous(f"{PETS}.tls.ca", ABSENT, {"file": "one.pem"}, {"env": "CA"}),
    ambiguous(f"{PETS}.tls.server_name", ABSENT, "pets.internal"),
    ambiguous(f"{PETS}.tls.certificate", {"file": "our.pem"}, {"file": "other.pem"}),
    ambiguous(f"{PETS}.tls.key", {"file": "our.key"}, {"env": "KEY"}),
    neutral(f"{PETS}.health", {"path": "/health"}, ABSENT),
    neutral(f"{PETS}.health.path", "/health", "/ready"),
    neutral(f"{PETS}.health.every", "5s", "6s"),
    neutral(f"{PETS}.health.timeout", "1s", "2s"),
    neutral(f"{PETS}.health.healthy_after", 2, 3),
    neutral(f"{PETS}.health.unhealthy_after", 2, 3),
    neutral(f"{PETS}.eject", {}, ABSENT),
    neutral(f"{PETS}.eject.after", 5, 6),
    neutral(f"{PETS}.eject.first", "10s", "11s"),
    neutral(f"{PETS}.eject.longest", "5m", "6m"),
    neutral(f"{PETS}.retries", {}, ABSENT),
    neutral(f"{PETS}.retries.attempts", 2, 3),
    neutral(f"{PETS}.retries.budget", "20%", "30%"),
    neutral(f"{PETS}.retries.on", ["connect", "closed"], ["connect"], ["connect", 503]),
    neutral(f"{PETS}.when_all_out", "try", "refuse"),
    loosens(f"{PETS}.pool.connections", 1, 5, ABSENT),
    neutral(f"{PETS}.pool.idle", 512, 10),
    neutral(f"{PETS}.pool.idle_timeout", "55s", "10s"),
    loosens(f"{PETS}.pool.queue", 0, 1000, 2000),
    loosens(f"{PETS}.pool.queue_timeout", "100ms", "1s", "2s"),
    neutral(f"{PETS}.dns.refresh", "30s", "5s"),
    neutral(f"{PETS}.slow_start", ABSENT, "5s", "10s"),
    loosens("auth.Key.keys", A, [A, B]),
    ambiguous("auth.Key.keys", A, B, {"env": "KEYS"}),
    loosens(f"{JWT}.audience", ["shop"], ["shop", "other"]),
    ambiguous(f"{JWT}.issuer", "https://login.example", "https://other.example"),
    ambiguous(f"{JWT}.jwks", ABSENT, "https://login.example/keys", {"file": "keys.json"}),
    loosens(f"{JWT}.algorithms", ["RS256"], ["RS256", "ES256"], []),
    loosens(f"{JWT}.require", {"a": ["x"], "b": []}, {"a": ["x"]}, {"a": ["x", "y"]}, {"a": []}, {}),
    ambiguous(f"{JWT}.principal", "sub", "email"),
    loosens(f"{JWT}.leeway", "0s", "30s", "1m"),
    loosens(f"{JWT}.refresh", "1m", "10m", "20m"),
    loosens(f"{JWT}.keep", "10m", "1h", "2h"),
    loosens(f"{BASIC}.users", A, [A, B]),
    loosens(f"{BASIC}.cache", "0s", "60s", "2m"),
    ambiguous(f"{ASK}.url", "https://ask.example", "https://other.example"),
    ambiguous(f"{ASK}.send", [], ["X-A"]),
    ambiguous(f"{ASK}.allow_headers", [], ["X-A"]),
    neutral(f"{ASK}.deny_headers", [], ["X-A"]),
    ambiguous(f"{ASK}.principal", ABSENT, "X-User"),
    ambiguous(f"{ASK}.scopes", ABSENT, "X-Scopes"),
    loosens(f"{ASK}.ttl", "0s", "5s", "6s"),
    neutral(f"{ASK}.timeout", "1s", "2s"),
    loosens(f"{ASK}.on_failure", "deny", "allow"),
    loosens(f"{CERT}.subjects", ["CN=a"], ["CN=a", "CN=b"], []),
    loosens(f"{CERT}.names", ["DNS:a"], ["DNS:a", "DNS:b"], []),
    loosens(f"{CERT}.fingerprints", ["a" * 64], ["a" * 64, "b" * 64], []),
]  # fmt: skip

WAIVED = {
    "version": "of the file's form",
    "apis.*.spec": "where the description stands; what it says is the contract",
    "apis.*.kind": "there is one kind",
    "stages.promote": "which promotions are declared: the same in every stage, no part of a Snapshot",
}


def config(case: Case, value: Any) -> dict[str, Any]:
    """The configuration with this value of the case's setting."""
    made: dict[str, Any] = json.loads(json.dumps(CONFIG))  # nothing is shared, as it would be in a deep copy
    for path, given in (*case.given.items(), (case.path, value)):
        _put(made, path.split("."), given)
    return made


def _put(data: Any, steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        data = data[int(step)] if isinstance(data, list) else data.setdefault(step, {})
    if value is ABSENT:
        data.pop(steps[-1], None)
    else:
        data[steps[-1]] = value
