"""Header lines that a connection repeats are understood as the parser understands them, whatever came between."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.gateway import metrics, repeated
from apigw_cli.gateway.connection import ClientConnection
from apigw_cli.gateway.metrics import WorkerCells
from apigw_cli.gateway.request import Request
from apigw_cli.gateway.site import Site
from apigw_cli.gateway.table import Table
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.store import MemoryStore
from apigw_cli.policies.interface import Runtime
from apigw_cli.snapshot.model import MockIntegration, Proxy, Route, Snapshot
from tests.gateway.inside import beside, inside
from tests.gateway.inside import snapshot as two_routes
from tests.gateway.wire import Wire

BLOCK = b"Host: a.test\r\nX-Api-Key: k\r\nUser-Agent: u\r\n\r\n"
GET = b"GET /mock HTTP/1.1\r\n" + BLOCK
LOOP = cast("asyncio.AbstractEventLoop", None)  # a mock needs none


class Wires:
    """A transport that notes what is written and what becomes of it."""

    def __init__(self) -> None:
        self.written = b""
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.1", 5000) if name == "peername" else None

    def is_closing(self) -> bool:
        return bool(self.ends)

    def can_write_eof(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        """Whatever else is done to it."""
        return lambda: self.ends.append(name) if name in ("close", "abort", "write_eof") else None


class Noting(ClientConnection):
    """Notes how each request was understood; `again`: how many without the parser."""

    __slots__ = ("again", "seen")

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.seen: list[object] = []
        self.again = 0

    def opened(self, request: Request) -> None:
        self.again += request.passed is not None
        framing = (request.http10, request.keep_alive, request.chunked, request.length, request.has_body)
        who = (request.client_ip, request.authority, request.host, len(request.id), request.id[:1] == b"*")
        kinds = (request.expects, request.upgrades, request.websocket, sorted(request.remove))
        what = (request.method, request.url, request.path, request.query, request.headers, request.fields)
        self.seen.append((framing, who, kinds, what))
        super().opened(request)


@cache
def in_flight() -> InFlight:
    return InFlight.create(1, 100)


@cache
def memory() -> SharedMemory:
    return metrics.create(1)


def site() -> Site:
    """Answers POST and GET of /mock, and knows no other path."""
    made = Site(LOOP, in_flight(), WorkerCells(memory(), 0), None)
    made.new_id = lambda: b"id"
    made.swap(table(made))
    return made


def table(made: Site, *trusted: str) -> Table:
    base = two_routes("http://127.0.0.1:9")
    mock = MockIntegration("spec", ("paths", "/mock", "post"))
    routes = tuple(Route("api", m, m, "/mock", (), mock, {}) for m in ("GET", "POST"))
    one = Snapshot(1, "test", base.apis, routes, {}, {}, base.documents, proxy=Proxy(trusted=trusted))
    return Table(one, made, Runtime(one, time.monotonic_ns, MemoryStore(64)), [(0, 40), (0, 40)], {})


def converse(parts: Iterable[bytes], *, remembering: bool) -> tuple[tuple[object, ...], int]:
    """What becomes of a client's bytes, and how many requests the parser was spared."""
    with pytest.MonkeyPatch.context() as patch:
        if not remembering:
            patch.setattr(repeated, "remember", lambda request, data: None)
        client, wires = Noting(site()), Wires()
        client.connection_made(cast("asyncio.Transport", wires))
        for part in parts:
            if "close" in wires.ends or "abort" in wires.ends:
                break
            client.data_received(part)
        written = re.sub(rb"Date: [^\r]*", b"Date", wires.written)
        client.connection_lost(None)
        assert in_flight().total() == 0
        state = (client.deaf, client.active is None, client.read_deadline == 0, client.parsing is None)
        return (client.seen, written, wires.ends, state), client.again


def assert_same(*parts: bytes) -> int:
    with_memory, again = converse(parts, remembering=True)
    without, never = converse(parts, remembering=False)
    assert with_memory == without
    assert never == 0
    return again


