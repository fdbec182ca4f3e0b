"""Answers that a filter of their route refuses: nobody gets them, and they do not stay in the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson
import pytest

from apigw_cli.snapshot.model import MockIntegration, Route, Snapshot
from tests.gateway.caching import Bench, Got, Reply, bench
from tests.gateway.inside import eventually

JSON = {"Content-Type": "application/json", "Cache-Control": "max-age=60"}
GOOD, BAD = Reply(JSON, b"{}"), Reply(JSON, b"[1, 2, 3]")
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
)
BAD_CHUNKS = Reply(raw=CHUNKED + b"\r\n\r\n9\r\n[1, 2, 3]\r\n0\r\n\r\n")
BEHIND = {**JSON, "Cache-Control": "max-age=10, stale-while-revalidate=600"}

ANSWERS = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Any", "version": "1"},
    "paths": {"/{path+}": {"get": {"operationId": "any", "responses": ANSWERS}}},
}
# `validate` puts an answer of its own in the place of what does not fit; `response_limit` raises.
REFUSING = [{"validate": {"response": "enforce"}}, {"response_limit": {"max_body": 5}}]


def refusing(b: Bench, policies: dict[str, Any]) -> Snapshot:
    one = b.snapshot({})
    get, *_ = one.routes
    route = msgspec.structs.replace(get, policies={"cache": {}, **policies})
    return msgspec.structs.replace(one, routes=(route,), documents={"spec": orjson.dumps(DOCUMENT)})


def run(policies: dict[str, Any], story: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        async with bench() as b:
            assert await b.inside.serve(refusing(b, policies)) is None
            await story(b)

    asyncio.run(main())


@pytest.mark.parametrize("policies", REFUSING)
@pytest.mark.parametrize("bad", [BAD, BAD_CHUNKS])
def test_what_is_refused_at_first_sight_is_not_stored(policies: dict[str, Any], bad: Reply) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(bad, GOOD)
        refused = await b.ask()
        assert refused.status == 502 or not refused.whole
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert (len(b.cache.store), b.cache.store.held) == (0, 0)
        answers = [await b.ask(), await b.ask()]
        assert [(one.status, one.body) for one in answers] == [(200, b"{}")] * 2
        assert len(b.origin.seen) == 2

    run(policies, story)


def test_a_mocks_answer_that_is_refused() -> None:
    content: Any = {"application/json": {"example": "too long"}}
    document = {"paths": {"/a": {"get": {"responses": {"200": {"description": "", "content": content}}}}}}
    policies = {"cache": {"mode": "ttl"}, "response_limit": {"max_body": 5}}
    mock = Route("api", "a", "GET", "/a", (), MockIntegration("spec", ("paths", "/a", "get")), policies)

    async def main() -> None:
        async with bench() as b:
            one = msgspec.structs.replace(b.snapshot({}), routes=(mock,), documents={"spec": orjson.dumps(document)})
            assert await b.inside.serve(one) is None
            assert [(await b.ask()).status for _ in range(2)] == [502, 502]
            assert len(b.cache.store) == 0

    asyncio.run(main())


@pytest.mark.parametrize("policies", REFUSING)
def test_what_is_refused_when_it_is_used_is_dropped(policies: dict[str, Any]) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply(BEHIND, b"{}"), BAD, GOOD)
        await b.ask()
        b.clock.seconds += 20
        assert (await b.ask()).status == 200  # stale; what is fetched behind its back nobody has looked at
        await eventually(lambda: len(b.origin.seen) == 2 and not b.inside.worker.site.fetches)
        refused = await b.ask()
        assert (refused.status, len(b.cache.store)) == (502, 0)
        assert (await b.ask()).body == b"{}"

    run(policies, story)


@pytest.mark.parametrize("policies", REFUSING)
def test_nobody_who_waits_gets_it(policies: dict[str, Any]) -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        b.origin.says(Reply(JSON, BAD.body, wait=gate.wait()))
        asking = [asyncio.create_task(b.ask()) for _ in range(5)]
        await eventually(lambda: sum(len(one.followers) for one in b.inside.worker.site.fetches) == 4)
        gate.set()
        answers: list[Got] = await asyncio.gather(*asking)
        assert [one.status for one in answers] == [502] * 5
        assert (len(b.cache.store), b.cache.store.held) == (0, 0)

    run(policies, story)


@pytest.mark.parametrize("policies", REFUSING)
def test_the_leader_leaves_and_what_is_stored_is_refused_to_each(policies: dict[str, Any]) -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        b.origin.says(Reply(JSON, BAD.body, wait=gate.wait()))
        leader = asyncio.create_task(b.ask())
        await eventually(lambda: b.inside.worker.site.fetches)
        others = [asyncio.create_task(b.ask()) for _ in range(3)]
        await eventually(lambda: sum(len(one.followers) for one in b.inside.worker.site.fetches) == 3)
        leader.cancel()
        await eventually(lambda: all(one.leader is None for one in b.inside.worker.site.fetches))
        gate.set()
        assert [one.status for one in await asyncio.gather(*others)] == [502] * 3
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert len(b.cache.store) == 0

    run(policies, story)
