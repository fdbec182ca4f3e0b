"""Several targets: each gets its part, results are told apart, and one that is down takes nothing from the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.bench.book import Book, in_turn
from apigw_cli.bench.call import Call, Message, Target
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.spread import parts_of
from apigw_cli.errors import EnvironmentFailure, Exit, UsageError
from tests.bench.running import measured, talked
from tests.bench.server import HANG, OK, REFUSED, answer, serving

TARGET = Target("http://h/", "h", 80, False, "/")


@given(st.integers(0, 10**6), st.lists(st.integers(1, 1000), min_size=1, max_size=30))
def test_parts_by_weight_keep_the_total_and_differ_from_their_share_by_little(total: int, weights: list[int]) -> None:
    parts = parts_of(total, weights, least=0)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * weight / sum(weights)) < 1.001
    if total >= len(weights):
        assert min(parts_of(total, weights)) >= 1


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(0, 7))
def test_requests_take_turns_by_weight_wherever_a_worker_begins(weights: list[int], begin: int) -> None:
    calls = [Call(str(number), "GET", TARGET, [Message(b"")], weight) for number, weight in enumerate(weights)]
    books = [Book(call.name, "GET", lambda: b"") for call in calls]
    turns = in_turn(calls, books, begin)
    drawn = [next(turns).name for _ in range(2 * sum(weights))]
    assert [drawn.count(call.name) for call in calls] == [2 * weight for weight in weights]


@given(
    st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 40), st.integers(0, 300),
    st.none() | st.floats(1, 1000),
)  # fmt: skip
def test_totals_are_totals_however_many_servers(
    workers: int, weights: list[int], more: int, requests: int, rate: float | None
) -> None:
    calls = tuple(
        Call(str(port), "GET", Target("", "h", port, False, "/"), [Message(b"x")], weight)
        for port, weight in enumerate(weights)
    )
    concurrency = max(workers, len(weights)) + more
    plan = Plan(TARGET, "GET", b"", workers, concurrency, 1.0, 0.0, requests=requests, rate=rate, calls=calls)
    tasks = plan.tasks()
    shares = [share for task in tasks for share in task.shares]
    assert [sum(share.connections for share in task.shares) for task in tasks] == plan.in_flight
    assert min(share.connections for share in shares) >= 1
    if rate is None:
        assert sum(share.requests or 0 for share in shares) == requests
    else:
        made = sum(len(range(share.offset, share.requests or 0, share.stride)) for share in shares)
        assert made == requests
        by_server = {share.target.port: share.rate or 0 for share in shares}
        assert sum(by_server.values()) == pytest.approx(rate)


def test_paths_of_one_server_are_mixed_exactly_and_told_apart() -> None:
    with serving(lambda asked: REFUSED if asked.path == "/b" else OK) as server:
        result, notes = talked(
            f"{server.url}a", targets=(f"3@{server.url}a", f"{server.url}b"), requests=80, concurrency=4
        )
    assert [(one.weight, one.allowed, one.limited) for one in result.mix] == [(3, 60, 0), (1, 0, 20)]
    assert [one.name for one in result.mix] == [f"GET {server.url}a", f"GET {server.url}b"]
    assert result.mix[1].latency["limited"].service.count == 20
    assert sum(one.throughput for one in result.mix) == pytest.approx(result.throughput.answered)
    assert notes[0].endswith(f"GET 3@{server.url}a + 1@{server.url}b")
    assert server.asked == 80


@pytest.mark.parametrize("rate", [None, 400.0])
def test_requests_are_divided_over_servers_by_weight(rate: float | None) -> None:
    with serving(lambda asked: OK) as first, serving(lambda asked: answer(404)) as second:
        result = measured(
            first.url, targets=(f"3@{first.url}", second.url), requests=81, concurrency=5, workers=2, rate=rate
        )
    assert (first.asked, second.asked) == (61, 20)
    assert [(one.allowed, one.failed) for one in result.mix] == [(61, 0), (0, 20)]


def test_half_of_the_targets_down() -> None:
    with serving(lambda asked: OK) as gone:
        pass
    with serving(lambda asked: OK) as server:
        result, notes = talked(
            server.url, targets=(gone.url, server.url), duration="300ms", warmup="0s", concurrency=4, workers=2
        )
    assert f"connection refused by 127.0.0.1:{gone.port}" in notes[0]
    down, up = result.mix
    assert (down.answered, up.answered) == (0, server.asked)
    assert down.errors["refused"] == result.errors["refused"].count > 0
    assert up.errors == {}
    with pytest.raises(EnvironmentFailure, match="connection refused"):
        measured(gone.url, targets=(gone.url, f"2@{gone.url}x"), requests=1)


def test_a_server_that_hangs_takes_nothing_from_the_other() -> None:
    with serving(lambda asked: HANG) as slow, serving(lambda asked: OK) as quick:
        result = measured(
            slow.url, targets=(slow.url, quick.url), requests=40, concurrency=2, timeout="200ms", method="HEAD"
        )
    assert [(one.answered, one.errors) for one in result.mix] == [(0, {"timeout": 20}), (20, {})]
    assert result.exit_code == Exit.UNTRUSTWORTHY  # half of the requests got no answer


@pytest.mark.parametrize(
    ("targets", "concurrency", "words"),
    [
        (("0@http://a/", "http://b/"), 4, "'0' is no weight"),
        (("2.5@http://a/",), 4, "'2.5' is no weight"),
        (("@http://a/",), 4, "'' is no weight"),
        (("http://a/", "http://b/", "http://c/"), 2, "too few for 3 servers"),
        (("http://a/", "b/"), 2, "has no scheme"),
    ],
)
def test_targets_typed_wrongly(targets: tuple[str, ...], concurrency: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measured("http://a/", targets=targets, concurrency=concurrency)
