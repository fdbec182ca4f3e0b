"""What is understood without the parser is what the parser would have understood."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.gateway import plain_answer
from apigw_cli.gateway.request import Request
from apigw_cli.gateway.upstream_connection import UpstreamConnection

WHOLE = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi"


class Side:
    """Transport, client's connection, handler, site and pool in one: notes what becomes of an exchange."""

    client_ip = name = ""
    strip = total = idle = 0
    preserve_host = watched = False
    authority = forwarded = b""

    def __init__(self) -> None:
        self.written = b""
        self.ends: list[Any] = []
        self.connection = self.transport = self

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def persistence(self, request: Request) -> bytes:
        return b"Connection: keep-alive\r\n" if request.http10 else b""

    def done(self, upstream: UpstreamConnection, reusable: bool) -> None:
        self.ends.append(reusable)

    def finish(self, request: Request) -> None:
        self.ends.append("finished")

    def failed(self, *_: object) -> None:
        self.ends.append("failed")

    def abort(self) -> None:
        self.ends.append("aborted")

    def close(self) -> None:
        self.ends.append("closed")

    def fail(self, request: Request, status: int, message: str, reason: str) -> None:
        self.ends.append(status)


def exchange(
    parts: list[bytes], http10: bool = False, before: bytes = b"", method: bytes = b"GET"
) -> tuple[object, ...]:
    """What a client gets, and what becomes of the connection, when an upstream answers in these parts.

    `before`: a plain answer that came on the same connection to the request before.
    """
    server = Side()
    upstream = UpstreamConnection(cast("Any", server))
    upstream.connection_made(cast("Any", Side()))
    if before:
        ask(upstream, [before], False, b"GET")
        assert server.ends == [True]
        server.ends.clear()
    client, request = ask(upstream, parts, http10, method)
    return client.written, client.ends, server.ends, request.status, request.bytes_out, request.head_sent


def ask(upstream: UpstreamConnection, parts: list[bytes], http10: bool, method: bytes) -> tuple[Side, Request]:
    """The client, and its request, that `parts` answer."""
    client = Side()
    request = Request(cast("Any", client), method, b"/", [], {}, 0, "")
    request.id, request.path, request.http10, request.complete = b"id", "/", http10, True
    request.handler = cast("Any", client)
    upstream.begin(request)
    for part in parts:
        upstream.data_received(part)
        if "finished" in client.ends:
            break
    return client, request


NAMES = st.sampled_from(
    [b"Server", b"content-length", b"Content-Length", b"Connection", b"Proxy-Connection", b"Keep-Alive", b"Upgrade",
     b"Transfer-Encoding", b"Trailer", b"X-Request-Id", b"Set-Cookie", b"TE", b"X", b"", b"Bad Name", b"X-\xe9"]
)  # fmt: skip
VALUES = st.sampled_from(
    [b"", b" ", b"2", b" 2", b" 2 ", b"02", b"+2", b"2, 2", b" 3", b"keep-alive", b" close", b" Keep-Alive", b"chunked",
     b" h2c", b"a b", b"\ta\t", b" caf\xe9", b" a\x00b", b" a\rb", b" a\nb", b" a\x7fb", b" a\r\n folded", b":"]
)  # fmt: skip
FIRST = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 200",
     b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 200 ", b"HTTP/1.1  200 OK", b"HTTP/1.1 2000 OK", b"HTTP/2.0 200 OK",
     b"HTTP/1.1 103 Early Hints", b"HTTP/1.1 999 Odd", b"ICE/1.1 200 OK", b"HTTP/1.1 200 caf\xe9", b"HTTP/1.1 200 a\tb"]
)  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
ODD = st.tuples(NAMES, st.just(b":") | st.just(b" :"), VALUES, ENDS).map(b"".join)
USUAL = st.sampled_from(
    [b"Server: x\r\n", b"X-Empty:\r\n", b"connection: Keep-Alive\r\n", b"x-request-id: theirs\r\n", b"TE: x\r\n",
     b"X: \tcaf\xe9 \t b\r\n", b"Set-Cookie: a=b\r\n", b"KEEP-ALIVE: timeout=5\r\n", b"Proxy-Authenticate: x\r\n"]
)  # fmt: skip
USUAL_FIRST = st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 500 ", b"HTTP/1.1 205 a  b"])


@settings(max_examples=300, deadline=None)
@given(USUAL_FIRST, st.lists(USUAL, max_size=4), st.binary(max_size=20), st.integers(0, 4), st.booleans())
def test_usual_answers_are_plain_and_passed_on_as_the_parser_would(
    first: bytes, headers: list[bytes], body: bytes, at: int, http10: bool
) -> None:
    headers.insert(at, b"Content-Length: %d\r\n" % len(body))
    data = first + b"\r\n" + b"".join(headers) + b"\r\n" + body
    assert plain_answer.read(data) is not None
    assert exchange([data], http10) == exchange([data[:5], data[5:]], http10)


