"""What answers pass through on their way to the client: headers, compression, limits; whoever gives them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import KEYS
from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Answer, Wire

OK = 'responses: {"200": {description: ok}}'
SPEC = f"""\
openapi: 3.1.0
info: {{title: Pets, version: 1.0.0}}
components:
  securitySchemes:
    Key: {{type: apiKey, in: header, name: X-Api-Key}}
paths:
  /headers/{{rest+}}:
    x-apigw:
      security_headers: {{csp: "default-src 'none'"}}
      response:
        headers:
          rename: {{X-Old: X-New}}
          remove: [Server, RateLimit]
          set: {{X-Shop: pets, X-Who: "${{auth.principal}}", X-Asked: "${{request.query.q}}"}}
          add: {{X-Also: "1"}}
      rate_limit: {{rate: 100/s}}
    get: {{operationId: headers, {OK}}}
    post: {{operationId: keyed, security: [{{Key: []}}], {OK}}}
  /compressed/{{rest+}}:
    x-apigw: {{compress: {{min_size: 20}}}}
    get: {{operationId: compressed, {OK}}}
    head: {{operationId: compressedHead, {OK}}}
  /kept/{{rest+}}:
    x-apigw: {{compress: {{min_size: 20, codings: [gzip]}}, cache: {{mode: ttl, ttl: 1m}}}}
    get: {{operationId: kept, {OK}}}
  /small/{{rest+}}:
    x-apigw: {{response_limit: {{max_body: 10}}}}
    get: {{operationId: small, {OK}}}
    head: {{operationId: smallHead, {OK}}}
  /mocked:
    x-apigw: {{response_limit: {{max_body: 10}}, mock: true}}
    get:
      operationId: mocked
      responses: {{"200": {{description: ok, content: {{application/json: {{example: {{long: enough}}}}}}}}}}
"""

CONFIG = """\
version: 1
apis:
  pets: {spec: spec.yaml, hosts: [localhost], upstream: recorder}
