"""A worker's own affairs: deadlines of slow clients, bugs, tables that it refuses, pools that it lets go."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from apigw_cli.gateway import connection, handlers
from apigw_cli.gateway.framing import Malformed
from apigw_cli.gateway.sockets import bind
from apigw_cli.snapshot.model import Listen, Snapshot
from tests.gateway import conftest
from tests.gateway.inside import beside, eventually, inside, snapshot
from tests.gateway.program import PATIENCE
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, get

SHORT = 200_000_000  # nanoseconds


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def limited(**limits: Any) -> Snapshot:
    return msgspec.structs.replace(snapshot("http://127.0.0.1:9"), listen=Listen(**limits))


def test_a_slow_head_is_cut() -> None:

    async def test() -> None:
        async with inside() as site:
            await site.serve(limited(header_timeout=0.2))

            def client() -> None:
                with Wire(site.port) as wire:
                    answer = wire.send(b"GET /up HTTP/1.1\r\nHost: ").answer()
                    assert (answer.status, answer.header("Connection")) == (408, "close")
                    assert wire.closed()

            await beside(client)

    run(test())


def test_an_idle_connection_is_closed() -> None:

    async def test() -> None:
        async with inside() as site:
            await site.serve(limited(idle_timeout=1.0))

            def client() -> None:
                with Wire(site.port) as wire:
                    assert wire.closed()
                with Wire(site.port) as wire:
                    wire.send(b"POST /mock HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                    assert wire.answer().status == 200
                    assert wire.closed()

            await beside(client)

    run(test())


def test_more_connections_than_there_may_be_are_turned_away() -> None:
    async def test() -> None:
        async with inside() as site:
            await site.serve(limited(connections=2))

            def client() -> None:
                request = b"POST /mock HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                with Wire(site.port) as one, Wire(site.port) as two:
                    assert one.send(request).answer().status == two.send(request).answer().status == 200
                    with Wire(site.port) as three:
                        assert (three.answer().status, three.closed()) == (503, True)
                    assert one.send(request).answer().status == 200

            await beside(client)
            await eventually(lambda: not site.worker.site.connections)
            await beside(lambda: get(site.port, "/nowhere"))
            assert site.worker.site.inflight.total() == 0

    run(test())


BODIES = {
    b"Content-Length: 10\r\n\r\n0123456789": 200,
    b"Content-Length: 11\r\n\r\n": 413,
    b"Content-Length: 11\r\nExpect: 100-continue\r\n\r\n": 413,
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n": 200,
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n567890\r\n": 413,
}


@pytest.mark.parametrize("path", [b"/mock", b"/up"])
def test_a_body_may_be_too_large(path: bytes, recorder: Recorder) -> None:
    one = limited(max_body=10)
    upstream = msgspec.structs.replace(one.upstreams["up"], targets=(f"http://127.0.0.1:{recorder.port}",))
    routes = (one.routes[0], msgspec.structs.replace(one.routes[1], method="POST"))
    one = msgspec.structs.replace(one, upstreams={"up": upstream}, routes=routes)

    async def test() -> None:
        async with inside() as site:
            await site.serve(one)

            def client() -> None:
                for number, (rest, status) in enumerate(BODIES.items()):
                    with Wire(site.port) as wire:
                        answer = wire.send(b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (path, rest)).answer()
                        assert (answer.status, answer.header("Connection")) == (
                            status,
                            "close" if status == 413 else None,
                        ), number

            await beside(client)
            await eventually(lambda: site.worker.site.inflight.total() == 0)

    run(test())


def test_a_body_that_does_not_come_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "BODY_TIMEOUT", SHORT)

    async def test() -> None:
        async with inside() as site:
            await site.serve(snapshot("http://127.0.0.1:9"))

            def client() -> None:
                with Wire(site.port) as wire:
                    answer = wire.send(b"POST /mock HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").answer()
                    assert (answer.status, answer.header("Connection")) == (408, "close")

            await beside(client)
            await eventually(lambda: site.worker.site.inflight.total() == 0)

    run(test())


def test_a_refused_body_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes on sending what nobody wants is cut off."""
    monkeypatch.setattr(connection, "DISCARD_MAXIMUM", 100_000)

    async def test() -> None:
        async with inside() as site:
            await site.serve(snapshot("http://127.0.0.1:9"))

            def client() -> None:
                with Wire(site.port) as wire:
                    wire.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                    assert wire.answer().status == 404
                    with pytest.raises(OSError, match=r"reset|pipe"):
                        for _ in range(10_000):
                            wire.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

            await beside(client)

    run(test())


