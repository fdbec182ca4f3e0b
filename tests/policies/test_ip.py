from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.policies import ip
from apigw_cli.policies.interface import Change, Refusal
from tests.policies.exchange import Exchange, model, runtime, step_of


def let_in(address: str, **lists: list[str]) -> bool:
    refusal = step_of("ip", lists, runtime())(Exchange(client_ip=address))
    if refusal is None:
        return True
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (403, "forbidden")
    return False


@pytest.mark.parametrize(
    ("address", "lists", "expected"),
    [
        ("10.1.2.3", {"allow": ["10.0.0.0/8"]}, True),
        ("11.1.2.3", {"allow": ["10.0.0.0/8"]}, False),
        ("::ffff:10.1.2.3", {"allow": ["10.0.0.0/8"]}, True),
        ("::ffff:11.1.2.3", {"deny": ["11.0.0.0/8"]}, False),
        ("2001:db8::1", {"allow": ["10.0.0.0/8"]}, False),
        ("2001:db8::1", {"allow": ["2001:db8::/32"]}, True),
        ("2001:DB8:0::1", {"deny": ["2001:db8::1"]}, False),
        ("fe80::1%eth0", {"allow": ["fe80::/10"]}, True),
        ("10.1.2.3", {"deny": ["10.0.0.0/8"]}, False),
        ("10.1.2.3", {"allow": ["10.0.0.0/8"], "deny": ["10.1.2.3"]}, False),
        ("10.1.2.4", {"allow": ["10.0.0.0/8"], "deny": ["10.1.2.3"]}, True),
        ("", {"allow": ["0.0.0.0/0", "::/0"]}, False),
        ("", {"allow": ["unix"]}, True),
        ("", {"deny": ["0.0.0.0/0"]}, True),
        ("", {"deny": ["unix"]}, False),
        ("10.1.2.3", {"allow": ["unix"]}, False),
        ("10.1.2.3, 1.2.3.4", {"allow": ["0.0.0.0/0"]}, False),
    ],
)
def test_who_is_let_in(address: str, lists: dict[str, list[str]], expected: bool) -> None:
    assert let_in(address, **lists) is expected


@pytest.mark.parametrize(
    "value",
    [{}, {"allow": []}, {"allow": ["10.0.0.1/8"]}, {"deny": ["example.com"]}, {"allow": ["10.0.0"]}, {"deny": [""]}],
)
def test_what_is_no_list(value: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="policy ip"):
        model("ip", value)


def change(old: dict[str, Any] | None, new: dict[str, Any] | None) -> Change:
    before, after = (None if one is None else model("ip", one) for one in (old, new))
    return ip.POLICY.compare(before, after)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, {"allow": ["10.0.0.0/8"]}, "strengthen"),
        ({"allow": ["10.0.0.0/8"]}, None, "weaken"),
        ({"allow": ["10.0.0.0/8"]}, {"allow": ["10.0.0.0/7"]}, "weaken"),
        ({"allow": ["10.0.0.0/8"]}, {"allow": ["10.1.0.0/16"]}, "strengthen"),
        ({"allow": ["10.0.0.0/8"]}, {"allow": ["10.0.0.0/9", "10.128.0.0/9"]}, "neutral"),
        ({"allow": ["10.0.0.0/8"]}, {"allow": ["11.0.0.0/8"]}, "weaken"),
        ({"deny": ["10.0.0.0/8"]}, {"deny": ["10.0.0.0/7"]}, "strengthen"),
        ({"deny": ["10.0.0.0/8"]}, {"deny": ["10.0.0.0/9"]}, "weaken"),
        ({"deny": ["10.0.0.0/8"]}, {"allow": ["192.0.2.0/24"]}, "strengthen"),
        ({"allow": ["10.0.0.0/8"]}, {"allow": ["10.0.0.0/8", "unix"]}, "weaken"),
        ({"allow": ["10.0.0.0/8"]}, {"allow": ["10.0.0.0/8"], "deny": ["11.0.0.0/8"]}, "neutral"),
        (None, {"allow": ["0.0.0.0/0", "::/0", "unix"]}, "neutral"),
    ],
)
def test_what_a_change_does(old: dict[str, Any] | None, new: dict[str, Any] | None, expected: str) -> None:
    assert change(old, new) == expected


def network(first: int, bits: int) -> str:
    return str(ipaddress.ip_network((first << 24, bits), strict=False))


small = st.lists(st.builds(network, st.integers(0, 255), st.integers(5, 8)), max_size=3)


@given(small, small, small, small)
def test_the_verdict_agrees_with_who_is_let_in(a: list[str], b: list[str], c: list[str], d: list[str]) -> None:
    old, new = ({"allow": x, "deny": y} if x or y else None for x, y in ((a, b), (c, d)))
    every = [f"{n}.0.0.1" for n in range(256)]
    before, after = ({n for n in every if value is None or let_in(n, **value)} for value in (old, new))
    verdict = change(old, new)
    assert (verdict is Change.WEAKEN) == bool(after - before)


def test_how_it_is_described() -> None:
    assert ip.POLICY.describe(model("ip", {"allow": ["10.0.0.0/8"], "deny": ["unix"]})) == "allow 10.0.0.0/8; deny unix"