sites:
  shop:
    folder: site
    hosts: [shop.localhost]
    defaults: {compress: {min_size: 20, codings: [gzip]}, security_headers: {}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"]}
auth:
  Key: {keys: {file: keys.yaml}}
"""

TEXT = b"the same again and again; " * 40
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("filters")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "keys.yaml").write_text(KEYS)
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_bytes(b"<p>hello</p>\n" * 30_000)
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def request(path: str, method: str = "GET", host: str = "localhost", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", "")).encode()


def ask(gateway: Gateway, path: str, method: str = "GET", host: str = "localhost", **headers: str) -> Answer:
    with Wire(gateway.port) as wire:
        return wire.send(request(path, method, host, **headers)).answer(method == "HEAD")


def plain(body: bytes, *lines: str, status: int = 200, length: bool = True) -> list[bytes]:
    framing = f"Content-Length: {len(body)}" if length else "Connection: close"
    head = "\r\n".join((f"HTTP/1.1 {status} Fine", *lines, framing, "", ""))
    return [head.encode() + body]


def chunked(*parts: bytes, lines: tuple[str, ...] = (JSON,)) -> list[bytes]:
    head = "\r\n".join(("HTTP/1.1 200 OK", *lines, "Transfer-Encoding: chunked", "", ""))
    return [head.encode(), *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts), b"0\r\nX-Sum: 1\r\n\r\n"]


# --- headers


def test_headers_of_an_upstreams_answer(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(
        b"ok", "Server: x", "X-Old: a", "x-new: theirs", "X-Shop: theirs", "X-Also: 0", "X-Frame-Options: SAMEORIGIN"
    )
    answer = ask(gateway, "/headers/say?q=a%0D%0AEvil:%201")
    assert (answer.status, answer.reason, answer.body) == (200, "Fine", b"ok")
    assert (answer.all("x-new"), answer.all("x-shop"), answer.all("x-also")) == (["a"], ["pets"], ["0", "1"])
    assert answer.header("x-asked") == "a%0D%0AEvil: 1"
    assert [answer.header(name) for name in ("server", "x-old", "x-who", "evil")] == [None] * 4
    assert answer.all("x-frame-options") == ["SAMEORIGIN"]
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("content-security-policy") == "default-src 'none'"
    assert answer.header("strict-transport-security") is None  # no TLS here
    assert answer.header("x-request-id")


def test_headers_of_the_gateways_own(gateway: Gateway) -> None:
    refused = ask(gateway, "/headers/say", "POST")
    assert (refused.status, refused.header("x-shop"), refused.header("x-frame-options")) == (401, "pets", "DENY")
    passed = ask(gateway, "/headers/echo", "POST", X_Api_Key="demo-alice")
    assert (passed.status, passed.header("x-who"), passed.header("ratelimit")) == (200, "alice", None)


# --- compression


@pytest.mark.parametrize("made", [plain(TEXT, JSON), plain(TEXT, JSON, length=False), chunked(TEXT[:100], TEXT[100:])])
def test_an_answer_is_coded_however_it_is_framed(gateway: Gateway, recorder: Recorder, made: list[bytes]) -> None:
    recorder.says = made
    answer = ask(gateway, "/compressed/say", Accept_Encoding="gzip")
    assert (answer.header("content-encoding"), answer.header("content-length")) == ("gzip", None)
    assert answer.header("vary") == "Accept-Encoding"
    assert zlib.decompress(answer.body, 31) == TEXT
    assert answer.trailers == []
    unlike = ask(gateway, "/compressed/say")
    assert (unlike.body, unlike.header("content-encoding"), unlike.header("vary")) == (TEXT, None, "Accept-Encoding")


@pytest.mark.parametrize(
    "made",
    [
        plain(b"short", JSON),
        plain(TEXT, "Content-Type: image/png"),
        plain(TEXT),
        plain(TEXT, JSON, "Content-Encoding: br"),
        plain(TEXT, JSON, "Cache-Control: public, No-Transform"),
        plain(TEXT, JSON, "Content-Range: bytes 0-1039/2000", status=206),
    ],
)
def test_what_stays_as_it_is(gateway: Gateway, recorder: Recorder, made: list[bytes]) -> None:
    recorder.says = made
    answer = ask(gateway, "/compressed/say", Accept_Encoding="gzip")
    assert made[0].endswith(answer.body) and answer.header("content-length") == str(len(answer.body))
    assert (answer.header("content-encoding") or "br", answer.header("vary")) == ("br", None)


def test_validators_and_ranges_of_what_is_coded(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(TEXT, JSON, 'ETag: "1"', "Accept-Ranges: bytes")
    answer = ask(gateway, "/compressed/say", Accept_Encoding="gzip")
    assert (answer.header("etag"), answer.header("accept-ranges")) == ('W/"1"', None)
    assert ask(gateway, "/compressed/say").header("etag") == '"1"'
    recorder.says = [b'HTTP/1.1 304 Same\r\nETag: "1"\r\n\r\n']
    same = ask(gateway, "/compressed/say", If_None_Match='W/"1"', Accept_Encoding="gzip")
    assert (same.status, same.header("etag"), same.header("vary")) == (304, 'W/"1"', "Accept-Encoding")
    assert ask(gateway, "/compressed/say", If_None_Match='"1"').header("etag") == '"1"'


def test_head_says_what_get_would(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = [f'HTTP/1.1 200 OK\r\n{JSON}\r\nETag: "1"\r\nContent-Length: {len(TEXT)}\r\n\r\n'.encode()]
    answer = ask(gateway, "/compressed/say", "HEAD", Accept_Encoding="gzip")
    assert (answer.header("content-encoding"), answer.header("content-length")) == ("gzip", None)
    assert (answer.header("etag"), answer.header("vary")) == ('W/"1"', "Accept-Encoding")


def test_events_are_not_kept_back(gateway: Gateway, recorder: Recorder) -> None:
    recorder.go_on.clear()
    with Wire(gateway.port) as wire:
        wire.send(request("/compressed/drip", Accept_Encoding="gzip"))
        while wire.line() != b"\r\n":
            pass
        reader, seen = zlib.decompressobj(31), b""
        while seen != b"data: one\n\n":
            seen += reader.decompress(wire.exactly(int(wire.line(), 16)))
            assert wire.exactly(2) == b"\r\n"
    recorder.go_on.set()


def test_stored_answers_are_coded_for_each(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(TEXT, JSON)
    codings = ["gzip", "br", "gzip"]
    answers = [ask(gateway, "/kept/say", Accept_Encoding=one) for one in codings]
    assert [answer.header("content-encoding") for answer in answers] == ["gzip", None, "gzip"]
    assert [zlib.decompress(answers[0].body, 31), answers[1].body, zlib.decompress(answers[2].body, 31)] == [TEXT] * 3
    assert "hit" in (answers[2].header("cache-status") or "")


def test_a_sites_files_are_coded(gateway: Gateway) -> None:
    answer = ask(gateway, "/", host="shop.localhost", Accept_Encoding="gzip")
    assert zlib.decompress(answer.body, 31) == b"<p>hello</p>\n" * 30_000
    assert (answer.header("etag") or "").startswith("W/")
    assert answer.all("x-content-type-options") == ["nosniff"]
    part = ask(gateway, "/", host="shop.localhost", Accept_Encoding="gzip", Range="bytes=0-2")
    assert (part.status, part.body, part.header("content-encoding")) == (206, b"<p>", None)
    assert ask(gateway, "/", "HEAD", "shop.localhost", Accept_Encoding="gzip").header("content-encoding") == "gzip"


# --- limits


def test_an_answer_that_says_how_large_it_is(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = plain(b"x" * 10)
    assert ask(gateway, "/small/say").body == b"x" * 10
    recorder.says = plain(b"x" * 11)
    answer = ask(gateway, "/small/say")
    assert (answer.status, b"the upstream sent an invalid answer" in answer.body) == (502, True)
    assert ask(gateway, "/mocked").status == 502
    recorder.says = [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"]
    assert ask(gateway, "/small/say", "HEAD").status == 200


def test_one_that_does_not_breaks_off_visibly(gateway: Gateway, recorder: Recorder) -> None:
    recorder.says = chunked(b"x" * 5, b"x" * 5)
    whole = ask(gateway, "/small/say")
    assert (whole.body, whole.trailers) == (b"x" * 10, [("x-sum", "1")])
    recorder.go_on.clear()
    with Wire(gateway.port) as wire:
        wire.send(request("/small/drip"))  # 11 bytes at once
        answer = wire.answer()
        assert answer.status == 502
    recorder.says = chunked(b"x" * 5, b"y" * 200_000)
    with Wire(gateway.port) as wire:
        wire.send(request("/small/say", Connection="close"))
        try:
            got = wire.rest()  # 502 where nothing had been sent yet
        except ConnectionResetError:
            got = b""
        assert b"yy" not in got and not got.endswith(b"0\r\n\r\n")
    recorder.go_on.set()
