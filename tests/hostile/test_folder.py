"""Folders of files under attack: links that change, files that change, paths of all kinds, what is no file at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.integrations.folder import Folder, NotThere, is_strange
from apigw_cli.integrations.preconditions import Verdict, evaluate, part
from apigw_cli.snapshot.model import StaticIntegration
from tests.gateway.program import Gateway, wait_until
from tests.gateway.wire import Answer, Wire, ask

CONFIG = """\
version: 1
sites:
  app: {folder: web, hosts: [app.localhost], fallback: index.html}
  files: {folder: web, hosts: [files.localhost]}
"""
OLD = 1_700_000_000
BIG = 8_000_000
FILES = {
    "index.html": b"<h1>app</h1>", "evil.com/index.html": b"below", "sub/a.txt": b"inside", "big.bin": b"x" * BIG,
    "per%cent.txt": b"per cent", "new\nline.txt": b"line", "a b+c.txt": b"plus",
    ".env": b"SECRET", ".git/config": b"SECRET",
    "sub/.hidden/a.txt": b"SECRET",
}  # fmt: skip


def write(folder: Path) -> None:
    web = folder / "web"
    for name, data in FILES.items():
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_bytes(data)
        os.utime(web / name, (OLD, OLD))
    outside = folder / "outside"
    outside.mkdir()
    (outside / "a.txt").write_bytes(b"SECRET")
    (web / "folder-link").symlink_to(outside)
    (web / "through").mkdir()
    (web / "through" / "up").symlink_to("../..")
    (web / "round").symlink_to("round")
    (web / "null").symlink_to("/dev/null")
    os.mkfifo(web / "pipe")
    os.fsencode(web)
    (web / "apigw.yaml").symlink_to(folder / "apigw.yaml")
    (folder / "apigw.yaml").write_text(CONFIG)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("folder")
    write(folder)
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder / "web")  # a socket's path is short
    listener.bind("socket")
    os.chdir(here)
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    listener.close()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def get(gateway: Gateway, path: str, *lines: str, method: str = "GET", host: str = "files.localhost") -> Answer:
    head = "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""))
    return ask(gateway.port, head.encode("latin-1"), method == "HEAD")


NOWHERE = [
    "/folder-link/a.txt", "/through/up/outside/a.txt", "/apigw.yaml", "/round", "/null", "/pipe", "/socket",
    "/sub/.hidden/a.txt", "/sub/%2ehidden/a.txt", "/.git/config", "/.git%2fconfig", "/.env", "/%2eenv", "/.env/",
    "/sub/..%2f..%2foutside/a.txt", "/sub/%2e%2e/%2e%2e/outside/a.txt", "/..%5coutside%5ca.txt", "/sub\\..\\a.txt",
    "/%c0%ae%c0%ae/outside/a.txt", "/%e0%80%ae%e0%80%ae/outside/a.txt", "/%252e%252e/outside/a.txt",
    "/..;/outside/a.txt",
    "/.%00./outside/a.txt", "/sub/a.txt%00.html", "/sub/a.txt/", "/sub/a.txt/x", "/%f0%28%8c%28", "/\u00e4.txt",
    "/" + "a/" * 2000, "/" + "a" * 255, "/" + "a" * 256, "//outside/a.txt", "/./outside/a.txt", "/%2f%2foutside/a.txt",
    "/file:///etc/passwd", "/C:/Windows/win.ini", "/sub/a.txt::$DATA", "/%EF%BC%8E%EF%BC%8E/outside/a.txt",
]  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
def test_nothing_is_there(gateway: Gateway, path: str) -> None:
    answer = get(gateway, path)
    assert answer.status in (400, 404), answer
    assert answer.header("content-type") == "application/json" and json.loads(answer.body)["message"]
    assert answer.header("x-request-id")
    assert b"SECRET" not in answer.body


def test_names_of_all_kinds(gateway: Gateway) -> None:
    assert get(gateway, "/per%25cent.txt").body == b"per cent"
    assert get(gateway, "/new%0Aline.txt").body == b"line"
    assert get(gateway, "/a%20b+c.txt").body == b"plus"
    assert get(gateway, "/a+b+c.txt").status == 404


@pytest.mark.parametrize(
    "path", ["//evil.com", "///evil.com", "/.//evil.com", "/%2fevil.com", "/\\evil.com", "/sub/..//evil.com"]
)
def test_no_redirect_names_another_host(gateway: Gateway, path: str) -> None:
    answer = get(gateway, path)
    assert answer.status in (308, 400, 404)
    if answer.status == 308:
        assert re.match(r"/[^/\\]", answer.header("location") or "")


def test_a_redirect_has_one_line(gateway: Gateway) -> None:
    answer = get(gateway, "/sub?%0d%0aSet-Cookie:%20a=b")
    assert (answer.status, answer.header("location")) == (308, "/sub/?%0d%0aSet-Cookie:%20a=b")
    assert answer.header("set-cookie") is None


def test_methods(gateway: Gateway) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = get(gateway, "/sub/a.txt", "Content-Length: 0", method=method)
        assert (answer.status, answer.header("allow")) == (405, "GET, HEAD"), method
    head = get(gateway, "/sub/a.txt", method="HEAD")
    assert (head.status, head.header("content-length"), head.body) == (200, "6", b"")


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/pets/7", ["Accept: text/html,*/*;q=0.8", "Sec-Fetch-Mode: navigate"], 200),
        ("/john.doe", ["Accept: text/html,*/*;q=0.8", "Sec-Fetch-Mode: navigate"], 200),
        ("/pets/7", ["Accept: text/html"], 200),
        ("/pets/7", [], 200),
        ("/api/pets", ["Accept: application/json"], 404),
        ("/api/pets", ["Accept: */*", "Sec-Fetch-Mode: cors"], 404),
        ("/assets/lost", ["Accept: */*", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"], 404),
        ("/assets/lost.js", ["Accept: */*"], 404),
        ("/.env", ["Sec-Fetch-Mode: cors"], 404),
    ],
)
def test_the_page_of_an_app_is_for_navigations(gateway: Gateway, path: str, lines: list[str], status: int) -> None:
    """A script that asks for data, and one that is asked for, get no page; a cache is told what that depends on."""
    answer = get(gateway, path, *lines, host="app.localhost")
    assert (answer.status, answer.body == b"<h1>app</h1>") == (status, status == 200)
    assert answer.header("vary") == "Accept, Sec-Fetch-Mode"
    assert get(gateway, "/", host="app.localhost").header("vary") is None


# --- ranges


@pytest.mark.parametrize(
    ("value", "status", "length"),
    [
        ("bytes=0-0,1-1", 200, BIG),
        ("bytes=" + ",".join(f"{i}-{i}" for i in range(1500)), 200, BIG),
        ("bytes=0-" + "9" * 18, 206, BIG),
        ("bytes=0-" + "9" * 400, 200, BIG),
        ("bytes=-" + "9" * 18, 206, BIG),
        ("bytes=-0", 416, None),
        ("bytes=999999999-", 416, None),
        ("bytes=5-4", 200, BIG),
        ("bytes=-1", 206, 1),
        ("bytes=0x1-2", 200, BIG),
        ("lines=1-2", 200, BIG),
    ],
)
def test_ranges(gateway: Gateway, value: str, status: int, length: int | None) -> None:
    """Whatever is asked for, no more is sent than the file has, and the file no more than once."""
    answer = get(gateway, "/big.bin", f"Range: {value}", method="GET" if length != BIG else "HEAD")
    assert answer.status == (200 if length == BIG else status)
    assert length in (None, BIG) or answer.header("content-length") == str(length)
    with Wire(gateway.port) as wire:
        wire.send(f"GET /big.bin HTTP/1.1\r\nHost: files.localhost\r\nRange: {value}\r\n\r\n".encode())
        assert wire.line().split(b" ")[1] == str(status).encode()


# --- what changes meanwhile


def test_a_folder_that_is_swapped_for_a_link(gateway: Gateway) -> None:
    """At any instant it is the folder's own file or none, never the one that the link leads to."""
    web = gateway.folder / "web"
    (web / "swap").mkdir()
    (web / "swap" / "a.txt").write_bytes(b"inside")
    (web / "link").symlink_to(gateway.folder / "outside")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for one, other in (("swap", "aside"), ("link", "swap"), ("swap", "link"), ("aside", "swap")):
                (web / one).rename(web / other)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        with Wire(gateway.port) as wire:
            seen = set()
            for _ in range(1500):
                answer = wire.send(b"GET /swap/a.txt HTTP/1.1\r\nHost: files.localhost\r\n\r\n").answer()
                seen.add((answer.status, answer.body if answer.status == 200 else b""))
    finally:
        done.set()
        thread.join()
    assert seen <= {(200, b"inside"), (404, b"")}
    assert len(seen) == 2, "the race was not run"


