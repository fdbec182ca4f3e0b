"""Answers to POST that say they are what GET of the same URI would give (RFC 9110, section 9.3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.gateway.caching import Bench, Reply, bench
from tests.gateway.inside import eventually

ITSELF = {"Cache-Control": "max-age=60", "Content-Location": "/a"}


def run(story: Callable[[Bench], Awaitable[None]], **policies: Any) -> None:
    async def main() -> None:
        async with bench() as b:
            one = b.snapshot({})
            routes = tuple(
                msgspec.structs.replace(route, policies={"cache": {}, **policies})
                for route in one.routes
                if route.path == "/{path+}"
            )
            assert await b.inside.serve(msgspec.structs.replace(one, routes=routes)) is None
            await story(b)

    asyncio.run(main())


async def is_kept(b: Bench, answer: Reply, target: str = "/a", **fields: str) -> bool:
    b.origin.says(answer, Reply({"Cache-Control": "no-store"}, b"by GET"))
    await b.ask(target, method="POST", **fields)
    got = await b.ask(target)
    assert (got.body == answer.body) == ("; hit" in got.cache)
    assert b.cache.store.held == 0
    return "; hit" in got.cache


@pytest.mark.parametrize("location", ["/a", "", "http://api.test/a", "//API.test:80/./a", "a"])
def test_it_is_kept_where_it_names_itself(location: str) -> None:
    async def story(b: Bench) -> None:
        assert await is_kept(b, Reply({**ITSELF, "Content-Location": location}, b"by POST"))
        assert (await b.ask(method="HEAD")).fields["content-length"] == "7"
        assert len(b.origin.seen) == 1

    run(story)


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ({"Content-Location": "/b"}, {}),
        ({"Content-Location": "/a?x=1"}, {}),
        ({"Content-Location": "http://evil.test/a"}, {}),
        ({"Content-Location": "http://["}, {}),
        ({"Cache-Control": "private, max-age=60"}, {}),
        ({"Cache-Control": "max-age=0", "ETag": '"1"'}, {}),
        ({"Cache-Control": "public", "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {}),
        ({"Set-Cookie": "a=b"}, {}),
        ({"Vary": "*"}, {}),
        ({}, {"authorization": "me"}),
        ({}, {"cache_control": "no-store"}),
    ],
)
def test_or_not(answer: dict[str, str], fields: dict[str, str]) -> None:
    async def story(b: Bench) -> None:
        assert not await is_kept(b, Reply({**ITSELF, **answer}, b"by POST"), **fields)

    run(story)


def test_what_names_no_location_errors_and_half_answers_are_not_kept() -> None:
    async def story(b: Bench) -> None:
        assert not await is_kept(b, Reply({"Cache-Control": "max-age=60"}, b"by POST"))
        assert not await is_kept(b, Reply(ITSELF, b"by POST", 404))
        half = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Location: /a\r\nContent-Length: 9\r\n\r\nhalf"
        assert not await is_kept(b, Reply(raw=half))

    run(story)


def test_it_takes_the_place_of_what_get_had_stored() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "max-age=60"}, b"old"), Reply(ITSELF, b"new"))
        assert [(await b.ask(method=method)).body for method in ("GET", "POST", "GET")] == [b"old", b"new", b"new"]
        assert len(b.origin.seen) == 2

    run(story)


def test_one_that_another_change_has_overtaken_is_not_kept() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        b.origin.says(Reply(ITSELF, b"first", wait=gate.wait()), Reply({}, b"second"), Reply({}, b"by GET"))
        slow = asyncio.create_task(b.ask(method="POST"))
        await eventually(lambda: b.origin.seen)
        await b.ask(method="POST")
        gate.set()
        await slow
        assert (await b.ask()).body == b"by GET"

    run(story)


def test_what_a_filter_refuses_is_not_kept() -> None:
    async def story(b: Bench) -> None:
        lines = b"Cache-Control: max-age=60\r\nContent-Location: /a\r\nTransfer-Encoding: chunked\r\n"
        assert not await is_kept(b, Reply(raw=b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n6\r\n123456\r\n0\r\n\r\n"))

    run(story, response_limit={"max_body": 5})
