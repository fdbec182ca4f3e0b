"""The cache of a gateway, seen from its clients and its origin. Time is the test's; nothing sleeps."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.gateway.accesslog import AccessLog
from tests.gateway.caching import Bench, Got, Reply, bench
from tests.gateway.inside import eventually


def run(test: Callable[[Bench], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with bench(**settings) as one:
            await test(one)

    asyncio.run(main())


def fresh(seconds: int = 60, body: bytes = b"hello", **fields: str) -> Reply:
    return Reply({"Cache-Control": f"max-age={seconds}", **{n.replace("_", "-"): v for n, v in fields.items()}}, body)


# --- freshness


def test_the_second_who_asks_gets_what_is_stored_and_its_age() -> None:
    async def story(b: Bench) -> None:
        first = await b.ask()
        b.clock.seconds = 40
        second = await b.ask()
        assert (first.cache, "age" in first.fields) == ("apigw; fwd=uri-miss; stored", False)
        assert (second.body, second.status, len(b.origin.seen)) == (b"hello", 200, 1)
        assert second.cache.startswith("apigw; hit; ttl=")
        assert 40 <= int(second.fields["age"]) <= 45
        assert second.fields["x-request-id"] != first.fields["x-request-id"]

    run(story)


def test_a_stale_answer_is_validated_and_takes_the_new_header_lines() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(
            fresh(10, ETag='"1"', X_Kept="a", X_New="old"),
            Reply({"Cache-Control": "max-age=100", "ETag": '"1"', "X-New": "new"}, status=304),
        )
        await b.ask()
        b.clock.seconds = 30
        validated = await b.ask()
        again = await b.ask()
        assert b.origin.seen[1].fields["if-none-match"] == '"1"'
        assert (validated.status, validated.body) == (200, b"hello")
        assert (again.fields["x-kept"], again.fields["x-new"], len(b.origin.seen)) == ("a", "new", 2)
        assert "fwd-status=304" in validated.cache

    run(story)


@pytest.mark.parametrize(("asks", "says"), [({}, {"Set-Cookie": "sid=1"}), ({"authorization": "Basic YTph"}, {})])
def test_a_304_for_one_client_is_not_made_everybodys_by_what_was_said_before(
    asks: dict[str, str], says: dict[str, str]
) -> None:
    """The stored answer says `public`, the 304 does not: its lines go to who asked, and to nobody else."""

    async def story(b: Bench) -> None:
        whole = Reply({"Cache-Control": "public, max-age=10", "ETag": '"1"'})
        b.origin.says(whole, Reply({"ETag": '"1"', "X-Own": "theirs", **says}, status=304), Reply(status=304))
        await b.ask()
        b.clock.seconds = 30
        theirs = await b.ask(**asks)
        assert (theirs.status, theirs.body, theirs.fields["x-own"]) == (200, b"hello", "theirs")
        assert theirs.fields.get("set-cookie") == says.get("Set-Cookie")
        other = await b.ask()
        assert (other.status, other.body, len(b.origin.seen)) == (200, b"hello", 3)
        assert not {"x-own", "set-cookie"} & other.fields.keys()

    run(story)


def test_an_answer_that_has_changed_takes_the_place_of_the_stale_one() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(10, ETag='"1"'), fresh(10, b"new", ETag='"2"'))
        await b.ask()
        b.clock.seconds = 30
        assert (await b.ask()).body == b"new"
        assert (await b.ask()).body == b"new"
        assert len(b.origin.seen) == 2

    run(story)


def test_stale_while_revalidate_answers_at_once_and_fetches_behind() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        slow = fresh(100, b"new")
        slow.wait = gate.wait()
        b.origin.says(Reply({"Cache-Control": "max-age=10, stale-while-revalidate=60"}), slow)
        await b.ask()
        b.clock.seconds = 30
        stale = await b.ask()  # the origin is silent meanwhile
        assert (stale.body, stale.cache.startswith("apigw; hit; ttl=-")) == (b"hello", True)
        await eventually(lambda: len(b.origin.seen) == 2)
        assert (await b.ask()).body == b"hello"
        gate.set()
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert (await b.ask()).body == b"new"
        assert len(b.origin.seen) == 2

    run(story)


@pytest.mark.parametrize("fault", [Reply(status=503), Reply(raw=b"")])
def test_stale_if_error(fault: Reply) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "max-age=10, stale-if-error=60"}), fault)
        await b.ask()
        b.clock.seconds = 30
        stale = await b.ask()
        assert (stale.status, stale.body) == (200, b"hello")
        assert 'detail="stale-if-error"' in stale.cache
        b.clock.seconds = 100
        assert (await b.ask()).status in (502, 503)

    run(story)


@pytest.mark.parametrize("fault", [Reply(status=503), Reply(raw=b"")])
@pytest.mark.parametrize(
    ("said", "policy", "after", "stale"),
    [
        ("max-age=10", {}, 30, True),
        ("max-age=10", {}, 80, False),
        ("max-age=10", {"stale_if_error": "0s"}, 30, False),
        ("max-age=10, must-revalidate", {}, 30, False),
        ("max-age=0", {}, 1, False),
    ],
)
def test_for_a_minute_what_was_fresh_stands_in_for_an_error(
    fault: Reply, said: str, policy: dict[str, Any], after: int, stale: bool
) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": said, "ETag": '"1"'}), fault)
        await b.ask()
        b.clock.seconds = after
        assert ((await b.ask()).status == 200) is stale

    run(story, **policy)


def test_must_revalidate_is_never_answered_stale() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "max-age=10, must-revalidate, stale-if-error=600"}), Reply(raw=b""))
        await b.ask()
        b.clock.seconds = 30
        assert (await b.ask(cache_control="max-stale")).status == 502

    run(story, stale_if_error="1h", stale_while_revalidate="1h")


def test_what_requests_say_of_freshness() -> None:
    async def story(b: Bench) -> None:
        missing = await b.ask(cache_control="only-if-cached")
        assert (missing.status, b"only-if-cached" in missing.body, b.origin.seen) == (504, True, [])
        await b.ask()
        b.clock.seconds = 40
        for said, asked in (("max-age=20", 2), ("max-age=30", 2), ("min-fresh=30", 2), ("no-cache", 3)):
            await b.ask(cache_control=said)
            assert len(b.origin.seen) == asked, said
        b.clock.seconds = 140
        assert (await b.ask(cache_control="max-stale=100")).cache.startswith("apigw; hit")
        assert (await b.ask(cache_control="only-if-cached")).status == 504
        assert (await b.ask(cache_control="no-store")).cache == "apigw; fwd=bypass"

    run(story)


def test_clients_whose_directives_do_not_count() -> None:
    async def story(b: Bench) -> None:
        for said in ("no-cache", "no-store", "max-age=0"):
            await b.ask(cache_control=said)
        assert len(b.origin.seen) == 1

    run(story, client_directives="ignore")


# --- whose answers these are


@pytest.mark.parametrize(
    "fields",
    [
        {"Cache-Control": "private, max-age=60"},
        {"Cache-Control": "no-store, max-age=60"},
        {"Cache-Control": "max-age=60", "Set-Cookie": "session=1"},
        {"Cache-Control": "max-age=60", "Vary": "*"},
        {"Cache-Control": "max-age=60", "CDN-Cache-Control": "private"},
        {"Cache-Control": "max-age=60", "Content-Type": "text/event-stream"},
        {"Last-Modified": "yesterday"},
    ],
)
def test_what_is_never_stored(fields: dict[str, str]) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply(fields))
        await b.ask()
        await b.ask()
        assert len(b.origin.seen) == 2
        assert len(b.cache.store) == 0

    run(story)


@pytest.mark.parametrize("credential", ["authorization", "x_api_key"])
def test_an_authorised_answer_is_stored_only_where_it_says_so(credential: str) -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: fresh(body=seen.target.encode() + str(seen.fields).encode())
        await b.ask("/mine", **{credential: "alice"})
        other = await b.ask("/mine", **{credential: "bob"})
        assert b"alice" not in other.body
        assert b"alice" not in (await b.ask("/mine")).body
        b.origin.says(Reply({"Cache-Control": "public, max-age=60"}, b"for all"))
        await b.ask("/all", **{credential: "alice"})
        count = len(b.origin.seen)
        assert (await b.ask("/all")).body == b"for all"
        assert len(b.origin.seen) == count

    run(story)


def test_an_answer_for_one_does_not_push_out_the_one_for_all() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "max-age=10, stale-if-error=600", "ETag": '"1"'}), fresh(10, b"yours"))
        await b.ask()
        b.clock.seconds = 30
        assert (await b.ask(authorization="anybody")).body == b"yours"
        b.origin.says(Reply(status=304), Reply(status=503))
        assert (await b.ask(authorization="anybody")).body == b"hello"
        assert (await b.ask()).body == b"hello"

    run(story)


def test_each_caller_has_answers_of_their_own() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: fresh(body=seen.fields.get("authorization", "nobody").encode())
        for _ in range(2):
            for who in ("alice", "bob"):
                assert (await b.ask(authorization=who)).body == who.encode()
            assert (await b.ask()).body == b"nobody"
        assert len(b.origin.seen) == 3

    run(story, per_caller=True)


def test_a_guess_is_not_made_about_answers_to_cookies() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(
            Reply({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Date": "Tue, 01 Jan 2030 00:00:00 GMT"})
        )
        await b.ask(cookie="session=1")
        assert "stored" not in (await b.ask()).cache or len(b.origin.seen) == 2
        await b.ask()
        assert len(b.origin.seen) == 2

    run(story)


@pytest.mark.parametrize(
    "poison",
    [
        {"x_forwarded_host": "evil.test"},
        {"x_forwarded_proto": "https"},
        {"forwarded": "host=evil.test"},
        {"x_forwarded_server": "evil.test"},
        {"x_http_method_override": "DELETE"},
        {"host": "api.test:1337"},
    ],
)
def test_what_is_not_in_the_key_chooses_nobodys_answer(poison: dict[str, str]) -> None:
    """An origin that repeats who it believes to be: what one client made it say, no other one hears."""

    async def story(b: Bench) -> None:
        def script(seen: Any) -> Reply:
            told = [seen.fields.get(n, "") for n in ("x-forwarded-host", "x-forwarded-proto", "forwarded")]
            return fresh(body=" ".join(told).encode())

        b.origin.script = script
        await b.ask(**poison)
        clean = await b.ask()
        assert clean.body == b"api.test http "

    run(story)


def test_paths_that_differ_for_the_origin_never_meet_and_those_that_do_not_do() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: fresh(body=seen.target.encode())
        for target in ("/a/b", "/a%2Fb", "/a/b?x=1", "/a/b?x=%31", "/A/b", "/a/b;c", "/a%3Fx=1"):
            for _ in range(2):
                got = await b.ask(target)
                assert got.body.decode() == b.origin.seen[-1].target
        count = len(b.origin.seen)
        for target in ("/%61/b", "/a/./b", "/c/../a/b", "/a/b#x"):
            got = await b.ask(target)
            assert got.status == 400 or got.body == b"/a/b", target
        assert len(b.origin.seen) == count

    run(story)


def test_vary_keeps_variants_apart_and_their_number_is_bounded() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: fresh(
            body=seen.fields.get("accept-language", "").encode(), Vary="Accept-Language"
        )
        assert (await b.ask(accept_language="de, en")).body == b"de, en"
        assert (await b.ask(accept_language="EN,de")).body == b"de, en"
        assert (await b.ask(accept_language="fr")).body == b"fr"
        assert "fwd=vary-miss" in (await b.ask()).cache
        for number in range(100):
            await b.ask(accept_language=f"x-{number}")
        assert len(b.cache.store) == 64

    run(story)


def test_an_answer_that_varies_on_too_much_is_not_stored() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(Vary=", ".join(f"X-{number}" for number in range(40))))
        await b.ask()
        assert len(b.cache.store) == 0

    run(story)


# --- many at once


def test_many_who_ask_the_same_wait_for_one() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        slow = fresh()
        slow.wait = gate.wait()
        b.origin.says(slow)
        asking = [asyncio.create_task(b.ask()) for _ in range(20)]
        await eventually(lambda: followers(b) == 19)
        gate.set()
        answers = await asyncio.gather(*asking)
        assert [(one.status, one.body) for one in answers] == [(200, b"hello")] * 20
        assert len(b.origin.seen) == 1
        assert sum("collapsed" in one.cache for one in answers) == 19

    run(story)


def followers(b: Bench) -> int:
    return sum(len(one.followers) for one in b.inside.worker.site.fetches)


def test_who_waited_for_a_private_answer_gets_their_own() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()

        def script(seen: Any) -> Reply:
            who = seen.fields["authorization"]
            reply = Reply({"Cache-Control": "private, max-age=60"}, who.encode())
            reply.wait = gate.wait()
            return reply

        b.origin.script = script
        asking = [asyncio.create_task(b.ask(authorization=f"client {n}")) for n in range(10)]
        await eventually(lambda: followers(b) == 9)
        gate.set()
        answers = await asyncio.gather(*asking)
        assert [one.body for one in answers] == [b"client %d" % n for n in range(10)]
        # And for a moment nobody waits for the next one.
        count = len(b.origin.seen)
        await asyncio.gather(*(b.ask(authorization=f"client {n}") for n in range(5)))
        assert len(b.origin.seen) == count + 5

    run(story)


def test_the_leader_leaves_and_the_others_are_answered() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        slow = fresh()
        slow.wait = gate.wait()
        b.origin.says(slow)
        leader = asyncio.create_task(b.ask())
        await eventually(lambda: len(b.origin.seen) == 1)
        others = [asyncio.create_task(b.ask()) for _ in range(3)]
        await eventually(lambda: followers(b) == 3)
        leader.cancel()
        await eventually(lambda: all(one.leader is None for one in b.inside.worker.site.fetches))
        gate.set()
        assert [one.body for one in await asyncio.gather(*others)] == [b"hello"] * 3
        assert len(b.origin.seen) == 1

    run(story)


def test_nobody_waits_any_more_and_nothing_is_fetched() -> None:
    async def story(b: Bench) -> None:
        slow = fresh()
        slow.wait = asyncio.Event().wait()
        b.origin.says(slow)
        only = asyncio.create_task(b.ask())
        await eventually(lambda: len(b.origin.seen) == 1)
        only.cancel()
        await eventually(lambda: not b.inside.worker.site.fetches)
        assert b.cache.store.held == 0
        assert b.cache.flights == {}

    run(story)


def test_the_leader_fails_and_so_do_those_who_wait() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        broken = Reply(raw=b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\nhalf")
        broken.wait = gate.wait()
        b.origin.says(broken, fresh())
        asking = [asyncio.create_task(b.ask()) for _ in range(3)]
        await eventually(lambda: followers(b) == 2)
        gate.set()
        answers = await asyncio.gather(*asking)
        assert sum(not one.whole for one in answers) == 1  # the leader's, which had begun
        assert sorted(one.status for one in answers) == [200, 502, 502]
        assert len(b.cache.store) == 0
        assert (await b.ask()).body == b"hello"

    run(story)


def test_an_error_gives_each_who_waited_the_stale_answer_that_fits_them() -> None:
    """The key is the same, the variant is not: nobody gets what varies on another's cookie."""

    async def story(b: Bench) -> None:
        gate = asyncio.Event()

        def script(seen: Any) -> Reply:
            who = seen.fields.get("cookie", "nobody").encode()
            return Reply({"Cache-Control": "max-age=10, stale-if-error=600", "Vary": "Cookie"}, who)

        b.origin.script = script
        for who in ("a", "b"):
            await b.ask(cookie=who)
        b.clock.seconds = 30
        b.origin.says(Reply(raw=b"", wait=gate.wait()))
        asking = [asyncio.create_task(b.ask(cookie=who)) for who in ("a", "b", "c")]
        await eventually(lambda: followers(b) == 2)
        gate.set()
        a, other, stranger = await asyncio.gather(*asking)
        assert (a.body, other.body, stranger.status) == (b"a", b"b", 502)

    run(story)


