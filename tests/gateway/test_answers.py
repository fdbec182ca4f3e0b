"""The gateway's own answers, what the log and the metrics say of them, and upstreams that fail."""

from __future__ import annotations

import json
import re

import pytest

from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, ask, get


def message(body: bytes) -> str:
    data = json.loads(body)
    assert list(data) == ["message"]
    return str(data["message"])


def test_no_route(gateway: Gateway) -> None:
    answer = get(gateway.port, "/nowhere")
    assert (answer.status, message(answer.body)) == (404, "no route has this host and path")
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("X-Request-Id")
    assert answer.header("Date")


def test_another_host(gateway: Gateway) -> None:
    assert ask(gateway.port, b"GET /open/x HTTP/1.1\r\nHost: other.example\r\n\r\n").status == 404


def test_another_method(gateway: Gateway) -> None:
    answer = get(gateway.port, "/open/x", method="DELETE")
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD, OPTIONS, POST, PUT")
    assert "DELETE" in message(answer.body)


def test_head_of_an_own_answer(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        answer = wire.send(b"HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").answer(head=True)
        assert answer.status == 404
        assert int(answer.header("Content-Length") or 0) > 0
        assert wire.send(b"GET /open/x HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200


def test_who_may_call(gateway: Gateway) -> None:
    refused = get(gateway.port, "/keyed/x")
    assert (refused.status, message(refused.body)) == (401, "Unauthorized")
    assert "ApiKey" in (refused.header("WWW-Authenticate") or "")
    assert get(gateway.port, "/keyed/x", "X-Api-Key: wrong").status == 401
    assert get(gateway.port, "/keyed/x", "X-Api-Key: demo-alice").status == 200


def test_a_limit(gateway: Gateway) -> None:
    statuses = [get(gateway.port, "/limited").status for _ in range(25)]
    assert statuses == [200] * 20 + [429] * 5
    refused = get(gateway.port, "/limited")
    assert message(refused.body) == "Too Many Requests"
    assert int(refused.header("Retry-After") or 0) > 3000
    assert refused.header("RateLimit") is not None
    for decision, number in (("allowed", 20), ("refused", 6)):
        labels = {"route": "readLimited", "decision": decision}
        wait_until(lambda: gateway.metric("apigw_limiter_decisions_total", **labels) == number, decision)  # noqa: B023


def test_a_mock(gateway: Gateway) -> None:
    answer = get(gateway.port, "/mocked")
    assert (answer.status, json.loads(answer.body)) == (200, {"mock": True})
    assert answer.header("X-Apigw-Operation") == "readMocked"
    with Wire(gateway.port) as wire:
        wire.send(b"POST /mocked HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello")
        wire.send(b"worldGET /mocked HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert [wire.answer().status for _ in range(2)] == [201, 200]


def test_an_upstream_that_is_not_there(gateway: Gateway) -> None:
    answer = get(gateway.port, "/dead", "X-Request-Id: dead-1")
    assert answer.status == 502
    assert message(answer.body) == "the upstream is not reachable", "its name and the reason are for the log"
    line = gateway.log_line(request_id="dead-1")
    assert (line["reason"], "refused" in line["detail"].lower()) == ("upstream_unreachable", True)


def test_an_upstream_that_is_slow(gateway: Gateway, recorder: Recorder) -> None:
    recorder.aborted.clear()
    answer = get(gateway.port, "/impatient/hang")
    assert answer.status == 504
    assert message(answer.body) == "the upstream did not answer in time"
    assert recorder.aborted.wait(20)


def test_an_exchange_that_takes_too_long_in_all(gateway: Gateway, recorder: Recorder) -> None:
    recorder.go_on.clear()
    with Wire(gateway.port) as wire:
        wire.send(b"GET /impatient/drip?type=text/plain HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: drip-1\r\n\r\n")
        with pytest.raises((EOFError, ConnectionResetError)):
            wire.answer()
    recorder.go_on.set()
    line = gateway.log_line(request_id="drip-1")
    assert (line["status"], line["reason"]) == (200, "upstream_timeout")


@pytest.mark.parametrize("path", ["drop", "garbage", "two-lengths"])
def test_an_upstream_that_answers_nothing_sensible(path: str, gateway: Gateway) -> None:
    answer = get(gateway.port, f"/open/{path}")
    assert answer.status == 502
    assert message(answer.body).startswith("the upstream ")


def test_an_answer_that_breaks_off_is_seen_to_break_off(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire, pytest.raises((EOFError, ConnectionResetError)):
        wire.send(b"GET /open/truncate HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()


def test_an_answer_before_the_body_was_sent(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(b"POST /open/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\nabc")
        answer = wire.answer()
        assert (answer.status, answer.body) == (413, b"early")
        wire.send(b"x" * 3997 + b"GET /open/after HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.answer().status == 200


def test_a_kept_connection_that_died_is_not_noticed(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        assert wire.send(b"GET /open/stale HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
        assert wire.send(b"GET /open/fresh HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
    assert len([one for one in recorder.received if one.url == "/open/fresh"]) == 1


def test_bytes_that_nobody_asked_for_reach_nobody(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        assert wire.send(b"GET /open/unasked HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().body == b"ok"
        answer = wire.send(b"GET /open/other HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()
        assert json.loads(answer.body)["url"] == "/open/other"


def test_the_log(gateway: Gateway) -> None:
    get(gateway.port, "/keyed/logged?token=secret&page=2", "X-Api-Key: demo-alice", "X-Request-Id: log-1")
    line = gateway.log_line(request_id="log-1")
    assert line.keys() == {
        "time", "request_id", "client", "method", "path", "query", "status", "route", "api", "principal",
        "duration_ms", "bytes_in", "bytes_out", "upstream", "cache", "trace_id", "reason",
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert (line["client"], line["method"], line["path"]) == ("127.0.0.1", "GET", "/keyed/logged")
    assert (line["query"], line["status"], line["principal"]) == (["token", "page"], 200, "alice")
    assert (line["api"], line["route"], line["reason"]) == ("everything", "readKeyed", None)
    assert line["upstream"].startswith("http://127.0.0.1:")
    assert line["bytes_out"] > 10
    assert "secret" not in gateway.log.read_text()
    assert "demo-alice" not in gateway.log.read_text()


def test_the_log_of_a_refusal_and_of_nonsense(gateway: Gateway) -> None:
    get(gateway.port, "/keyed/x", "X-Request-Id: log-2")
    line = gateway.log_line(request_id="log-2")
    assert (line["status"], line["reason"], line["upstream"]) == (401, "unauthorized", None)
    answer = ask(gateway.port, b"GET / HTTP/1.1\r\n\r\n")
    line = gateway.log_line(request_id=answer.header("X-Request-Id"))
    assert (line["status"], line["reason"], line["route"], line["method"]) == (400, "malformed", None, "")


def test_metrics_count_every_request_once(gateway: Gateway) -> None:
    before = gateway.metric("apigw_requests_total", route="readOpen", code="2xx")
    timed = gateway.metric("apigw_request_duration_seconds_count", api="everything")
    for number in range(10):
        get(gateway.port, f"/open/counted{number}")
    labels = {"route": "readOpen", "code": "2xx"}
    wait_until(lambda: gateway.metric("apigw_requests_total", **labels) == before + 10, "ten more requests")
    assert gateway.counts(timed + 10, "apigw_request_duration_seconds_count", api="everything")
    assert gateway.counts(0, "apigw_in_flight")


def test_the_admin_pages(gateway: Gateway) -> None:
    status, body = gateway.admin("/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert gateway.admin("/ready")[0] == 200
    routes = {route["operation"]: route for route in json.loads(gateway.admin("/routes")[1])}
    assert routes["readLimited"]["policies"]["rate_limit"] == "1/h burst 20 per ip"
    assert routes["readMocked"]["integration"] == "mock"
    assert len(json.loads(gateway.admin("/snapshot")[1])["digest"]) == 64
    assert gateway.admin("/nothing")[0] == 404
    assert gateway.admin("/health", "DELETE")[0] == 405


def test_the_admin_port_is_for_this_machine(gateway: Gateway) -> None:
    assert gateway.admin("/metrics", Host="evil.example")[0] == 403
    assert gateway.admin("/reload", "POST", Origin="http://evil.example")[0] == 403
    assert gateway.admin("/reload", "GET")[0] == 405
