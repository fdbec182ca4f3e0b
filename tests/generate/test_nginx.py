"""The parts of the nginx target that need no nginx: words, limits, keys, gaps, options."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apigw_cli.errors import UsageError
from apigw_cli.generate.nginx import NGINX
from apigw_cli.generate.nginx.config import Configuration
from apigw_cli.generate.nginx.keys import credential
from apigw_cli.generate.nginx.limits import Zones, gaps, nearest
from apigw_cli.generate.nginx.words import Block, Names, comment, in_quotes, quoted, text
from apigw_cli.generate.run import load
from apigw_cli.generate.target import Gap, Options
from apigw_cli.limits.rate import parse
from apigw_cli.policies.rate_limit import RateLimit
from apigw_cli.snapshot.schemes import ApiKeys
from tests.generate.conftest import SPECS, Build

CONFIG = """\
version: 1
apis:
  shop:
    spec: shop.yaml
    upstream: up
    routes:
      one: {rate_limit: {rate: 10/h, burst: 2}}
      two: {rate_limit: {rate: 0/s, burst: 2}, request_headers: {add: {X-A: b}}}
      three: {mock: true}
upstreams:
  up: {targets: ["http://127.0.0.1:1", "http://10.0.0.7"], balance: least_outstanding}
auth:
  Key: {keys: {file: keys.yaml}}
  Cookie: {keys: {file: keys.yaml}}
"""
SHOP = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
security: [{Key: []}]
paths:
  /one: {get: {operationId: one, responses: {}}}
  /two: {get: {operationId: two, security: [{Cookie: []}, {}], responses: {}}}
  /three: {get: {operationId: three, security: [{Key: [], Cookie: []}, {Cookie: []}], responses: {}}}
components: {securitySchemes: {
  Key: {type: apiKey, in: header, name: X-Api-Key}, Cookie: {type: apiKey, in: cookie, name: sid}}}
"""


def read_token(written: str) -> str:
    """What nginx makes of one quoted parameter (ngx_conf_read_token)."""
    assert written[0] == written[-1] == '"'
    source, out, position = written[1:-1], [], 0
    while position < len(source):
        char = source[position]
        if char == "\\" and source[position + 1 : position + 2] in ('"', "'", "\\", "t", "r", "n"):
            position += 1
            char = {"t": "\t", "r": "\r", "n": "\n"}.get(source[position], source[position])
        else:
            assert char != '"'
        out.append(char)
        position += 1
    return "".join(out)


@given(st.text(alphabet=st.sampled_from("a\\\"'trn \n${};#/é"), max_size=12))
@example("\\")
@example(r"^/a\.b\\\n\z")
def test_a_quoted_parameter_is_read_back_exactly(value: str) -> None:
    assert read_token(in_quotes(value)) == value


@pytest.mark.parametrize(
    ("value", "written"), [("a.b/c", "a.b/c"), ("", '""'), ("a b", '"a b"'), ("{a}", '"{a}"'), (";", '";"')]
)
def test_quotes_stand_only_where_they_are_needed(value: str, written: str) -> None:
    assert quoted(value) == written


def test_a_comment_is_one_line() -> None:
    assert comment("a\nserver { }\r\n b") == "# a server { } b"


def test_blocks_are_indented() -> None:
    assert list(text([Block("a", ["b;", Block("c", ["d;"])])])) == [
        "a {",
        "    b;",
        "    c {",
        "        d;",
        "    }",
        "}",
    ]


def test_names_are_distinct_without_regard_to_case() -> None:
    names = Names("k_")
    assert [names.of(1, "A-b"), names.of(2, "a_B"), names.of(1, "A-b")] == ["k_A_b", "k_a_B_2", "k_A_b"]


@pytest.mark.parametrize(
    ("declared", "written", "exact"),
    [
        ("5/s", "5r/s", True),
        ("2.5/s", "150r/m", True),
        ("100/m", "100r/m", False),
        ("60/m", "1r/s", True),
        ("3600/h", "1r/s", True),
        ("1000/h", "16r/m", False),
        ("10/h", "1r/m", False),
        ("1000000/s", "1000000r/s", True),
    ],
)
def test_a_rate_in_nginx_terms(declared: str, written: str, exact: bool) -> None:
    found = nearest(parse(declared))
    assert (found.text, found.kept == parse(declared).per_second) == (written, exact)
    assert bool(list(gaps(RateLimit(declared, 5, "route")))) is not exact


@given(st.integers(1, 10**7), st.sampled_from("smhd"))
def test_nginx_never_keeps_a_higher_rate_unless_its_lowest_is_too_high(count: int, unit: str) -> None:
    rate = parse(f"{count}/{unit}")
    found = nearest(rate)
    assert found.kept <= rate.per_second or (found.text == "1r/m" and rate.per_second < Fraction(1, 60))


