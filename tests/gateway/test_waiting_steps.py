"""A step that waits: its request alone is held, and nothing of it outlives the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from apigw_cli.gateway import connection
from apigw_cli.policies.interface import Exchange, Refusal, Runtime, Step
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.snapshot.model import Route, Snapshot
from tests.gateway.inside import Inside, beside, eventually, inside, snapshot
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire

GET = b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n"


class _Model(msgspec.Struct, frozen=True):
    on: bool = True


class Waits:
    """A policy whose step waits for `gate` and then does what `verdict` says."""

    name = "waits"
    order = 35
    model: type[msgspec.Struct] = _Model
    derived = False

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.verdict: Callable[[], Refusal | None] = lambda: None
        self.begun = self.cancelled = self.over = 0

    def compile(self, value: Any, route: Route, runtime: Runtime) -> Step:
        return self._decide

    async def _decide(self, exchange: Exchange) -> Refusal | None:
        self.begun += 1
        exchange.at_end(self._is_over)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.verdict()

    def _is_over(self) -> None:
        self.over += 1

    def compare(self, old: Any, new: Any) -> Any: ...

    def describe(self, value: Any) -> str:
        return "waits"


def waiting(target: str) -> Snapshot:
    base = snapshot(target)
    routes = tuple(msgspec.structs.replace(route, policies={"waits": {}}) for route in base.routes)
    return msgspec.structs.replace(base, routes=routes)


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Waits:
    policy = Waits()
    monkeypatch.setitem(BY_NAME, "waits", policy)
    return policy


@pytest.fixture
def upstream() -> Any:
    recorder = Recorder()
    yield recorder
    recorder.close()


@asynccontextmanager
async def serving(upstream: Recorder) -> AsyncIterator[Inside]:
    async with inside() as site:
        assert await site.serve(waiting(f"http://127.0.0.1:{upstream.port}")) is None
        yield site
        await eventually(lambda: site.worker.site.inflight.total() == 0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_requests_are_answered_in_order_once_the_step_agrees(policy: Waits, upstream: Recorder) -> None:

    async def test() -> None:
        async with serving(upstream) as site:
            with Wire(site.port) as wire:
                await beside(lambda: wire.send(GET + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"))
                await eventually(lambda: policy.begun == 1)
                assert upstream.received == []
                policy.gate.set()
                assert (await beside(wire.answer)).status == 200
                assert (await beside(wire.answer)).status == 404
            assert [one.url for one in upstream.received] == ["/up"]
            assert (policy.over, policy.cancelled) == (1, 0)

    run(test())


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_a_body_that_comes_meanwhile_is_forwarded_whole(policy: Waits, upstream: Recorder, size: int) -> None:

    async def test() -> None:
        async with inside() as site:
            one = waiting(f"http://127.0.0.1:{upstream.port}")
            routes = tuple(msgspec.structs.replace(r, method="POST") for r in one.routes if r.operation == "up")
            assert await site.serve(msgspec.structs.replace(one, routes=routes)) is None
            body = b"x" * size
            with Wire(site.port) as wire:
                head = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
                sending = asyncio.create_task(beside(lambda: wire.send(head + body)))
                await eventually(lambda: policy.begun == 1)
                policy.gate.set()
                await sending
                assert (await beside(wire.answer)).status == 200
            assert upstream.last("/up").body == body

    run(test())


def test_a_whole_body_waits_for_a_mock_too(policy: Waits, upstream: Recorder) -> None:

    async def test() -> None:
        async with serving(upstream) as site:
            with Wire(site.port) as wire:
                await beside(lambda: wire.send(b"POST /mock HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"))
                await eventually(lambda: policy.begun == 1)
                policy.gate.set()
                assert (await beside(wire.answer)).status == 200

    run(test())


def test_its_refusal_is_the_answer(policy: Waits, upstream: Recorder) -> None:

    async def test() -> None:
        policy.verdict = lambda: Refusal(403, "no", (b"X-Why: it\r\n",), "forbidden")
        policy.gate.set()
        async with serving(upstream) as site:
            with Wire(site.port) as wire:
                answer = await beside(lambda: wire.send(GET).answer())
                assert (answer.status, answer.header("X-Why"), answer.body) == (403, "it", b'{"message":"no"}\n')
                again = await beside(lambda: wire.send(GET).answer())
                assert again.status == 403
            assert upstream.received == []
            assert policy.over == 2

    run(test())


def test_a_client_that_leaves_cancels_it(policy: Waits, upstream: Recorder) -> None:

    async def test() -> None:
        async with serving(upstream) as site:
            with Wire(site.port) as wire:
                await beside(lambda: wire.send(GET))
                await eventually(lambda: policy.begun == 1)
            await eventually(lambda: policy.cancelled == 1)
            assert policy.over == 1
            assert upstream.received == []

    run(test())


def test_one_that_has_not_begun_is_dropped_with_its_request(policy: Waits, upstream: Recorder) -> None:

    async def test() -> None:
        async with inside() as site:
            one = waiting(f"http://127.0.0.1:{upstream.port}")
            assert await site.serve(one) is None
            with Wire(site.port) as wire:
                head = b"POST /mock HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n"
                assert (await beside(lambda: wire.send(head).answer())).status == 400
            assert policy.begun == 0

    run(test())


def test_one_that_never_decides_lets_nobody_in(
    policy: Waits, upstream: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:

    async def test() -> None:
        monkeypatch.setattr(connection, "STEP_TIMEOUT", 50_000_000)
        async with serving(upstream) as site:
            with Wire(site.port) as wire:
                assert (await beside(lambda: wire.send(GET).answer())).status == 504
            await eventually(lambda: policy.cancelled == 1)
            assert upstream.received == []

    run(test())


def test_one_that_breaks_loses_its_request_alone(
    policy: Waits, upstream: Recorder, capfd: pytest.CaptureFixture[str]
) -> None:

    def verdict() -> Refusal | None:
        raise RuntimeError("of the test")

    async def test() -> None:
        policy.verdict = verdict
        policy.gate.set()
        async with serving(upstream) as site:
            with Wire(site.port) as wire:
                assert (await beside(lambda: wire.send(GET).answer())).status == 500
                policy.verdict = lambda: None
                assert (await beside(lambda: wire.send(GET).answer())).status == 200

    run(test())
    assert "of the test" in capfd.readouterr().err
