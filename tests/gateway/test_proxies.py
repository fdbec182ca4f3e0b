"""Who is taken for the client, and what upstreams are told: by default, behind trusted proxies, in each style."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.gateway.forwarding import Forwarding, address_of, parse
from apigw_cli.gateway.framing import Malformed
from apigw_cli.snapshot.model import Proxy
from tests.gateway.conftest import CONFIG
from tests.gateway.program import Gateway
from tests.gateway.recorder import Received, Recorder
from tests.gateway.wire import get

TRUST = "trusted_proxies: [127.0.0.1, 10.0.0.0/8, '2001:db8::/32']\n"


def reconfigure(gateway: Gateway, recorder: Recorder, text: str, old: str = "", new: str = "") -> None:
    config = CONFIG.replace("PORT", str(recorder.port)).replace(old or "\0", new)
    (gateway.folder / "apigw.yaml").write_text(text + config)
    assert gateway.admin("/reload", "POST")[0] == 200


def asked(gateway: Gateway, recorder: Recorder, path: str, *headers: str) -> Received:
    assert get(gateway.port, path, *headers).status == 200
    return recorder.last(path)


CHAINS = {
    "no header": ([], "127.0.0.1"),
    "one client": (["198.51.100.7"], "198.51.100.7"),
    "a client that claims to be another": (["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
    "several headers": (["6.6.6.6", "198.51.100.7, 10.1.1.1"], "198.51.100.7"),
    "trusted ones only": (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
    "with a port": (["198.51.100.7:4711, 10.1.1.1:80"], "198.51.100.7"),
    "IPv6 in brackets": (["[2001:db9::1]:80, 2001:db8::9"], "2001:db9::1"),
    "no address": (["6.6.6.6, unknown, 10.1.1.1"], "10.1.1.1"),
    "mapped into IPv6": (["6.6.6.6, ::ffff:198.51.100.7"], "198.51.100.7"),
}


def test_the_client_is_the_rightmost_address_that_is_no_proxy(gateway: Gateway, recorder: Recorder) -> None:
    reconfigure(gateway, recorder, TRUST)
    for number, (values, client) in enumerate(CHAINS.values()):
        path = f"/open/chain{number}"
        got = asked(gateway, recorder, path, *(f"X-Forwarded-For: {value}" for value in values))
        assert got.all("X-Forwarded-For") == [", ".join((*values, "127.0.0.1"))]
        gateway.log_line(path=path, client=client)
    got = asked(gateway, recorder, "/open/told", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example")
    assert (got.all("X-Forwarded-Proto"), got.all("X-Forwarded-Host")) == (["https"], ["shop.example"])
    got = asked(gateway, recorder, "/open/untold", "X-Forwarded-Proto: gopher", "Forwarded: for=6.6.6.6;proto=https")
    assert (got.all("X-Forwarded-Proto"), got.all("X-Forwarded-Host")) == (["http"], ["localhost"])
    assert got.header("Forwarded") is None


def test_limits_by_address_are_the_clients(gateway: Gateway, recorder: Recorder) -> None:
    reconfigure(gateway, recorder, TRUST, "burst: 20", "burst: 2")

    def statuses(client: str) -> list[int]:
        return [get(gateway.port, "/limited", f"X-Forwarded-For: 6.6.6.{n}, {client}").status for n in range(3)]

    assert statuses("198.51.100.1") == [200, 200, 429]
    assert statuses("198.51.100.2") == [200, 200, 429]


def test_nobody_else_is_believed(gateway: Gateway, recorder: Recorder) -> None:
    reconfigure(gateway, recorder, "trusted_proxies: [10.0.0.0/8]\nforwarded: both\n")
    claims = ("X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1;host=evil", "X-Forwarded-Host: evil")
    got = asked(gateway, recorder, "/open/claims", *claims, "X-Forwarded-Proto: https")
    assert got.all("X-Forwarded-For") == ["127.0.0.1"]
    assert got.all("Forwarded") == ['for=127.0.0.1;host="localhost";proto=http']
    assert b"evil" not in got.raw
    assert b"https" not in got.raw
    gateway.log_line(path="/open/claims", client="127.0.0.1")


def test_only_the_style_that_is_spoken_is_believed(gateway: Gateway, recorder: Recorder) -> None:
    reconfigure(gateway, recorder, TRUST + "forwarded: rfc7239\nvia: true\n")
    path = "/open/rfc"
    got = asked(
        gateway,
        recorder,
        path,
        'Forwarded: for="[2001:db9::1]:80";by=x, for=10.0.0.9',
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: evil",
        "Via: 1.0 fred",
    )
    own = 'for=127.0.0.1;host="localhost";proto=http'
    assert got.all("Forwarded") == [f'for="[2001:db9::1]:80";by=x, for=10.0.0.9, {own}']
    assert got.all("Via") == ["1.0 fred", "1.1 apigw"]
    assert not [name for name, _ in got.headers if name.lower().startswith("x-forwarded")]
    gateway.log_line(path=path, client="2001:db9::1")
    answer = get(gateway.port, "/open/x", "Forwarded: for=1.2.3.4;for=5.6.7.8")
    assert (answer.status, answer.header("Connection")) == (400, "close")


def test_both_styles_must_agree(gateway: Gateway, recorder: Recorder) -> None:
    reconfigure(gateway, recorder, TRUST + "forwarded: both\n")
    same = asked(gateway, recorder, "/open/same", "Forwarded: for=198.51.100.7", "X-Forwarded-For: 198.51.100.7")
    assert same.all("X-Forwarded-For") == ["198.51.100.7, 127.0.0.1"]
    assert (same.header("Forwarded") or "").startswith("for=198.51.100.7, for=127.0.0.1;")
    only = asked(gateway, recorder, "/open/only", "X-Forwarded-For: 198.51.100.7")
    assert (only.header("Forwarded") or "").startswith("for=198.51.100.7, for=127.0.0.1;")
    answer = get(gateway.port, "/open/x", "Forwarded: for=6.6.6.6", "X-Forwarded-For: 198.51.100.7")
    assert answer.status == 400
    assert "different clients" in json.loads(answer.body)["message"]


def test_the_clients_host_can_be_preserved(gateway: Gateway, recorder: Recorder) -> None:
    reconfigure(gateway, recorder, "", "recorder: {targets", "recorder: {host: preserve, targets")
    got = asked(gateway, recorder, "/open/host")
    assert got.all("Host") == ["localhost"]
    (gateway.folder / "apigw.yaml").write_text(
        "trusted_proxies: [10.0.0.1/8]\n" + (gateway.folder / "apigw.yaml").read_text()
    )
    assert "apigw.yaml:1:19" in gateway.line("reload refused")


def test_forwarded_is_read_as_rfc_7239_has_it() -> None:
    value = b'for=192.0.2.60;proto=http;by=203.0.113.43, for="_gazonk, \\"x\\"" ;Host=a,,'
    assert parse(value) == [
        {b"for": b"192.0.2.60", b"proto": b"http", b"by": b"203.0.113.43"},
        {b"for": b'_gazonk, "x"', b"host": b"a"},
    ]
    for bad in (b"for", b"for=", b'for="a', b"=a", b"for=a b=c", b'for="a"b'):
        with pytest.raises(Malformed):
            parse(bad)


@given(st.binary(max_size=60))
def test_whatever_forwarded_holds_it_has_an_end(value: bytes) -> None:
    try:
        assert all(isinstance(element, dict) and element for element in parse(value))
    except Malformed as malformed:
        assert malformed.status == 400


@given(st.lists(st.ip_addresses().map(str), max_size=5), st.ip_addresses(v=4).map(str))
def test_what_a_client_writes_never_makes_it_another(claimed: list[str], client: str) -> None:
    """The entry that a trusted proxy wrote is the rightmost one: nothing to its left matters, unless it is a proxy."""
    forwarding = Forwarding(Proxy(("10.0.0.0/8",)))
    found = forwarding._rightmost("10.0.0.1", [*claimed, client])
    if not forwarding.trusts(address_of(client)):
        assert found == client
