"""Upstreams that lie about lengths or never end: whatever a route does with answers, nobody gets another's."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator

import pytest

from tests.gateway.program import Gateway
from tests.gateway.scripted import Script, Scripted
from tests.gateway.wire import Answer, Wire

OK = (
    'responses: {"200": {description: ok, content: {text/plain: {schema: {type: string, maxLength: 100000}}}}, '
    "default: {description: any}}"
)
WAYS = {
    "plain": "{}",
    "cached": "{cache: {mode: ttl, ttl: 1h}}",
    "compressed": "{compress: {min_size: 0, codings: [gzip]}}",
    "reported": "{validate: {response: report, max_body: 100000}}",
    "enforced": "{validate: {response: enforce, max_body: 100000}}",
    "limited": "{response_limit: {max_body: 100000}}",
    "all": "{cache: {}, compress: {min_size: 0, codings: [gzip]}, response_limit: {max_body: 100000}, validate: {}}",
}
SPEC = "openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths:\n" + "".join(
    f"  /{way}/{{rest+}}:\n    x-apigw: {policies}\n    get: {{operationId: {way}, {OK}}}\n"
    for way, policies in WAYS.items()
)
CONFIG = """\
version: 1
apis: {any: {spec: spec.yaml, hosts: [localhost], upstream: liar}}
upstreams:
  liar: {targets: ["URL"], timeout: {connect: 2s, first_byte: 20s, total: 30s}}