def test_who_says_who_they_are_keeps_nobody_else_from_waiting_together() -> None:
    async def story(b: Bench) -> None:
        await b.ask(authorization="noise")  # not storable: for a moment nobody who says so waits
        gate = asyncio.Event()
        slow = fresh()
        slow.wait = gate.wait()
        b.origin.says(slow)
        asking = [asyncio.create_task(b.ask()) for _ in range(5)]
        await eventually(lambda: followers(b) == 4)
        gate.set()
        await asyncio.gather(*asking)
        assert len(b.origin.seen) == 2

    run(story)


def test_a_cookie_that_is_named_is_left_out_of_what_is_stored() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": 'max-age=60, no-cache="Set-Cookie"', "Set-Cookie": "session=1"}))
        first, second = await b.ask(), await b.ask()
        assert ("set-cookie" in first.fields, "set-cookie" in second.fields, len(b.origin.seen)) == (True, False, 1)

    run(story)


def test_what_is_for_surrogates_stays_here() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "no-store", "Surrogate-Control": "max-age=60"}))
        answers = [await b.ask() for _ in range(2)]
        assert not any("surrogate-control" in one.fields for one in answers)
        assert len(b.origin.seen) == 1

    run(story)


# --- answers that lie


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nwho knows",
    ],
)
def test_an_interrupted_body_is_never_stored(raw: bytes) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply(raw=raw), fresh())
        await b.ask()
        assert len(b.cache.store) == 0
        assert b.cache.store.held == 0
        assert (await b.ask()).body == b"hello"

    run(story)