LINES = st.sampled_from(
    [b"GET /mock HTTP/1.1", b"GET /mock HTTP/1.1", b"POST /mock HTTP/1.1", b"HEAD /mock HTTP/1.1",
     b"GET /mock?a=b HTTP/1.1", b"GET /mock?a=b?c HTTP/1.1", b"GET /mock? HTTP/1.1", b"GET /m%6Fck HTTP/1.1",
     b"GET /x/../mock HTTP/1.1", b"GET //mock HTTP/1.1", b"GET /a%2f..%2fmock HTTP/1.1", b"GET /mock%00 HTTP/1.1",
     b"GET /mock#f HTTP/1.1", b"GET mock HTTP/1.1", b"GET http://b.test/mock HTTP/1.1", b"OPTIONS * HTTP/1.1",
     b"GET  /mock HTTP/1.1", b"GET /mock HTTP/1.1 ", b"GET /mock HTTP/1.0", b"GET /mock HTTP/2.0", b"GET /mock", b"",
     b"get /mock HTTP/1.1", b"CONNECT a.test:80 HTTP/1.1", b"PRI * HTTP/2.0", b"DESCRIBE /mock RTSP/1.0",
     b"DELETE /mock HTTP/1.1", b"QUERY /mock HTTP/1.1", b"GET /mock HTTP/1.1\r\nX: y", b"GET /mock\x00 HTTP/1.1",
     b"GET /caf\xe9 HTTP/1.1", b"\r\nGET /mock HTTP/1.1", b"GET /" + b"a" * 9000 + b" HTTP/1.1"]
)  # fmt: skip
BLOCKS = st.sampled_from(
    [BLOCK, BLOCK, BLOCK, BLOCK, b"Host: a.test\r\nConnection: keep-alive\r\n\r\n", b"Host: a.test\r\n\r\n", b"\r\n",
     b"Host: a.test\r\nConnection: close\r\n\r\n", b"Host: a.test\r\nConnection: keep-alive, x-api-key\r\n\r\n",
     b"Host: a.test\r\nHost: a.test\r\n\r\n", b"Host: a b\r\n\r\n", b"Host: a.test\r\nX: a\r\n b\r\n\r\n",
     b"Host: a.test\r\nX: a\nY: b\r\n\r\n", b"Host: a.test\n\n", b"Host:a.test\r\nX:\r\nX: 2 \t\r\n\r\n",
     b"Host: a.test\r\nX-Request-Id: *mine\r\n\r\n", b"Host: a.test\r\nContent-Length: 0\r\n\r\n",
     b"Host: a.test\r\nContent-Length: 3\r\n\r\nabc", b"Host: a.test\r\nContent-Length: 3\r\n\r\nGET",
     b"Host: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Api-Key: t\r\n\r\n",
     b"Host: a.test\r\nContent-Length: %d\r\n\r\n%b" % (len(GET), GET), b"Host: a.test\r\nExpect: 100-continue\r\n\r\n",
     b"Host: a.test\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", b"Host: a.test\r\nX: \x00\r\n\r\n",
     b"Host: a.test\r\nLong: " + b"x" * 5000 + b"\r\n\r\n", b"Host: a.test\r\nContent-Length: 60\r\n\r\n"]
)  # fmt: skip
MESSAGES = st.tuples(LINES, st.just(b"\r\n"), BLOCKS).map(b"".join)
ODD = st.sampled_from([b"\r\n", b"\n", b"x", GET[:30], GET[30:], GET + GET, b"GET /mock HTTP/1.1", b"\r\n" + BLOCK])


@settings(max_examples=400, deadline=None)
@given(st.lists(MESSAGES | ODD | st.just(GET), min_size=2, max_size=8))
def test_messages_are_understood_as_the_parser_does(parts: list[bytes]) -> None:
    assert_same(*parts)


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES | st.just(GET), min_size=2, max_size=6), st.data())
def test_however_they_are_cut(messages: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    ends = [*cuts, len(whole)]
    assert_same(*(whole[a:b] for a, b in zip([0, *cuts], ends, strict=True) if a < b))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([GET, GET.replace(b"\r\nX-Api", b"\r\nConnection: Keep-Alive\r\nX-Api")]), st.data())
def test_a_changed_byte_is_seen(message: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(message) - 1))
    odd = bytes([data.draw(st.sampled_from([0, 9, 10, 13, 32, 35, 58, 65, 127, 195]))])
    assert_same(message, message, message[:at] + odd + message[at + 1 :], message)


