"""The client that asks an authorizer, against a server that says whatever a test wants, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from apigw_cli.policies.auth.asking import Answer, Connections, Failed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nhi"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Sends the next of `answers` for each request; a connection ends after `each` answers."""

    def __init__(self, answers: list[bytes], each: int) -> None:
        self.answers = answers
        self.each = each
        self.connections = self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for _ in range(self.each):
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                for piece in self.answers[min(self.requests, len(self.answers)) - 1].split(b"|"):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def played(test: Callable[[Connections, Server], Awaitable[None]], *answers: bytes, each: int = 100) -> None:
    @asynccontextmanager
    async def serving(one: Server) -> AsyncIterator[int]:
        listener = await asyncio.start_server(one.serve, "127.0.0.1", 0)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()

    async def play() -> None:
        one = Server([*answers], each)
        async with serving(one) as port:
            connections = Connections(f"http://127.0.0.1:{port}", 4, 1000, 1000)
            try:
                async with asyncio.timeout(30):
                    await test(connections, one)
            finally:
                connections.close()
                for _ in range(5):
                    await asyncio.sleep(0)

    asyncio.run(play())


def test_connections_are_kept_and_bounded() -> None:
    async def test(connections: Connections, server: Server) -> None:
        for _ in range(5):
            assert await connections.ask(REQUEST) == (200, [(b"content-length", b"2"), (b"x-a", b"1")], b"hi")
        assert server.connections == 1
        await asyncio.gather(*(connections.ask(REQUEST) for _ in range(50)))
        assert server.connections <= 4

    played(test, OK)


def test_one_that_was_closed_meanwhile_is_no_failure() -> None:
    async def test(connections: Connections, server: Server) -> None:
        for _ in range(5):
            assert (await connections.ask(REQUEST))[0] == 200
        assert server.connections == 5

    played(test, OK, each=1)


@pytest.mark.parametrize(
    ("answer", "body", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi|\r\n3\r\n me\r\n0\r\n\r\n", b"hi me", True),
        (b"HTTP/1.1 200 OK\r\n\r\nall |of it", b"all of it", False),
        (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n|" + OK, b"hi", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"H|TTP/1.1 20|0 OK\r\nCont|ent-Length: 2\r|\n\r\nh|i", b"hi", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    ],
)
def test_how_an_answer_ends(answer: bytes, body: bytes, kept: bool) -> None:
    async def test(connections: Connections, server: Server) -> None:
        found: Answer = await connections.ask(REQUEST)
        assert found[2] == body
        assert (b"X", b"1") not in found[1]
        assert bool(connections._idle) == kept

    played(test, answer, each=1 if not kept else 100)


def test_head() -> None:
    async def test(connections: Connections, server: Server) -> None:
        assert await connections.ask(REQUEST, head_only=True) == (200, [(b"content-length", b"9")], b"")
        assert connections._idle == []

    played(test, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000,
        OK + OK,
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
    ids=map(str, range(11)),
)
def test_what_is_no_answer(answer: bytes) -> None:
    async def test(connections: Connections, server: Server) -> None:
        with pytest.raises(Failed):
            await connections.ask(REQUEST)
        assert connections._idle == []

    played(test, answer, each=1)


def test_what_is_begun_is_not_asked_again() -> None:
    async def test(connections: Connections, server: Server) -> None:
        assert (await connections.ask(REQUEST))[0] == 200
        with pytest.raises(Failed):
            await connections.ask(REQUEST)
        assert server.requests == 2

    played(test, OK, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", each=2)


def test_a_question_that_is_given_up_leaves_no_connection() -> None:
    async def test(connections: Connections, server: Server) -> None:
        asking = asyncio.create_task(connections.ask(REQUEST))
        while not server.requests:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert connections._idle == []

    played(test, b"HTTP/1.1 200 OK\r\n")
