"""`apigw bench --sweep`: what a grid says, and the program that measures one."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from apigw_cli.bench.sweep import Axes, Cell, Grid, Row, grid, row, sweep_of
from apigw_cli.errors import Exit
from tests.bench.server import OK, serving
from tests.bench.test_program import APIGW, gone, run, until

FLIGHTS = (1, 2, 4, 8, 16, 32)


def measured(
    throughput: Callable[[int, int], float],
    workers: tuple[int, ...] = (1, 2),
    side: str = "server",
    bound: str = "server-bound",
) -> Grid:
    axes = Axes(workers, FLIGHTS)
    rows: list[Row] = []
    for count in workers:

        def cell(number: int, count: int = count) -> Cell:
            x = throughput(count, number)
            each = int(number / x * 1e9) if x else 0
            return Cell(count, number, x, each, each, 0, bound)

        row(count, axes.columns(count, side), cell, rows)
    return grid("test", side, "/", axes, rows)


def test_waiting_is_cured_by_concurrency() -> None:
    found = measured(lambda workers, flight: 20.0 * flight)
    assert found.words[0].startswith("Concurrency: one worker answered 32 times as much with 32 in flight as with 1")
    assert "gained nothing to speak of (1.0 times): nobody was busy, requests only waited" in found.words[1]
    assert found.recommended is not None
    assert (found.recommended.workers, found.recommended.concurrency) == (1, 32)
    assert [one.peak for one in found.rows] == [None, None]


def test_what_else_limits_is_said() -> None:
    shared = measured(lambda workers, flight: min(100.0, 50.0 * flight))
    assert shared.words[1].endswith("the limit is the CPUs that there are, or what the workers share.")
    server = measured(lambda workers, flight: min(100.0, 50.0 * flight), side="client")
    assert server.words[1].endswith("the limit is the server.")
    client = measured(lambda workers, flight: min(100.0, 50.0 * flight), bound="client-bound")
    assert client.words[1].endswith("the client is the limit, which had no more CPU.")


def test_computing_is_cured_by_parallelism() -> None:
    found = measured(lambda workers, flight: 200.0 * min(workers, flight))
    assert "gained nothing to speak of from more in flight" in found.words[0]
    assert "from 5 ms to 160 ms" in found.words[0]
    assert "2 workers against 1 answered 2.0 times as much, because each computes" in found.words[1]
    assert found.recommended is not None
    assert (found.recommended.workers, found.recommended.concurrency) == (2, 2)
    assert [one.knee for one in found.rows] == [1, 2]


def test_a_client_needs_one_in_flight_for_each_of_its_workers() -> None:
    found = measured(lambda workers, flight: 1.0, (1, 4), "client")
    assert [[cell.concurrency for cell in one.cells] for one in found.rows] == [[1, 2, 4, 8, 16, 32], [4, 8, 16, 32]]


def test_where_nothing_was_answered_nothing_is_claimed() -> None:
    found = measured(lambda workers, flight: 0.0)
    assert found.words == ["Nothing was answered."]
    assert found.recommended is None
    assert sweep_of([found], 1, interrupted=False).exit_code is Exit.FAILED


def test_a_row_that_is_cut_short_keeps_its_cells() -> None:
    rows: list[Row] = []

    def cell(number: int) -> Cell:
        if number == 4:
            raise KeyboardInterrupt
        return Cell(1, number, 10.0 * number, 1, 1, 0, "server-bound")

    with pytest.raises(KeyboardInterrupt):
        row(1, FLIGHTS, cell, rows)
    assert [one.concurrency for one in rows[0].cells] == [1, 2]
    assert rows[0].law is None


# --- the program


def test_a_url_is_measured_by_the_clients_workers() -> None:
    with serving(lambda asked: OK) as server:
        done = run(
            *("--sweep", "--workers", "2,1", "--concurrency", "4,1,2,3,6,8", "--duration", "100ms", "--warmup", "0s"),
            *("--format", "json", server.url),
        )
        answered = server.asked
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["interrupted"] is False
    (found,) = result["grids"]
    assert (found["side"], found["workers"], found["concurrency"]) == ("client", [1, 2], [1, 2, 3, 4, 6, 8])
    assert [[cell["concurrency"] for cell in one["cells"]] for one in found["rows"]] == [
        [1, 2, 3, 4, 6, 8],
        [2, 3, 4, 6, 8],
    ]
    assert all(cell["throughput"] > 0 and cell["failed"] == 0 for one in found["rows"] for cell in one["cells"])
    assert found["rows"][0]["law"]["lambda"] > 0
    assert len(found["words"]) == 2
    assert answered > 0
    assert "the client's workers 1, 2 × in flight 1, 2, 3, 4, 6, 8" in done.stderr


def test_without_a_url_our_own_servers_teach() -> None:
    done = run("--sweep", "--workers", "1", "--concurrency", "1,8", "--duration", "300ms", "--warmup", "0s")
    assert done.returncode == 0, done.stderr
    assert "waiting" in done.stdout
    assert "computing" in done.stdout
    assert "because requests wait" in done.stdout
    assert "they only queue" in done.stdout


def test_ctrl_c_gives_what_was_measured_and_leaves_nothing() -> None:
    with serving(lambda asked: OK) as server:
        command = [*APIGW, "--sweep", "--workers", "1", "--concurrency", "1,2,3", "--duration", "200ms", server.url]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until(lambda: server.asked > 0)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
        assert "Traceback" not in error
        assert process.returncode == Exit.INTERRUPTED
        assert "interrupted" in out
        until(lambda: gone(process.pid))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "1,2", "http://127.0.0.1:9"], "--workers 1,2: several values are for a grid"),
        (["--concurrency", "none", "http://127.0.0.1:9"], "--concurrency none: that is no number"),
        (["--sweep", "--workers", "0"], "--workers: 0 is not between 1 and 256"),
        (["--sweep", "--workers", "1,2,x"], "that is no number"),
        (["--sweep", "--rate", "5"], "--rate has no meaning for a sweep"),
        (["--sweep", "-H", "A: b"], "--header has no meaning for a sweep of our own servers"),
        (["--sweep", "--workers", "8", "--concurrency", "1,2", "http://127.0.0.1:9"], "2 in flight are too few"),
        (["--workers", "300", "http://127.0.0.1:9"], "--workers: 300 is not between 1 and 256"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == Exit.USAGE
    assert words in done.stderr
