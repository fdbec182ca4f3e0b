"""Folders of files, served as sites: what is found, what is said of it, and that nothing else gets out."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apigw_cli.integrations.folder import Folder, IsFolder, NotThere, content_type
from apigw_cli.snapshot.model import StaticIntegration
from tests.gateway.program import Gateway, wait_until
from tests.gateway.wire import Answer, Wire

CONFIG = """\
version: 1
apis:
  api: {spec: spec.yaml, hosts: [api.localhost], mock: true, base_path: ""}
sites:
  shop:
    folder: web
    hosts: [www.localhost]
    fallback: index.html
    cache_control: {"/assets/*": "public, max-age=31536000, immutable"}
  docs: {folder: web, base_path: /docs, not_found: 404.html}
"""
SPEC = """\
openapi: 3.1.0
info: {title: A, version: "1"}
paths:
  /pets: {get: {responses: {"200": {description: ok, content: {text/plain: {example: pets}}}}}}
"""
BIG = os.urandom(3_000_000)


def write(folder: Path) -> None:
    web = folder / "web"
    (web / "assets").mkdir(parents=True)
    (web / "sub").mkdir()
    (web / ".git").mkdir()
    (web / ".well-known").mkdir()
    files = {
        "index.html": b"<h1>shop</h1>", "404.html": b"not here", "assets/a.js": b"x = 1", "big.bin": BIG,
        ".git/config": b"secret", ".env": b"secret", ".well-known/security.txt": b"contact", "\u00e4 b.txt": b"umlaut",
        "empty.txt": b"", "sub/index.html": b"below",
    }  # fmt: skip
    for name, data in files.items():
        (web / name).write_bytes(data)
        os.utime(web / name, (1_700_000_000, 1_700_000_000))  # of a fresh one little is said
    (folder / "secret.txt").write_bytes(b"secret")
    (web / "inside.js").symlink_to("assets/a.js")
    (web / "outside.txt").symlink_to("../secret.txt")
    (web / "above").symlink_to("..")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "apigw.yaml").write_text(CONFIG)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("sites")
    write(folder)
    os.mkfifo(folder / "web" / "pipe")
    one = Gateway(folder, "--workers", "1")
    yield one.ready()
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def ask(gateway: Gateway, path: str, *lines: str, method: str = "GET", host: str = "www.localhost") -> Answer:
    with Wire(gateway.port) as wire:
        head = "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""))
        return wire.send(head.encode("latin-1")).answer(head=method == "HEAD")


def test_files_and_what_is_said_of_them(gateway: Gateway) -> None:
    page = ask(gateway, "/")
    assert (page.status, page.body) == (200, b"<h1>shop</h1>")
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert page.header("cache-control") == "no-cache"
    assert page.header("x-content-type-options") == "nosniff"
    assert page.header("date") and page.header("last-modified") and page.header("x-request-id")
    script = ask(gateway, "/assets/a.js?v=1")
    assert script.header("content-type") == "text/javascript; charset=utf-8"
    assert script.header("cache-control") == "public, max-age=31536000, immutable"
    assert ask(gateway, "/%C3%A4%20b.txt").body == b"umlaut"
    assert ask(gateway, "/empty.txt").header("content-length") == "0"
    assert ask(gateway, "/.well-known/security.txt").body == b"contact"
    assert ask(gateway, "/sub/").body == b"below"
    assert ask(gateway, "/inside.js").body == b"x = 1"


def test_a_large_file_and_its_parts(gateway: Gateway) -> None:
    whole = ask(gateway, "/big.bin")
    assert whole.body == BIG
    head = ask(gateway, "/big.bin", method="HEAD")
    assert (head.status, head.header("content-length"), head.body) == (200, str(len(BIG)), b"")
    part = ask(gateway, "/big.bin", "Range: bytes=1000000-2999998")
    assert (part.status, part.body) == (206, BIG[1000000:2999999])
    assert part.header("content-range") == f"bytes 1000000-2999998/{len(BIG)}"
    assert ask(gateway, "/big.bin", "Range: bytes=9000000-").status == 416
    stale = ask(gateway, "/big.bin", "Range: bytes=0-0", 'If-Range: "other"')
    assert (stale.status, len(stale.body)) == (200, len(BIG))


def test_what_a_client_has_is_not_sent_again(gateway: Gateway) -> None:
    etag = ask(gateway, "/assets/a.js").header("etag")
    again = ask(gateway, "/assets/a.js", f"If-None-Match: {etag}")
    assert (again.status, again.body, again.header("etag")) == (304, b"", etag)
    assert again.header("content-type") is None
    assert ask(gateway, "/assets/a.js", 'If-Match: "other"').status == 412
    file = gateway.folder / "web" / "changing.txt"
    file.write_text("one")
    first = ask(gateway, "/changing.txt")
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    second = ask(gateway, "/changing.txt", f"If-None-Match: {first.header('etag')}")
    assert (second.status, second.body) == (200, b"two")


def test_folders_and_paths_without_a_file(gateway: Gateway) -> None:
    moved = ask(gateway, "/sub?x=1")
    assert (moved.status, moved.header("location")) == (308, "/sub/?x=1")
    assert ask(gateway, "/some/route", "Accept: text/html").body == b"<h1>shop</h1>"
    assert ask(gateway, "/some/route").status == 200
    assert ask(gateway, "/missing.png", "Accept: image/*,*/*;q=0.8").status == 404
    assert ask(gateway, "/docs/index.html/", host="elsewhere").status == 404
    lost = ask(gateway, "/docs/none.html", host="elsewhere")
    assert (lost.status, lost.body) == (404, b"not here")
    assert ask(gateway, "/docs/assets/a.js", host="elsewhere").body == b"x = 1"
    assert ask(gateway, "/docs", host="elsewhere").body == b"<h1>shop</h1>"


def test_the_api_stands_beside_it(gateway: Gateway) -> None:
    assert ask(gateway, "/pets", host="api.localhost").body == b"pets"
    assert ask(gateway, "/index.html", host="api.localhost").status == 404
    refused = ask(gateway, "/", "Content-Length: 0", method="POST")
    assert (refused.status, refused.header("allow")) == (405, "GET, HEAD")


OUTSIDE = [
    "/outside.txt", "/above/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/.env", "/.git/config", "/%2eenv", "/pipe",
    "/assets/%00.js", "/..\\secret.txt", "/..%5csecret.txt", "/....//secret.txt", "//etc/passwd",
    "/index.html%00.js", "/" + "a" * 300 + ".x", "/proc/self/environ.x", "/%ff.txt",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_else_gets_out(gateway: Gateway, path: str) -> None:
    answer = ask(gateway, path, "Accept: image/png")
    assert answer.status in (400, 404)
    assert b"secret" not in answer.body and b"root:" not in answer.body


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["..", ".", "above", "web", "assets", "secret.txt", "%2e%2e", "%2f", "/", "a.js", "%00"]))
)
def test_no_path_leads_out(tmp_path: Path, parts: list[str]) -> None:
    if not (tmp_path / "web").exists():
        write(tmp_path)
    folder = Folder("shop", StaticIntegration("web"), tmp_path)
    try:
        opened = folder.find("/" + "/".join(parts))
    except (NotThere, IsFolder):
        return
    content = opened.read(0, 100)
    opened.close()
    assert content in (b"<h1>shop</h1>", b"x = 1")


@given(st.text(max_size=12))
def test_a_name_of_any_kind_has_a_type_in_ascii(name: str) -> None:
    assert content_type(name).isascii()
    assert content_type(f"x{quote(name, safe='')}.html") == "text/html; charset=utf-8"


def test_a_client_that_reads_slowly_and_one_that_leaves(gateway: Gateway) -> None:
    """Of a file that nobody takes no more is read than fits between here and there, and nothing stays open."""
    with Wire(gateway.port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(b"GET /big.bin HTTP/1.1\r\nHost: www.localhost\r\n\r\n" * 2)
        assert ask(gateway, "/").status == 200  # nobody else waits for it
        assert [wire.answer().body == BIG, wire.answer().body == BIG] == [True, True]
    with Wire(gateway.port) as wire:
        wire.send(b"GET /big.bin?left HTTP/1.1\r\nHost: www.localhost\r\n\r\n")
        wire.line()
    wait_until(lambda: not _open_files(gateway, "big.bin"), "the file to be closed")


def _open_files(gateway: Gateway, name: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(process.readlink())
        except OSError:
            continue
        if target == str(gateway.folder / "web" / name):
            found.append(target)
    return found


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("folder: web", "folder: wbe"))
    one = Gateway(tmp_path, "--workers", "1")
    one.line(r"apigw\.yaml:\d+:\d+ .*site shop: there is no folder wbe")
    assert one.process.wait(30) == 1
    one.stop()


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("  shop:", "  api:"))
    one = Gateway(tmp_path, "--workers", "1")
    one.line(r'apigw.yaml:5:3  error  "api" is an API already')
    assert one.process.wait(30) == 1
    one.stop()
