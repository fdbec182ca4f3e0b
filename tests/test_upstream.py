"""The sample upstream, through real sockets: what it answers, how it fails on demand, how it starts and stops."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.upstream.answers import Site
from apigw_cli.upstream.messages import Answer, Delayed, Request, query_values
from apigw_cli.upstream.shared import Shared

APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]


@dataclass(frozen=True)
class Upstream:
    process: subprocess.Popen[str]
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded body of one request on its own connection."""
        status, _, data = self.raw(method, path, body, **headers)
        return status, json.loads(data) if data else None

    def raw(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Upstream]:
    process = subprocess.Popen([*APIGW, "upstream", "--port", "0", *arguments], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.match(r"upstream on http://127\.0\.0\.1:(\d+) ", line)
        assert found, line
        yield Upstream(process, int(found[1]))
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def pair() -> Iterator[Upstream]:
    with running("--workers", "2") as one:
        yield one


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- the echo


def test_any_path_echoes_the_request(upstream: Upstream) -> None:
    status, echo = upstream.ask("PUT", "/some/where?a=1&b=%20", b"hello", X_Custom="one")
    assert status == 200
    assert (echo["method"], echo["path"], echo["query"], echo["body"]) == ("PUT", "/some/where", "a=1&b=%20", "hello")
    assert echo["headers"]["x-custom"] == "one"
    assert echo["worker"] == upstream.process.pid


def test_headers_are_echoed_by_name_and_as_they_came(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n")
        echo = json.loads(drain(client).partition(b"\r\n\r\n")[2])
    assert echo["headers"]["x-a"] == "1, 2"
    assert [pair for pair in echo["raw_headers"] if pair[0].lower() == "x-a"] == [["X-A", "1"], ["x-a", "2"]]


def test_a_body_that_is_not_text_is_echoed_in_base64(upstream: Upstream) -> None:
    _, echo = upstream.ask("POST", "/", b"\xff\x00")
    assert echo["body_base64"] == "/wA="
    assert "body" not in echo


def test_a_chunked_body_arrives_whole(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        client.sendall(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        assert json.loads(drain(client).partition(b"\r\n\r\n")[2])["body"] == "abcdefg"


def test_head_has_the_length_and_no_body(upstream: Upstream) -> None:
    status, headers, body = upstream.raw("HEAD", "/bytes?n=1234")
    assert (status, headers["Content-Length"], body) == (200, "1234", b"")


# --- the connection


def drain(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_pipelined_requests_are_answered_in_order(upstream: Upstream) -> None:
    with upstream.connect() as client:
        paths = ["/io?ms=60", "/stream?chunks=2", "/status/204", "/bytes?n=3", "/io?ms=0"]
        last = f"GET {paths[-1]} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        client.sendall("".join(f"GET {p} HTTP/1.1\r\nHost: h\r\n\r\n" for p in paths[:-1]).encode() + last.encode())
        text = drain(client)
    marks = [b'"waited_ms":60', b"chunk 2", b"204 No Content", b"Content-Length: 3\r", b'"waited_ms":0']
    found = [text.index(mark) for mark in marks]
    assert found == sorted(found)
    assert text.count(b"HTTP/1.1 ") == len(paths)


def test_http_1_0_gets_an_unchunked_answer_and_the_end(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"GET /stream?chunks=2 HTTP/1.0\r\n\r\n")
        head, _, body = drain(client).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body == b"chunk 1\nchunk 2\n"


def test_what_is_not_http_is_a_400_and_the_end(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert drain(client).startswith(b"HTTP/1.1 400 ")


def test_an_upload_is_invited_when_the_client_asks_first(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")
        assert b'"body":"ok"' in client.recv(65536)


def test_a_half_closed_connection_still_gets_its_answer(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"GET /io?ms=50 HTTP/1.1\r\nHost: h\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert b'"waited_ms":50' in drain(client)


# --- endpoints


def test_io_waits_and_cpu_burns_cpu_time(upstream: Upstream) -> None:
    start = time.monotonic()
    assert upstream.ask("GET", "/io?ms=80")[0] == 200
    assert time.monotonic() - start >= 0.08
    start = time.monotonic()
    assert upstream.ask("GET", "/cpu?ms=30") == (200, {"computed_ms": 30, "worker": upstream.process.pid})
    assert time.monotonic() - start >= 0.03


def test_waiting_does_not_block_the_worker(upstream: Upstream) -> None:
    with upstream.connect() as waiting:
        waiting.sendall(b"GET /io?ms=600000 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert upstream.ask("GET", "/status/200")[0] == 200


@pytest.mark.parametrize("status", [200, 201, 204, 304, 404, 429, 503, 599])
def test_status_answers_as_asked(upstream: Upstream, status: int) -> None:
    answered, headers, body = upstream.raw("GET", f"/status/{status}")
    assert answered == status
    assert (body == b"") == (status in (204, 304))
    assert (headers["Content-Length"] is None) == (status in (204, 304))


def test_stream_sse_and_bytes(upstream: Upstream) -> None:
    _, headers, body = upstream.raw("GET", "/stream?chunks=3&ms=1&size=10")
    assert (headers["Transfer-Encoding"], body) == ("chunked", b"chunk 1\n..chunk 2\n..chunk 3\n..")
    _, headers, body = upstream.raw("GET", "/sse?events=2&ms=1")
    assert headers["Content-Type"] == "text/event-stream"
    assert re.findall(rb"^data: (.*)$", body, re.MULTILINE) == [b'{"n":1}', b'{"n":2}']
    assert len(upstream.raw("GET", "/bytes?n=3000000")[2]) == 3_000_000


def test_a_body_of_any_size_can_be_counted_but_not_echoed(upstream: Upstream) -> None:
    body = b"x" * (17 << 20)
    digest = hashlib.sha256(body).hexdigest()
    assert upstream.ask("POST", "/sink", body) == (200, {"bytes": len(body), "sha256": digest})
    status, answer = upstream.ask("POST", "/elsewhere", body)
    assert status == 413
    assert "/sink" in answer["message"]


@pytest.mark.parametrize(
    "path",
    ["/io?ms=x", "/io?ms=-1", "/io?ms=600001", "/cpu?ms=60001", "/status/99", "/status/abc", "/stream?chunks=1e3",
     "/bytes?n=99999999999999999999999", "/sse?ms=", "/x?fail=often", "/x?fail=status&status=700", "/v1/pets?limit=0"],
)  # fmt: skip
def test_a_value_out_of_bounds_is_a_400_that_says_so(upstream: Upstream, path: str) -> None:
    status, answer = upstream.ask("GET", path)
    assert status == 400
    assert re.search(r"must be|not an? ", answer["message"])


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_every_query_is_decoded_without_an_error(query: str) -> None:
    assert all(isinstance(value, str) for value in query_values(query).values())


# --- failures


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", ConnectionResetError),
        ("close", http.client.RemoteDisconnected),
        ("truncate", http.client.IncompleteRead),
    ],
)
def test_failing_on_demand(upstream: Upstream, kind: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        upstream.raw("GET", f"/x?fail={kind}")


def test_hanging_on_demand_says_nothing(upstream: Upstream) -> None:
    with upstream.connect() as client:
        client.sendall(b"GET /x?fail=hang HTTP/1.1\r\nHost: h\r\n\r\n")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_share_of_all_requests_fails_but_health_does_not() -> None:
    site = Site(Shared(1), fail_rate=0.5, fail_status=503)
    answers = [site.answer(Request("GET", "/x", "", [])) for _ in range(400)]
    failed = sum(isinstance(answer, Answer) and answer.status == 503 for answer in answers)
    assert 120 < failed < 280  # 8 standard deviations to each side
    healthy = [site.answer(Request("GET", "/health", "", [])) for _ in range(50)]
    assert all(isinstance(answer, Answer) and answer.status == 200 for answer in healthy)


def test_latency_is_added_to_what_an_endpoint_waits_itself() -> None:
    site = Site(Shared(1), latency=0.25)
    plain, waiting = (site.answer(Request("GET", p, "", [], values=v)) for p, v in (("/x", {}), ("/io", {"ms": "50"})))
    assert isinstance(plain, Delayed)
    assert plain.seconds == 0.25
    assert isinstance(waiting, Delayed)
    assert waiting.seconds == pytest.approx(0.3)


# --- the pet shop


def test_the_pet_shop_lists_adds_and_removes(upstream: Upstream) -> None:
    status, pets = upstream.ask("GET", "/v1/pets?limit=3&tag=dog")
    assert (status, len(pets), {pet["tag"] for pet in pets}) == (200, 3, {"dog"})
    status, headers, body = upstream.raw("POST", "/v1/pets", b'{"name": "Ada", "tag": "owl"}')
    pet = json.loads(body)
    assert (status, pet["name"], headers["Location"]) == (201, "Ada", f"/v1/pets/{pet['id']}")
    assert upstream.ask("GET", headers["Location"]) == (200, pet)
    assert upstream.raw("DELETE", headers["Location"])[0] == 204
    assert upstream.ask("GET", headers["Location"])[0] == 404
    assert upstream.ask("GET", "/v1/pets/7") == (200, {"id": 7, "name": "Rex", "tag": "dog"})
    assert [pet["name"] for pet in upstream.ask("GET", "/v1/pets/mine")[1]] == ["Rex", "Tom"]
    assert upstream.ask("GET", "/v1/shop/hours")[1].keys() == {"opens", "closes"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name": ""}', b'{"name": 5}', b'{"name": "a", "tag": null}'])
def test_what_is_not_a_pet_is_refused(upstream: Upstream, body: bytes) -> None:
    assert upstream.ask("POST", "/v1/pets", body)[0] == 400


def test_a_wrong_method_says_which_are_right(upstream: Upstream) -> None:
    status, headers, _ = upstream.raw("PUT", "/v1/pets/7")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, DELETE")


def test_load_cannot_fill_the_memory_with_pets() -> None:
    from apigw_cli.upstream.pets import MOST_PETS, Shop

    shop = Shop()
    for _ in range(MOST_PETS + 5):
        newest = shop.add({"name": "Rex"})
    assert len(shop.pets) == MOST_PETS
    assert newest["id"] in shop.pets


# --- the processes


def test_all_workers_answer_and_share_health_and_counts(pair: Upstream) -> None:
    seen: set[int] = set()

    def both() -> bool:
        seen.add(pair.ask("GET", "/who")[1]["worker"])
        return len(seen) == 2

    until(both)
    before = pair.ask("GET", "/stats")[1]["requests"]
    for _ in range(10):
        pair.ask("GET", "/counted")
    assert pair.ask("GET", "/stats")[1] == {"requests": before + 10, "workers": 2}
    assert pair.ask("POST", "/health?status=503")[0] == 200
    assert {pair.ask("GET", "/health")[0] for _ in range(10)} == {503}
    pair.ask("POST", "/health?status=200")
    assert pair.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_requests_under_way(workers: str, number: signal.Signals, code: int) -> None:
    with running("--workers", workers) as one, one.connect() as client:
        client.sendall(b"GET /io?ms=600000 HTTP/1.1\r\nHost: h\r\n\r\n")
        one.process.send_signal(number)
        assert one.process.wait(20) == code
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            one.connect()


def test_workers_do_not_outlive_a_supervisor_that_was_killed() -> None:
    with running("--workers", "2") as one:
        one.process.kill()
        one.process.wait(20)
        until(lambda: not listens(one.port))


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_clear_message(pair: Upstream, workers: str) -> None:
    done = subprocess.run(
        [*APIGW, "upstream", "--port", str(pair.port), "--workers", workers],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{pair.port}" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr
