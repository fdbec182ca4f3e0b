"""Load over real sockets: what is counted is what the server saw, whatever the server does."""

from __future__ import annotations

import itertools
import os
import signal

import pytest

from apigw_cli.bench import coordinator
from apigw_cli.bench.command import Talk, bench
from apigw_cli.bench.options import Options
from apigw_cli.bench.plan import Share
from apigw_cli.errors import EnvironmentFailure, Exit, UsageError
from tests.bench.running import measured, talked
from tests.bench.server import ADMITTED, CLOSE, HANG, OK, REFUSED, RESET, Asked, answer, serving


def test_so_many_requests_are_sent_and_counted() -> None:
    with serving(lambda asked: OK) as server:
        result, notes = talked(server.url, requests=301, workers=2, concurrency=5)
    assert server.asked == 301
    assert result.statuses == {"200": 301}
    assert result.requests.answered == result.requests.allowed == 301
    assert (result.plan.in_flight, result.client.connections_opened) == ([3, 2], 5)
    assert notes == [f"2 workers × 3/2 in flight = 5 connections · closed model · 301 requests · GET {server.url}"]
    assert result.traffic.in_ == 301 * len(OK)
    latency = result.latency["allowed"].service
    assert latency.count == sum(count for _, count in latency.histogram) == 301
    assert 0 < latency.p50 <= latency.p90 <= latency.p95 <= latency.p99 <= latency.p99_9 <= latency.max
    assert result.exit_code == Exit.OK


def test_a_run_of_some_time_agrees_with_the_server_after_its_warmup() -> None:
    with serving(lambda asked: OK) as server:
        result = measured(server.url, duration="500ms", warmup="200ms", concurrency=4)
    assert server.asked == result.requests.answered + result.requests.warmup
    assert result.requests.warmup > 0
    assert result.measured_s > 0.49
    assert sum(result.series.allowed) == result.requests.allowed
    assert 1 < result.client.mean_in_flight <= 4.2


def test_the_request_is_what_was_asked_for() -> None:
    with serving(lambda asked: OK) as server:
        measured(server.url + "a?b=c", requests=1, concurrency=1, headers=("X-Key: k",), data='{"n": 1}', method="PUT")
    asked = server.last
    assert asked is not None
    assert (asked.method, asked.path, asked.body, asked.headers["x-key"]) == ("PUT", "/a?b=c", b'{"n": 1}', "k")


def test_answers_are_told_apart_by_class_and_status() -> None:
    cycle = itertools.cycle([answer(200), answer(302), REFUSED, answer(404), answer(500), answer(204)[:-2]])
    with serving(lambda asked: next(cycle)) as server:
        result = measured(server.url, requests=60, concurrency=1)
    assert result.statuses == {"200": 10, "204": 10, "302": 10, "404": 10, "429": 10, "500": 10}
    assert (result.requests.allowed, result.requests.limited, result.requests.failed) == (30, 10, 20)
    assert {name: both.service.count for name, both in result.latency.items()} == {
        "allowed": 30, "limited": 10, "failed": 20,
    }  # fmt: skip


# --- answers in every framing


def test_answers_in_pieces_chunked_and_large() -> None:
    bodies = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        answer(200, body=b"x" * 300_000),
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 9000 + b"\r\nContent-Length: 0\r\n\r\n",
    ]
    cycle = itertools.cycle(bodies)
    with serving(lambda asked: next(cycle)) as server:
        result = measured(server.url, requests=40, concurrency=3)
    assert result.statuses == {"200": 40}
    assert result.errors == {}


def test_a_body_that_ends_with_the_connection_is_complete() -> None:
    with serving(lambda asked: CLOSE + b"HTTP/1.1 200 OK\r\n\r\nuntil the end") as server:
        result = measured(server.url, requests=10, concurrency=2)
    assert (result.statuses, result.errors) == ({"200": 10}, {})
    assert server.connections >= 10