def test_bytes_behind_an_answer_belong_to_nobody() -> None:
    async def story(b: Bench) -> None:
        evil = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nevil"
        b.origin.says(
            Reply(raw=b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood" + evil)
        )
        assert (await b.ask("/a")).body == b"good"
        b.origin.says(fresh())
        assert (await b.ask("/b")).body == b"hello"
        assert (await b.ask("/a")).body == b"good"

    run(story)


def test_a_part_that_is_not_as_long_as_it_says_is_not_stored() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "max-age=60", "Content-Range": "bytes 0-99/1000"}, b"short", 206))
        await b.ask(range="bytes=0-99")
        assert len(b.cache.store) == 0

    run(story)


# --- parts, conditions, HEAD


def test_parts_conditions_and_heads_of_what_is_stored() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(body=b"0123456789", ETag='"1"'))
        await b.ask()
        part = await b.ask(range="bytes=2-4")
        assert (part.status, part.body, part.fields["content-range"]) == (206, b"234", "bytes 2-4/10")
        assert (await b.ask(range="bytes=-3")).body == b"789"
        assert (await b.ask(range="bytes=2-4", if_range='"1"')).status == 206
        assert (await b.ask(range="bytes=2-4", if_range='"other"')).status == 200
        beyond = await b.ask(range="bytes=20-")
        assert (beyond.status, beyond.fields["content-range"]) == (416, "bytes */10")
        assert (await b.ask(range="bytes=0-1,4-5")).status == 200
        same = await b.ask(if_none_match='W/"1", "2"')
        assert (same.status, same.body, same.fields["etag"]) == (304, b"", '"1"')
        assert (await b.ask(if_none_match='"2"')).status == 200
        head = await b.ask(method="HEAD")
        assert (head.status, head.body, head.fields["content-length"]) == (200, b"", "10")
        assert len(b.origin.seen) == 1
        assert (await b.ask(if_match='"1"')).cache == "apigw; fwd=bypass"

    run(story)


