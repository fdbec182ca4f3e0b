"""`--no-keepalive`: a connection for each request, and what it takes to open one is part of the request."""

from __future__ import annotations

import asyncio
import json

import pytest

from apigw_cli.bench import models
from apigw_cli.bench.connection import Connection
from tests.bench.running import talked
from tests.bench.server import OK, Asked, answer, serving
from tests.bench.test_load import share_of
from tests.bench.test_program import run


@pytest.mark.parametrize("options", [{}, {"rate": 500.0}], ids=["closed", "open"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_request_has_a_connection_of_its_own(options: dict[str, float], method: str) -> None:
    said: set[str | None] = set()

    def keeps_open(asked: Asked) -> bytes:
        said.add(asked.headers.get("connection"))
        return OK if method == "GET" else answer(200, body=b"")  # and does not close

    with serving(keeps_open) as server:
        result, notes = talked(
            server.url, requests=40, concurrency=4, workers=2, keep_alive=False, method=method, **options
        )
        assert server.asked == 40
        # One is for seeing whether anybody listens; others may have been opened and not needed.
        assert 41 <= server.connections <= 41 + 4
    assert result.requests.answered == 40
    assert not result.errors
    assert said == {"close"}
    assert "a connection for each request" in notes[0]


def test_a_request_begins_with_its_connection_but_not_before_the_measurement() -> None:

    async def begun(dialed: int, sent: int, since: int) -> int:
        load = models.ClosedLoad(share_of("http://127.0.0.1:9/", requests=1, keep_alive=False))
        load.since = since
        connection = Connection(load, dialed)
        connection.sent = sent
        return load._begun(connection)

    assert asyncio.run(begun(dialed=200, sent=300, since=100)) == 200
    assert asyncio.run(begun(dialed=50, sent=300, since=100)) == 100
    assert asyncio.run(begun(dialed=50, sent=80, since=100)) == 50  # of the warm-up, and counted there


def test_the_program_takes_it() -> None:
    with serving(lambda asked: OK) as server:
        done = run(server.url, "--requests", "10", "--no-keepalive", "--format", "json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["plan"]["keep_alive"]) == (0, False)
