"""Targets by name: several addresses, addresses that come and go, names that cannot be looked up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apigw_cli.errors import InputError
from apigw_cli.generate.run import load
from tests.gateway.inside import Inside, beside, eventually, inside, snapshot
from tests.gateway.scripted import OK, Scripted, answer
from tests.gateway.test_upstream_times import get, serving, write
from tests.gateway.wire import ask
from tests.ports import free_port

REQUEST = b"GET /up HTTP/1.1\r\nHost: localhost\r\n\r\n"


def says(text: bytes) -> Any:
    return answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))


@contextlib.contextmanager
def three() -> Iterator[dict[str, Scripted]]:
    """Servers at one port of three addresses of this machine."""
    with contextlib.ExitStack() as stack:
        servers: dict[str, Scripted] = {}
        port = free_port()
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            try:
                server = stack.enter_context(Scripted(says(address.encode()), host=address, port=port))
            except OSError as error:
                pytest.skip(f"this machine has no address {address} to itself: {error}")
            servers[address] = server
        yield servers


class Resolver:
    """Says what the test says."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: list[str] | OSError = list(addresses)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        await asyncio.sleep(0)
        if isinstance(self.addresses, OSError):
            raise self.addresses
        return self.addresses


@contextlib.asynccontextmanager
async def named(port: int, resolver: Resolver, refresh: float = 0.1) -> Any:
    """A worker whose upstream is `upstream.test`, looked up by `resolver`."""
    one = snapshot(f"http://upstream.test:{port}")
    upstream = msgspec.structs.replace(one.upstreams["up"], dns_refresh=refresh)
    async with inside() as here:
        here.worker.site.resolve = resolver
        await here.serve(msgspec.structs.replace(one, upstreams={"up": upstream}))
        yield here


async def asked(here: Inside) -> bytes:
    body: bytes = (await beside(lambda: ask(here.port, REQUEST))).body
    return body


async def at_once(here: Inside, count: int) -> set[bytes]:
    """What so many requests at the same time get: each needs a connection."""
    return set(await asyncio.gather(*(asked(here) for _ in range(count))))


def test_the_addresses_take_turns_and_one_that_fails_is_passed_over() -> None:
    async def test(servers: dict[str, Scripted]) -> None:
        resolver = Resolver(*servers)
        async with named(servers["127.0.0.1"].port, resolver, 3600) as here:
            pool = next(iter(here.worker.site.pools.values()))
            for address in servers:
                assert await asked(here) == address.encode()
                pool.idle.pop().transport.close()
            servers["127.0.0.1"].close()
            for address in ("127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.2"):
                assert await asked(here) == address.encode()
                pool.idle.pop().transport.close()
            assert resolver.asked == ["upstream.test"]

    with three() as servers:
        asyncio.run(test(servers))


def test_connections_to_addresses_that_are_gone_are_ended_and_a_failed_look_changes_nothing() -> None:
    async def test(servers: dict[str, Scripted]) -> None:
        resolver = Resolver("127.0.0.1")
        async with named(servers["127.0.0.1"].port, resolver) as here:
            assert await asked(here) == b"127.0.0.1"
            assert servers["127.0.0.1"].open == 1
            resolver.addresses = ["127.0.0.2"]
            await eventually(lambda: servers["127.0.0.1"].open == 0)
            assert await asked(here) == b"127.0.0.2"
            for nothing in (OSError(None, "no answer"), []):
                resolver.addresses = nothing
                before = len(resolver.asked)
                await eventually(lambda seen=before: len(resolver.asked) > seen + 1)  # type: ignore[misc]
                assert await asked(here) == b"127.0.0.2"
            assert servers["127.0.0.2"].connections == 1

    with three() as servers:
        asyncio.run(test(servers))


def test_a_busy_connection_to_an_address_that_is_gone_ends_when_it_is_done() -> None:
    async def test(servers: dict[str, Scripted]) -> None:
        first = servers["127.0.0.1"]

        def slow(server: Scripted, connection: socket.socket, _: bytes) -> bool:
            server.ended.wait(20)
            connection.sendall(OK)
            return True

        first.script = slow
        resolver = Resolver("127.0.0.1")
        async with named(first.port, resolver) as here:
            busy = asyncio.create_task(asked(here))
            await eventually(lambda: len(first.requests) == 1)
            resolver.addresses = ["127.0.0.2"]
            pool = next(iter(here.worker.site.pools.values()))
            await eventually(lambda: any(one.leaving for one in pool.connections))
            first.ended.set()
            assert await busy == b"ok"
            await eventually(lambda: first.open == 0)
            assert await asked(here) == b"127.0.0.2"

    with three() as servers:
        asyncio.run(test(servers))


def test_a_name_is_looked_up_once_for_all_who_wait_and_again_where_that_failed() -> None:
    async def test(servers: dict[str, Scripted]) -> None:
        resolver = Resolver()
        resolver.addresses = OSError(-2, "Name or service not known")
        async with named(servers["127.0.0.1"].port, resolver, 3600) as here:
            found = await beside(lambda: ask(here.port, REQUEST))
            assert found.status == 502
            assert b"the upstream is not reachable" in found.body
            resolver.addresses = ["127.0.0.3"]
            resolver.asked.clear()
            assert await at_once(here, 6) == {b"127.0.0.3"}
            assert len(resolver.asked) == 1

    with three() as servers:
        asyncio.run(test(servers))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_found_wherever_it_listens(tmp_path: Path, host: str) -> None:
    """The real thing: the system's resolver, and servers in one family only."""
    try:
        server = Scripted(answer(), host=host)
    except OSError as error:
        pytest.skip(f"no server at {host}: {error}")
    with server, serving(tmp_path, {"one": ([f"http://localhost:{server.port}"], "")}) as gateway:
        if host not in {str(found[4][0]) for found in socket.getaddrinfo("localhost", None)}:
            pytest.skip(f"localhost is not {host} here")
        assert [get(gateway, "one").status for _ in range(3)] == [200] * 3
        assert server.connections == 1


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with serving(tmp_path, {"one": (["http://nobody.invalid:80"], "timeout: {connect: 20s}")}) as gateway:
        found = get(gateway, "one")
        assert (found.status, b"the upstream is not reachable" in found.body) == (502, True)


def test_dns_needs_a_name(tmp_path: Path) -> None:
    write(tmp_path, {"one": (["http://127.0.0.1:9", "http://[::1]:9"], "dns: {refresh: 5s}")})
    with pytest.raises(InputError, match="dns has no effect: every target is an address"):
        load(tmp_path / "apigw.yaml", None)


def test_explain_shows_what_is_done_for_an_upstream(tmp_path: Path) -> None:
    settings = (
        "pool: {connections: 7, queue: 9}, dns: {refresh: 5s}, slow_start: 3s, eject: {}, when_all_out: refuse, "
        "retries: {on: [connect, 503]}, timeout: {idle: 4s}"
    )
    write(tmp_path, {"one": (["http://one.test", "http://two.test"], settings)})
    found = subprocess.run(
        [sys.executable, "-m", "apigw_cli.cli.app", "explain", "GET", "/one"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for part in (
        "idle 4 s, total 60 s",
        "at most 7 connections a target and 9 waiting 1 s, 512 kept for 55 s",
        "names looked up every 5 s",
        "refused while all targets are out",
        "slow start of 3 s",
        "tried 2 times at most (on 503, connect)",
    ):
        assert part in found, found