"""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SECRET = b"of-another-client"
SENT = 50_000_000  # bytes that an upstream without an end gets rid of at most, before it is stopped

# What it says, and the end of the connection. Nothing of it is an answer.
NO_ANSWERS = {
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length below zero": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length that no counter holds": HEAD + b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "lengths in a list": HEAD + b"Content-Length: 2, 2\r\n\r\nab",
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\nab",
    "another transfer coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\nab",
    "a line end within a value": HEAD + b"X-A: b\rSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a value": HEAD + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "a line that is folded": HEAD + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 0\r\n\r\n",
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "nothing": b"",
    "half a head": HEAD,
    "a switch that nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
}
# Those that begin well: the client has to see that the rest is missing.
BROKEN = {
    "less than its length": HEAD + b"Content-Length: 100\r\n\r\nten bytes.",
    "a chunk that is cut off": CHUNKED + b"a\r\nten",
    "no last chunk": CHUNKED + b"a\r\nten bytes.\r\n",
    "a chunk of no size": CHUNKED + b"a\r\nten bytes.\r\nzz\r\n",
    "a chunk longer than it says": CHUNKED + b"3\r\nten bytes.\r\n0\r\n\r\n",
    "a chunk whose size no counter holds": CHUNKED + b"a\r\nten bytes.\r\nfffffffffffffffff\r\n",
}
# More comes than belongs to the answer.
LONGER = {
    "more than its length": HEAD + b"Content-Length: 10\r\n\r\nten bytes." + SECRET,
    "an answer behind the answer": HEAD + b"Content-Length: 10\r\n\r\nten bytes." + HEAD
    + b"Content-Length: 17\r\n\r\n" + SECRET,
    "more behind the last chunk": CHUNKED + b"a\r\nten bytes.\r\n0\r\n\r\n" + SECRET,
}  # fmt: skip
# The beginning of what then goes on for ever, and what that is.
ENDLESS = {
    "lines of a head": (HEAD, b"X-Filler: 0123456789\r\n" * 1000),
    "one line of a head": (HEAD + b"X-Filler: ", b"0123456789" * 2000),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 500),
    "a reason": (b"HTTP/1.1 200 ", b"OK " * 5000),
    "trailers": (CHUNKED + b"a\r\nten bytes.\r\n0\r\n", b"X-Filler: 0123456789\r\n" * 1000),
}


def saying(data: bytes) -> Script:
    """That, and the end of the connection."""

    def script(_: Scripted, connection: socket.socket, __: bytes) -> bool:
        connection.sendall(data)
        return False

    return script


def keeping(data: bytes) -> Script:
    def script(_: Scripted, connection: socket.socket, __: bytes) -> bool:
        connection.sendall(data)
        return True

    return script


def endless(first: bytes, again: bytes, limit: int) -> Script:
    """Until nobody takes it any more; what is `limit` bytes long has an end that says so."""

    def script(server: Scripted, connection: socket.socket, _: bytes) -> bool:
        connection.sendall(first)
        sent = 0
        while sent < limit and not server.ended.is_set():
            connection.sendall(again)
            sent += len(again)
        return False

    return script


@pytest.fixture(scope="module")
def liar() -> Iterator[Scripted]:
    with Scripted(saying(b"")) as one:
        yield one


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, liar: Scripted) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("liar")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "apigw.yaml").write_text(CONFIG.replace("URL", liar.url))
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


count = iter(range(1_000_000))


def ask(gateway: Gateway, way: str) -> Answer | None:
    """The answer; None where it broke off."""
    with Wire(gateway.port) as wire:
        path = f"/{way}/{next(count)}"
        wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        with contextlib.suppress(EOFError, ConnectionResetError, ValueError):
            while (answer := wire.answer()).status == 103:
                pass
            if answer.header("content-encoding") == "gzip":
                answer.body = gzip.decompress(answer.body)
            return answer
    return None


def is_refusal(answer: Answer | None, status: int = 502) -> bool:
    assert answer is not None
    assert answer.header("x-request-id")
    message = json.loads(answer.body)
    assert SECRET.decode() not in str(message)
    return answer.status == status and bool(message)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lie", NO_ANSWERS)
def test_what_is_no_answer(gateway: Gateway, liar: Scripted, way: str, lie: str) -> None:
    liar.script = saying(NO_ANSWERS[lie])
    assert is_refusal(ask(gateway, way))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lie", BROKEN)
def test_what_breaks_off_is_seen_to_break_off(gateway: Gateway, liar: Scripted, way: str, lie: str) -> None:
    """And is not kept: the next one gets an answer of its own."""
    liar.script = saying(BROKEN[lie])
    answer = ask(gateway, way)
    assert answer is None or is_refusal(answer)
    if way == "enforced":
        assert answer is not None  # it was held back: there is something better to say
    path = b"GET /%b/again/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (way.encode(), next(count))
    for script, fine in ((liar.script, False), (saying(HEAD + b"Content-Length: 4\r\n\r\nfine"), True)):
        liar.script = script
        with Wire(gateway.port) as wire, contextlib.suppress(EOFError, ConnectionResetError, ValueError):
            second = wire.send(path).answer()
            assert (second.status == 200) == fine
            if fine:
                assert second.body == b"fine"
                liar.script = saying(b"")
                stored = wire.send(path).answer()
                assert stored.body == b"fine" if way == "cached" else is_refusal(stored)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lie", LONGER)
def test_what_is_longer_than_it_says_reaches_nobody(gateway: Gateway, liar: Scripted, way: str, lie: str) -> None:
    liar.script = keeping(LONGER[lie])
    with Wire(gateway.port) as wire:
        for _ in range(3):
            wire.send(f"GET /{way}/{next(count)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = wire.answer()
            assert SECRET not in answer.body
            assert (answer.status, answer.body) == (200, b"ten bytes.") or is_refusal(answer)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lie", ENDLESS)
def test_what_has_no_end_before_its_body(gateway: Gateway, liar: Scripted, way: str, lie: str) -> None:
    liar.script = endless(*ENDLESS[lie], SENT)
    before = memory(gateway)
    answer = ask(gateway, way)
    assert answer is None if lie == "trailers" and way not in ("enforced",) else is_refusal(answer)
    assert memory(gateway) - before < 8_000_000


@pytest.mark.parametrize("way", ["enforced", "limited", "all"])
def test_a_body_without_an_end_where_there_is_a_bound(gateway: Gateway, liar: Scripted, way: str) -> None:
    liar.script = endless(CHUNKED, b"1000\r\n%b\r\n" % (b"x" * 0x1000), SENT)
    before = memory(gateway)
    answer = ask(gateway, way)
    assert answer is None or is_refusal(answer)
    assert memory(gateway) - before < 8_000_000
    assert gateway.logged()[-1]["reason"] in ("answer_unfit", "upstream_invalid")


def memory(gateway: Gateway) -> int:
    """What the worker has in memory, in bytes."""
    import resource
    from pathlib import Path

    (worker,) = gateway.workers()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * resource.getpagesize()
