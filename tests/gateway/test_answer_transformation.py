"""Answers that are changed on their way, on the wire: what the client gets, whoever answers, and beside what else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from hashlib import sha256
from xml.etree import ElementTree

import pytest

from tests.gateway.conftest import KEYS
from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Answer, Wire

OK = 'responses: {"200": {description: ok}}'
SPEC = f"""\
openapi: 3.1.0
info: {{title: Pets, version: 1.0.0}}
components: {{securitySchemes: {{Key: {{type: apiKey, in: header, name: X-Api-Key}}}}}}
paths:
  /members/{{rest+}}:
    x-apigw:
      response:
        headers: {{set: {{X-Id: "${{response.body/id}}", X-Was: "${{response.status}}"}}, remove: [Server]}}
        body: {{remove: [/secret], set: {{/of: "${{request.path.rest}}", /shop: "${{shop}}"}}}}
        max_body: 1000
    get: {{operationId: members, {OK}}}
    head: {{operationId: membersHead, {OK}}}
    put: {{operationId: membersPut, {OK}}}
  /headers/{{rest+}}:
    x-apigw: {{response: {{headers: {{remove: [Server]}}}}}}
    get: {{operationId: headers, {OK}}}
  /stored/{{rest+}}:
    x-apigw:
      cache: {{}}
      response: {{body: {{set: {{/by: "${{auth.principal}}"}}, remove: [/secret]}}}}
    get: {{operationId: stored, security: [{{Key: []}}], {OK}}}
  /held/{{rest+}}:
    x-apigw:
      validate: {{response: enforce}}
      response: {{status: {{404: 200}}, body: {{rename: {{/n: /name}}}}}}
    get:
      operationId: held
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema: {{type: object, required: [name], properties: {{name: {{type: string}}}}}}
  /coded/{{rest+}}:
    x-apigw:
      compress: {{min_size: 20, codings: [gzip]}}
      response: {{body: {{remove: [/secret]}}}}
    get: {{operationId: coded, {OK}}}
  /xml/{{rest+}}:
    x-apigw:
      response: {{body: {{text: "<pet n='${{response.body/n}}'>${{request.query.q}}</pet>", type: application/xml}}}}
    get: {{operationId: asXml, {OK}}}
    post:
      operationId: fromXml
      {OK}
      x-apigw:
        response: "off"
        request: {{body: {{text: "<pet><n>${{request.body/n}}</n></pet>", type: text/xml}}}}
  /envelope/{{rest+}}:
    x-apigw:
      response:
        - on: [4xx, 5xx]
          own: true
          status: {{5xx: 502}}
          body: {{json: {{error: {{status: "${{response.status}}", text: "${{response.body/message:-none}}"}}}}}}
        - headers: {{set: {{X-Fine: "${{response.status}}"}}}}
    get: {{operationId: envelope, security: [{{Key: []}}], {OK}}}
  /mocked:
    x-apigw: {{response: {{body: {{remove: [/secret]}}}}, mock: true}}
    get:
      operationId: mocked
      responses: {{"200": {{description: ok, content: {{application/json: {{example: {{a: 1, secret: 2}}}}}}}}}}
"""

CONFIG = """\
version: 1
apis:
  pets: {spec: spec.yaml, hosts: [localhost], upstream: recorder}
