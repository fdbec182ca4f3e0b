"""Malformed and smuggling requests as raw bytes: refused, the connection closed, nothing of them forwarded."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, ask

_POST = b"POST /open/smuggled HTTP/1.1\r\nHost: localhost\r\n"
_GET = b"GET /open/smuggled HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_HIDDEN = b"GET /open/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"

REFUSED: dict[str, tuple[int, bytes]] = {
    # two lengths
    "length and coding": (400, _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding and length": (400, _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, _POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "the same length twice": (400, _POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    "a list of lengths": (400, _POST + b"Content-Length: 1, 1\r\n\r\na"),
    # lengths that are no numbers
    "signed length": (400, _POST + b"Content-Length: +1\r\n\r\na"),
    "negative length": (400, _POST + b"Content-Length: -1\r\n\r\na"),
    "hexadecimal length": (400, _POST + b"Content-Length: 0x1\r\n\r\na"),
    "empty length": (400, _POST + b"Content-Length:\r\n\r\n"),
    "length with a blank": (400, _POST + b"Content-Length: 1 1\r\n\r\na"),
    "underscored length": (400, _POST + b"Content-Length: 1_0\r\n\r\na"),
    "endless length": (400, _POST + b"Content-Length: 99999999999999999999999\r\n\r\na"),
    "length of 19 digits": (400, _POST + b"Content-Length: 9999999999999999999\r\n\r\na"),
    # codings
    "coding twice": (400, _POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "coding in two headers": (400, _POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n"),
    "another coding before": (400, _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "another coding after": (400, _POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "identity": (400, _POST + b"Transfer-Encoding: identity\r\n\r\n"),
    "nearly chunked": (400, _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "vertical tab before chunked": (400, _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "quoted chunked": (400, _POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    "empty coding": (400, _POST + b"Transfer-Encoding:\r\n\r\n"),
    "empty element before chunked": (400, _POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    "chunked with a parameter": (400, _POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    "form feed before chunked": (400, _POST + b"Transfer-Encoding: \x0cchunked\r\n\r\n0\r\n\r\n"),
    "no-break space before chunked": (400, _POST + b"Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n"),
    "tab after chunked": (400, _POST + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"),
    "NUL after chunked": (400, _POST + b"Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n"),
    "coding folded": (400, _POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    "CR in the name": (400, _POST + b"Transfer-\rEncoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding before a bare LF": (400, _POST + b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "length and coding in HTTP/1.0": (
        400,
        _POST.replace(b"1.1", b"1.0") + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "handshake with a body": (
        400,
        _GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "coding in HTTP/1.0": (400, _POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    # lines
    "folded header": (400, _GET + b"X: a\r\n b\r\n\r\n"),
    "folded with a tab": (400, _GET + b"X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n"),
    "first header folded": (400, b"GET /open/smuggled HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    "bare LF everywhere": (400, b"GET /open/smuggled HTTP/1.1\nHost: localhost\n\n"),
    "bare LF in a header": (400, _GET + b"X: a\nY: b\r\n\r\n"),
    "bare LF at the end": (400, _GET + b"\n"),
    "bare CR in a header": (400, _GET + b"X: a\rY: b\r\n\r\n"),
    "CR CR LF": (400, _GET + b"X: a\r\r\n\r\n"),
    "NUL in a value": (400, _GET + b"X: a\x00b\r\n\r\n"),
    "control in a value": (400, _GET + b"X: a\x01b\r\n\r\n"),
    "DEL in a value": (400, _GET + b"X: a\x7fb\r\n\r\n"),
    "blank before the colon": (400, _POST + b"Content-Length : 5\r\n\r\nhello"),
    "tab before the colon": (400, _POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    "no name": (400, _GET + b": a\r\n\r\n"),
    "no colon": (400, _GET + b"Whatever\r\n\r\n"),
    "parenthesis in a name": (400, _GET + b"X(y): a\r\n\r\n"),
    "umlaut in a name": (400, _GET + "Ä: a\r\n\r\n".encode()),
    # chunks
    "chunk size 0x5": (400, _CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a blank before": (400, _CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a blank after": (400, _CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n"),
    "negative chunk size": (400, _CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "endless chunk size": (400, _CHUNKED + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "no chunk size": (400, _CHUNKED + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk ended by LF": (400, _CHUNKED + b"5\nhello\r\n0\r\n\r\n"),
    "chunk data ended by LF": (400, _CHUNKED + b"5\r\nhello\n0\r\n\r\n"),
    "chunk longer than its size": (400, _CHUNKED + b"5\r\nhello, world\r\n0\r\n\r\n"),
    "LF in a chunk extension": (400, _CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "CR in a chunk extension": (400, _CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "last chunk ended by LF": (400, _CHUNKED + b"5\r\nhello\r\n0\n\n"),
    "folded trailer": (400, _CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n"),
    "length as a trailer": (400, _CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n"),
    "coding as a trailer": (400, _CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    # hosts
    "no host": (400, b"GET /open/smuggled HTTP/1.1\r\n\r\n"),
    "two hosts": (400, _GET + b"Host: localhost\r\n\r\n"),
    "two different hosts": (400, _GET + b"Host: evil.example\r\n\r\n"),
    "a list of hosts": (400, b"GET /open/smuggled HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n"),
    "host after a blank": (400, b"GET /open/smuggled HTTP/1.1\r\nHost : localhost\r\n\r\n"),
    "host with a path": (400, b"GET /open/smuggled HTTP/1.1\r\nHost: localhost/x\r\n\r\n"),
    "host with a user": (400, b"GET /open/smuggled HTTP/1.1\r\nHost: me@localhost\r\n\r\n"),
    "host with a blank": (400, b"GET /open/smuggled HTTP/1.1\r\nHost: local host\r\n\r\n"),
    "host with a port that is none": (400, b"GET /open/smuggled HTTP/1.1\r\nHost: localhost:8x\r\n\r\n"),
    # request lines
    "blank in the target": (400, b"GET /open/smug gled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "tab after the method": (501, b"GET\t/open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "NUL in the target": (400, b"GET /open/smuggled\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "byte above ASCII in the target": (400, b"GET /open/smuggled\xff HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "encoded NUL": (400, b"GET /open/smuggled%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "broken escape": (400, b"GET /open/smuggled%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "backslash": (400, b"GET /open\\smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "hidden way up": (400, b"GET /open/a%2f..%2fsmuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "fragment": (400, b"GET /open/smuggled#x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "relative target": (400, b"GET open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "another scheme": (400, b"GET ftp://localhost/open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "no version": (505, b"GET /open/smuggled\r\n\r\n"),
    "HTTP/1.2": (400, b"GET /open/smuggled HTTP/1.2\r\nHost: localhost\r\n\r\n"),
    "HTTP/2.0": (505, b"GET /open/smuggled HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    "RTSP version": (400, b"OPTIONS /open/smuggled RTSP/1.0\r\nHost: localhost\r\n\r\n"),
    "RTSP method": (400, b"DESCRIBE /open/smuggled RTSP/1.0\r\nHost: localhost\r\n\r\n"),
    "RTSP/1.1": (400, b"GET /open/smuggled RTSP/1.1\r\nHost: localhost\r\n\r\n"),
    "RTSP/1.1 with OPTIONS": (400, b"OPTIONS  /open/smuggled  RTSP/1.1\r\nHost: localhost\r\n\r\n"),
    "RTSP/1.0 that quotes HTTP": (400, b"GET /open/smuggled RTSP/1.0\r\nX: a HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    "RTSP/2.0": (505, b"GET /open/smuggled RTSP/2.0\r\nHost: localhost\r\n\r\n"),
    "ICE/1.1": (501, b"SOURCE /open/smuggled ICE/1.1\r\nHost: localhost\r\n\r\n"),
    "HTTP/0.9": (505, b"GET /open/smuggled HTTP/0.9\r\nHost: localhost\r\n\r\n"),
    "asterisk": (400, b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "user in an absolute target": (400, b"GET http://me@localhost/open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "ICE": (400, b"SOURCE /open/smuggled ICE/1.0\r\nHost: localhost\r\n\r\n"),
    "blank after the version": (400, b"GET /open/smuggled HTTP/1.1 \r\nHost: localhost\r\n\r\n"),
    "method in lower case": (501, b"get /open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "method of one's own": (501, b"SMUGGLE /open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "CONNECT": (501, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "another expectation": (417, _POST + b"Content-Length: 1\r\nExpect: a-wonder\r\n\r\na"),
    "two authorizations": (400, _GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n"),
    # sizes
    "target too long": (414, b"GET /open/" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "header too large": (431, _GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n"),
    "headers too large": (431, _GET + b"".join(b"X%d: %s\r\n" % (i, b"a" * 500) for i in range(80)) + b"\r\n"),
    "too many headers": (431, _GET + b"".join(b"X%d: a\r\n" % i for i in range(250)) + b"\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, gateway: Gateway, recorder: Recorder) -> None:
    status, request = REFUSED[name]
    with Wire(gateway.port) as wire:
        answer = wire.send(request + _HIDDEN).answer()
        assert answer.status == status
        assert answer.header("Connection") == "close"
        assert answer.header("X-Request-Id")
        assert json.loads(answer.body)["message"]
        assert wire.closed(), "a second answer: the rest was read as a request"
    assert b"hidden" not in b"".join(one.raw for one in recorder.received)
    # A request whose body is malformed may have been begun; it never ends, so it is never recorded.
    assert not [one for one in recorder.received if "smug" in one.url]


ACCEPTED: dict[str, tuple[bytes, bytes]] = {
    "blanks around a length": (_POST + b"Content-Length:  5 \r\n\r\nhello", b"hello"),
    "coding in capitals": (_POST + b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "leading zeros": (_CHUNKED + b"00005\r\nhello\r\n0\r\n\r\n", b"hello"),
    "empty lines before": (b"\r\n\r\n" + _POST + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "a tab before chunked": (_POST + b"Transfer-Encoding:\tchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "chunk extensions": (_CHUNKED + b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
    "framing that Connection names": (
        _POST + b"Connection: Transfer-Encoding, Content-Length\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
    ),
    "framing with underscores": (
        _POST + b"Transfer_Encoding: chunked\r\nContent_Length: 99\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
    ),
    "an upgrade that is declined, with a body": (
        _POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        b"Content-Length: 5\r\n\r\nhello",
        b"hello",
    ),
    "trailers that say what headers say": (
        _CHUNKED + b"5\r\nhello\r\n0\r\nHost: evil.example\r\nX-Api-Key: k\r\n\r\n",
        b"hello",
    ),
    "a body that quotes RTSP": (_POST + b"Content-Length: 16\r\n\r\nGET / RTSP/1.1\r\n", b"GET / RTSP/1.1\r\n"),
    "empty value": (_POST + b"X-Empty:\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "byte above ASCII in a value": (_POST + b"X-Latin: \xff\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str, gateway: Gateway, recorder: Recorder) -> None:
    request, body = ACCEPTED[name]
    with Wire(gateway.port) as wire:
        marked = request.replace(b"smuggled", name.replace(" ", "-").encode())
        assert wire.send(marked + _HIDDEN.replace(b"hidden", b"next")).answer().status == 200
        assert wire.answer().status == 200
    got = recorder.last("/open/" + name.replace(" ", "-"))
    assert got.body == body
    assert got.raw.count(b"Content-Length") + got.raw.count(b"Transfer-Encoding") == 1
    low = got.raw.partition(b"\r\n")[2].lower()
    assert not any(word in low for word in (b"content_", b"transfer_", b"upgrade", b"evil.example", b"x-api-key"))
    assert got.header("Host") == f"127.0.0.1:{recorder.port}"


_PIECES = st.sampled_from(
    [b"GET ", b"POST ", b"/open/fuzz", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r", b"Host: localhost", b"Host:",
     b"Content-Length: 5", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Transfer-Encoding: ", b"chunked", b",",
     b"Connection: close", b"Connection: x-api-key", b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: upgrade",
     b"\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b" ", b"\t", b"\x00", b"hello", b":", b"%00", b"\xff", b"X: y"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, min_size=1, max_size=24).map(b"".join))
def test_whatever_comes_the_gateway_stays_sound(gateway: Gateway, recorder: Recorder, data: bytes) -> None:
    """Every answer is whole and no bug; what reached the upstream has exactly one framing."""
    seen = len(recorder.received)
    with Wire(gateway.port) as wire:
        wire.send(data + b"\r\n\r\nX" + _HIDDEN)  # ends in something that is certainly refused
        while True:
            try:
                answer = wire.answer()
            except EOFError as end:
                assert str(end).endswith("b''"), "half an answer"
                break
            assert answer.status != 500
            if answer.header("Connection") == "close":
                assert wire.closed()
                break
    for got in recorder.received[seen:]:
        framings = len(got.all("Content-Length")) + len(got.all("Transfer-Encoding"))
        assert framings <= 1
        assert len(got.all("Host")) == 1
        assert "\n" not in got.url


def test_the_gateway_still_answers(gateway: Gateway) -> None:
    assert ask(gateway.port, b"GET /open/alive HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
