"""What is typed becomes bytes, or one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from apigw_cli.bench.request import Request, parse_header, parse_method, parse_url, read_body
from apigw_cli.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "path"),
    [
        ("http://127.0.0.1:8080/v1/pets?limit=2", "127.0.0.1", 8080, False, "/v1/pets?limit=2"),
        ("https://shop.example", "shop.example", 443, True, "/"),
        ("HTTP://[::1]:81/a b", "::1", 81, False, "/a%20b"),
        ("http://h/%7Bx%7D/{y}?q=ü#part", "h", 80, False, "/%7Bx%7D/%7By%7D?q=%C3%BC"),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, False, "/"),
    ],
)
def test_urls(url: str, host: str, port: int, tls: bool, path: str) -> None:
    target = parse_url(url)
    assert (target.host, target.port, target.tls, target.path) == (host, port, tls, path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:8080/v1", "has no scheme"),
        ("ftp://h/", "neither http nor https"),
        ("http:///x", "names no host"),
        ("http://h:99999/", "is not a URL"),
        ("http://me:secret@h/", "user name"),
    ],
)
def test_what_is_no_url(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        parse_url(url)
    assert "secret" not in str(raised.value)


def test_the_hint_names_the_url_that_was_meant() -> None:
    with pytest.raises(UsageError) as raised:
        parse_url("localhost:8080/v1")
    assert raised.value.hint == "did you mean http://localhost:8080/v1 ?"


@pytest.mark.parametrize(
    "text", ["X-A", "X A: 1", ": 1", "X-A: a\r\nX-B: b", "X-A: \x00", "X-A: €", "Content-Length: 5"]
)
def test_what_is_no_header(text: str) -> None:
    with pytest.raises(UsageError):
        parse_header(text)


def test_the_bytes_have_what_http_needs_and_what_was_asked_for() -> None:
    request = Request("POST", parse_url("http://h:81/p"), (parse_header("X-Key:  k:1 "),), b'{"a": 1}')
    assert request.encode() == (
        b"POST /p HTTP/1.1\r\nHost: h:81\r\nUser-Agent: apigw-bench/0.1.0\r\nAccept: */*\r\nContent-Length: 8\r\n"
        b'Content-Type: application/json\r\nX-Key: k:1\r\n\r\n{"a": 1}'
    )


def test_given_headers_replace_ours() -> None:
    headers = tuple(map(parse_header, ("host: shop.example", "accept: text/html", "Content-Type: text/csv")))
    text = Request("PUT", parse_url("http://h/"), headers, b"a,b").encode().decode()
    assert text.lower().count("host:") == text.lower().count("accept:") == text.lower().count("content-type:") == 1
    assert Request("GET", parse_url("http://h/"), headers).host() == "shop.example"


def test_a_post_without_a_body_says_that_it_is_empty() -> None:
    assert b"Content-Length: 0\r\n" in Request("POST", parse_url("http://h/"), ()).encode()
    assert b"Content-Length" not in Request("GET", parse_url("http://h/"), ()).encode()


def test_bodies_come_from_text_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"\xff")
    assert read_body("text") == b"text"
    assert read_body(f"@{file}") == b"\xff"
    with pytest.raises(InputError, match=r"cannot read .*missing"):
        read_body(f"@{tmp_path}/missing")


def test_methods() -> None:
    assert parse_method("post") == "POST"
    with pytest.raises(UsageError):
        parse_method("GE T")