def test_the_burst_is_written_less_one() -> None:
    lines = [Zones().directives(RateLimit("5/s", burst), None).lines for burst in (0, 1, 2, 20)]
    assert [line.split(" ", 2)[2:] for (line,) in lines] == [
        [],
        ["nodelay;"],
        ["burst=1 nodelay;"],
        ["burst=19 nodelay;"],
    ]
    assert lines[0] == ["return 429;"]


def test_one_zone_for_each_rate_and_key() -> None:
    zones = Zones()
    for value, caller in (("5/s", "$a"), ("300/m", "$a"), ("5/s", "$b"), ("6/s", "$a")):
        zones.directives(RateLimit(value, 5, "api_key"), caller)
    rates = [line.rsplit("=", 1)[1] for line in zones.lines() if isinstance(line, str)]
    assert rates == ["5r/s;", "5r/s;", "6r/s;"]


@pytest.mark.parametrize(
    ("location", "name", "variable"),
    [
        ("header", "X-Api-Key", "$http_x_api_key"),
        ("header", "X_Api", None),
        ("query", "api_key", "$arg_api_key"),
        ("query", "api-key", None),
        ("cookie", "sid", "$cookie_sid"),
    ],
)
def test_the_variable_of_a_credential(location: str, name: str, variable: str | None) -> None:
    assert credential(ApiKeys("S", location, name, ("file:k",))) == variable


def test_every_difference_is_named_with_its_place(build: Build) -> None:
    configuration = Configuration(build(CONFIG, shop=SHOP, keys="{}"), "8080")
    found = {(gap.subject, str(gap.place) if gap.place else ""): gap for gap in configuration.gaps}
    assert set(found) == {
        ("rate_limit of one", "apigw.yaml:7:25"),
        ("rate_limit of two", "apigw.yaml:8:25"),
        ("request_headers of two", "apigw.yaml:8:65"),
        ("mock of three", "apigw.yaml:9:21"),
        ("auth of one and 1 more", "shop.yaml:3:11"),
        ("auth of two and 1 more", "shop.yaml:6:44"),
        ("upstream up", "apigw.yaml:11:17"),
    }
    assert "admits MORE" in found["rate_limit of one", "apigw.yaml:7:25"].message
    assert all(f"# - {gap.subject}: {gap.message}" in configuration.text() for gap in configuration.gaps)


def test_what_is_left_of_the_sample() -> None:
    gaps = Configuration(load(SPECS, None), "8080").gaps
    assert sorted(gap.item for gap in gaps) == [
        *("auth", "cache", "cache", "cache", "rate_limit", "upstream pets", "upstream pets", "validate"),
    ]  # docs/generate.md says these eight
    unchecked = next(gap for gap in gaps if gap.item == "validate")
    assert (len(unchecked.routes), str(unchecked.place).rpartition("/")[2]) == (6, "apigw.yaml:13:17")


@pytest.mark.parametrize(
    "policy",
    [
        "validate: {request: report}",
        "response_limit: {max_body: 5}",
        "quota: [{limit: 5, per: day}]",
        "concurrency: {limit: 3}",
    ],
)
def test_what_nginx_has_nothing_for_is_said_of_each_route(build: Build, policy: str) -> None:
    config = CONFIG.replace("    routes:", f"    defaults: {{{policy}}}\n    routes:")
    name = policy.partition(":")[0]
    gaps = [gap for gap in Configuration(build(config, shop=SHOP, keys="{}"), "8080").gaps if gap.item == name]
    assert [(gap.message, gap.routes) for gap in gaps] == [
        (f"nginx has no {name}: it is left out", ("one", "two", "three"))
    ]


def test_alternatives_and_combinations_of_keys(build: Build) -> None:
    written = Configuration(build(CONFIG, shop=SHOP, keys="{}"), "8080").text()
    assert 'if ($apigw_key_Key = "") { return 401; }' in written
    combined = written[written.index('map "${apigw_has_Cookie}${apigw_has_Key}" $apigw_caller_') :].partition("}\n")[0]
    assert [line.strip() for line in combined.split("\n")[1:-1]] == [
        'default "";',
        '"~^11" $apigw_key_Cookie;',
        '"~^1." $apigw_key_Cookie;',
    ]
    two = written[written.index("location = /@apigw/shop/two") :].partition("}\n")[0]
    assert "401" not in two  # anyone may call


