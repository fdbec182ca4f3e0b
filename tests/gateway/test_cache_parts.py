"""Stored parts of an answer: what they can answer, and how they become whole (RFC 9111, section 3.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.caching import Bench, Reply, Seen, bench
from tests.gateway.inside import eventually

WHOLE = b"0123456789"


def run(story: Callable[[Bench], Awaitable[None]], **policy: Any) -> None:
    async def main() -> None:
        async with bench(**policy) as one:
            await story(one)

    asyncio.run(main())


def part(first: int, last: int, etag: str = '"1"', **fields: str) -> Reply:
    said = {"Cache-Control": "max-age=60", "Content-Range": f"bytes {first}-{last}/10", "ETag": etag, **fields}
    return Reply(said, WHOLE[first : last + 1], 206)


def ranged(seen: Seen) -> Reply:
    """An origin that answers ranges as it should."""
    wanted = seen.fields.get("range")
    if wanted is None or seen.fields.get("if-range", '"1"') != '"1"':
        return Reply({"Cache-Control": "max-age=60", "ETag": '"1"'}, WHOLE)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    return part(int(first), int(last or 9))


@pytest.mark.parametrize("fault", [Reply(raw=b""), Reply(status=503)])
def test_an_error_is_not_asked_for_again_and_again(fault: Reply) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(part(0, 4), fault)
        await b.ask(range="bytes=0-4")
        assert (await b.ask()).status in (502, 503)
        assert len(b.origin.seen) < 6

    run(story)


@pytest.mark.parametrize(("first", "missing"), [("0-4", "bytes=5-9"), ("5-9", "bytes=0-4"), ("-1", "bytes=0-8")])
def test_what_is_missing_is_asked_for_and_the_whole_stored(first: str, missing: str) -> None:
    async def story(b: Bench) -> None:
        b.origin.script = (
            ranged if first != "-1" else lambda seen: part(9, 9) if len(b.origin.seen) == 1 else ranged(seen)
        )
        await b.ask(range=f"bytes={first}")
        got = await b.ask()
        assert (got.status, got.body, got.fields.get("content-range")) == (200, WHOLE, None)
        asked = b.origin.seen[-1].fields
        assert (asked["range"], asked["if-range"]) == (missing, '"1"')
        assert "fwd=partial; fwd-status=206; stored" in got.cache
        again = await b.ask()
        assert (again.body, "; hit" in again.cache, len(b.origin.seen)) == (WHOLE, True, 2)
        assert (await b.ask(range="bytes=3-6")).body == WHOLE[3:7]
        assert (await b.ask(if_none_match='"1"')).status == 304
        assert b.cache.store.held == 0

    run(story)


OTHER = Reply({"Cache-Control": "max-age=60", "ETag": '"2"'}, b"another version")


@pytest.mark.parametrize(
    "rest",
    [
        OTHER,
        part(5, 9, '"2"'),
        part(5, 9, 'W/"1"'),
        part(5, 8),
        part(4, 9),
        Reply({"Content-Range": "bytes 5-9/11", "ETag": '"1"'}, b"56789", 206),
        Reply({"Content-Range": "bytes 5-9/10", "ETag": '"1"'}, b"567", 206),
        Reply({"ETag": '"1"'}, b"56789", 206),
        Reply({"Content-Range": "bytes */3"}, b"", 416),
        part(5, 9, **{"Cache-Control": "no-store"}),
        part(5, 9, Vary="*"),
    ],
)
def test_parts_that_do_not_fit_are_never_joined(rest: Reply) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(part(0, 4), rest, OTHER)
        await b.ask(range="bytes=0-4")
        got = await b.ask()
        assert (got.status, got.body, got.whole) == (200, OTHER.body, True)
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert (len(b.origin.seen), b.cache.store.held) == (2 if rest is OTHER else 3, 0)
        assert (await b.ask()).body == OTHER.body

    run(story)


@pytest.mark.parametrize(
    ("stored", "policy", "fields"),
    [
        (part(0, 4, 'W/"1"'), {}, {}),
        (Reply({"Cache-Control": "max-age=60", "Content-Range": "bytes 0-4/10"}, b"01234", 206), {}, {}),
        (part(3, 5), {}, {}),
        (part(0, 4), {"max_object": 8}, {}),
        (part(0, 4), {}, {"authorization": "me"}),
        (part(0, 4), {}, {"range": "bytes=2-7"}),
    ],
)
def test_what_cannot_be_completed_is_fetched_as_it_was_asked_for(
    stored: Reply, policy: dict[str, Any], fields: dict[str, str]
) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(stored, OTHER)
        await b.ask(range="bytes=0-4")
        await b.ask(**fields)
        asked = b.origin.seen[-1].fields
        assert (asked.get("range"), "if-range" in asked) == (fields.get("range"), False)

    run(story, **policy)


def test_an_answer_that_breaks_off_is_joined_to_nothing() -> None:
    async def story(b: Bench) -> None:
        head = b'HTTP/1.1 206 X\r\nETag: "1"\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n567'
        b.origin.says(part(0, 4), Reply(raw=head), OTHER)
        await b.ask(range="bytes=0-4")
        got = await b.ask()
        assert got.status == 502 or got.body == OTHER.body
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert b.cache.store.held == 0
        assert (await b.ask()).body == OTHER.body

    run(story)


def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(part(0, 4), Reply(wait=asyncio.Event().wait()))
        await b.ask(range="bytes=0-4")
        gone = asyncio.create_task(b.ask())
        await eventually(lambda: len(b.origin.seen) == 2)
        gone.cancel()
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert b.cache.store.held == 0

    run(story)