sites:
  shop:
    folder: site
    hosts: [shop.localhost]
    defaults: {response: {body: {remove: [/secret]}}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"], eject: {after: 1, first: 60s}}
auth:
  Key: {keys: {file: keys.yaml}}
"""

JSON = "Content-Type: application/json"
PET = b'{"id":7,"secret":"s3cret","n":1.10}'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "keys.yaml").write_text(KEYS + f"bob: {{sha256: {sha256(b'demo-bob').hexdigest()}}}\n")
    (folder / "stages").mkdir()
    (folder / "stages" / "qa.yaml").write_text("variables: {shop: Rex & Co}")
    (folder / "site").mkdir()
    (folder / "site" / "a.json").write_bytes(PET)
    (folder / "site" / "index.html").write_bytes(b"<p>hello</p>")
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def request(path: str, method: str = "GET", *lines: str, host: str = "localhost", body: bytes = b"") -> bytes:
    length = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, *length, "", "")).encode() + body


def ask(gateway: Gateway, path: str, *lines: str, method: str = "GET", host: str = "localhost") -> Answer:
    with Wire(gateway.port) as wire:
        return wire.send(request(path, method, *lines, host=host)).answer(method == "HEAD")


def plain(body: bytes, *lines: str, status: int = 200) -> list[bytes]:
    head = "\r\n".join((f"HTTP/1.1 {status} Fine", *lines, f"Content-Length: {len(body)}", "", ""))
    return [head.encode() + body]


def chunked(*parts: bytes, lines: tuple[str, ...] = (JSON,)) -> list[bytes]:
    head = "\r\n".join(("HTTP/1.1 200 OK", *lines, "Transfer-Encoding: chunked", "Trailer: X-Sum", "", ""))
    return [head.encode(), *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts), b"0\r\nX-Sum: 1\r\n\r\n"]


# --- members


@pytest.mark.parametrize(
    "made",
    [
        plain(PET, JSON, "Server: x", "Digest: y", "Accept-Ranges: bytes"),
        chunked(PET[:9], PET[9:]),
        [f"HTTP/1.1 200 OK\r\n{JSON}\r\nConnection: close\r\n\r\n".encode() + PET],
        plain(gzip.compress(PET), JSON, "Content-Encoding: gzip"),
    ],
)
def test_members_however_the_answer_is_framed(gateway: Gateway, recorder: Recorder, made: list[bytes]) -> None:
    recorder.says = made
    with Wire(gateway.port) as wire:
        for _ in range(2):
            answer = wire.send(request("/members/say")).answer()
            assert answer.body == b'{"id":7,"n":1.10,"of":"say","shop":"Rex & Co"}'
            assert (answer.status, answer.header("content-length")) == (200, str(len(answer.body)))
            assert (answer.header("x-id"), answer.header("x-was"), answer.trailers) == ("7", "200", [])
            names = ("server", "digest", "accept-ranges", "content-encoding", "trailer", "transfer-encoding")
            assert [answer.header(name) for name in names] == [None] * len(names)


def test_what_cannot_be_read_does_not_pass(gateway: Gateway, recorder: Recorder) -> None:
    """And is no failure of its target: this one would be out after the first."""
    for kind in ("text/plain", "text/html", "text/event-stream", "application/json; charset=utf-16"):
        recorder.says = plain(PET[:-1], f"Content-Type: {kind}")
        answer = ask(gateway, "/members/say")
        assert (answer.status, b"s3cret" in answer.body, answer.header("x-was")) == (502, False, "502")
        assert json.loads(answer.body)["message"]
    recorder.says = plain(PET, JSON)
    assert ask(gateway, "/members/say").status == 200


def test_an_error_of_html_keeps_its_status(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(b"<h1>s3cret</h1>", "Content-Type: text/html", "Retry-After: 7", status=500)
    with Wire(gateway.port) as wire:
        for _ in range(2):
            answer = wire.send(request("/members/say")).answer()
            assert (answer.status, answer.header("retry-after")) == (500, "7")
            assert json.loads(answer.body) == {"message": "Internal Server Error"}
    gateway.counts(2, "apigw_violations_total", what="unsuitable_answer", route="members")


@pytest.mark.parametrize(
    "made",
    [
        plain(b'{"a":"%b"}' % (b"x" * 1000), JSON),
        chunked(b'{"a":"', b"x" * 1000, b'"}'),
        plain(gzip.compress(b'{"a":"%b"}' % (b"x" * 100_000)), JSON, "Content-Encoding: gzip"),
    ],
)
def test_one_that_is_too_large_is_never_half(gateway: Gateway, recorder: Recorder, made: list[bytes]) -> None:
    recorder.says = made
    answer = ask(gateway, "/members/say")
    assert (answer.status, b"larger than 1000 bytes" in answer.body) == (502, True)


def test_head_and_what_the_upstream_is_asked(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = [f'HTTP/1.1 200 OK\r\n{JSON}\r\nETag: "1"\r\nContent-Length: {len(PET)}\r\n\r\n'.encode()]
    asked = ('If-None-Match: "1"', "Range: bytes=0-1", "Accept-Encoding: gzip", "If-Modified-Since: x")
    answer = ask(gateway, "/members/say", *asked, method="HEAD")
    assert (answer.status, answer.header("content-length"), answer.header("etag")) == (200, None, None)
    received = recorder.received[-1]
    assert [received.header(line.partition(":")[0]) for line in asked] == [None] * 4
    recorder.says = plain(b"", status=204)
    assert ask(gateway, "/members/say", "If-None-Match: *", method="PUT").status == 204
    assert recorder.received[-1].header("if-none-match") == "*"


def test_a_condition_is_about_what_the_client_gets(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(PET, JSON, 'ETag: "1"')
    tag = ask(gateway, "/members/say").header("etag")
    assert tag not in (None, '"1"')
    same = ask(gateway, "/members/say", f"If-None-Match: {tag}")
    assert (same.status, same.header("etag"), same.body) == (304, tag, b"")
    assert ask(gateway, "/members/other/say", f"If-None-Match: {tag}").status == 200  # another body
    assert ask(gateway, "/members/say", 'If-None-Match: "1"').status == 200


def test_a_part_does_not_pass(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(PET, JSON, f"Content-Range: bytes 0-{len(PET) - 1}/99", status=206)
    assert ask(gateway, "/members/say", "Range: bytes=0-9").status == 502


def test_a_header_comes_by_no_other_way(gateway: Gateway, recorder: Recorder) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nServer: x\r\n\r\n"
    end = b"0\r\nServer: x\r\nX-Sum: 1\r\n\r\n"
    recorder.says = [early + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" + end]
    with Wire(gateway.port) as wire:
        wire.send(request("/headers/say"))
        assert [wire.line() for _ in range(3)] == [b"HTTP/1.1 103 Early Hints\r\n", b"Link: </a>\r\n", b"\r\n"]
        answer = wire.answer()
    assert (answer.body, answer.trailers) == (b"a", [("x-sum", "1")])


# --- beside other policies


def test_stored_answers_are_changed_for_each_caller(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(PET, JSON, 'ETag: "1"', "Cache-Control: public, max-age=60", "Last-Modified: x")
    before, tags = len(recorder.received), set()
    for who in ("alice", "bob", "alice"):
        answer = ask(gateway, "/stored/say", f"X-Api-Key: demo-{who}")
        assert json.loads(answer.body) == {"id": 7, "n": 1.10, "by": who}
        assert answer.all("cache-control") == ["public, max-age=60", "private"]
        tags.add(answer.header("etag"))
    assert (len(recorder.received), len(tags)) == (before + 1, 2)
    key = "X-Api-Key: demo-alice"
    found = [
        (answer.status, len(answer.body) > 0)
        for answer in (
            ask(gateway, "/stored/say", key, 'If-None-Match: "1"'),  # the stored one's, which nobody has
            ask(gateway, "/stored/say", key, "If-Modified-Since: Sun, 22 Nov 2099 10:45:10 GMT"),
            ask(gateway, "/stored/say", key, "Range: bytes=0-9"),
            ask(gateway, "/stored/say", key, f"If-None-Match: {', '.join(map(str, tags))}"),
        )
    ]
    assert found == [(200, True), (200, True), (200, True), (304, False)]
    assert len(recorder.received) == before + 1


def test_the_specification_describes_what_the_client_gets(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(b'{"n":"rex"}', JSON, status=404)
    answer = ask(gateway, "/held/say")
    assert (answer.status, answer.body) == (200, b'{"name":"rex"}')
    recorder.says = plain(b'{"n":1}', JSON)
    refused = ask(gateway, "/held/say")
    assert (refused.status, json.loads(refused.body)["errors"][0]["pointer"]) == (502, "/name")


def test_what_was_changed_is_compressed(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(b'{"secret":1,"text":"%b"}' % (b"x" * 500), JSON, 'ETag: "1"')
    answer = ask(gateway, "/coded/say", "Accept-Encoding: gzip")
    assert gzip.decompress(answer.body) == b'{"text":"%b"}' % (b"x" * 500)
    tag = answer.header("etag") or ""
    assert (tag[:3], recorder.received[-1].header("accept-encoding")) == ('W/"', None)
    same = ask(gateway, "/coded/say", "Accept-Encoding: gzip", f"If-None-Match: {tag}")
    assert (same.status, same.header("etag")) == (304, tag)


def test_xml_both_ways(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(b'{"n":"\'><evil/>"}', JSON)
    answer = ask(gateway, "/xml/say?q=%3C/pet%3E%00%0A")
    assert answer.header("content-type") == "application/xml"
    root = ElementTree.fromstring(answer.body)
    assert (root.get("n"), root.text, list(root)) == ("'><evil/>", "</pet>\ufffd\n", [])
    with Wire(gateway.port) as wire:
        assert wire.send(request("/xml/echo", "POST", JSON, body=b'{"n":"</n><evil/>"}')).answer().status == 200
    received = recorder.received[-1]
    assert (received.header("content-type"), received.header("content-length")) == (
        "text/xml; charset=utf-8",
        str(len(received.body)),
    )
    (child,) = ElementTree.fromstring(received.body)
    assert (child.tag, child.text) == ("n", "</n><evil/>")


def test_one_form_for_all_errors(gateway: Gateway, recorder: Recorder) -> None:
    key = "X-Api-Key: demo-alice"
    refused = ask(gateway, "/envelope/say")
    assert (refused.status, json.loads(refused.body)["error"]["status"]) == (401, 401)
    assert json.loads(refused.body)["error"]["text"] != "none"
    recorder.says = plain(b"<p>stack</p>", "Content-Type: text/html", status=500)
    failed = ask(gateway, "/envelope/say", key)
    assert (failed.status, failed.reason) == (502, "Bad Gateway")
    assert json.loads(failed.body) == {"error": {"status": 500, "text": "none"}}
    recorder.says = plain(b"<p>fine</p>", "Content-Type: text/html")
    fine = ask(gateway, "/envelope/say", key)
    assert (fine.body, fine.header("x-fine"), failed.header("x-fine")) == (b"<p>fine</p>", "200", None)


def test_mocks_and_a_sites_files(gateway: Gateway) -> None:
    assert json.loads(ask(gateway, "/mocked").body) == {"a": 1}
    host = "shop.localhost"
    answer = ask(gateway, "/a.json", host=host)
    assert json.loads(answer.body) == {"id": 7, "n": 1.10}
    part = ask(gateway, "/a.json", "Range: bytes=0-9", host=host)
    assert (part.status, part.body) == (200, answer.body)
    same = ask(gateway, "/a.json", f"If-None-Match: {answer.header('etag')}", host=host)
    assert same.status == 304
    assert ask(gateway, "/index.html", host=host).status == 502


def test_several_in_one_write(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(PET, JSON)
    with Wire(gateway.port) as wire:
        wire.send(b"".join(request(f"/members/{number}/say") for number in range(4)))
        assert [json.loads(wire.answer().body)["of"] for _ in range(4)] == [f"{number}/say" for number in range(4)]
