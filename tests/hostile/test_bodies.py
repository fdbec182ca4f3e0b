"""Hostile bodies at a running gateway: each gets its answer, nobody else waits, and memory stays where it was."""

from __future__ import annotations

import functools
import gzip
import json
import resource
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest

from tests.gateway.program import Gateway
from tests.gateway.scripted import Scripted, answer
from tests.gateway.wire import Answer, Wire

SPEC = """\
openapi: 3.1.0
info: {title: A, version: "1"}
paths:
  /json: {post: {operationId: json, requestBody: {required: true, content: {application/json: {schema: SCHEMA}}}, OK}}
  /reported:
    x-apigw: {validate: {request: report}}
    post: {operationId: reported, requestBody: {content: {application/json: {schema: SCHEMA}}}, OK}
  /form: {post: {operationId: form, requestBody: {content: {FORM: {schema: {type: object}}}}, OK}}
  /parts: {post: {operationId: parts, requestBody: {content: {multipart/form-data: {schema: {type: object}}}}, OK}}
  /text: {post: {operationId: text, requestBody: {content: {text/plain: {schema: {pattern: "^(?!.*x).*$"}}}}, OK}}
  /pets: {get: {operationId: pets, OK}}
"""
CONFIG = """\
version: 1
apis: {any: {spec: spec.yaml, hosts: [localhost], upstream: server, defaults: {validate: {}}}}
upstreams: {server: {targets: ["URL"]}}
"""
SCHEMA = {"type": ["array", "object"], "items": {"type": "object", "required": [f"p{i}" for i in range(20)]}}
JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
PARTS = "multipart/form-data; boundary=b"
MIB = 1 << 20
ROOM = MIB - 1000
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with Scripted(answer()) as one:
        yield one


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: Scripted) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("bodies")
    ok = 'responses: {"200": {description: ok}}'
    (folder / "spec.yaml").write_text(
        SPEC.replace("OK", ok).replace("SCHEMA", json.dumps(SCHEMA)).replace("FORM", FORM)
    )
    (folder / "apigw.yaml").write_text(CONFIG.replace("URL", server.url))
    one = Gateway(folder, "--workers", "2")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def post(gateway: Gateway, path: str, body: bytes, kind: str, *lines: str) -> Answer:
    head = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines)
    with Wire(gateway.port) as wire:
        return wire.send("\r\n".join((*head, "", "")).encode("latin-1") + body).answer()


