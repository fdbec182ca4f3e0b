"""A cache beside a canary: which answers the two sides have in common, and that the share stays what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from apigw_cli.gateway.control import CanaryOrder, Commit, Prepare, Prepared
from apigw_cli.snapshot.model import MockIntegration, Route, Snapshot
from tests.gateway.caching import Bench, Got, Origin, Reply, bench
from tests.gateway.inside import encoded

STABLE, CANARY = {"x_apigw_release": "stable"}, {"x_apigw_release": "canary"}


async def serve(b: Bench, stable: Snapshot, canary: Snapshot, percent: float = 50) -> None:
    """The two of them beside each other; `header:X-Tenant` says which side a client is on."""
    layout = b.inside.layout

    def cells(one: Snapshot) -> list[tuple[int, int]]:
        return [(layout.histogram(r.api, r.operation), layout.route(r.api, r.operation)) for r in one.routes]

    sides = (layout.side(1, "stable"), layout.side(1, "canary"))
    order = CanaryOrder(encoded(canary), percent, "header:x-tenant", 1, ("a" * 9, "b" * 9), sides, cells(canary), {})
    reply = await b.inside.worker.prepare(Prepare(9, encoded(stable), {}, {}, cells(stable), {}, order))
    assert isinstance(reply, Prepared), reply
    await b.inside.worker.commit(Commit(9))


def run(story: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        async with bench() as b:
            await story(b)

    asyncio.run(main())


def asking(one: Snapshot, port: int) -> Snapshot:
    """With its upstream elsewhere, named as `gateway/canary.py` names it."""
    (upstream,) = one.upstreams.values()
    other = msgspec.structs.replace(upstream, name="up@bbbbbbb", targets=(f"http://127.0.0.1:{port}",))
    routes = tuple(
        msgspec.structs.replace(route, integration=msgspec.structs.replace(route.integration, upstream=other.name))
        for route in one.routes
    )
    return msgspec.structs.replace(one, routes=routes, upstreams={other.name: other})


def cached(status: Got) -> bool:
    return "; hit" in status.cache


def test_sides_that_ask_different_servers_have_no_answer_in_common() -> None:
    async def story(b: Bench) -> None:
        other = Origin()
        server = await asyncio.start_server(other.serve, "127.0.0.1", 0)
        b.origin.says(Reply({"Cache-Control": "max-age=600"}, b"stable"))
        other.says(Reply({"Cache-Control": "max-age=600"}, b"canary"))
        await serve(b, b.snapshot({}), asking(b.snapshot({}), server.sockets[0].getsockname()[1]))
        for _ in range(2):
            for fields, body in ((CANARY, b"canary"), (STABLE, b"stable")):
                got = await b.ask(**fields)
                assert (got.body, got.fields["x-apigw-release"][:6]) == (body, body.decode())
        assert (len(b.origin.seen), len(other.seen)) == (1, 1)
        # Without the canary the stable side has what it had, and nothing of the other.
        assert await b.inside.serve(b.snapshot({})) is None
        got = await b.ask()
        assert (got.body, cached(got), "x-apigw-release" in got.fields) == (b"stable", True, False)
        server.close()

    run(story)


def test_another_cache_policy_keeps_the_sides_apart() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({}))
        ttl = b.snapshot({"mode": "ttl", "ttl": "1h"})
        await serve(b, b.snapshot({"mode": "ttl", "ttl": "5s"}), ttl)
        await b.ask(**CANARY)
        assert not cached(await b.ask(**STABLE))
        b.clock.seconds += 10
        assert cached(await b.ask(**CANARY))
        assert not cached(await b.ask(**STABLE))

    run(story)


def test_sides_that_ask_the_same_in_the_same_way_share_and_each_says_who_it_is() -> None:
    async def story(b: Bench) -> None:
        await serve(b, b.snapshot({}), b.snapshot({}))
        first, second = await b.ask(**CANARY), await b.ask(**STABLE)
        assert [one.fields["x-apigw-release"].partition(";")[0] for one in (first, second)] == ["canary", "stable"]
        assert (cached(first), cached(second), len(b.origin.seen)) == (False, True, 1)

    run(story)


def test_a_stored_answer_moves_nobody_to_the_other_side() -> None:
    async def story(b: Bench) -> None:
        await serve(b, b.snapshot({}), b.snapshot({}), 30)
        tenants = [f"tenant-{number}" for number in range(60)]
        sides = [(await b.ask(x_tenant=one)).fields["x-apigw-release"] for one in tenants]
        again = [await b.ask(x_tenant=one) for one in tenants]
        assert all(map(cached, again))
        assert [one.fields["x-apigw-release"] for one in again] == sides
        assert 5 < sum(side.startswith("canary") for side in sides) < 35

    run(story)


def test_a_change_on_one_side_invalidates_on_both() -> None:
    async def story(b: Bench) -> None:
        await serve(b, b.snapshot({}), b.snapshot({"max_object": 1000}))
        for fields in (CANARY, STABLE):
            await b.ask(**fields)
        assert cached(await b.ask(**CANARY))
        assert cached(await b.ask(**STABLE))
        await b.ask(method="POST", **CANARY)
        assert not cached(await b.ask(**CANARY))
        assert not cached(await b.ask(**STABLE))

    run(story)


def test_a_mocks_stored_answers_are_those_of_its_document() -> None:
    async def story(b: Bench) -> None:
        def mock(example: str) -> Snapshot:
            content: Any = {"application/json": {"example": example}}
            path = {"get": {"responses": {"200": {"description": "", "content": content}}}}
            route = Route(
                "api", "a", "GET", "/a", (), MockIntegration("spec", ("paths", "/a", "get")), {"cache": {"mode": "ttl"}}
            )
            documents: Any = {"spec": orjson.dumps({"paths": {"/a": path}})}
            return msgspec.structs.replace(b.snapshot({}), routes=(route,), upstreams={}, documents=documents)

        await serve(b, mock("old"), mock("new"))
        for _ in range(2):
            assert ((await b.ask(**CANARY)).body, (await b.ask(**STABLE)).body) == (b'"new"', b'"old"')

    run(story)
