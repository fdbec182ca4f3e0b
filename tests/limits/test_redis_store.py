"""The script against the arithmetic, and the store against a Redis that restarts, stalls, lies and dies."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.limits.algorithms import Algorithm, Bucket, FixedWindow, Leaky, SlidingWindow
from apigw_cli.limits.bucket import NEVER
from apigw_cli.limits.rate import parse
from apigw_cli.limits.redis_store import Address, RedisTransport, check
from apigw_cli.limits.remote import BATCH, WAITING, Remote, Unavailable
from apigw_cli.limits.table import Charge
from tests.limits.redis_server import RedisServer, needs_redis, redis_server

pytestmark = needs_redis
SECOND = 1_000_000_000
START = 1_000_003 * SECOND


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis"), password="s3cret") as one:
        yield one


class Time:
    now = START


def transport(server: RedisServer, prefix: str, time: Time | None = None) -> RedisTransport:
    """With `time` the server's clock stands still, and the test's moves."""
    offset = (lambda: time.now) if time else (lambda: 0)
    one = RedisTransport(Address("127.0.0.1", server.port, password="s3cret"), prefix, 5.0, offset)
    if time:
        one._script = one._script.replace(b"redis.call('TIME')", b"{'0', '0'}")
        one._sha = hashlib.sha1(one._script).hexdigest()
    return one


LIMITS: list[Algorithm] = [
    Bucket("b", parse("5/s"), 3),
    Bucket("c", parse("7/m"), 5),
    Bucket("z", parse("0/s"), 4),
    Leaky("l", parse("3/s"), 2, 0),
    FixedWindow("f", parse("4/s")),
    SlidingWindow("s", parse("5/s")),
    SlidingWindow("t", parse("9/m")),
]


def test_the_script_decides_as_the_arithmetic_does(server: RedisServer) -> None:
    time, chance = Time(), random.Random(4)
    store = transport(server, "exact", time)

    async def run() -> None:
        states: dict[tuple[int, bytes], int] = {}
        for _ in range(400):
            time.now += chance.choice([0, 1000, 10**8, 200 * 10**6, 10**9, 7 * 10**9])
            numbers = chance.sample(range(len(LIMITS)), chance.choice([1, 1, 2, 3]))
            key = b"%d" % chance.randrange(2)
            charges = [Charge(key, LIMITS[number], chance.choice([1, 1, 1, 2, 0])) for number in numbers]
            asked = [
                c.limit.ask(states.get((n, key), 0), time.now, c.cost) for n, c in zip(numbers, charges, strict=True)
            ]
            (decided,) = await store.decide([charges])
            if all(decision.allowed for _, decision in asked):
                assert decided == [decision for _, decision in asked]
                states |= {(n, key): tat for n, (tat, _) in zip(numbers, asked, strict=True)}
            else:
                assert [d.allowed or None for d in decided] == [d.allowed or None for _, d in asked]
                kept = [
                    c.limit.ask(states.get((n, key), 0), time.now, 0)[1] for n, c in zip(numbers, charges, strict=True)
                ]
                assert [d.remaining for d in decided] == [d.remaining for d in kept]
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("old", range(len(LIMITS)))
@pytest.mark.parametrize("new", [Bucket, FixedWindow, SlidingWindow])
def test_a_changed_limit_gives_nothing_away(server: RedisServer, old: int, new: type) -> None:
    time = Time()
    store = transport(server, f"changed{old}{new.__name__}", time)
    before = LIMITS[old]
    name = "bczlfst"[old]
    after: Algorithm = Bucket(name, parse("8/s"), 8) if new is Bucket else new(name, parse("8/s"))

    async def run() -> None:
        assert (await store.decide([[Charge(b"full", before, before.burst)]]))[0][0].allowed
        assert (await store.decide([[Charge(b"half", before, -(-before.burst // 2))]]))[0][0].allowed
        assert not (await store.decide([[Charge(b"full", after)]]))[0][0].allowed
        assert (await store.decide([[Charge(b"half", after, 0)]]))[0][0].remaining <= 4
        await store.close()

    asyncio.run(run())


def test_the_servers_clock_may_step_back(server: RedisServer) -> None:
    time = Time()
    store = transport(server, "back", time)

    async def run() -> None:
        for one in (LIMITS[0], LIMITS[4]):
            assert (await store.decide([[Charge(b"k", one, one.burst)]]))[0][0].allowed
        time.now -= 3600 * SECOND
        for one in (LIMITS[0], LIMITS[4]):
            assert not (await store.decide([[Charge(b"k", one)]]))[0][0].allowed
        time.now += SECOND  # a bucket does not stay locked for the hour
        assert (await store.decide([[Charge(b"k", LIMITS[0])]]))[0][0].allowed
        await store.close()

    asyncio.run(run())


def test_keys_expire_hold_nothing_of_the_caller_and_share_a_slot(server: RedisServer) -> None:
    store = transport(server, "expiring")

    async def run() -> None:
        for one in (Bucket("bucket", parse("1/m"), 2), FixedWindow("window", parse("5/m"))):
            await store.decide([[Charge(b"alice's secret" * 10_000, one)]])
        keys = [key async for key in store._client.scan_iter("{expiring}*")]
        assert len(keys) == 2 and all(key.startswith(b"{expiring}:") and len(key) == 76 for key in keys)
        assert all([0 < await store._client.pttl(key) <= 61_002 for key in keys])
        await store.close()

    asyncio.run(run())


def test_a_flushed_script_and_a_restart_are_survived(tmp_path: Path) -> None:
    one = Bucket("x", parse("1/h"), 3)

    async def run(server: RedisServer) -> None:
        remote = Remote(transport(server, "again"), 2.0)
        assert (await remote.take_all([Charge(b"k", one)]))[0].remaining == 2
        assert server.command("SCRIPT", "FLUSH") == b"+OK"
        assert (await remote.take_all([Charge(b"k", one)]))[0].remaining == 1
        server.kill()
        with pytest.raises(Unavailable):
            await remote.take_all([Charge(b"k", one)])
        assert remote.down
        with pytest.raises(Unavailable):  # at once: nobody waits for what is known to be down
            await remote.take_all([Charge(b"k", one)])
        await asyncio.to_thread(server.start)
        await eventually(lambda: not remote.down)
        assert (await remote.take_all([Charge(b"k", one)]))[0].remaining == 2  # Redis kept nothing over its death
        remote.close()
        assert remote._closing is not None
        await remote._closing

    with redis_server(tmp_path, password="s3cret") as server:
        asyncio.run(run(server))


async def eventually(condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def test_a_redis_that_stalls_costs_one_timeout_not_one_for_each(tmp_path: Path) -> None:
    one = Bucket("x", parse("1/h"), 1000)

    async def run(server: RedisServer) -> None:
        remote = Remote(transport(server, "stall"), 0.3)
        await remote.take_all([Charge(b"k", one)])
        server.stop_answering()
        results = await asyncio.gather(
            *(remote.take_all([Charge(b"k", one)]) for _ in range(3 * BATCH)), return_exceptions=True
        )
        assert all(isinstance(result, Unavailable) for result in results)
        assert remote.failures == 1
        server.go_on()
        await eventually(lambda: not remote.down)
        assert (await remote.take_all([Charge(b"k", one)]))[0].allowed
        remote.close()
        assert remote._closing is not None
        await remote._closing

    with redis_server(tmp_path, password="s3cret") as server:
        asyncio.run(run(server))


def test_many_are_asked_together_and_too_many_are_not_kept_waiting(server: RedisServer) -> None:
    one = Bucket("x", parse("1/h"), 100)

    async def run() -> None:
        remote = Remote(transport(server, "many"), 10.0)
        results = await asyncio.gather(
            *(remote.take_all([Charge(b"k", one)]) for _ in range(WAITING + 50)), return_exceptions=True
        )
        assert sum(isinstance(result, Unavailable) for result in results) == 50
        assert sum(result[0].allowed for result in results if isinstance(result, list)) == 100
        remote.close()
        assert remote._closing is not None
        await remote._closing

    asyncio.run(run())


@pytest.mark.parametrize(
    "reply", [b"+OK\r\n", b"*1\r\n:1\r\n", b"*2\r\n:1\r\n*1\r\n$3\r\nabc\r\n", b"-ERR no\r\n", b"!"]
)
def test_a_server_that_lies_is_no_store(reply: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4096):
                writer.write(reply)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def run() -> None:
        fake = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = fake.sockets[0].getsockname()[1]
        remote = Remote(RedisTransport(Address("127.0.0.1", port), "x", 1.0, lambda: 0), 1.0)
        with pytest.raises(Unavailable) as caught:
            await remote.take_all([Charge(b"k", LIMITS[0])])
        assert str(caught.value) == ""
        remote.close()
        assert remote._closing is not None
        await remote._closing
        fake.close()

    asyncio.run(run())


def test_limits_that_lua_cannot_count() -> None:
    for one in (Bucket("x", parse("1/d"), 200), SlidingWindow("x", parse("200000/d"))):
        with pytest.raises(ValueError, match="in Redis"):
            check(one)
    for one in LIMITS:
        check(one)
    assert NEVER > 0


def test_the_password_is_in_no_words() -> None:
    assert "s3cret" not in repr(Address("h", 1, password="s3cret", ca="s3cret"))
