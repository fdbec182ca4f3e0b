"""Values of requests in every place that a template can fill: none leaves its place, on the wire or in a log."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.gateway.program import Gateway
from tests.gateway.scripted import Scripted
from tests.gateway.wire import Answer, Wire

VALUES = "${request.query.q:-none}|${request.header.X-In:-none}|${request.cookie.c:-none}"
CONFIG = """\
version: 1
apis:
  any:
    spec: spec.yaml
    hosts: [localhost]
    upstream: server
    defaults:
      response:
        headers:
          set: {X-Echo: "<VALUES>", X-Up: "<${response.header.X-Told}>", X-Path: "<${request.path.id}>"}
          add: {Set-Cookie: "seen=${request.query.q}; HttpOnly"}
    routes:
      asked:
        request:
          path: "/to/${request.path.id}/x/${request.query.q:-none}"
          headers: {set: {X-Out: "<VALUES>"}, add: {X-More: "${request.header.X-In:-none}"}}
          query: {set: {out: "<VALUES>"}, remove: [q]}
          cookies: {set: {out: "${request.query.q:-none}"}}
          body: {json: {out: "<VALUES>", alone: "${request.query.q:-none}"}}
          method: POST
      moved: {redirect: {to: "/go/${request.path.id}?q=${request.query.q:-none}", keep_query: false}}
      away: {redirect: {to: "https://other.example/${request.query.q:-none}", keep_query: false}}
upstreams: {server: {targets: ["URL"]}}
"""
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "A", "version": "1"},
    "paths": {
        f"/{name}/{{id}}": {"get": {"operationId": name, "responses": {"200": {"description": "ok"}}}}
        for name in ("asked", "moved", "away")
    },
}


def echo(_: Scripted, connection: socket.socket, request: bytes) -> bool:
    told = re.search(rb"\r\nX-In: ([^\r]*)", request)
    line = b"X-Told: %b\r\n" % told[1] if told else b""
    connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % line)
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with Scripted(echo) as one:
        yield one


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: Scripted) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "spec.yaml").write_text(json.dumps(SPEC))
    (folder / "apigw.yaml").write_text(CONFIG.replace("VALUES", VALUES).replace("URL", server.url))
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


NASTY = [
    "a\r\nX-Evil: 1", "\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", "\n", "\r", "\0", "\x7f", "\u2028", "\u010d\u010a",
    "\u560d\u560a", '"', "\\", '","evil":"1', "${request.id}", "$${x}", "%0d%0aX-Evil: 1", "%250d%250a", "../../evil",
    "..", ".", "/", "//evil.example", "\\\\evil.example", "https://evil.example", "@evil.example", "evil;Path=/",
    "evil, b=c", "a&evil=1", "a=b&c", "a#b?c", "\ud7ff\U0001f600", "\x85", "\x1b[31m", "<script>", "{{7*7}}",
    "a" * 3000,
]  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
# What a header and a cookie may hold on the wire: all but controls, and ends that are no blanks.
VISIBLE = re.compile(rb"[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")


def send(gateway: Gateway, name: str, part: str, text: str) -> Answer:
    raw = text.encode()[:2000]
    lines = [f"GET /{name}/{quote(part, safe='')} HTTP/1.1".encode()]
    lines[0] = lines[0].replace(b" HTTP/1.1", b"?q=" + quote(text, safe="").encode()[:4000] + b" HTTP/1.1")
    lines += [b"Host: localhost"]
    if VISIBLE.fullmatch(raw):
        lines += [b"X-In: " + raw, b"Cookie: c=" + raw.replace(b";", b"")]
    with Wire(gateway.port) as wire:
        return wire.send(b"\r\n".join((*lines, b"", b""))).answer()


KNOWN = {
    "content-type", "content-length", "date", "x-request-id", "x-echo", "x-up", "x-path", "set-cookie", "x-told",
    "location", "connection", "cache-control", "vary",
}  # fmt: skip


def is_well_formed(answer: Answer) -> bool:
    """Nothing but what was to be there, and each of it once."""
    names = [name.lower() for name, _ in answer.headers]
    assert set(names) <= KNOWN and len(set(names) - {"vary"}) == len([n for n in names if n != "vary"]), names
    return all(value.isascii() and value.isprintable() for name, value in answer.headers if name.lower() != "x-told")


FRONT = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(TEXTS, TEXTS)
@example("1", NASTY[0])
@example(NASTY[0], "1")
@FRONT
def test_what_an_upstream_is_asked(gateway: Gateway, server: Scripted, part: str, text: str) -> None:
    before = len(server.requests)
    answer = send(gateway, "asked", part, text)
    assert is_well_formed(answer)
    if answer.status != 200:
        assert answer.status in (400, 404, 414)
        assert len(server.requests) == before
        return
    (request,) = server.requests[before:]
    text = text or "none"
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, target, version = line.split(b" ")
    assert (method, version) == (b"POST", b"HTTP/1.1")
    assert all(re.fullmatch(rb"[A-Za-z-]+: [\x20-\x7e\x80-\xff]*", one) for one in lines)
    names = [one.partition(b":")[0].lower() for one in lines]
    assert b"x-evil" not in names and len(set(names)) == len(names)
    url = urlsplit(target.decode())
    assert [unquote(one) for one in url.path.split("/")] == ["", "to", part, "x", text]
    assert ".." not in unquote(url.path).split("/")
    ((name, out),) = parse_qsl(url.query, keep_blank_values=True)
    assert name == "out" and out.startswith(f"<{text}|")
    made = json.loads(body)
    assert set(made) == {"out", "alone"} and made["out"].startswith(f"<{text}|") and made["alone"] == text


@given(TEXTS, TEXTS, st.sampled_from(["moved", "away"]))
@example("1", "//evil.example", "away")
@FRONT
def test_where_a_redirect_leads(gateway: Gateway, part: str, text: str, name: str) -> None:
    answer = send(gateway, name, part, text)
    assert is_well_formed(answer)
    if answer.status == 308:
        url = urlsplit(answer.header("location") or "")
        assert url.netloc == ("" if name == "moved" else "other.example")
        assert len(url.path.split("/")) == (3 if name == "moved" else 2) and not url.path.startswith("//")
        assert name == "away" or parse_qsl(url.query, keep_blank_values=True) == [("q", text or "none")]
    else:
        assert answer.status in (400, 404, 414)


def test_every_line_of_the_log_is_one_line_of_json(gateway: Gateway) -> None:
    """And a metric has no label of any value."""
    for text in NASTY:
        send(gateway, "asked", "1", text)
    lines = gateway.log.read_text().split("\n")
    assert lines.pop() == ""
    for line in lines:
        told = json.loads(line)
        assert line.isprintable() and told["path"].isprintable()
    assert "evil" not in gateway.admin("/metrics")[1]