def test_a_stored_part_answers_for_what_lies_in_it() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": "max-age=60", "Content-Range": "bytes 2-5/10"}, b"2345", 206), fresh())
        await b.ask(range="bytes=2-5")
        inner = await b.ask(range="bytes=3-4")
        assert (inner.status, inner.body, inner.fields["content-range"]) == (206, b"34", "bytes 3-4/10")
        assert len(b.origin.seen) == 1
        assert (await b.ask()).body == b"hello"  # the whole is not there
        assert len(b.origin.seen) == 2

    run(story)


def test_a_condition_on_what_is_not_stored_is_answered_here() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(ETag='"1"'))
        same = await b.ask(if_none_match='"1"')
        assert (same.status, "if-none-match" in b.origin.seen[0].fields) == (304, False)
        assert (await b.ask()).body == b"hello"
        assert len(b.origin.seen) == 1

    run(story)


def test_a_head_that_tells_of_another_answer_drops_the_stored_one() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(10, ETag='"1"'), fresh(10, b"longer body", ETag='"2"'))
        await b.ask()
        b.clock.seconds = 30
        await b.ask(method="HEAD")
        assert len(b.cache.store) == 0

    run(story)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_that_is_no_http_in_its_first_bytes_is_a_502(method: str) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"))
        got = await b.ask(method=method)
        assert (got.status, b"sent an invalid answer" in got.body) == (502, True)

    run(story)


