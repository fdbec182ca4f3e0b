"""What a reload says that it changed."""

from __future__ import annotations

import msgspec

from apigw_cli.gateway import changes
from apigw_cli.snapshot.model import HttpIntegration, MockIntegration, Route, Snapshot
from tests.gateway.inside import snapshot

OLD = snapshot("http://a:1")


def with_route(index: int, **fields: object) -> Snapshot:
    routes = list(OLD.routes)
    routes[index] = msgspec.structs.replace(routes[index], **fields)
    return msgspec.structs.replace(OLD, routes=tuple(routes))


def test_nothing() -> None:
    assert changes.describe(OLD, OLD, False) == []
    assert changes.summary([]) == "nothing changed"


def test_routes_that_come_and_go() -> None:
    new = Route("api", "new", "GET", "/new", (), HttpIntegration("up"), {})
    both = msgspec.structs.replace(OLD, routes=(OLD.routes[0], new))
    assert changes.describe(OLD, both, False) == ["+ GET /new", "- GET /up"]


def test_policies() -> None:
    limited = with_route(1, policies={"rate_limit": {"rate": "5/s", "burst": 5, "key": "ip"}})
    tighter = with_route(1, policies={"rate_limit": {"rate": "2/s", "burst": 5, "key": "ip"}})
    assert changes.describe(OLD, limited, False) == ["rate limit of up off → 5/s burst 5 per ip"]
    assert changes.describe(limited, tighter, False) == ["rate limit of up 5/s burst 5 per ip → 2/s burst 5 per ip"]


def test_what_answers() -> None:
    mocked = with_route(1, integration=MockIntegration("spec", ()))
    assert changes.describe(OLD, mocked, False) == ["up upstream up → mock"]
    moved = snapshot("http://b:2")
    assert changes.describe(OLD, moved, False) == ["targets of up http://a:1 → http://b:2"]


def test_hosts_paths_and_keys() -> None:
    assert changes.describe(OLD, with_route(1, hosts=("a.example",)), True) == [
        "hosts of up any → a.example",
        "API keys",
    ]
    assert changes.describe(OLD, with_route(1, path="/down"), False) == ["up GET /up → GET /down"]


def test_a_long_list_is_cut() -> None:
    assert changes.summary([f"+ GET /{n}" for n in range(9)]).endswith("+ GET /5 and 3 more")