def test_an_upstream_with_several_targets(build: Build) -> None:
    written = Configuration(build(CONFIG, shop=SHOP, keys="{}"), "8080").text()
    block = written[written.index("upstream up {") :].partition("}")[0].split("\n")
    assert [line.strip() for line in block[1:-1]] == [
        "zone up 64k;",
        "least_conn;",
        "server 127.0.0.1:1 max_fails=0;",
        "server 10.0.0.7:80 max_fails=0;",
        "keepalive 64;",
    ]


@pytest.mark.parametrize(
    ("balance", "line"),
    [
        ("random_two", "random two least_conn;"),
        ("hash, hash_on: ip", "hash $remote_addr consistent;"),
        ("hash, hash_on: 'header:X-User'", "hash $http_x_user consistent;"),
        ("hash, hash_on: 'cookie:sid'", "hash $cookie_sid consistent;"),
        ("round_robin", "server 127.0.0.1:1 weight=3 max_fails=0;"),
    ],
)
def test_how_targets_are_picked(build: Build, balance: str, line: str) -> None:
    config = CONFIG.replace("balance: least_outstanding", f"balance: {balance}")
    config = config.replace('["http://127.0.0.1:1"', '[{url: "http://127.0.0.1:1", weight: 3}')
    assert f"{line}\n" in Configuration(build(config, shop=SHOP, keys="{}"), "8080").text()


def test_an_upstream_in_trouble(build: Build) -> None:
    cared = CONFIG.replace("balance: least_outstanding", "eject: {after: 4, first: 2s}, retries: {attempts: 3}")
    written = Configuration(build(cared, shop=SHOP, keys="{}"), "8080").text()
    assert "server 127.0.0.1:1 max_fails=4 fail_timeout=2s;" in written
    assert "proxy_next_upstream_tries 3;" in written


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("timeout: {idle: 2s}", "nginx has one timeout for the first byte and all others: idle (2 s) is left out"),
        ("retries: {on: [connect]}", "nginx does not tell a server that was not reached from one that hung up"),
        ("pool: {connections: 9}", "nginx has a queue only in its commercial edition"),
        ("slow_start: 10s", "nginx has slow_start (10 s) only in its commercial edition"),
        ("eject: {}, when_all_out: refuse", "nginx answers 502, not 503, while every server is out"),
    ],
)
def test_what_nginx_cannot_do_for_an_upstream_is_said(build: Build, settings: str, said: str) -> None:
    config = CONFIG.replace("balance: least_outstanding", settings)
    gaps = Configuration(build(config, shop=SHOP, keys="{}"), "8080").gaps
    assert any(said in gap.message for gap in gaps)


@pytest.mark.parametrize(
    ("on", "line"),
    [
        ("[connect, closed]", "proxy_next_upstream error;"),
        ("[timeout, 503, 502]", "proxy_next_upstream timeout http_502 http_503;"),
    ],
)
def test_what_is_tried_again(build: Build, on: str, line: str) -> None:
    config = CONFIG.replace("balance: least_outstanding", f"retries: {{on: {on}}}")
    assert line in Configuration(build(config, shop=SHOP, keys="{}"), "8080").text()


def test_connections_to_a_target(build: Build) -> None:
    config = CONFIG.replace("balance: least_outstanding", "pool: {connections: 9, idle: 3, idle_timeout: 2s}")
    written = Configuration(build(config, shop=SHOP, keys="{}"), "8080").text()
    assert "server 127.0.0.1:1 max_fails=0 max_conns=9;" in written
    assert "keepalive 3;" in written
    assert "keepalive_timeout 2000ms;" in written


def test_the_same_snapshot_gives_the_same_file(build: Build) -> None:
    compiled = build(CONFIG, shop=SHOP, keys="{}")
    assert Configuration(compiled, "8080").text() == Configuration(compiled, "8080").text()


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:80", "*:8080", "[::1]:8080"])
def test_addresses_to_listen_on(build: Build, listen: str) -> None:
    compiled = build(CONFIG, shop=SHOP, keys="{}")
    rendered = NGINX.render(Options("nginx", listen=listen), lambda: compiled)
    assert f"listen {listen} default_server;" in rendered.text


@pytest.mark.parametrize(
    "listen", ["", "x", "0", "65536", "localhost:80", "::1:80", "[127.0.0.1]:80", "80; evil", "1:2:3"]
)
def test_what_is_no_address_to_listen_on(build: Build, listen: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        NGINX.render(Options("nginx", listen=listen or "x:"), lambda: pytest.fail("not needed"))


def test_a_gap_names_its_routes() -> None:
    assert Gap("auth", "…", ("a",)).subject == "auth of a"
    assert Gap("auth", "…", ("a", "b", "c")).subject == "auth of a and 2 more"
    assert Gap("paths", "…").subject == "paths"
