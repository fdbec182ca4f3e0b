"""Answers that are not what the specification says: reported, or 502 in their place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Answer, Wire

RESPONSES = """
      responses:
        "200":
          description: A pet.
          headers:
            X-Total: {required: true, schema: {type: integer}}
          content:
            application/json:
              schema:
                type: object
                required: [name, password]
                properties: {name: {type: string}, password: {type: string, writeOnly: true}}
            text/event-stream: {schema: {type: integer}}
            image/png: {}
        "201": {description: Nothing is said of its body.}
        4XX: {description: Wrong., content: {application/problem+json: {schema: {type: object}}}}
        "502": {description: Broken., content: {application/json: {schema: {type: integer}}}}
"""

SPEC = f"""\
openapi: 3.1.0
info: {{title: Pets, version: 1.0.0}}
paths:
  /held/{{rest+}}:
    x-apigw: {{validate: {{response: enforce, max_body: 1000}}}}
    get:
      operationId: held{RESPONSES}
    head:
      operationId: heldHead{RESPONSES}
  /watched/{{rest+}}:
    x-apigw: {{validate: {{max_body: 1000}}}}
    get:
      operationId: watched{RESPONSES}
  /free/{{rest+}}:
    x-apigw: {{validate: {{response: off}}}}
    get:
      operationId: free{RESPONSES}
  /kept/{{rest+}}:
    x-apigw: {{validate: {{response: enforce}}, cache: {{mode: ttl, ttl: 1m}}}}
    get:
      operationId: kept{RESPONSES}
