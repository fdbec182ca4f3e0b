"""Sites in nginx: the real one beside `apigw serve`, on the same folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from apigw_cli.generate.nginx.config import Configuration
from apigw_cli.integrations.folder import content_type, types
from tests.generate import beside
from tests.generate.beside import Pair
from tests.generate.conftest import Build
from tests.generate.engine import needs_nginx

CONFIG = """\
version: 1
apis: {api: {spec: api.yaml, hosts: [api.test], upstream: up, base_path: ""}}
upstreams: {up: {targets: ["http://127.0.0.1:1"]}}
sites:
  app:
    folder: "web"
    hosts: [www.test]
    fallback: index.html
    cache_control: {"/assets/*": "public, max-age=31536000, immutable", "*/?.txt": "max-age=1"}
  docs: {folder: web, base_path: /docs, not_found: 404.html}
  odd: {folder: 'o d"d$host', hosts: [odd.test], index: '$uri.html'}
"""
API = """\
openapi: 3.1.0
info: {title: A, version: "1"}
paths: {/pets: {post: {responses: {"200": {description: ok}}}}}
"""
SAID = ("content-type", "cache-control", "x-content-type-options", "content-range", "location", "allow")
LINKS = {"/inside.js": (200, 404), "/linked/a.js": (200, 404), "/above": (308, 200)}  # the last: the page of the app


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("sites")
    for name in ("web/assets", "web/sub", "web/.git", "web/.well-known", "web/empty", 'o d"d$host'):
        (folder / name).mkdir(parents=True)
    files = {
        "index.html": b"<h1>shop</h1>", "404.html": b"not here", "assets/a.js": b"x = 1", "big.bin": bytes(300_000),
        ".git/config": b"secret", ".env": b"secret", ".well-known/security.txt": b"contact", "\u00e4 b.txt": b"umlaut",
        "empty.txt": b"", "sub/index.html": b"below", "1.txt": b"one", "page.svgz": b"z", "a%2Fb.txt": b"percent",
        "@op": b"at",
    }  # fmt: skip
    for name, data in files.items():
        (folder / "web" / name).write_bytes(data)
    (folder / 'o d"d$host' / "$uri.html").write_bytes(b"odd")
    (folder / "secret.txt").write_bytes(b"secret")
    for file in folder.rglob("*.*"):
        os.utime(file, (1, 1))  # what is fresh has no time
    (folder / "web/inside.js").symlink_to("assets/a.js")
    (folder / "web/linked").symlink_to("assets")
    (folder / "web/outside.txt").symlink_to("../secret.txt")
    (folder / "web/above").symlink_to("..")
    os.mkfifo(folder / "web/pipe")
    (folder / "apigw.yaml").write_text(CONFIG)
    (folder / "api.yaml").write_text(API)
    with beside.running(folder) as found:
        yield found


def test_a_site_is_expressed(pair: Pair) -> None:
    assert {gap.item for gap in pair.gaps} == {"upstream up", "site"}  # the latter: a pattern with a ?


@needs_nginx
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/", "/index.html", "/assets/a.js?v=1", "/%C3%A4%20b.txt", "/empty.txt", "/.well-known/security.txt", "/sub/",
        "/sub", "/sub?x=1&y", "/empty", "/empty/", "/1.txt", "/page.svgz", "/some/route", "/none.png", "/a%2Fb.txt",
        "/a%252Fb.txt", "/index.html/", "/.git/config", "/.env", "/%2eenv", "/pipe", "/above/secret.txt",
        "/outside.txt", "/@op", "/docs", "/assets/..%2f..%2fsecret.txt", "/.well-known/", "/.well-knownx",
        "/" + "a" * 300 + ".x", "/a%0d%0aX:%20y", "/a%0A/../", "/%5c", "/b%5C.html", "/%7e", "/big.bin",
    ],
)  # fmt: skip
def test_every_path_means_the_same(pair: Pair, method: str, path: str) -> None:
    ours, theirs = pair.ask(method, path, "www.test")
    if "/../" in path:  # dot-segments are a note
        assert theirs.status == 400
        return
    assert beside.told(theirs, SAID[:1]) == beside.told(ours, SAID[:1]) or ours.status in (308, 400)
    pair.same(SAID[1:], method, path, "www.test")
    assert b"secret" not in theirs.body
    assert (
        theirs.status in (308, 400)
        or theirs.body == ours.body
        or (theirs.status == 404 and b'"message"' in theirs.body)
    )
    assert len(theirs.all("x-request-id")) == 1


@needs_nginx
@pytest.mark.parametrize(
    "path", ["/docs", "/docs/", "/docs/index.html", "/docs/assets/a.js", "/docs/none.html", "/docs/none", "/docs/sub",
             "/docs/.env", "/docsx", "/docs/above/secret.txt"],
)  # fmt: skip
def test_below_a_path_of_its_own(pair: Pair, path: str) -> None:
    ours, theirs = pair.ask("GET", path, "elsewhere.test")
    pair.same(SAID[1:], "GET", path, "elsewhere.test")
    assert theirs.body == ours.body or path in ("/docs/sub", "/docsx")


@needs_nginx
@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/a/route", "navigate|image/png"), ("/none.png", "navigate|*/*"), ("/a/route", "cors|text/html"),
        ("/a/route", "text/html,*/*;q=0.8"), ("/a/route", "*/*"), ("/a/route", "application/json"),
        ("/none.png", "image/*,*/*;q=0.8"), ("/none.png", "text/html"), ("/a.b/route", "*/*"), ("/a|b", "a|*/*"),
    ],
)  # fmt: skip
def test_who_gets_the_page_of_an_app(pair: Pair, path: str, accept: str) -> None:
    mode, sign, accept = accept.rpartition("|") if accept.startswith(("navigate", "cors")) else ("", "", accept)
    headers = {"Sec_Fetch_Mode": mode} if sign else {}
    pair.same((*SAID[1:], "vary"), "GET", path, "www.test", Accept=accept, **headers)
    pair.same((*SAID[1:], "vary"), "GET", "/1.txt", "www.test", Accept=accept, **headers)


@needs_nginx
@pytest.mark.parametrize(
    "field",
    [
        "bytes=0-0", "bytes=100-199", "bytes=-10", "bytes=299999-", "bytes=300000-", "bytes=0-1,5-6", "items=0-1",
    ],
)  # fmt: skip
def test_parts_of_a_file(pair: Pair, field: str) -> None:
    ours, theirs = pair.ask("GET", "/big.bin", "www.test", Range=field)
    names = ("content-range",) if theirs.status == 416 else ("content-range", "cache-control")
    pair.same(names, "GET", "/big.bin", "www.test", Range=field)
    assert theirs.body == ours.body or (theirs.status == 416 and b'"message"' in theirs.body)
    assert len(theirs.all("x-request-id")) == 1


@needs_nginx
def test_what_a_client_has_is_not_sent_again(pair: Pair) -> None:
    tags = [answer.headers["etag"] for answer in pair.ask("GET", "/1.txt", "www.test")]
    dates = {answer.headers["last-modified"] for answer in pair.ask("GET", "/1.txt", "www.test")}
    assert len(dates) == 1
    for name, status in (("If_None_Match", 304), ("If_Match", 200)):
        for port, tag in zip((pair.gateway.port, pair.nginx.port), tags, strict=True):
            assert beside.engine.ask(port, "GET", "/1.txt", "www.test", **{name: tag}).status == status
    later = "Fri, 01 Jan 2100 00:00:00 GMT"
    for headers in (
        {"If_Modified_Since": later},
        {"If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:01 GMT"},
        {"If_Match": '"x"'},
    ):
        pair.same(("cache-control", "x-content-type-options"), "GET", "/1.txt", "www.test", **headers)


@needs_nginx
def test_hosts_and_methods(pair: Pair) -> None:
    refused = pair.same(("allow",), "POST", "/index.html", "www.test", Content_Length="0")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    pair.same(("allow",), "GET", "/pets", "api.test")
    pair.same(("allow",), "GET", "/index.html", "api.test")
    assert pair.same(("cache-control",), "GET", "/", "odd.test").body == b"odd"


@needs_nginx
@pytest.mark.parametrize("path", LINKS)
def test_links_are_not_followed_at_all(pair: Pair, path: str) -> None:
    assert tuple(answer.status for answer in pair.ask("GET", path, "www.test")) == LINKS[path]


def test_every_ending_has_the_type_that_we_give_it(build: Build) -> None:
    text = Configuration(build(CONFIG, api=API), "8080").text()
    block = text[text.index("types {", text.index("types {") + 1) :].partition("}")[0].split("\n")[1:-1]
    found = {one: line.split()[0] for line in block for one in line.rstrip(";").split()[1:]}
    assert found == {ending: content_type(f"a.{ending}").partition(";")[0] for ending in types()}
    assert found["js"] == "text/javascript"


def test_patterns_that_mean_bytes_to_nginx_are_a_gap(build: Build) -> None:
    config = CONFIG.replace("?", "*")
    gaps = [gap for gap in Configuration(build(config, api=API), "8080").gaps if gap.item == "site"]
    assert gaps == []
    assert [gap.place is not None for gap in Configuration(build(CONFIG, api=API), "8080").gaps if gap.item == "site"]