def test_a_file_that_shrinks_while_it_is_sent(gateway: Gateway) -> None:
    """What was announced cannot come any more: the connection breaks, and nobody waits."""
    file = gateway.folder / "web" / "shrinking.bin"
    file.write_bytes(b"x" * 20_000_000)
    with Wire(gateway.port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(b"GET /shrinking.bin HTTP/1.1\r\nHost: files.localhost\r\n\r\n")
        wire.line()
        os.truncate(file, 1000)
        with pytest.raises((EOFError, ConnectionResetError)):
            wire.exactly(30_000_000)
    assert gateway.log_line(path="/shrinking.bin")["reason"] == "file_unreadable"


def test_a_file_that_grows_while_it_is_sent(gateway: Gateway) -> None:
    file = gateway.folder / "web" / "growing.bin"
    file.write_bytes(b"x" * BIG)
    with Wire(gateway.port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(b"GET /growing.bin HTTP/1.1\r\nHost: files.localhost\r\n\r\n" * 2)
        lines = iter(wire.line, b"\r\n")
        first = next(lines)
        with file.open("ab") as more:
            more.write(b"y" * 100_000)
        assert [first, *lines][0] == b"HTTP/1.1 200 OK\r\n"
        assert wire.exactly(BIG) == b"x" * BIG
        assert wire.answer().status == 200


def test_nobody_who_leaves_keeps_a_file_open(gateway: Gateway) -> None:
    for _ in range(20):
        with Wire(gateway.port) as wire:
            wire.send(b"GET /big.bin HTTP/1.1\r\nHost: files.localhost\r\n\r\n" * 3)
            wire.line()
    (worker,) = gateway.workers()

    def is_open() -> bool:
        with contextlib.suppress(OSError):
            return any(one.readlink().name == "big.bin" for one in Path(f"/proc/{worker}/fd").iterdir())
        return True

    wait_until(lambda: not is_open(), "big.bin to be closed")


# --- validators, with a clock of the test's own


def test_a_file_that_is_replaced_within_a_tick_is_never_taken_for_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    file, written = tmp_path / "web" / "a.txt", OLD * 10**9
    now = written + 1
    folder = Folder("site", StaticIntegration("web"), tmp_path, lambda: now)

    def tag(content: bytes) -> tuple[bytes, bytes]:
        file.write_bytes(content)
        os.utime(file, ns=(written, written))
        opened = folder.find("/a.txt")
        opened.close()
        return opened.representation.etag, opened.lines

    first, lines = tag(b"one")
    now += 1
    second, _ = tag(b"two")
    assert first != second and b"Last-Modified" not in lines
    now += 3 * 10**9
    third, lines = tag(b"two")
    assert third not in (first, second) and b"Last-Modified" in lines
    now += 10**9
    assert tag(b"two")[0] == third


def test_conditions_on_a_file_that_was_just_written(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.txt").write_bytes(b"one")
    folder = Folder("site", StaticIntegration("web"), tmp_path)
    opened = folder.find("/a.txt")
    opened.close()
    it, later = opened.representation, b"Fri, 31 Dec 2100 23:59:59 GMT"
    assert it.modified is None
    assert evaluate({b"if-modified-since": later}, it) is Verdict.SEND
    assert evaluate({b"if-unmodified-since": later}, it) is Verdict.FAILED
    assert part({b"range": b"bytes=0-0", b"if-range": later}, it) is None


# --- file systems of others


@pytest.mark.parametrize(
    "name", ["GIT~1", "index.html.", "index.html ", "a.txt::$DATA", "nul", "NUL.txt", "com1", "a?b", "aux .x"]
)
def test_names_that_windows_takes_for_others(name: str) -> None:
    assert is_strange(name)


@pytest.mark.parametrize("name", ["index.html", "a~b", "console.js", "com.txt", "~user", "a b.txt", "nullable.md"])
def test_names_that_it_does_not(name: str) -> None:
    assert not is_strange(name)


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "web") + b"/\xff.txt")).write_bytes(b"x")
    folder = Folder("site", StaticIntegration("web"), tmp_path)
    with pytest.raises(NotThere):
        folder.find("/%ff.txt")