@settings(max_examples=1000, deadline=None)
@given(
    USUAL_FIRST | FIRST,
    st.lists(USUAL, max_size=2),
    ODD | USUAL,
    st.sampled_from([b"", b"Content-Length: 2\r\n"]),
    st.sampled_from([b"hi", b"hi", b"hi!"]),
    st.booleans(),
)
def test_odd_answers_are_left_to_the_parser_or_passed_on_as_it_would(
    first: bytes, headers: list[bytes], odd: bytes, length: bytes, body: bytes, http10: bool
) -> None:
    data = first + b"\r\n" + b"".join(headers) + odd + length + b"\r\n" + body
    if plain_answer.read(data) is not None:
        # In two parts it is not plain, and the parser reads it.
        assert exchange([data], http10) == exchange([data[:5], data[5:]], http10)


def test_the_usual_answer_is_plain() -> None:
    passed = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
    assert plain_answer.read(WHOLE) == plain_answer.Plain(WHOLE[:-2], 200, passed, len(WHOLE) - 2, len(WHOLE))
    assert exchange([WHOLE])[0] == b"HTTP/1.1 200 OK\r\nServer: x\r\nX-Request-Id: id\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    "data",
    [
        WHOLE + b"!",
        WHOLE[:-1],
        WHOLE[:20],
        WHOLE.replace(b"1.1", b"1.0"),
        WHOLE.replace(b"200", b"204"),
        WHOLE.replace(b"200", b"103"),
        WHOLE.replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
        WHOLE.replace(b"Server: x", b"Transfer-Encoding: chunked"),
        WHOLE.replace(b"Server: x", b"Connection: close"),
        WHOLE.replace(b"Server: x", b"Connection: Server"),
        WHOLE.replace(b"Server: x", b"Proxy-Connection: close"),
        WHOLE.replace(b"Server: x", b"Server: x\r\n y"),
        WHOLE.replace(b"Server: x", b"Server: x\ny: z"),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(data: bytes) -> None:
    for _ in range(2):  # the second time nothing is new
        assert plain_answer.read(data) is None


def test_what_is_remembered_is_bounded() -> None:
    for number in range(5000):
        assert (
            plain_answer.read(b"HTTP/1.1 200 %d\r\nX: %d\r\nContent-Length: 0\r\n\r\n" % (number, number)) is not None
        )
    plain_answer.read(WHOLE.replace(b"Server: x", b"Set-Cookie: secret"))
    plain_answer.read(WHOLE.replace(b"Server: x", b"X: " + b"long" * 100))
    assert len(plain_answer._lines) <= 1024 >= len(plain_answer._statuses)
    assert not any(b"secret" in line or len(line) > 128 for line in plain_answer._lines)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([WHOLE, WHOLE.replace(b"Server: x", b"Date: now\r\nX: 1"), WHOLE.replace(b"200 OK", b"500 Oh")]),
    st.sampled_from([WHOLE, WHOLE.replace(b"hi", b"ho")]),
    st.data(),
    st.booleans(),
    st.sampled_from([b"GET", b"GET", b"HEAD"]),
)
def test_an_answer_after_its_like_is_passed_on_as_if_it_was_the_first(
    before: bytes, answer: bytes, data: st.DataObject, http10: bool, method: bytes
) -> None:
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(answer) - 1))
        answer = answer[:at] + data.draw(st.binary(max_size=2)) + answer[at + 1 :]
    cut = data.draw(st.none() | st.integers(1, len(answer) - 1))
    parts = [answer] if cut is None else [answer[:cut], answer[cut:]]
    assert exchange(parts, http10, before, method) == exchange(parts, http10, b"", method)


def test_a_connection_keeps_no_large_head_and_no_cookie() -> None:
    for line in (b"sEt-Cookie: a=b", b"X: " + b"x" * 5000):
        plain = plain_answer.read(WHOLE.replace(b"Server: x", line))
        assert plain is not None
        assert not plain.is_worth_keeping()


def test_heads_that_never_repeat_are_soon_not_kept_any_more() -> None:
    upstream = UpstreamConnection(cast("Any", Side()))
    upstream.connection_made(cast("Any", Side()))
    kept = []
    for number in (0, 1, 1, 1, *range(2, 12), 11, 11):
        data = WHOLE.replace(b"Server: x", b"X: %d" % number)
        client, _ = ask(upstream, [data], False, b"GET")
        assert b"X: %d\r\n" % number in client.written
        kept.append(upstream._plain is not None and upstream._plain.head in data)
    assert kept[:5] == [True] * 5
    assert not any(kept[-3:])