def memory(gateway: Gateway) -> int:
    """What all workers have in memory, in bytes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in gateway.workers())
    return pages * resource.getpagesize()


@functools.cache
def gzip_bomb() -> bytes:
    """Some 300 MB of zeros."""
    machine = zlib.compressobj(6, zlib.DEFLATED, 31)
    block = bytes(10 * MIB)
    return b"".join([*(machine.compress(block) for _ in range(30)), machine.flush()])


def zstd_bomb() -> bytes:
    """10 GB of zeros: blocks of 128 KiB that say `so many of the same byte`, 4 bytes each."""
    block = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x58" + block * 80_000 + b"\x01\x00\x00"


@functools.cache
def brotli_bomb() -> bytes:
    """Some 300 MB of zeros."""
    machine = brotli.Compressor(quality=1)
    block = bytes(10 * MIB)
    return b"".join([*(machine.process(block) for _ in range(100)), machine.finish()])


BOMBS = {"gzip": gzip_bomb, "br": brotli_bomb, "zstd": zstd_bomb}


@pytest.mark.parametrize("path", ["/json", "/reported"])
@pytest.mark.parametrize("coding", BOMBS)
def test_bombs(gateway: Gateway, coding: str, path: str) -> None:
    before = memory(gateway)
    answer = post(gateway, path, BOMBS[coding](), JSON, f"Content-Encoding: {coding}")
    assert answer.status == (413 if path == "/json" else 200)
    assert memory(gateway) - before < 40 * MIB
    if path == "/json":
        assert [one["rule"] for one in json.loads(answer.body)["errors"]] == ["size"]


HOSTILE: dict[str, tuple[str, str, bytes, int]] = {
    "a million levels": ("/json", JSON, b"[" * (ROOM // 2) + b"]" * (ROOM // 2), 400),
    "a million objects in each other": ("/json", JSON, b'{"":' * (ROOM // 5) + b"1" + b"}" * (ROOM // 5), 400),
    "a number of a million digits": ("/json", JSON, b"[" + b"1" * ROOM + b"]", 400),
    "a fraction of a million digits": ("/json", JSON, b"[0." + b"1" * ROOM + b"]", 400),
    "numbers beyond a double": ("/json", JSON, b"[1e400]", 400),
    "NaN": ("/json", JSON, b"[NaN]", 400),
    "a hundred thousand names": ("/json", JSON, json.dumps({f"{i:x}": 1 for i in range(90_000)}).encode(), 200),
    "names with one hash": ("/json", JSON, json.dumps({str(i * (2**61 - 1)): 1 for i in range(30_000)}).encode(), 200),
    "one name twice": ("/json", JSON, b'{"admin":false,"admin":true}', 400),
    "one name twice, escaped": ("/json", JSON, rb'{"admin":false,"\u0061dmin":true}', 400),
    "all items wrong": ("/json", JSON, b"[" + b"{}," * (ROOM // 3) + b"{}]", 400),
    "UTF-16": ("/json", JSON, '{"a":1}'.encode("utf-16"), 400),
    "UTF-16 without a mark": ("/json", JSON, '{"a":1}'.encode("utf-16-le"), 400),
    "UTF-32": ("/json", JSON, '{"a":1}'.encode("utf-32"), 400),
    "a byte order mark": ("/json", JSON, b"\xef\xbb\xbf{}", 400),
    "UTF-7, said": ("/json", "application/json; charset=utf-7", b"+AHs-+AH0-", 415),
    "UTF-16, said": ("/json", "application/json; charset=utf-16", '{"a":1}'.encode("utf-16"), 415),
    "two charsets": ("/json", "application/json; charset=utf-16; charset=utf-8", b"{}", 415),
    "a lone surrogate": ("/json", JSON, rb'["\ud800"]', 400),
    "a surrogate in UTF-8": ("/json", JSON, b'["\xed\xa0\x80"]', 400),
    "overlong UTF-8": ("/json", JSON, b'["\xc0\xaf"]', 400),
    "NUL": ("/json", JSON, b"{}\0", 400),
    "two values": ("/json", JSON, b"{}{}", 400),
    "a comment": ("/json", JSON, b"{/**/}", 400),
    "a text that is no UTF-8": ("/text", TEXT, b"\xff", 400),
    "a charset that is a lie": ("/text", "text/plain; charset=us-ascii", b"\xc3\xa4", 400),
    "a charset that nobody knows": ("/text", "text/plain; charset=x-user-defined", b"a", 415),
    "a text that a pattern goes back and forth in": ("/text", TEXT, b"a\n" * (ROOM // 2), 400),
    "a million fields": ("/form", FORM, b"a&" * (ROOM // 2), 413),
    "a field of a million brackets": ("/form", FORM, b"a" + b"[b]" * (ROOM // 3) + b"=1", 400),
    "fields that are a text and an object": ("/form", FORM, b"a[b]=1&a[b][c]=2", 400),
    "a form that is no UTF-8": ("/form", FORM, b"a=%ff", 400),
    "a hundred thousand parts": ("/parts", PARTS, PART * (ROOM // len(PART)) + b"--b--\r\n", 413),
    "no boundary": ("/parts", "multipart/form-data", PART + b"--b--\r\n", 400),
    "another boundary": ("/parts", "multipart/form-data; boundary=c", PART + b"--b--\r\n", 400),
    "two boundaries": ("/parts", "multipart/form-data; boundary=c; boundary=b", PART + b"--b--\r\n", 400),
    "a boundary that is too long": ("/parts", f"multipart/form-data; boundary={'b' * 300}", PART, 400),
    "parts without an end": ("/parts", PARTS, PART, 400),
    "what all but is a boundary": ("/parts", PARTS, PART[:-5] + b"\r\n--" * (ROOM // 4) + b"\r\n--b--\r\n", 200),
    "a part with a head of a MiB": ("/parts", PARTS, PART[:-7] + b"X: " + b"y" * ROOM + b"\r\n\r\n\r\n--b--\r\n", 413),
    "a part without a name": ("/parts", PARTS, b"--b\r\nContent-Type: a/b\r\n\r\n1\r\n--b--\r\n", 400),
    "nothing": ("/json", JSON, b"", 400),
    "another type": ("/json", "text/html", b"{}", 415),
    "a type that is none": ("/json", ";;;=,", b"{}", 415),
}
GZ = gzip.compress(b"{}")
CODED: dict[str, tuple[str, bytes, int]] = {
    "gzip in gzip": ("gzip, gzip", gzip.compress(GZ), 415),
    "two lines": ("gzip\r\nContent-Encoding: gzip", gzip.compress(GZ), 415),
    "more behind it": ("gzip", GZ + b"junk", 400),
    "two members": ("gzip", GZ + GZ, 400),
    "cut off": ("gzip", GZ[:-4], 400),
    "a wrong sum": ("gzip", GZ[:-8] + b"\0\0\0\0" + GZ[-4:], 400),
    "none at all": ("gzip", b"{}", 400),
    "a coding that nobody knows": ("exi", b"{}", 415),
    "a name of a thousand letters": ("x" * 1000, b"{}", 415),
    "zlib without its head": ("deflate", zlib.compress(b"{}")[2:-4], 400),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies(gateway: Gateway, server: Scripted, name: str) -> None:
    path, kind, body, status = HOSTILE[name]
    judge(gateway, server, post(gateway, path, body, kind), status)


@pytest.mark.parametrize("name", CODED)
def test_hostile_codings(gateway: Gateway, server: Scripted, name: str) -> None:
    coding, body, status = CODED[name]
    answer = post(gateway, "/json", body, JSON, f"Content-Encoding: {coding}")
    judge(gateway, server, answer, status)
    assert answer.header("accept-encoding") == ("gzip, deflate, br, zstd" if status == 415 else None)


def judge(gateway: Gateway, server: Scripted, answer: Answer, status: int) -> None:
    assert answer.status == status, answer
    assert answer.header("x-request-id")
    if status != 200:
        assert answer.header("content-type") == "application/problem+json"
        told = json.loads(answer.body)
        assert told["status"] == status and told["errors"] and len(answer.body) < 20_000


def test_memory_is_as_it_was(gateway: Gateway) -> None:
    """After each of them many times."""
    floods = ["all items wrong", "a hundred thousand names", "a million levels", "what all but is a boundary"]
    for _ in range(2):
        for name in floods:
            path, kind, body, status = HOSTILE[name]
            assert post(gateway, path, body, kind).status == status
    before = memory(gateway)
    for _ in range(5):
        for name in floods:
            path, kind, body, _status = HOSTILE[name]
            post(gateway, path, body, kind)
    assert memory(gateway) - before < 40 * MIB


def test_bodies_that_trickle_hold_nobody_up(gateway: Gateway) -> None:
    """Held, in part, for many clients: what is kept is what has come, and others are answered."""
    head = f"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nContent-Length: {ROOM}\r\n\r\n".encode()
    wires = [Wire(gateway.port) for _ in range(50)]
    try:
        for wire in wires:
            wire.send(head + b"[")
        for _ in range(5):
            for wire in wires:
                wire.send(b" ")
            with Wire(gateway.port) as other:
                assert other.send(b"GET /pets HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
        assert memory(gateway) < 400 * MIB
    finally:
        for wire in wires:
            wire.socket.close()


def test_nobody_waits_for_long_behind_a_flood(gateway: Gateway) -> None:
    """While one client after the other sends what is wrong everywhere, another one is answered each time it asks."""
    path, kind, body, status = HOSTILE["all items wrong"]
    done = threading.Event()
    seen: list[int] = []

    def flood() -> None:
        seen.extend(post(gateway, path, body, kind).status for _ in range(5))
        done.set()

    thread = threading.Thread(target=flood)
    thread.start()
    answered = 0
    while not done.is_set():
        with Wire(gateway.port) as wire:
            assert wire.send(b"GET /pets HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
            answered += 1
    thread.join()
    assert seen == [status] * 5 and answered >= 5


def test_a_client_that_never_reads_its_answers(gateway: Gateway) -> None:
    """Refusals to someone who takes none of them: what waits is bounded by what the sockets hold."""
    before = memory(gateway)
    request = (
        b"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]"
    )
    with Wire(gateway.port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.socket.settimeout(0.5)
        try:
            for _ in range(2000):
                wire.send(request * 50)
        except TimeoutError:
            pass  # they are not read any more, which is how it should be
        assert memory(gateway) - before < 40 * MIB
