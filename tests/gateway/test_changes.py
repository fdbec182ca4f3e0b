"""What a reload says that it changed."""

from __future__ import annotations

import msgspec

from apigw_cli.gateway import changes
from apigw_cli.snapshot.model import HttpIntegration, MockIntegration, Route, Snapshot
from apigw_cli.snapshot.schemes import ApiKeys, Basic, Jwt
from tests.gateway.inside import snapshot

OLD = snapshot("http://a:1")
KEYS = ApiKeys("Key", location="header", parameter="X-Api-Key", keys=("file:k.yaml",))


def with_route(index: int, **fields: object) -> Snapshot:
    routes = list(OLD.routes)
    routes[index] = msgspec.structs.replace(routes[index], **fields)
    return msgspec.structs.replace(OLD, routes=tuple(routes))


def test_nothing() -> None:
    assert changes.describe(OLD, OLD) == []
    assert changes.summary([]) == "nothing changed"


def test_routes_that_come_and_go() -> None:
    new = Route("api", "new", "GET", "/new", (), HttpIntegration("up"), {})
    both = msgspec.structs.replace(OLD, routes=(OLD.routes[0], new))
    assert changes.describe(OLD, both) == ["+ GET /new", "- GET /up"]


def test_policies() -> None:
    limited = with_route(1, policies={"rate_limit": {"rate": "5/s", "burst": 5, "key": "ip"}})
    tighter = with_route(1, policies={"rate_limit": {"rate": "2/s", "burst": 5, "key": "ip"}})
    assert changes.describe(OLD, limited) == ["rate limit of up off → 5/s burst 5 per ip"]
    assert changes.describe(limited, tighter) == ["rate limit of up 5/s burst 5 per ip → 2/s burst 5 per ip"]


def test_what_answers() -> None:
    mocked = with_route(1, integration=MockIntegration("spec", ()))
    assert changes.describe(OLD, mocked) == ["up upstream up → mock"]
    moved = snapshot("http://b:2")
    assert changes.describe(OLD, moved) == ["targets of up http://a:1 → http://b:2"]


def test_hosts_paths_and_keys() -> None:
    assert changes.describe(OLD, msgspec.structs.replace(OLD, auth={"key": KEYS}), {"file:k.yaml"}) == [
        "API keys (k.yaml)",
        "how credentials are checked",
    ]
    assert changes.describe(OLD, with_route(1, hosts=("a.example",))) == ["hosts of up any → a.example"]
    assert changes.describe(OLD, with_route(1, path="/down")) == ["up GET /up → GET /down"]


def test_secrets_that_changed_and_no_others() -> None:
    tokens = Jwt(
        "Token",
        location="header",
        parameter="authorization",
        issuer="https://issuer",
        audiences=("api",),
        jwks="file:jwks.json",
    )
    users = Basic("Basic", users=("file:users", "env:MORE_USERS"))
    both = msgspec.structs.replace(OLD, auth={"token": tokens, "basic": users})
    assert changes.describe(both, both, {"env:MORE_USERS"}) == ["users ($MORE_USERS)"]
    assert changes.describe(both, both, {"file:users", "file:jwks.json"}) == [
        "keys of tokens (jwks.json)",
        "users (users)",
    ]
    assert changes.describe(both, both, {"file:tls.pem", "file:tls.key"}) == ["certificates (tls.key, tls.pem)"]


def test_a_long_list_is_cut() -> None:
    assert changes.summary([f"+ GET /{n}" for n in range(9)]).endswith("+ GET /5 and 3 more")
