"""Requests that are not what the specification says, on the wire: bodies in parts, and what the upstream gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Answer, Wire

SPEC = """\
openapi: 3.1.0
info: {title: Pets, version: 1.0.0}
paths:
  /pets/{id}/echo:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
    get: {operationId: readPet, responses: {"200": {description: ok}}}
    post: {operationId: writePet, OPERATION}
  /reported/{id}/echo:
    post: {operationId: reportPet, OPERATION, x-apigw: {validate: {request: report, max_body: 1000}}}
  /free/{id}/echo:
    post: {operationId: freePet, OPERATION, x-apigw: {validate: off}}
"""

OPERATION = (
    "requestBody: {required: true, content: {application/json: {schema: {type: object, required: [name], "
    "properties: {name: {type: string}}}}}}, responses: {default: {description: ok}}"
)

CONFIG = """\
version: 1
apis:
  pets:
    spec: spec.yaml
    upstream: recorder
    defaults: {validate: {max_body: 200000}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"]}
"""

GOOD = b'{"name":"rex"}'


def write(folder: Path, port: int) -> None:
    (folder / "spec.yaml").write_text(SPEC.replace("OPERATION", OPERATION))
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(port)))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("validation")
    write(folder, recorder.port)
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def head(path: str, *lines: str, kind: str = "application/json") -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *lines, "", "")).encode()


def post(gateway: Gateway, path: str, body: bytes, kind: str = "application/json") -> Answer:
    with Wire(gateway.port) as wire:
        return wire.send(head(path, f"Content-Length: {len(body)}", kind=kind) + body).answer()


def test_a_request_that_fits_goes_on_as_it_is(gateway: Gateway, recorder: Recorder) -> None:
    assert post(gateway, "/pets/1/echo", GOOD).status == 200
    received = recorder.last("/pets/1/echo")
    assert (received.body, received.header("content-length")) == (GOOD, str(len(GOOD)))


def test_one_that_does_not_is_answered_here(gateway: Gateway, recorder: Recorder) -> None:
    before = len(recorder.received)
    answer = post(gateway, "/pets/one/echo", b'{"name": 5}')
    assert answer.status == 400
    assert answer.header("content-type") == "application/problem+json"
    listed = [(one["in"], one["pointer"]) for one in json.loads(answer.body)["errors"]]
    assert listed == [("path", ""), ("body", "/name")]
    assert len(recorder.received) == before
    line = gateway.log_line(path="/pets/one/echo")
    assert line["reason"] == "invalid_request"
    assert line["noticed"] == ["invalid_request: path id type; body /name type"]
    wait_until(lambda: gateway.metric("apigw_refusals_total", route="writePet", reason="invalid_request"), "its count")
    wait_until(lambda: gateway.metric("apigw_violations_total", route="writePet", what="invalid_request"), "its count")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_in_parts(gateway: Gateway, recorder: Recorder, size: int) -> None:
    """However it is cut, it is seen whole, and goes on whole."""
    body = json.dumps({"name": "x" * 2000 if size > 1 else "x"}).encode()
    with Wire(gateway.port) as wire:
        wire.send(head("/pets/2/echo", "Transfer-Encoding: chunked"))
        for at in range(0, len(body), size):
            wire.send(b"%x\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size]))
        answer = wire.send(b"0\r\n\r\n").answer()
        assert answer.status == 200
        assert recorder.last("/pets/2/echo").body == body
        wire.send(head("/pets/2/echo", "Transfer-Encoding: chunked") + b"1\r\n{\r\n")
        assert wire.send(b"0\r\n\r\n").answer().status == 400
        assert (
            wire.send(head("/pets/2/echo", "Content-Length: 14") + GOOD).answer().status == 200
        )  # the connection lives


def test_a_body_of_more_than_is_kept_for_sending_again(gateway: Gateway, recorder: Recorder) -> None:
    body = json.dumps({"name": "x" * 150_000}).encode()
    assert post(gateway, "/pets/3/echo", body).status == 200
    assert recorder.last("/pets/3/echo").body == body


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(gateway: Gateway, recorder: Recorder, chunked: bool) -> None:
    before = len(recorder.received)
    with Wire(gateway.port) as wire:
        if chunked:
            wire.send(head("/pets/4/echo", "Transfer-Encoding: chunked"))
            wire.send(b"%x\r\n%b\r\n" % (250_000, b" " * 250_000))
        else:
            wire.send(head("/pets/4/echo", "Content-Length: 250000"))
        answer = wire.answer()
    assert (answer.status, answer.header("connection")) == (413, "close")
    assert "200000 bytes" in json.loads(answer.body)["message"]
    assert len(recorder.received) == before


def test_a_client_that_waits_to_be_asked(gateway: Gateway, recorder: Recorder) -> None:
    with Wire(gateway.port) as wire:
        wire.send(head("/pets/5/echo", "Content-Length: 14", "Expect: 100-continue"))
        assert wire.answer().status == 100
        assert wire.send(GOOD).answer().status == 200
    with Wire(gateway.port) as wire:  # no body is asked for where the head is wrong already
        wire.send(head("/pets/5/echo", "Content-Length: 14", "Expect: 100-continue", kind="text/plain"))
        assert wire.answer().status == 415


def test_requests_behind_one_whose_body_is_still_coming(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(head("/pets/6/echo", "Content-Length: 14") + GOOD[:5])
        wire.send(GOOD[5:] + b"GET /pets/x/echo HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert [wire.answer().status, wire.answer().status] == [200, 400]


def test_a_client_that_leaves_in_the_middle(gateway: Gateway, recorder: Recorder) -> None:
    before = len(recorder.received)
    with Wire(gateway.port) as wire:
        wire.send(head("/pets/77/echo", "Content-Length: 14") + GOOD[:5])
    assert gateway.log_line(path="/pets/77/echo")["reason"] == "client_gone"
    assert len(recorder.received) == before


def test_what_is_only_reported_goes_on(gateway: Gateway, recorder: Recorder) -> None:
    assert post(gateway, "/reported/1/echo", b"[]").status == 200
    assert recorder.last("/reported/1/echo").body == b"[]"
    assert gateway.log_line(path="/reported/1/echo")["noticed"] == ["invalid_request: body type"]
    long = json.dumps({"name": "y" * 100_000}).encode()
    assert post(gateway, "/reported/2/echo", long).status == 200
    assert recorder.last("/reported/2/echo").body == long
    with Wire(gateway.port) as wire:
        wire.send(head("/reported/3/echo", "Transfer-Encoding: chunked"))
        for at in range(0, len(long), 700):
            wire.send(b"%x\r\n%b\r\n" % (len(long[at : at + 700]), long[at : at + 700]))
        assert wire.send(b"0\r\n\r\n").answer().status == 200
    assert recorder.last("/reported/3/echo").body == long


def test_it_can_be_switched_off_for_a_route(gateway: Gateway, recorder: Recorder) -> None:
    assert post(gateway, "/free/1/echo", b"[]", "text/plain").status == 200


def test_a_schema_that_cannot_be_used_keeps_the_old_table(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    write(tmp_path, recorder.port)
    one = start("--workers", "1")
    spec = tmp_path / "spec.yaml"
    spec.write_text(spec.read_text().replace("type: object", "type: objekt"))
    one.line("cannot be used to validate")
    assert post(one, "/pets/1/echo", GOOD).status == 200