def test_what_repeats_spares_the_parser() -> None:
    assert assert_same(GET, GET, GET, GET.replace(b"/mock", b"/other"), GET) == 4
    keeping = GET.replace(b"User-Agent: u", b"Connection: keep-alive")
    assert assert_same(keeping, keeping) == 1
    post = b"POST /mock HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc"
    assert assert_same(GET, post, GET, GET) == 2


@pytest.mark.parametrize(
    "line",
    [b"Connection: close", b"Content-Length: 0", b"Expect: 100-continue", b"Upgrade: h2c", b"X-Request-Id: x",
     b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"Long: " + b"x" * 5000],
)  # fmt: skip
def test_what_is_not_plain_goes_to_the_parser(line: bytes) -> None:
    message = GET.replace(b"User-Agent: u", line)
    assert assert_same(message, message, message) == 0


def test_what_never_repeats_is_soon_not_remembered_any_more() -> None:
    differing = [GET.replace(b"User-Agent: u", b"X: %d" % number) for number in range(repeated.PATIENCE + 1)]
    assert assert_same(*differing[:-1], GET, GET, GET) == 2
    assert assert_same(*differing, GET, GET, GET) == 0
    assert assert_same(*differing[:-1], GET, GET, *differing[:-1], GET, GET) == 2


def test_what_came_before_a_head_is_no_part_of_it() -> None:
    """The end of a body that looks like the beginning of a request."""
    first = b"POST /mock HTTP/1.1\r\nHost: a.test\r\nContent-Length: 26\r\n\r\n"
    tail = b"GET /mock HTTP/1.1\r\nX: y: "
    assert len(tail) == 26
    assert assert_same(first, tail + GET, tail + GET) == 0


def test_pipelined_requests_are_answered_in_order() -> None:
    assert assert_same(GET, GET + GET, GET, GET + b"GET /other HTTP/1.1\r\n" + BLOCK, GET) == 2


def test_a_reload_holds_for_the_next_of_the_same_requests() -> None:
    """Also for a key that was known a moment ago."""
    message = b"GET /up HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\n\r\n"
    keys = b"one: {sha256: %b}" % sha256(b"k").hexdigest().encode()

    def client(port: int, reload: Callable[[Snapshot, bytes], None]) -> list[list[int]]:
        closed = two_routes("http://127.0.0.1:9", keys=True)
        statuses = []
        with Wire(port) as wire:
            for one, known in ((None, b""), (closed, b"{}"), (closed, keys), (closed, b"{}"), (closed, keys)):
                if one is not None:
                    reload(one, known)
                statuses.append([wire.send(message).answer().status for _ in range(3)])
        return statuses

    async def main() -> None:
        async with inside() as one:
            loop = asyncio.get_running_loop()
            await one.serve(two_routes("http://127.0.0.1:9"))

            def reload(other: Snapshot, known: bytes) -> None:
                assert asyncio.run_coroutine_threadsafe(one.serve(other, known), loop).result(20) is None

            found = await beside(lambda: client(one.port, reload))
            assert found == [[502] * 3, [401] * 3, [502] * 3, [401] * 3, [502] * 3]

    asyncio.run(main())


def test_a_proxys_word_is_weighed_for_each_request() -> None:
    """Trust comes with the table: a request that repeats another's lines may have another client."""
    made = site()
    client, wires = Noting(made), Wires()
    client.connection_made(cast("asyncio.Transport", wires))
    message = GET.replace(b"User-Agent: u", b"X-Forwarded-For: 198.51.100.7")
    told: list[str] = []
    settle = made.account

    def account(request: Request) -> None:
        told.append(request.client_ip)
        settle(request)

    made.account = account  # type: ignore[method-assign]
    client.data_received(message)
    client.data_received(message)
    made.table = table(made, "192.0.2.0/24")
    client.data_received(message)
    client.data_received(message)
    made.table = table(made, "10.0.0.0/8")
    client.data_received(message)
    assert told == ["192.0.2.1", "192.0.2.1", "198.51.100.7", "198.51.100.7", "192.0.2.1"]
    assert client.again == 4
