"""What an upstream gets, and what a client gets back."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys

import pytest

from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, ask, get


def test_a_request_is_rebuilt_for_the_upstream(gateway: Gateway, recorder: Recorder) -> None:
    answer = get(gateway.port, "/open/rebuilt?a=1&b=%2F", "X-Custom: kept", "x-custom: twice")
    assert answer.status == 200
    assert json.loads(answer.body)["url"] == "/open/rebuilt?a=1&b=%2F"
    got = recorder.last("/open/rebuilt?a=1&b=%2F")
    assert got.all("Host") == [f"127.0.0.1:{recorder.port}"]
    assert got.all("X-Forwarded-For") == ["127.0.0.1"]
    assert got.all("X-Forwarded-Proto") == ["http"]
    assert got.all("X-Forwarded-Host") == ["localhost"]
    assert got.all("X-Custom") == ["kept", "twice"]
    assert got.all("X-Request-Id") == answer.all("X-Request-Id")


def test_a_sane_request_id_is_kept_and_another_one_replaced(gateway: Gateway, recorder: Recorder) -> None:
    assert get(gateway.port, "/open/id", "X-Request-Id: mine-1").all("X-Request-Id") == ["mine-1"]
    assert recorder.last("/open/id").all("X-Request-Id") == ["mine-1"]
    for bad in ('a"b', "a b", "x" * 129, ""):
        answer = get(gateway.port, "/open/id", f"X-Request-Id: {bad}")
        assert answer.header("X-Request-Id") != bad
        assert answer.header("X-Request-Id") == recorder.last("/open/id").header("X-Request-Id")


def test_hop_by_hop_headers_stay_on_their_hop(gateway: Gateway, recorder: Recorder) -> None:
    get(
        gateway.port,
        "/open/hop-request",
        "Connection: keep-alive, X-Private, close",
        "X-Private: mine",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Proxy-Authorization: Basic eA==",
        "Proxy-Connection: keep-alive",
        "X-Public: yours",
    )
    names = {name.lower() for name, _ in recorder.last("/open/hop-request").headers}
    assert names == {"host", "x-public", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"}


def test_hop_by_hop_headers_of_an_answer_stay_too(gateway: Gateway) -> None:
    answer = get(gateway.port, "/open/hop")
    assert sorted(name.lower() for name, _ in answer.headers) == ["content-length", "x-kept", "x-request-id"]
    assert answer.header("X-Request-Id") != "theirs"


def test_a_client_cannot_claim_to_be_another(gateway: Gateway, recorder: Recorder) -> None:
    claims = ("X-Forwarded-For", "X_Forwarded_For", "X-Forwarded_For", "Forwarded", "X-Real-IP", "X-Forwarded-Proto")
    get(gateway.port, "/open/claims", *(f"{name}: 6.6.6.6" for name in claims))
    assert b"6.6.6.6" not in recorder.last("/open/claims").raw


def test_policies_change_the_forwarded_headers(gateway: Gateway, recorder: Recorder) -> None:
    answer = get(gateway.port, "/keyed/x", "X-Api-Key: demo-alice", "X-Gateway: forged")
    assert answer.status == 200
    got = recorder.last("/keyed/x")
    assert got.all("X-Gateway") == ["apigw"]
    assert got.header("X-Api-Key") is None


def test_the_path_is_forwarded_in_the_form_that_was_routed_on(gateway: Gateway, recorder: Recorder) -> None:
    get(gateway.port, "/keyed/..//open/./%61%2fb")
    assert recorder.received[-1].url == "/open/a%2Fb"


def test_an_absolute_target_names_the_host(gateway: Gateway, recorder: Recorder) -> None:
    answer = ask(gateway.port, b"GET http://localhost:1/open/absolute?q HTTP/1.1\r\nHost: other.example\r\n\r\n")
    assert answer.status == 200
    assert recorder.last("/open/absolute?q").header("X-Forwarded-Host") == "localhost:1"


def test_connections_are_kept_on_both_sides(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        for number in range(5):
            answer = wire.send(b"GET /open/kept HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()
            assert answer.status == 200, number
            assert answer.header("Connection") is None
    kept = [one.connection for one in recorder.received if one.url == "/open/kept"]
    assert len(kept) == 5
    assert len(set(kept)) == 1


def test_a_body_with_a_length(gateway: Gateway, recorder: Recorder) -> None:
    ask(gateway.port, b"POST /open/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
    got = recorder.last("/open/length")
    assert (got.body, got.all("Content-Length"), got.header("Transfer-Encoding")) == (b"hello", ["5"], None)


def test_an_empty_body_keeps_its_length(gateway: Gateway, recorder: Recorder) -> None:
    ask(gateway.port, b"POST /open/empty HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    assert recorder.last("/open/empty").all("Content-Length") == ["0"]


def test_a_chunked_body_is_chunked_anew_with_its_harmless_trailers(gateway: Gateway, recorder: Recorder) -> None:
    ask(
        gateway.port,
        b"POST /open/chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
        b"X-Said: before\r\n\r\n"
        b'5;ext="a"\r\nhello\r\n006\r\n world\r\n0\r\nX-Sum: 11\r\nX-Api-Key: demo-alice\r\nX-Said: after\r\n'
        b"X-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\n\r\n",
    )
    got = recorder.last("/open/chunks")
    assert got.body == b"hello world"
    assert got.trailers == [("x-sum", "11")]
    assert b"ext" not in got.raw
    assert got.header("Content-Length") is None


def test_a_trailer_never_passes_for_a_header(gateway: Gateway) -> None:
    answer = ask(
        gateway.port,
        b"POST /keyed/trailer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nX-Api-Key: demo-alice\r\n\r\n",
    )
    assert answer.status == 401


def test_an_answer_in_chunks_comes_in_chunks_with_trailers(gateway: Gateway) -> None:
    answer = get(gateway.port, "/open/chunked")
    assert answer.body == b"hello world"
    assert answer.trailers == [("x-sum", "11")]
    assert answer.header("Transfer-Encoding") == "chunked"
    assert answer.header("Content-Length") is None


def test_an_answer_that_ends_with_its_connection_is_framed(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        for _ in range(2):
            answer = wire.send(b"GET /open/until-close HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()
            assert answer.header("Transfer-Encoding") == "chunked"
            assert answer.body == b"until the end"


def test_a_head_request_has_no_body_and_keeps_the_connection(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        for _ in range(3):
            answer = wire.send(b"HEAD /open/head HTTP/1.1\r\nHost: localhost\r\n\r\n").answer(head=True)
            assert int(answer.header("Content-Length") or 0) > 0
        assert wire.send(b"GET /open/head HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().body
    kept = {one.connection for one in recorder.received if one.url == "/open/head"}
    assert len(kept) == 1


def test_answers_without_bodies(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        for status in (204, 304, 200):
            request = b"GET /open/status?code=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % status
            answer = wire.send(request).answer()
            assert answer.status == status
            assert answer.header("ETag") == "x"
            assert answer.body == (b"ok" if status == 200 else b"")
            assert (answer.header("Content-Length") is None) == (status != 200)


@pytest.mark.parametrize(("code", "method"), [(204, "GET"), (304, "GET"), (304, "HEAD"), (200, "HEAD")])
def test_a_body_where_none_may_be_reaches_nobody(gateway: Gateway, code: int, method: str) -> None:
    """The upstream's connection, on which it stands, is not used again either."""
    with Wire(gateway.port) as wire:
        for _ in range(3):
            wire.send(f"{method} /open/bodied?code={code} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = wire.answer(method == "HEAD")
            assert (answer.status, answer.body) == (code, b"")
            wire.send(b"GET /open/next HTTP/1.1\r\nHost: localhost\r\n\r\n")
            after = wire.answer()
            assert after.status == 200
            assert b"poison" not in after.body


def test_early_hints_pass_and_an_unwanted_100_does_not(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        first = wire.send(b"GET /open/interim HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()
        assert (first.status, first.header("Link")) == (103, "</a.css>")
        assert wire.answer().body == b"final"


def test_expect_100_continue(gateway: Gateway, recorder: Recorder) -> None:
    head = b"POST /open/expect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with Wire(gateway.port) as wire:
        assert wire.send(head).answer().status == 100
        assert wire.send(b"hi").answer().status == 200
    got = recorder.last("/open/expect")
    assert (got.body, got.header("Expect")) == (b"hi", None)


def test_expect_is_not_met_for_a_request_that_is_refused(gateway: Gateway) -> None:
    head = b"POST /keyed/no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with Wire(gateway.port) as wire:
        answer = wire.send(head).answer()
        assert (answer.status, answer.header("Connection")) == (401, "close")
        assert wire.closed()


def test_a_refused_body_is_skipped_and_the_connection_kept(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(b"POST /keyed/no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
        assert wire.answer().status == 401
        wire.send(b"defGET /open/after HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.answer().status == 200


def test_http_1_0_clients(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        answer = wire.send(b"GET /open/chunked HTTP/1.0\r\nHost: localhost\r\n\r\n").answer()
        assert answer.header("Transfer-Encoding") is None
        assert answer.header("Connection") == "close"
        assert answer.body == b"hello world"
    with Wire(gateway.port) as wire:
        for _ in range(2):
            request = b"GET /open/old HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
            answer = wire.send(request).answer()
            assert answer.header("Connection") == "keep-alive"
            assert answer.status == 200


def test_connection_close_is_honoured(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(
            b"GET /open/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\nGET /open/never HTTP/1.1\r\n"
        )
        assert wire.answer().header("Connection") == "close"
        assert wire.closed()


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    paths = ["/open/p0", "/keyed/p1", "/open/chunked", "/nowhere", "/open/status?code=204", "/mocked", "/open/p6"] * 4
    with Wire(gateway.port) as wire:
        wire.send("".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths).encode())
        answers = [wire.answer() for _ in paths]
    assert [answer.status for answer in answers] == [200, 401, 200, 404, 204, 200, 200] * 4
    assert json.loads(answers[6].body)["url"] == "/open/p6"


def test_pipelined_bodies_reach_their_own_request(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        for number in range(6):
            wire.send(
                b"PUT /open/put%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n%02d" % (number, number)
            )
        for _ in range(6):
            assert wire.answer().status == 200
    assert [recorder.last(f"/open/put{n}").body for n in range(6)] == [b"%02d" % n for n in range(6)]


def test_a_malformed_request_in_a_pipeline_is_answered_last(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/fine HTTP/1.1\r\nHost: localhost\r\n\r\nGET /open/bad HTTP/1.1\r\nHost : x\r\n\r\n")
        assert wire.answer().status == 200
        answer = wire.answer()
        assert (answer.status, answer.header("Connection")) == (400, "close")
        assert wire.closed()


def test_a_request_that_arrives_byte_by_byte(gateway: Gateway, recorder: Recorder) -> None:
    request = b"POST /open/bytes HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with Wire(gateway.port) as wire:
        wire.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        for byte in request:
            wire.send(bytes((byte,)))
        assert wire.answer().status == 200
    assert recorder.last("/open/bytes").body == b"abc"


def test_events_are_not_held_back(gateway: Gateway, recorder: Recorder) -> None:
    recorder.go_on.clear()
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"data: one" not in wire.line():
            pass
        recorder.go_on.set()
        assert b"data: two" in wire.rest_of_chunks()


def test_a_large_answer_to_a_slow_reader_is_whole(gateway: Gateway) -> None:
    size = 5_000_000
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/large?size=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % size)
        answer = wire.answer()
    expected = hashlib.sha256((bytes(range(256)) * (size // 256 + 1))[:size]).digest()
    assert hashlib.sha256(answer.body).digest() == expected


def test_a_large_body_is_whole(gateway: Gateway, recorder: Recorder) -> None:
    body = bytes(range(256)) * 20_000
    head = b"POST /open/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert ask(gateway.port, head + body).status == 200
    assert recorder.last("/open/upload").body == body


def test_a_client_that_leaves_cancels_the_exchange(gateway: Gateway, recorder: Recorder) -> None:
    recorder.aborted.clear()
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/hang HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: left\r\n\r\n")
        wait_until(
            lambda: recorder.received and recorder.received[-1].url == "/open/hang", "the request at the upstream"
        )
    assert recorder.aborted.wait(20)
    assert gateway.log_line(request_id="left")["reason"] == "client_gone"
    assert gateway.log_line(request_id="left")["status"] == 499
    wait_until(lambda: gateway.metric("apigw_in_flight") == 0, "nothing in flight")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a half closed connection")
@pytest.mark.parametrize("behind", ["pipelined", "body"])
def test_a_client_that_leaves_while_it_is_not_read_from(gateway: Gateway, recorder: Recorder, behind: str) -> None:
    """Its end stands behind what nobody reads yet."""
    recorder.go_on.clear()
    name = f"left-{behind}"
    with Wire(gateway.port) as wire:
        if behind == "pipelined":
            head = f"GET /open/hang HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {name}\r\n\r\n"
            wire.send(head.encode() + b"GET /open/never HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        else:
            head = f"POST /open/stuck HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {name}\r\n"
            wire.send(head.encode() + b"Content-Length: 100000000\r\n\r\n")
            wire.socket.settimeout(1)
            with pytest.raises(TimeoutError):  # the upstream takes none of it
                while True:
                    wire.send(bytes(1 << 20))
            # With bytes on the way an end by FIN comes behind them; a reset comes at once.
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: gateway.metric("apigw_in_flight") == 1, "the request in flight")
    assert gateway.log_line(request_id=name)["reason"] == "client_gone"
    recorder.go_on.set()
    assert not [one for one in recorder.received if one.url == "/open/never"]
    wait_until(lambda: gateway.metric("apigw_in_flight") == 0, "nothing in flight")


def test_nonsense_behind_an_upgrade_that_is_declined(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(
            b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            b"Content-Length: 5\r\n\r\nhello"
            b"GET /open/y HTTP/1.1\r\n\r\n"
        )
        assert wire.answer().status == 200
        assert wire.answer().status == 400
        assert wire.closed()


def test_an_upgrade_is_declined(gateway: Gateway, recorder: Recorder) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    with Wire(gateway.port) as wire:
        wire.send(b"POST /open/h2c HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"Content-Length: 5\r\n\r\nhello")
        assert wire.answer().status == 200
        wire.send(b"POST /open/h2c2 HTTP/1.1\r\nHost: localhost\r\n" + upgrade)
        wire.send(
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /open/next HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        assert wire.answer().status == 200
        assert json.loads(wire.answer().body)["url"] == "/open/next"
    assert recorder.last("/open/h2c").body == b"hello"
    assert recorder.last("/open/h2c").header("Upgrade") is None
    assert recorder.last("/open/h2c2").body == b"abc"