def test_an_http_1_0_client() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(
            Reply(
                raw=b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nok\r\n0\r\n\r\n"
            )
        )
        first, second = await b.ask(version="1.0"), await b.ask(version="1.0")
        assert (first.body, "transfer-encoding" in first.fields) == (b"ok", False)
        assert (second.body, second.fields["content-length"]) == (b"ok", "2")

    run(story)


# --- what takes answers away


def test_what_changes_a_thing_invalidates_what_is_stored_of_it() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(Location="/other", Content_Location="http://elsewhere.test/far"))
        for target in ("/a?x=1", "/other", "/far", "/untouched"):
            await b.ask(target)
        await b.ask("/a", method="POST")
        count = len(b.origin.seen)
        for target, asked in (("/a?x=1", 1), ("/other", 2), ("/far", 2), ("/untouched", 2)):
            await b.ask(target)
            assert len(b.origin.seen) == count + asked, target

    run(story)


def test_a_change_invalidates_the_groups_that_its_answer_names() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(fresh(Cache_Groups='"pets", "all"'), fresh(Cache_Groups='"owners"'), Reply({}))
        for target in ("/a", "/b"):
            await b.ask(target)
        b.origin.says(Reply({"Cache-Group-Invalidation": '"pets"'}, status=500))
        await b.ask("/x", method="POST")
        assert "; hit" in (await b.ask("/a")).cache
        b.origin.says(Reply({"Cache-Group-Invalidation": '"pets"'}))
        await b.ask("/x", method="POST", host="other.test")
        await b.ask("/x")  # a safe one says nothing about it
        assert "; hit" in (await b.ask("/a")).cache
        await b.ask("/x", method="POST")
        answers = [await b.ask(target) for target in ("/a", "/b")]
        assert ["; hit" in one.cache for one in answers] == [False, True]

    run(story)


