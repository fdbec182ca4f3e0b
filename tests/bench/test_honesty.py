"""The tool's own counts are the server's, also when connections are cut; and what it remembers does not grow."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc

from apigw_cli.bench import models
from apigw_cli.bench.book import Book
from apigw_cli.bench.call import Call, Message
from apigw_cli.bench.histogram import SIZE
from apigw_cli.bench.load import Load
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.request import Request, parse_url
from apigw_cli.bench.series import MOST_ROWS, Sampler
from tests.bench.running import measured
from tests.bench.server import CLOSE, HANG, OK, RESET, Asked, serving


def test_counts_agree_with_the_server_s_while_connections_are_cut() -> None:
    """Every request that the server read is an answer or an error here; no answer is counted that it did not give."""
    lot = random.Random(7)
    given: dict[bytes, int] = {}

    def answer(asked: Asked) -> bytes:
        reply = lot.choices([OK, RESET, CLOSE, CLOSE + OK[:-1], CLOSE + OK, HANG], [960, 10, 10, 10, 9, 1])[0]
        given[reply] = given.get(reply, 0) + 1
        return reply

    with serving(answer) as server:
        result = measured(server.url, requests=6000, concurrency=16, workers=2, timeout="300ms")
    assert result.requests.answered == given[OK] + given[CLOSE + OK]
    sent = result.requests.answered + result.requests.errors + result.requests.unfinished
    assert sent == 6000
    # After CLOSE + OK the next request may be written before the end is seen: sent, but never read.
    lost = given[CLOSE + OK]
    assert server.asked <= sent <= server.asked + lost
    assert result.errors["reset"].count >= given[RESET]
    assert result.errors["timeout"].count == given[HANG]


def test_what_a_load_remembers_does_not_grow_with_the_number_of_answers() -> None:
    request = Request("GET", parse_url("http://127.0.0.1:9/"), ())
    calls = tuple(Call(name, "GET", request.target, [Message(b"x")]) for name in "ab")
    plan = Plan(request.target, "GET", b"", 1, 1, 1.0, 0.0, duration=60.0, rate=1.0, calls=calls)

    class Mute:
        """A connection that says nothing and is asked for nothing."""

        keep, retry_after = True, None
        sent = intended = 1

        def __init__(self, book: Book) -> None:
            self.book = book

    def feed(load: Load, count: int, lot: random.Random) -> None:
        connections = [Mute(book) for book in load.books]
        for number in range(count):
            now = int(lot.lognormvariate(14, 3)) % (1 << 45)
            load._in_flight += 1
            load.answered(connections[number % 2], lot.choice((200, 429, 500)), now)  # type: ignore[arg-type]
            load._idle.clear()

    async def grown() -> tuple[int, int]:
        load = models.load_for(plan.shares()[0])
        load.since = 0
        load._due = 1 << 62
        lot = random.Random(1)
        feed(load, 6_000, lot)
        buckets = sum(len(counts) for book in load.books for counts in book.latencies.values())
        assert buckets < 2 * 3 * SIZE
        gc.collect()
        tracemalloc.start()
        feed(load, 12_000, lot)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        load._finish()
        more = sum(len(counts) for book in load.books for counts in book.latencies.values())
        return after, more - buckets

    size, new_buckets = asyncio.run(grown())
    assert size < 500 * new_buckets + 100_000  # what is new are buckets that were empty, of which there is an end
    sampler = Sampler()
    for second in range(100_000):  # a day and more
        sampler.second((second, second, 0, 0))
    assert len(sampler.series.allowed) < MOST_ROWS