def test_a_bug_in_a_policy_costs_one_request(capfd: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with inside() as site:
            await site.serve(snapshot("http://127.0.0.1:9"))

            def broken(_: object) -> None:
                raise RuntimeError("a bug")

            site.worker.site.table.plans[0].steps = (broken,)

            def client() -> None:
                with Wire(site.port) as wire:
                    for _ in range(2):
                        wire.send(b"POST /mock HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
                        answer = wire.answer()
                        assert answer.status == 500
                        assert "a bug" not in json.loads(answer.body)["message"]

            await beside(client)
            assert site.worker.site.inflight.total() == 0

    run(test())
    assert "RuntimeError: a bug" in capfd.readouterr().err


def test_a_table_that_cannot_be_made_is_refused_and_the_old_one_serves_on(recorder: Recorder) -> None:
    async def test() -> None:
        async with inside() as site:
            assert await site.serve(snapshot(f"http://127.0.0.1:{recorder.port}")) is None
            refused = await site.serve(snapshot("http://127.0.0.1:9", keys=True), b"alice: {sha256: zz}")
            assert refused is not None
            assert refused.place == ("keys.yaml", 1, 17)
            assert str(refused.error()).startswith("keys.yaml:1:17")
            answer = await beside(lambda: get(site.port, "/up"))
            assert answer.status == 200

    run(test())


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_a_large_body_to_a_mock_comes_to_its_end(size: int) -> None:
    def client(port: int) -> list[int]:
        head = b"POST /mock HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        with Wire(port) as wire:
            first = wire.send(head % size + bytes(size)).answer()
            return [first.status, wire.send(head % 0).answer().status]

    async def test() -> None:
        async with inside() as here:
            await here.serve(snapshot("http://127.0.0.1:9"))
            assert await beside(lambda: client(here.port)) == [200, 200]

    run(test())


def test_pools_live_as_long_as_their_target_is_named(recorder: Recorder) -> None:
    async def test() -> None:
        async with inside() as site:
            target = f"http://127.0.0.1:{recorder.port}"
            await site.serve(snapshot(target))
            await beside(lambda: get(site.port, "/up"))
            pool = site.worker.site.pools[f"up {target}"]
            await site.serve(snapshot(target))
            assert site.worker.site.pools[f"up {target}"] is pool
            assert len(pool.idle) == 1
            await site.serve(snapshot("http://127.0.0.1:9"))
            assert list(site.worker.site.pools) == ["up http://127.0.0.1:9"]
            assert not pool.idle

    run(test())


def test_every_worker_has_a_socket_on_the_same_address() -> None:
    listeners = bind("127.0.0.1", 0, 3)
    assert len({one.getsockname() for one in listeners}) == 1
    for one in set(listeners):
        one.close()


@pytest.mark.skipif(sys.platform == "win32", reason="ends with a signal")
def test_a_single_worker_inside_the_supervisor(tmp_path: Path, recorder: Recorder) -> None:
    """As on Windows: no worker processes, plain asyncio."""
    conftest.write(tmp_path, recorder.port)
    script = (
        "from apigw_cli.gateway import source, supervisor\n"
        "from apigw_cli.gateway.options import Options\n"
        "options = Options(port=0, admin_port=0, access_log='off', in_process=True)\n"
        "say = lambda line: print(line, flush=True)\n"
        "raise SystemExit(supervisor.run(options, source.working_files(None, None), say))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        port = int(lines[1].split("http://localhost:")[1].split()[0])
        assert get(port, "/open/inside").status == 200
        (tmp_path / "spec.yaml").write_text(conftest.SPEC.replace("/mocked", "/renamed"))
        assert "GET /mocked → GET /renamed" in process.stdout.readline()
        assert get(port, "/renamed").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_a_worker_remembers_is_bounded_and_does_not_outlive_a_table() -> None:
    async def test() -> None:
        async with inside() as worker:
            await worker.serve(snapshot("http://127.0.0.1:9"))
            site, first = worker.worker.site, worker.worker.site.table
            for number in range(5000):
                assert site.path(b"/%d" % number) == f"/{number}"
                first.find(SimpleNamespace(host=f"h{number}", method=b"GET", path="/up"))
            assert site.path(b"/" + b"x" * 1000) == "/" + "x" * 1000
            assert site.path(b"/a/../up") == site.path(b"/a/../up") == "/up"
            assert len(site.paths) <= 4096 >= len(first.known) > 0
            assert max(map(len, site.paths)) <= 256
            with pytest.raises(Malformed):
                site.path(b"/%zz")
            assert b"/%zz" not in site.paths
            await eventually(lambda: not site.paths and not first.known)
            await worker.serve(snapshot("http://127.0.0.1:9"))
            assert site.table is not first and not site.table.known

    run(test())