def test_a_change_that_failed_invalidates_nothing() -> None:
    async def story(b: Bench) -> None:
        await b.ask()
        b.origin.says(Reply(status=500))
        assert (await b.ask(method="DELETE")).status == 500
        assert (await b.ask()).body == b"hello"

    run(story)


def test_an_answer_asked_for_before_a_change_is_not_stored_after_it() -> None:
    async def story(b: Bench) -> None:
        gate = asyncio.Event()
        slow = fresh(body=b"old")
        slow.wait = gate.wait()
        b.origin.script = lambda seen: slow if seen.method == "GET" else Reply()
        asking = asyncio.create_task(b.ask())
        await eventually(lambda: len(b.origin.seen) == 1)
        await b.ask(method="PUT")
        gate.set()
        assert (await asking).body == b"old"
        b.origin.says(fresh(body=b"new"))
        assert (await b.ask()).body == b"new"

    run(story)


# --- the budget


def test_never_above_the_budget_and_no_answer_takes_it_all() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: fresh(body=b"x" * (50_000 if "large" in seen.target else 5_000))
        for number in range(60):
            await b.ask(f"/{number}")
            assert b.cache.store.ring.filled + b.cache.store.ring.held + b.cache.store.remembered <= 100_000
        assert b.cache.store.ring.evictions > 20
        kept = len(b.cache.store)
        large = await b.ask("/large")
        assert (len(large.body), "too large" in large.cache) == (50_000, True)
        assert len(b.cache.store) == kept
        assert (await b.ask("/59")).cache.startswith("apigw; hit")

    run(story, budget=100_000, max_object=20_000)