def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    with serving(lambda asked: CLOSE + answer(200, "Connection: close")) as server:
        result = measured(server.url, requests=20, concurrency=2)
    assert (result.statuses, result.errors) == ({"200": 20}, {})
    assert result.client.connections_opened >= 20


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_server_that_keeps_no_connection_is_measured_with_a_connection_for_each_request(keep_alive: bool) -> None:
    with serving(lambda asked: CLOSE + answer(200, "Connection: close")) as server:
        result = measured(server.url, requests=120, concurrency=2, keep_alive=keep_alive)
    assert result.statuses == {"200": 120}
    assert result.verdict.trustworthy is not keep_alive
    assert not keep_alive or "--no-keepalive measures it" in result.verdict.reasons[0]


def test_head_answers_have_a_length_and_no_body() -> None:
    with serving(lambda asked: b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n") as server:
        result = measured(server.url, requests=50, concurrency=2, method="HEAD")
    assert (result.statuses, result.errors, server.connections) == ({"200": 50}, {}, 3)  # one to see who is there


# --- servers that fail


WRONG = {
    "reset": [RESET],
    "closed": [
        CLOSE,
        CLOSE + OK[:-1],
        CLOSE + OK[:20],
        CLOSE + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    "framing": [
        b"SSH-2.0-nope\r\n",
        OK + OK,
        OK + b"HTTP/1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    ],
}


def test_failures_are_counted_by_class_and_right_answers_between_them_too() -> None:
    replies = [reply for wrong in WRONG.values() for one in wrong for reply in (OK, one, OK)]
    remaining = iter(replies)
    with serving(lambda asked: next(remaining)) as server:
        result = measured(server.url, requests=len(replies), concurrency=1)
    assert {kind: error.count for kind, error in result.errors.items()} == {k: len(v) for k, v in WRONG.items()}
    assert result.requests.errors == 10
    assert result.requests.answered == 20
    assert server.asked == 30


def test_what_takes_too_long_is_a_timeout() -> None:
    with serving(lambda asked: HANG) as server:
        result = measured(server.url, requests=4, concurrency=2, timeout="100ms")
    assert result.errors["timeout"].count == 4
    assert result.requests.answered == 0
    assert result.exit_code == Exit.FAILED


def test_a_slow_server_is_measured_as_slow() -> None:
    with serving(lambda asked: OK, after=0.1) as server:
        result = measured(server.url, requests=8, concurrency=4)
    assert result.latency["allowed"].service.p50 >= 100_000_000
    assert result.measured_s >= 0.2
    assert result.verdict.bound == "server-bound"


def test_what_is_under_way_at_the_end_is_waited_for() -> None:
    with serving(lambda asked: OK, after=0.9) as server:
        result = measured(server.url, duration="100ms", warmup="0ms", concurrency=2)
    assert (result.requests.answered, result.requests.unfinished) == (2, 0)
    assert result.throughput.answered == 0  # none came within the measured time


def test_nobody_there_is_one_clear_message() -> None:
    with serving(lambda asked: OK) as server:
        pass
    with pytest.raises(EnvironmentFailure, match=f"connection refused by 127.0.0.1:{server.port}") as raised:
        measured(server.url, requests=10)
    assert "apigw serve" in str(raised.value.hint)


def test_a_server_that_goes_away_does_not_keep_a_count_of_requests_waiting() -> None:
    def leave(asked: Asked) -> bytes:
        if server.asked == 50:
            server.leave()
        return OK

    with serving(leave) as server:
        result = measured(server.url, requests=10_000_000, concurrency=2, timeout="300ms")
    assert 0 < result.requests.answered <= 50
    assert "refused" in result.errors


# --- the open model


def test_an_open_model_keeps_its_rate() -> None:
    with serving(lambda asked: OK) as server:
        result = measured(server.url, rate=200.0, requests=100, workers=2, concurrency=8)
    assert server.asked == 100
    assert result.plan.model == "open"
    assert result.requests.answered == 100
    # 100 arrivals at 200 a second: the last is due 0.495 s after the first
    assert result.measured_s > 0.49
    both = result.latency["allowed"]
    assert both.response.count == both.service.count == 100
    assert both.response.p50 >= both.service.p50


def test_waiting_for_a_connection_counts_in_the_response_latency_only() -> None:
    with serving(lambda asked: OK, after=0.05) as server:
        result = measured(server.url, rate=100.0, requests=15, concurrency=1)
    both = result.latency["allowed"]
    assert both.service.max < both.response.max  # 15 × 50 ms one after the other, due every 10 ms
    assert both.response.max > 15 * 40_000_000 - 100_000_000
    assert result.requests.late_starts > 10
    assert server.asked == 15


def test_a_rate_that_was_not_reached_is_not_trustworthy() -> None:
    with serving(lambda asked: OK, after=0.1) as server:
        result = measured(server.url, rate=100.0, duration="500ms", warmup="0ms", concurrency=2)
    assert result.requests.not_started > 20
    assert not result.verdict.trustworthy
    assert result.verdict.bound == "server-bound"
    assert "the rate was not reached" in result.verdict.reasons[0]
    assert result.exit_code == Exit.UNTRUSTWORTHY
    started = result.requests.answered + result.requests.errors + result.requests.unfinished
    assert started + result.requests.not_started == pytest.approx(50, abs=1)


# --- a limit that changes while load runs


def test_the_series_shows_a_limit_that_changes() -> None:
    def changing(asked: Asked) -> bytes:
        return ADMITTED if server.asked <= 100 else REFUSED

    with serving(changing) as server:
        result = measured(server.url, rate=100.0, duration="2s", warmup="0s", concurrency=4)
    assert result.series.interval == 1
    assert sum(result.series.allowed) == result.requests.allowed
    assert sum(result.series.limited) == result.requests.limited
    assert result.series.allowed[0] > result.series.limited[0]
    assert result.series.allowed[1] < result.series.limited[1]


# --- what is asked for wrongly


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 4, "concurrency": 2}, "too few for 4 workers"),
        ({"duration": "10"}, "--duration: expected a duration"),
        ({"duration": "0s"}, "--duration 0s is not between"),
        ({"timeout": "2h"}, "--timeout 2h is not between"),
        ({"warmup": "soon"}, "--warmup"),
        ({"duration": "1s", "requests": 5}, "exclude each other"),
        ({"headers": ("X",)}, "is not a header"),
        ({"stage": "qa"}, "--stage has a meaning only with"),
        ({"limit": "5/s", "stage": "qa"}, "exclude each other"),
        ({"limit": "5 a second"}, "is not a limit"),
        ({"concurrency": 100_000}, "at most 65,536"),
    ],
)
def test_usage_errors(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measured("http://127.0.0.1:9/", **options)


def test_names_under_localhost_are_this_machine_whatever_the_resolver_says() -> None:
    """RFC 6761, section 6.3; the sample's own hosts are such names."""
    with serving(lambda asked: OK) as server:
        result = measured(f"http://shop.example.localhost:{server.port}/", requests=1, concurrency=1)
    assert result.statuses == {"200": 1}
    assert server.last is not None
    assert server.last.headers["host"] == f"shop.example.localhost:{server.port}"


def test_a_signal_before_the_load_begins_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(share: Share) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return start(share)

    start = coordinator._Worker.start
    monkeypatch.setattr(coordinator._Worker, "start", interrupted)
    with serving(lambda asked: OK) as server, pytest.raises(KeyboardInterrupt):
        measured(server.url, requests=5, workers=2, concurrency=2)
    assert server.asked == 0


def test_a_host_that_is_none() -> None:
    with pytest.raises(EnvironmentFailure, match="has no address"):
        measured("http://nowhere.invalid/", requests=1)


@pytest.mark.parametrize("wrong", [{"duration": "ten"}, {"warmup": "1"}, {"timeout": "0s"}])
def test_a_wrong_time_is_refused_before_a_gateway_is_started(wrong: dict[str, str]) -> None:
    said: list[str] = []
    with pytest.raises(UsageError):
        bench(Options(**wrong), Talk(said.append, lambda live: None, lambda plan: None))  # type: ignore[arg-type]
    assert said == []  # it says so when it starts one
