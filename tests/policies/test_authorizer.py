from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from msgspec.structs import replace

from apigw_cli.policies.auth import authorizer
from apigw_cli.policies.interface import Refusal
from apigw_cli.snapshot.schemes import Authorizer
from tests.policies.exchange import Clock, Exchange, runtime, step_of

Answer = tuple[int, list[tuple[str, str]], bytes]


class Decider:
    """A server whose answer a test chooses."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.answer: Answer = (200, [], b"")
        self.gate = threading.Event()
        self.gate.set()
        self.url = ""


@contextlib.contextmanager
def deciding() -> Iterator[Decider]:
    one = Decider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            one.asked.append((self.command, self.path, [(n.lower(), v) for n, v in self.headers.items()]))
            one.gate.wait(30)
            status, headers, body = one.answer
            try:
                self.send_response(status)
                for name, value in [*headers, ("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the other end has had enough

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    one.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield one
    finally:
        one.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def decider() -> Iterator[Decider]:
    with deciding() as one:
        yield one


class Client:
    def __init__(self, scheme: Authorizer) -> None:
        self.clock = Clock()
        self.runtime = runtime(scheme, clock=self.clock)
        self.step = step_of("auth", {"alternatives": [["Custom"]]}, self.runtime)

    async def decides(self, sent: Exchange) -> Refusal | None:
        refusal: Any = self.step(sent)
        if asyncio.iscoroutine(refusal):
            refusal = await refusal
        assert refusal is None or isinstance(refusal, Refusal)
        return refusal

    async def status(self, sent: Exchange | None = None) -> int:
        refusal = await self.decides(sent or bearer())
        return 200 if refusal is None else refusal.status


def played(scheme: Authorizer, test: Callable[[Client], Any]) -> Any:
    async def play() -> Any:
        client = Client(scheme)
        try:
            return await test(client)
        finally:
            client.runtime.services.close()
            for _ in range(5):
                await asyncio.sleep(0)

    return asyncio.run(play())


def bearer(token: str = "secret", **more: Any) -> Exchange:
    headers = [(b"host", b"shop.example"), (b"authorization", b"Bearer " + token.encode()), *more.pop("headers", ())]
    return Exchange(headers=headers, **more)


def of(decider: Decider, **more: Any) -> Authorizer:
    return Authorizer("Custom", "bearer", "", decider.url, **{"timeout": 30.0, **more})


def test_what_it_is_told(decider: Decider) -> None:
    scheme = of(decider, send=("x-tenant",))
    scheme = replace(scheme, url=decider.url + "/check/")
    headers = [(b"x-tenant", b"a"), (b"x-tenant", b"b"), (b"cookie", b"c=d"), (b"x-other", b"1")]
    sent = bearer(headers=headers, method=b"DELETE", path="/v1/pets/a%20b", query=b"x=1&y=%zz", client_ip="2001:db8::1")
    assert played(scheme, lambda client: client.status(sent)) == 200
    assert decider.asked == [
        (
            "DELETE",
            "/check/v1/pets/a%20b?x=1&y=%zz",
            [
                ("host", "shop.example"),
                ("authorization", "Bearer secret"),
                ("x-tenant", "a"),
                ("x-tenant", "b"),
                ("x-forwarded-for", "2001:db8::1"),
                ("content-length", "0"),
            ],
        )
    ]


def test_allowing(decider: Decider) -> None:
    headers = [
        ("X-User", "alice"),
        ("X-Scopes", "read  write"),
        ("X-Not-Named", "1"),
        ("Content-Length", "0"),
        ("X-Envoy-Auth-Headers-To-Remove", "Authorization, x-secret,content-length, bad name"),
    ]
    decider.answer = (200, headers[:3] + headers[4:], b"")
    scheme = of(decider, allow_headers=("x-user", "x-gone"), principal="x-user", scopes="x-scopes")
    sent = bearer(headers=[(b"x-user", b"root")])

    async def test(client: Client) -> None:
        client.step = step_of("auth", {"alternatives": [["Custom"]], "scopes": [{"Custom": ["read"]}]}, client.runtime)
        assert await client.decides(sent) is None

    played(scheme, test)
    assert sent.principal == "Custom:alice"
    assert sent.extra == [b"x-user: alice\r\n"]
    assert sent.remove == {b"x-user", b"x-gone", b"authorization", b"x-secret"}


def test_a_caller_without_a_name_is_told_apart_by_the_credential(decider: Decider) -> None:
    async def test(client: Client) -> None:
        one, two, again = bearer("a"), bearer("b"), bearer("a")
        for sent in (one, two, again):
            assert await client.decides(sent) is None
        assert one.principal == again.principal != two.principal
        assert "a" not in str(one.principal).split(":")

    played(of(decider), test)


@pytest.mark.parametrize(
    ("status", "expected", "reason"),
    [(401, 401, "unauthorized"), (403, 403, "forbidden"), (302, 302, "forbidden"), (429, 429, "forbidden")],
)
def test_denying(decider: Decider, status: int, expected: int, reason: str) -> None:
    headers = [("WWW-Authenticate", 'Bearer realm="x"'), ("Content-Type", "text/plain"), ("Location", "/login")]
    more = [("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("Connection", "keep-alive"), ("X-Internal", "secret")]
    decider.answer = (status, headers + more, b"go away")
    refusal = played(of(decider, deny_headers=("set-cookie",)), lambda client: client.decides(bearer()))
    assert (refusal.status, refusal.reason, refusal.body) == (expected, reason, b"go away")
    lines = b"".join(refusal.headers).decode().lower().split("\r\n")
    assert sorted(lines[:-1]) == [
        "content-type: text/plain",
        "location: /login",
        "set-cookie: a=b",
        "set-cookie: c=d",
        'www-authenticate: bearer realm="x"',
    ]


@pytest.mark.parametrize("status", [201, 204, 206])
def test_only_200_allows(decider: Decider, status: int) -> None:
    decider.answer = (status, [], b"")
    assert played(of(decider), lambda client: client.status()) == 403


@pytest.mark.parametrize(
    "answer",
    [
        (500, [], b""),
        (503, [], b""),
        (200, [], b"x" * 100_000),
        (403, [("X-Large", "x" * 10_000)], b""),
        (200, [("Content-Encoding", "gzip")], b"x"),
    ],
    ids=["500", "503", "large", "headers", "gzip"],
)
def test_where_it_fails_nobody_is_let_in(decider: Decider, answer: Answer) -> None:
    decider.answer = answer
    assert played(of(decider), lambda client: client.status()) == 503
    assert played(of(decider, ttl=60.0), lambda client: client.status()) == 503


def test_where_it_is_away_or_silent(decider: Decider) -> None:
    away = replace(of(decider), url="http://127.0.0.1:1")
    assert played(away, lambda client: client.status()) == 503
    decider.gate.clear()
    assert played(of(decider, timeout=0.05), lambda client: client.status()) == 503


def test_on_failure_allow_lets_nobody_say_what_the_authorizer_says(decider: Decider) -> None:
    scheme = of(decider, on_failure="allow", allow_headers=("x-user",))
    decider.answer = (500, [("X-User", "root")], b"")
    sent = bearer(headers=[(b"x-user", b"root")])
    assert played(scheme, lambda client: client.status(sent)) == 200
    assert sent.extra == []
    assert sent.remove == {b"x-user"}
    assert played(scheme, lambda client: client.status(Exchange())) == 401
    decider.answer = (403, [], b"")
    assert played(scheme, lambda client: client.status()) == 403


def test_without_a_credential_it_is_not_asked(decider: Decider) -> None:
    async def test(client: Client) -> None:
        refusal = await client.decides(Exchange())
        assert refusal is not None
        assert refusal.headers == (b'WWW-Authenticate: Bearer realm="apigw"\r\n',)
        two = bearer()
        two.headers.append((b"authorization", b"Bearer other"))
        assert await client.status(two) == 400

    played(of(decider), test)
    assert decider.asked == []


def test_answers_are_remembered_for_the_very_same_question(decider: Decider) -> None:
    async def test(client: Client) -> None:
        for _ in range(3):
            assert await client.status() == 200
        assert len(decider.asked) == 1
        others = [
            bearer("other"),
            bearer(method=b"POST"),
            bearer(path="/b"),
            bearer(query=b"a=1"),
            bearer(client_ip="192.0.2.9"),
            bearer(headers=[(b"x-tenant", b"b")]),
        ]
        for sent in others:
            assert await client.status(sent) == 200
        assert len(decider.asked) == 7
        assert await client.status(bearer(headers=[(b"x-unsent", b"b")])) == 200
        assert len(decider.asked) == 7
        decider.answer = (403, [], b"no")
        assert await client.status() == 200
        client.clock.now += 61 * 10**9
        assert await client.status() == 403
        decider.answer = (200, [], b"")
        assert await client.status() == 403
        (server,) = client.runtime.services._held.values()
        assert "secret" not in repr(vars(server)["_known"])

    played(of(decider, ttl=60.0, send=("x-tenant",)), test)


def test_what_is_remembered_is_bounded(decider: Decider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizer, "REMEMBERED", 3)

    async def test(client: Client) -> None:
        for n in range(5):
            assert await client.status(bearer(f"t{n}")) == 200
        (server,) = client.runtime.services._held.values()
        assert len(vars(server)["_known"]) == 3

    played(of(decider, ttl=60.0), test)


def test_one_question_is_asked_once_for_all_who_wait(decider: Decider) -> None:
    async def test(client: Client) -> None:
        decider.gate.clear()
        waiting = [asyncio.create_task(client.status()) for _ in range(20)]
        while not decider.asked:
            await asyncio.sleep(0.01)
        waiting[0].cancel()
        decider.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [200] * 19
        assert len(decider.asked) == 1

    played(of(decider, ttl=60.0), test)


@pytest.mark.parametrize("ttl", [0.0, 60.0])
def test_a_reload_fails_nobody_who_waits(decider: Decider, ttl: float) -> None:
    async def test(client: Client) -> None:
        decider.gate.clear()
        waiting = asyncio.create_task(client.status())
        while not decider.asked:
            await asyncio.sleep(0.01)
        client.runtime.services.close()
        decider.gate.set()
        assert await waiting == 200

    played(of(decider, ttl=ttl), test)


@pytest.mark.parametrize(
    "sent",
    [
        bearer(path="/a b\r\nX-Evil: 1"),
        bearer(path="/ünï/\udcff"),
        bearer(query=b"a=\xff"),
        bearer(query=b"a b"),
        bearer(headers=[(b"x-tenant", b"\xff\xfe")]),
        bearer(headers=[(b"x-tenant", b"x" * 30_000)]),
        bearer(path="/" + "a" * 8000),
        bearer(path="//evil.example/x"),
    ],
)
def test_hostile_requests_do_no_harm(decider: Decider, sent: Exchange) -> None:
    status = played(of(decider, send=("x-tenant",)), lambda client: client.status(sent))
    assert status in (200, 503)
    for _, path, headers in decider.asked:
        assert path.startswith("/")
        assert "x-evil" not in dict(headers)
    assert status == 503 or len(decider.asked) == 1