"""

CONFIG = """\
version: 1
apis:
  pets: {spec: spec.yaml, upstream: recorder, routes: {held: {cors: {origins: ["*"]}}}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"]}
"""

GOOD = b'{"name":"rex"}'
JSON, TOTAL = "Content-Type: application/json", "X-Total: 1"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def ask(gateway: Gateway, path: str, method: str = "GET", **headers: str) -> Answer:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with Wire(gateway.port) as wire:
        wire.send("\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode())
        return wire.answer(method == "HEAD")


def says(body: bytes, *lines: str, status: int = 200) -> list[bytes]:
    head = "\r\n".join((f"HTTP/1.1 {status} Fine", *lines, f"Content-Length: {len(body)}", "", ""))
    return [head.encode() + body]


def in_chunks(body: bytes, *lines: str) -> list[bytes]:
    head = "\r\n".join(("HTTP/1.1 200 OK", *lines, "Transfer-Encoding: chunked", "", ""))
    return [head.encode(), *(b"1\r\n%c\r\n" % one for one in body), b"0\r\n\r\n"]


BAD = [
    (says(b'{"name":5}', JSON, TOTAL), [("body", "/name", "type")]),
    (in_chunks(b'{"name":5}', JSON, TOTAL), [("body", "/name", "type")]),
    (says(b'{"name":"a","name":"b"}', JSON, TOTAL), [("body", "", "json")]),
    (says(b"<html>", "Content-Type: text/html", TOTAL), [("header", "", "content")]),
    (says(GOOD, JSON), [("header", "", "required")]),
    (says(GOOD, JSON, "X-Total: many"), [("header", "", "type")]),
    (says(GOOD, JSON, status=202), [("status", "", "status")]),
    (says(GOOD, JSON, TOTAL, "Content-Encoding: gzip"), [("body", "", "coding")]),
    (says(b"[]", "Content-Type: application/problem+json", status=404), [("body", "", "type")]),
]


@pytest.mark.parametrize(("made", "expected"), BAD)
def test_what_does_not_fit_is_held_back(
    gateway: Gateway, recorder: Recorder, made: list[bytes], expected: list[tuple[str, str, str]]
) -> None:
    recorder.says = made
    answer = ask(gateway, "/held/say")
    assert (answer.status, answer.header("content-type")) == (502, "application/problem+json")
    listed = [(one["in"], one["pointer"], one["rule"]) for one in json.loads(answer.body)["errors"]]
    assert listed == expected
    assert b"rex" not in answer.body
    assert answer.header("access-control-allow-origin") == "*"
    line = gateway.log_line(path="/held/say", request_id=answer.header("x-request-id"))
    assert line["reason"] == "invalid_answer"
    assert line["noticed"][0].startswith("invalid_answer: ")


@pytest.mark.parametrize(("made", "expected"), BAD)
def test_or_passes_and_is_reported(
    gateway: Gateway, recorder: Recorder, made: list[bytes], expected: list[tuple[str, str, str]]
) -> None:
    recorder.says = made
    before = gateway.metric("apigw_violations_total", route="watched", what="invalid_answer")
    answer = ask(gateway, "/watched/say")
    plain = b"".join(made).partition(b"\r\n\r\n")[2]
    assert answer.status == int(made[0][9:12])
    assert answer.body == plain or b"chunked" in made[0]
    line = gateway.log_line(path="/watched/say", request_id=answer.header("x-request-id"))
    assert len(line["noticed"]) == 1 and all(rule in line["noticed"][0] for _, _, rule in expected)
    assert gateway.counts(before + 1, "apigw_violations_total", route="watched", what="invalid_answer")


@pytest.mark.parametrize("where", ["held", "watched"])
@pytest.mark.parametrize(
    "made",
    [
        says(GOOD, JSON, TOTAL),
        in_chunks(GOOD, JSON, TOTAL),
        says(gzip.compress(GOOD), JSON, TOTAL, "Content-Encoding: gzip"),
        says(b"\x00", "Content-Type: image/png", TOTAL),
        says(b"anything", status=201),
        says(b"{}", "Content-Type: application/problem+json", status=404),
        [b"HTTP/1.1 304 Same\r\n\r\n"],
    ],
)
def test_what_fits_goes_on_as_it_is(gateway: Gateway, recorder: Recorder, where: str, made: list[bytes]) -> None:
    recorder.says = made
    answer = ask(gateway, f"/{where}/say", Accept_Encoding="br")
    assert answer.status == int(made[0][9:12])
    assert answer.body in made[0] or answer.body == GOOD
    assert "noticed" not in gateway.log_line(path=f"/{where}/say", request_id=answer.header("x-request-id"))
    # What is held to the specification has to be read here.
    assert recorder.last(f"/{where}/say").header("accept-encoding") == (None if where == "held" else "br")


def test_more_than_is_looked_at(gateway: Gateway, recorder: Recorder) -> None:
    for made in (says(b" " * 1001, JSON, TOTAL), in_chunks(b" " * 1001, JSON, TOTAL)):
        recorder.says = made
        assert ask(gateway, "/held/say").status == 502
        passed = ask(gateway, "/watched/say")
        assert (passed.status, len(passed.body)) == (200, 1001)
        assert "noticed" not in gateway.log_line(path="/watched/say", request_id=passed.header("x-request-id"))


def test_an_answer_that_ends_with_its_connection(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = [f"HTTP/1.1 200 OK\r\n{JSON}\r\n{TOTAL}\r\nConnection: close\r\n\r\n".encode() + GOOD]
    answer = ask(gateway, "/held/say")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, GOOD, str(len(GOOD)))


def test_one_that_breaks_off_is_502(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = [
        f"HTTP/1.1 200 OK\r\n{JSON}\r\n{TOTAL}\r\nConnection: close\r\nContent-Length: 99\r\n\r\n".encode()
    ]
    answer = ask(gateway, "/held/say")
    assert (answer.status, answer.header("content-type")) == (502, "application/json")


def test_head(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = [f"HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 5\r\n\r\n".encode()]
    assert ask(gateway, "/held/say", "HEAD").status == 502
    recorder.says = [f"HTTP/1.1 200 OK\r\n{JSON}\r\n{TOTAL}\r\nContent-Length: 5\r\n\r\n".encode()]
    assert ask(gateway, "/held/say", "HEAD").header("content-length") == "5"


def test_events_pass_while_they_come(gateway: Gateway, recorder: Recorder) -> None:
    recorder.go_on.clear()
    with Wire(gateway.port) as wire:
        wire.send(b"GET /watched/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while wire.line() != b"\r\n":
            pass
        assert wire.exactly(16) == b"b\r\ndata: one\n\n\r\n"
    recorder.go_on.set()


def test_switched_off(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = says(b"[]", JSON, status=202)
    answer = ask(gateway, "/free/say")
    assert answer.status == 202
    assert "noticed" not in gateway.log_line(path="/free/say", request_id=answer.header("x-request-id"))


def test_stored_answers_are_looked_at_as_well(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = says(b'{"name":5}', JSON, TOTAL)
    answers = [ask(gateway, "/kept/say", Accept_Encoding="gzip") for _ in range(2)]
    assert [answer.status for answer in answers] == [502, 502]


def test_a_description_that_cannot_be_used_refuses_the_load(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        SPEC.replace("type: integer}}\n          content", "type: 5}}\n          content")
    )
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("PORT", "9"))
    one = Gateway(tmp_path)
    assert "cannot be used to validate" in one.line("cannot be used")
    assert one.process.wait(30) == 1
    one.stop()
