"""Clients that try to choose what others get out of the cache. The origin believes all that it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.gateway.caching import Bench, Got, Reply, Seen, bench, parse

FRESH = {"Cache-Control": "max-age=600"}
# What an origin adds to a request by itself, or the gateway does.
_USUAL = {"host", "connection", "x-request-id", "surrogate-capability", "x-forwarded-proto", "x-forwarded-host"}


def run(story: Callable[[Bench], Awaitable[None]], **policy: Any) -> None:
    async def main() -> None:
        async with bench(**policy) as one:
            await story(one)

    asyncio.run(main())


async def send(b: Bench, head: str, body: bytes = b"") -> Got:
    """These very bytes, on a connection of their own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", b.inside.port)
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\nConnection: close\r\n\r\n" + body)
    data = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return parse(data, head.partition(" ")[0])


def believing(seen: Seen) -> Reply:
    """Repeats whatever it was told beyond the request line."""
    told = sorted(f"{name}={value}" for name, value in seen.fields.items() if name not in _USUAL)
    told = [one for one in told if not one.startswith("x-forwarded-for=")]
    return Reply(FRESH, " ".join((seen.method, seen.target, *told)).encode())


@pytest.mark.parametrize(
    "line",
    [
        *("X-Original-URL: /admin", "X-Rewrite-URL: /admin", "x_original_url: /admin", "X-Forwarded-Prefix: //evil"),
        *("X-HTTP-Method-Override: DELETE", "X-Method-Override: POST", "X-Http-Method: PUT"),
        *("X-Host: evil.test", "X-Forwarded-Scheme: nothttps", "X-Forwarded-Ssl: on", "Front-End-Https: on"),
        *("X-Forwarded-Host: evil.test", "X-Forwarded-Port: 1337", "X-Forwarded-Server: evil", "X-Real-IP: 1.2.3.4"),
        *("Forwarded: host=evil.test", 'Surrogate-Capability: evil="ESI/1.0"', "X_Forwarded_Host: evil.test"),
        *("If-Match: *", "Expect: nonsense", "TE: trailers, evil", "Max-Forwards: 0"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_a_header_makes_an_origin_say_no_other_hears(method: str, line: str) -> None:
    async def story(b: Bench) -> None:
        b.origin.script = believing
        await send(b, f"{method} /a HTTP/1.1\nHost: api.test\n{line}")
        for _ in range(2):
            clean = await b.ask()
            assert clean.body in (b"GET /a", b"GET /a max-forwards=0")
            if line != "Max-Forwards: 0":  # one of TRACE and OPTIONS alone: as any header that has no meaning here
                assert clean.body == b"GET /a"

    run(story)


def test_a_get_with_a_body_is_neither_answered_from_the_cache_nor_stored() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply(FRESH, seen.fields.get("content-length", "none").encode())
        fat = "GET /a HTTP/1.1\nHost: api.test\nContent-Length: 5"
        assert (await send(b, fat, b"q=bad")).body == b"5"
        assert (await b.ask()).body == b"none"
        assert (await send(b, fat, b"q=bad")).body == b"5"
        assert (await b.ask()).body == b"none"
        assert len(b.origin.seen) == 3

    run(story)


@pytest.mark.parametrize("status", [400, 403, 416, 500])
def test_an_error_that_a_range_brought_about_is_not_stored(status: int) -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply(FRESH, b"bad", status) if "range" in seen.fields else Reply(FRESH)
        assert (await b.ask(range="bytes=999-")).status == status
        assert (await b.ask()).body == b"hello"

    run(story)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 414, 429, 431, 501])
@pytest.mark.parametrize("policy", [{}, {"mode": "ttl"}])
def test_an_error_that_says_nothing_of_freshness_is_not_stored(status: int, policy: dict[str, Any]) -> None:
    """With mode: ttl 404 is, by what the key has; no header that is not in it brings one about here."""

    async def story(b: Bench) -> None:
        hostile = Reply({"Date": "Tue, 01 Jan 2030 00:00:00 GMT"}, b"bad", status)
        b.origin.script = lambda seen: hostile if "x-hostile" in seen.fields else Reply(FRESH)
        assert (await b.ask(x_hostile="x" * 8000)).status == status
        assert (await b.ask()).status == (404 if policy and status == 404 else 200)

    run(story, **policy)


@pytest.mark.parametrize(
    ("line", "status"),
    [("X-Large: " + "x" * 200_000, 431), ("X-Bad: a\0b", 400), ("X Bad: a", 400), ("Content-Length: -1", 400)],
)
def test_what_the_gateway_refuses_itself_is_not_stored(line: str, status: int) -> None:
    async def story(b: Bench) -> None:
        assert (await send(b, f"GET /a HTTP/1.1\nHost: api.test\n{line}")).status == status
        assert ((await b.ask()).status, len(b.origin.seen)) == (200, 1)

    run(story)


@pytest.mark.parametrize("line", ["X_Lang: evil", "x_lang: evil", "Connection: X-Lang\nX-Lang: evil"])
def test_a_variant_is_of_all_that_an_origin_could_read_as_its_field(line: str) -> None:
    async def story(b: Bench) -> None:
        def script(seen: Seen) -> Reply:
            said = [value for name, value in seen.fields.items() if name.replace("_", "-") == "x-lang"]
            return Reply({**FRESH, "Vary": "X-Lang"}, ",".join(said).encode() or b"none")

        b.origin.script = script
        await send(b, f"GET /a HTTP/1.1\nHost: api.test\n{line}")
        assert (await b.ask()).body == b"none"
        for lang in ("de", "evil"):
            assert (await b.ask(x_lang=lang)).body == lang.encode()
        assert (await b.ask()).body == b"none"

    run(story)


@pytest.mark.parametrize(
    ("name", "policy"),
    [("X-Forwarded-For", {}), ("X-Consumer", {"request_headers": {"set": {"X-Consumer": "them"}}})],
)
def test_a_variant_is_of_what_the_gateway_itself_tells_the_origin(name: str, policy: dict[str, Any]) -> None:
    async def story(b: Bench) -> None:
        one = b.snapshot({})
        routes = tuple(msgspec.structs.replace(r, policies={**r.policies, **policy}) for r in one.routes)
        assert await b.inside.serve(msgspec.structs.replace(one, routes=routes)) is None
        b.origin.script = lambda seen: Reply({**FRESH, "Vary": name}, seen.fields.get(name.lower(), "").encode())
        await send(b, f"GET /a HTTP/1.1\nHost: api.test\n{name}: evil")
        assert "; hit" in (await b.ask()).cache

    run(story)


def test_hosts_meet_where_they_are_the_same_to_the_origin() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply(FRESH, seen.fields["x-forwarded-host"].encode())
        hosts = ("api.test", "API.test", "api.test:1337", "evil.test")
        told = [(await send(b, f"GET /a HTTP/1.1\nHost: {host}")).body for host in hosts]
        told.append((await send(b, "GET http://api.test/a HTTP/1.1\nHost: api.test")).body)
        assert told == [b"api.test", b"api.test", b"api.test:1337", b"evil.test", b"api.test"]
        assert (await send(b, "GET /a HTTP/1.1\nHost: api.test\nHost: evil.test")).status == 400
        assert (await b.ask()).body == b"api.test"

    run(story)


def test_a_path_is_stored_in_the_form_that_the_origin_is_asked() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply(FRESH, seen.target.encode())
        targets = ("/x/a", "/x//a", "//x/a", "/x/a/", "/x/a;p", "/x/A", "/x%2fa", "/x/%2e%2e/a", "/x/..%2fa", "/x\\a")
        for target in (*targets, *reversed(targets)):
            stored = await send(b, f"GET {target} HTTP/1.1\nHost: api.test")
            asked = await send(b, f"GET {target} HTTP/1.1\nHost: api.test\nCache-Control: no-store")
            assert (stored.status, stored.body if stored.status == 200 else b"") == (
                asked.status,
                asked.body if asked.status == 200 else b"",
            )
        assert len([one for one in b.origin.seen if one.target == "/x/a"]) > 2

    run(story)


@pytest.mark.parametrize(
    "query",
    [
        *("utm=1;id=evil&id=1", "id=1;id=evil", "%69d=evil&id=1", "id=1&%69%64=evil", "id=1&ID=evil", "id=1&+id=evil"),
        *("id=1&id[]=evil", "id=1&id%5B%5D=evil", "id=1&id%00x=evil", "id=1&%20id=evil"),
    ],
)
def test_no_parameter_hides_another_that_was_chosen(query: str) -> None:
    """Whatever a server takes for `id`: one that says more than `id=1` has an answer of its own."""

    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply({}, seen.target.partition("?")[2].encode())
        await b.ask(f"/a?{query}")
        assert (await b.ask("/a?id=1")).body == b"id=1"

    run(story, mode="ttl", key_parameters=["query:id"])


def test_a_chosen_header_in_another_spelling() -> None:
    async def story(b: Bench) -> None:
        b.origin.script = lambda seen: Reply({}, seen.fields.get("x_lang", "none").encode())
        assert (await send(b, "GET /a HTTP/1.1\nHost: api.test\nX_Lang: evil")).body == b"evil"
        assert (await b.ask()).body == b"none"

    run(story, mode="ttl", key_parameters=["header:X-Lang"])