def test_an_answer_whose_length_is_not_known_is_passed_on_and_not_kept_when_it_is_too_long() -> None:
    async def story(b: Bench) -> None:
        chunks = b"".join(b"1000\r\n" + b"x" * 0x1000 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
        b.origin.says(Reply(raw=head + chunks))
        got = await b.ask()
        assert (len(got.body), got.whole) == (20 * 0x1000, True)
        assert (len(b.cache.store), b.cache.store.held) == (0, 0)

    run(story, max_object=30_000)


# --- by time alone


@pytest.mark.parametrize(("policy", "status"), [({}, 304), ({"mode": "ttl"}, 200)])
@pytest.mark.parametrize("framing", ["Connection: close", "Transfer-Encoding: chunked"])
def test_who_has_an_answer_that_finds_no_room_never_gets_an_empty_one(
    policy: dict[str, Any], status: int, framing: str
) -> None:
    """Neither what only the connection's end ends, nor what is larger than `max_object`, is stored."""

    async def story(b: Bench) -> None:
        body = b"5\r\nhello\r\n0\r\n\r\n" if framing.endswith("chunked") else b"hello"
        lines = f'Cache-Control: max-age=60\r\nETag: "1"\r\n{framing}'.encode()
        b.origin.says(Reply(raw=b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (lines, body)))
        got = await b.ask(if_none_match='"1"')
        assert (got.status, got.body) == (status, b"hello" if status == 200 else b"")

    run(story, max_object=3, **policy)


@pytest.mark.parametrize("said", ["stale-while-revalidate=600", "max-age=60, stale-if-error=600"])
def test_ttl_ends_whatever_an_answer_says_of_being_stale(said: str) -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({"Cache-Control": said}, b"old"), Reply(status=503, body=b"new"))
        await b.ask()
        b.clock.seconds = 21
        assert (await b.ask()).body == b"new"

    run(story, mode="ttl", ttl="20s")


def test_ttl_keeps_by_chosen_parameters_and_not_what_is_private() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply({}, seen.target.encode())
        assert (await b.ask("/a?type=x&department=A")).body == b"/a?type=x&department=A"
        assert (await b.ask("/a?type=x&department=B")).body == b"/a?type=x&department=A"  # as AWS documents it
        assert (await b.ask("/a?type=y")).body == b"/a?type=y"
        assert (await b.ask("/b?type=x")).body == b"/b?type=x"
        b.clock.seconds = 400
        await b.ask("/a?type=x")
        assert len(b.origin.seen) == 4
        b.origin.script = lambda seen: Reply({}, str(seen.fields).encode())
        await b.ask("/c", authorization="alice")
        assert b"alice" not in (await b.ask("/c", authorization="bob")).body

    run(story, mode="ttl", ttl="5m", key_parameters=["query:type"])


@pytest.mark.parametrize(("otherwise", "status"), [("reject", 403), ("warn", 200), ("ignore", 200)])
def test_who_may_not_invalidate(otherwise: str, status: int) -> None:
    async def story(b: Bench) -> None:
        await b.ask()
        got = await b.ask(cache_control="max-age=0")
        assert (got.status, "warning" in got.fields, len(b.origin.seen)) == (status, otherwise == "warn", 1)

    run(story, mode="ttl", invalidation={"allow": ["alice"], "otherwise": otherwise})


def test_who_may_invalidate() -> None:
    async def story(b: Bench) -> None:
        b.origin.says(Reply({}, b"1"), Reply({}, b"2"))
        assert (await b.ask()).body == b"1"
        assert (await b.ask(cache_control="max-age=0")).body == b"2"
        assert (await b.ask()).body == b"2"

    run(story, mode="ttl", invalidation={"allow": "anyone"})


# --- the rest


def test_a_route_that_was_changed_does_not_give_what_was_stored_before() -> None:
    async def story(b: Bench) -> None:
        await b.ask()
        await b.configure()
        await b.ask()
        assert len(b.origin.seen) == 1  # nothing is different
        await b.configure(heuristic=False)
        await b.ask()
        assert len(b.origin.seen) == 2

    run(story)


@pytest.mark.parametrize("status", [102, 103])
def test_early_hints_go_on_and_are_not_stored(status: int) -> None:
    async def story(b: Bench) -> None:
        hints = b"HTTP/1.1 %d Early Hints\r\nLink: </a.css>\r\n\r\n" % status
        last = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok"
        b.origin.says(Reply(raw=hints + last))
        assert (await b.ask()).status == status
        again = await b.ask()
        assert (again.status, again.body, "link" in again.fields) == (200, b"ok", False)

    run(story)


def test_routes_without_a_cache_have_no_part_in_it() -> None:
    async def story(b: Bench) -> None:
        answers: list[Got] = [await b.ask("/plain/a") for _ in range(2)]
        assert [one.cache for one in answers] == ["", ""]
        assert len(b.origin.seen) == 2

    run(story)


def test_what_is_counted() -> None:
    async def story(b: Bench) -> None:
        from apigw_cli.gateway.metrics import CACHE, CACHE_WORDS

        await b.ask()
        await b.ask()
        await b.ask(cache_control="no-store")
        words = b.inside.worker.site.cells.words
        found = {name: words[CACHE + at] for at, name in enumerate(CACHE_WORDS)}
        assert (found["hits"], found["misses"], found["bypasses"], len(b.cache.store)) == (1, 1, 1, 1)

    run(story)


# --- the log


def test_the_log_says_what_the_cache_did_and_which_server_was_asked(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)

    async def story(b: Bench) -> None:
        b.inside.worker.site.log = log = AccessLog(descriptor)
        etag = {"ETag": '"1"', "Cache-Control": "max-age=10, stale-if-error=60"}
        b.origin.says(Reply(etag), Reply(etag, status=304), Reply(status=503), fresh())
        await b.ask()
        await b.ask()
        b.clock.seconds += 20
        await b.ask()  # validated
        b.clock.seconds += 20
        await b.ask()  # 503: the stale one
        await b.ask(method="POST")
        await b.ask("/plain/a")
        await b.ask("/c", cache_control="no-store")
        await b.ask("/d", cache_control="only-if-cached")
        gate = asyncio.Event()
        b.origin.says(Reply({"Cache-Control": "max-age=60"}, wait=gate.wait()))
        asking = [asyncio.create_task(b.ask("/many")) for _ in range(3)]
        await eventually(lambda: followers(b) == 2)
        gate.set()
        await asyncio.gather(*asking)
        log.flush()
        server = f"http://127.0.0.1:{b.origin.port}"
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert [(line["cache"], line["upstream"]) for line in lines] == [
            ("miss", server),
            ("hit", None),
            ("validated", server),
            ("stale", server),
            (None, server),
            (None, server),
            ("bypass", server),
            ("miss", None),
            ("miss", server),
            ("hit", None),
            ("hit", None),
        ]

    run(story)
    os.close(descriptor)


def test_the_log_names_the_server_also_where_the_client_has_left_or_nothing_came(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)

    async def story(b: Bench) -> None:
        b.inside.worker.site.log = log = AccessLog(descriptor)
        b.origin.says(Reply(raw=b""))
        assert (await b.ask()).status == 502
        count = len(b.origin.seen)
        b.origin.says(Reply(wait=asyncio.Event().wait()))
        gone = asyncio.create_task(b.ask("/b"))
        await eventually(lambda: len(b.origin.seen) > count)
        gone.cancel()
        await eventually(lambda: not b.inside.worker.site.fetches)
        log.flush()
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        server = f"http://127.0.0.1:{b.origin.port}"
        expected = [("miss", server, "upstream_closed"), ("miss", server, "client_gone")]
        assert [(line["cache"], line["upstream"], line["reason"]) for line in lines] == expected

    run(story)
    os.close(descriptor)
